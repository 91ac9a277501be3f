/** What `--help` teaches of each command, and of all of them. */
import type { Command } from '../options/commands.js'
import type { Result } from '../failure/result.js'

/** Headings of the list of commands, in this order. */
export const kinds = {
  whole: 'A whole release:',
  part: 'Single phases, for pipelines with other steps between them:',
  after: 'Afterwards:',
  look: 'Read-only:',
} as const

export interface HelpContent {
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

export const helpContent: Readonly<Record<Command, HelpContent>> = {
  release: {
    kind: 'whole',
    steps: [
      'Checks the cluster while docker builds the image of the current commit.',
      'Runs the tests in a container of that image, and pushes it when they pass.',
      'Takes the lock, so that no other release runs at the same time, and stores a snapshot of all objects.',
      'Applies the manifests, and the migrations in a Job of the new image.',
      'Sets the new image in all workloads that run the old one: the web first, then the others.',
      'Watches their pods until all are Ready and stay Ready.',
      'If a step fails, restores everything and reports the cause. Applied migrations stay in the database.',
    ],
    examples: [
      { what: 'The current commit', args: ['release', ...shop] },
      {
        what: 'With manifests, tests that need a database, and a page that must answer at the end',
        args: [
          'release',
          ...shop,
          '--manifests',
          'k8s',
          '--test-services',
          'postgres',
          '--smoke-path',
          '/healthz',
        ],
      },
      {
        what: 'Without tests and migrations, and with a longer timeout',
        args: [
          'release',
          ...shop,
          '--test-command',
          'none',
          '--migrate-command',
          'none',
          '--timeout',
          '20m',
        ],
      },
    ],
  },
  deploy: {
    kind: 'whole',
    steps: [
      'Checks the cluster, and looks the image up in the registry.',
      'Continues like a release: lock, manifests, migrations, rollout, watch, undo.',
    ],
    examples: [
      {
        what: 'An image that another pipeline pushed',
        args: ['deploy', ...shop, '--tag', 'v42'],
      },
    ],
  },
  build: {
    kind: 'part',
    steps: [
      'Looks up the image of this commit in the registry. If it exists, nothing is built.',
      'Builds it with docker. With uncommitted changes the tag ends in -dirty-<hash>. Only --push pushes it.',
      'The pushed image is untested: a later release of that commit uses it without running the tests.',
    ],
    examples: [
      { what: 'Local image only', args: ['build', '--image', 'ghcr.io/acme/shop'] },
      {
        what: 'Push to the registry',
        args: ['build', '--image', 'ghcr.io/acme/shop', '--tag', 'v42', '--push'],
      },
    ],
  },
  test: {
    kind: 'part',
    steps: [
      'Uses the image that docker or the registry has.',
      'Runs the tests in a container of it, and reports what failed and where.',
      'With --push, pushes the image when the tests pass.',
    ],
    examples: [
      {
        what: 'With pytest and a separate database',
        args: [
          'test',
          '--image',
          'ghcr.io/acme/shop',
          '--test-command',
          "'pytest -q'",
          '--test-services',
          'postgres',
        ],
      },
    ],
  },
  plan: {
    kind: 'look',
    steps: [
      'Starts a Job of the new image with the environment of the workload that serves the web, and removes it at the end.',
      'Lists the migrations that are not applied yet, and the tables that they lock.',
      'Compares them with what each running version needs of the database, as a release does.',
      'Exits with 0 if a release would apply them. Takes no lock, applies nothing, and changes no workload.',
    ],
    examples: [
      { what: 'An image of the registry', args: ['plan', ...shop, '--tag', 'v42'] },
      { what: 'As JSON, with the SQL', args: ['plan', ...shop, '--tag', 'v42', '--sql', '--json'] },
    ],
  },
  migrate: {
    kind: 'part',
    steps: [
      'Starts a Job of the new image with the environment of the workload that serves the web.',
      "Runs Django's system checks in it, and lists the migrations that are not applied yet.",
      'Applies them. Applied migrations are never reverted.',
    ],
    examples: [{ what: 'An image of the registry', args: ['migrate', ...shop, '--tag', 'v42'] }],
  },
  rollback: {
    kind: 'after',
    steps: [
      'Finds the version in the history, or in the registry.',
      'Sets it in all workloads at once, watches them like a release, and undoes the rollback if it fails.',
      'Restores command, environment and probes of that release, except what others changed since.',
      'Does not change migrations, ConfigMaps and Secrets.',
    ],
    examples: [
      { what: 'Dry run', args: ['rollback', ...shop, '--dry-run'] },
      { what: 'Back to the previous version', args: ['rollback', ...shop] },
      { what: 'Back to a release of the history', args: ['rollback', ...shop, '--to', '12'] },
    ],
  },
  recover: {
    kind: 'after',
    steps: [
      'Looks for the record of an interrupted release, and waits until its lock is free.',
      'Restores everything from it, and watches until the previous version runs again.',
    ],
    examples: [{ what: 'After a machine failed during a release', args: ['recover', ...shop] }],
  },
  history: {
    kind: 'look',
    steps: ['Reads the releases from the cluster and shows them as a table, the newest first.'],
    examples: [
      { what: 'As a table', args: ['history', ...shop] },
      { what: 'As JSON', args: ['history', ...shop, '--json'] },
    ],
  },
  doctor: {
    kind: 'look',
    steps: [
      'Checks tools, rights, registry, workloads and their probes, as a release does before it changes anything.',
      'Reports what would go wrong, each with a command or lines that fix it.',
    ],
    examples: [{ what: 'Before the first release', args: ['doctor', ...shop] }],
  },
}

/** For users who know only `git push`. */
export const words: readonly (readonly [string, string])[] = [
  [
    'image',
    'The project with everything it needs to run, built by docker and named like ghcr.io/acme/shop',
  ],
  [
    'registry',
    "The server that stores images; its host name is the first part of the image's name",
  ],
  [
    'cluster',
    'The machines that run the image; kubectl, and so this program, finds them through a kubeconfig',
  ],
  ['namespace', 'The part of the cluster that you may use'],
  ['workload', 'What runs there in one or more copies (pods): the web, a worker, a scheduled task'],
]

export interface ExitCode {
  readonly results: readonly Result[]
  readonly means: string
}

export const exits: Readonly<Record<number, ExitCode>> = {
  0: {
    results: ['deployed', 'done', 'unchanged'],
    means: 'Success, or nothing to do',
  },
  1: {
    results: ['undone', 'failed'],
    means: 'The release failed, and the previous version runs as before',
  },
  2: { results: ['usage'], means: 'An option is wrong or missing. Nothing was changed' },
  3: {
    results: ['stuck', 'kept'],
    means: 'The release failed and is not undone. Manual action is required',
  },
  4: { results: ['locked'], means: 'Another release is in progress. Nothing was changed' },
  5: {
    results: ['superseded'],
    means: 'A newer version is already live, or another client changed the image',
  },
  130: {
    results: ['cancelled'],
    means: 'Stopped by Ctrl-C or a signal. All changes were undone',
  },
}
