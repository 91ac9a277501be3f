/** What `--help` teaches of each command, and of all of them. */
import type { Command } from '../options/commands.js'
import type { Result } from '../failure/result.js'

/** Headings of the list of commands, in this order. */
export const kinds = {
  whole: 'A whole release:',
  part: 'Its parts, for pipelines with steps of their own between:',
  after: 'Afterwards:',
  look: 'To look, which changes nothing:',
} as const

export interface Lesson {
  readonly kind: keyof typeof kinds
  /** What it does, step by step. */
  readonly steps: readonly string[]
  readonly examples: readonly Example[]
}

export interface Example {
  readonly what: string
  /** The words after `django-rollout`, none of which a shell would change; a word a flag or its value. */
  readonly args: readonly string[]
}

const shop = ['--image', 'ghcr.io/acme/shop', '--namespace', 'shop']

export const helpContent: Readonly<Record<Command, Lesson>> = {
  release: {
    kind: 'whole',
    steps: [
      'Looks at the cluster, while docker builds the image of the commit that is checked out.',
      'Runs the tests in a container of that image, and pushes it when they pass.',
      'Keeps one release apart from another by a lock, and stores how everything stands.',
      'Applies the manifests, and the migrations in a Job of the new image.',
      'Gives the new image to all workloads that run the old one: first the one that serves the web, then the others.',
      'Watches their pods until all are Ready and stay so.',
      'When a step fails, puts everything back as it was and tells the cause; the database keeps its migrations.',
    ],
    examples: [
      { what: 'The commit that is checked out', args: ['release', ...shop] },
      {
        what: 'With manifests, tests that want a database, and a page that has to answer at the end',
        args: [
          ...['release', ...shop, '--manifests', 'k8s', '--test-services', 'postgres'],
          ...['--smoke-path', '/healthz'],
        ],
      },
      {
        what: 'Without tests and migrations, and with more patience',
        args: [
          ...['release', ...shop, '--test-command', 'none', '--migrate-command', 'none'],
          ...['--timeout', '20m'],
        ],
      },
    ],
  },
  deploy: {
    kind: 'whole',
    steps: [
      'Looks at the cluster, and asks the registry for the image.',
      'Does all that a release does from the lock on: manifests, migrations, rollout, watch, undo.',
    ],
    examples: [
      {
        what: 'An image that another pipeline has pushed',
        args: ['deploy', ...shop, '--tag', 'v42'],
      },
    ],
  },
  build: {
    kind: 'part',
    steps: [
      'Asks the registry whether it has the image of this commit; then there is nothing to build.',
      'Builds it with docker; with uncommitted changes the tag says so. It is in the registry only with --push.',
      'What --push gives the tag to is not tested: a later release of that commit takes it as it is.',
    ],
    examples: [
      { what: 'Into docker alone', args: ['build', '--image', 'ghcr.io/acme/shop'] },
      {
        what: 'Into the registry',
        args: ['build', '--image', 'ghcr.io/acme/shop', '--tag', 'v42', '--push'],
      },
    ],
  },
  test: {
    kind: 'part',
    steps: [
      'Takes the image that docker or the registry has.',
      'Runs the tests in a container of it, and tells what failed and where.',
      'With --push the image gets its tag in the registry when they have passed.',
    ],
    examples: [
      {
        what: 'By pytest, with a database of its own',
        args: [
          ...['test', '--image', 'ghcr.io/acme/shop', '--test-command', "'pytest -q'"],
          ...['--test-services', 'postgres'],
        ],
      },
    ],
  },
  migrate: {
    kind: 'part',
    steps: [
      'Starts a Job of the new image with the environment of the workload that serves the web.',
      "Runs Django's checks in it, and tells which migrations are not applied yet.",
      'Applies them. What was applied is not taken back.',
    ],
    examples: [
      { what: 'Those of an image in the registry', args: ['migrate', ...shop, '--tag', 'v42'] },
    ],
  },
  rollback: {
    kind: 'after',
    steps: [
      'Finds the version in the history, or in the registry.',
      'Gives it to all workloads together, watched like a release, and undone when it does not come up.',
      'Brings back command, environment and probes of then, but for what others have changed since.',
      'Leaves migrations, ConfigMaps and Secrets as they are now.',
    ],
    examples: [
      { what: 'What would be done', args: ['rollback', ...shop, '--dry-run'] },
      { what: 'Back to what ran before', args: ['rollback', ...shop] },
      { what: 'Back to a release of the history', args: ['rollback', ...shop, '--to', '12'] },
    ],
  },
  recover: {
    kind: 'after',
    steps: [
      'Looks for the record of a release that did not come to its end, and waits until its lock is free.',
      'Puts everything back from it, and watches until the old version runs as before.',
    ],
    examples: [{ what: 'After a machine was lost in the middle', args: ['recover', ...shop] }],
  },
  history: {
    kind: 'look',
    steps: ['Reads the releases from the cluster and shows them as a table, the newest first.'],
    examples: [
      { what: 'For people', args: ['history', ...shop] },
      { what: 'For programs', args: ['history', ...shop, '--json'] },
    ],
  },
  doctor: {
    kind: 'look',
    steps: [
      'Looks at tools, rights, registry, workloads and their probes, as a release would before it changes anything.',
      'Tells what would go wrong, and the command or the lines that mend it.',
    ],
    examples: [{ what: 'Before the first release', args: ['doctor', ...shop] }],
  },
}

/** For who knows `git push` and no more than that. */
export const words: readonly (readonly [string, string])[] = [
  ['image', 'The project with all it needs to run, built by docker and named as ghcr.io/acme/shop'],
  ['registry', 'The server that keeps images; its name is the first part of the name of the image'],
  ['cluster', 'The machines that run it; kubectl, and so this program, finds them by a kubeconfig'],
  ['namespace', 'The part of the cluster that is yours'],
  ['workload', 'What runs there as one or more copies (pods): the web, a worker, a scheduled task'],
]

export interface ExitCode {
  readonly results: readonly Result[]
  readonly means: string
}

export const exits: Readonly<Record<number, ExitCode>> = {
  0: {
    results: ['deployed', 'done', 'unchanged'],
    means: 'It went well, or there was nothing to do',
  },
  1: { results: ['undone', 'failed'], means: 'It failed, and what users run is as it was before' },
  2: { results: ['usage'], means: 'An option is wrong or missing; nothing was done' },
  3: {
    results: ['stuck', 'kept'],
    means: 'The release failed and is not undone. Manual action is required',
  },
  4: { results: ['locked'], means: 'Another release is in progress; nothing was done' },
  5: {
    results: ['superseded'],
    means: 'A newer version is live already, or somebody else changed the image',
  },
  130: {
    results: ['cancelled'],
    means: 'Ended by Ctrl-C or a signal; all changes were undone',
  },
}
