/**
 * Every option of every face, declared once. The actions, the inputs of the reusable workflows, the schema of
 * django-rollout.yml, the command's flags, docs/options.md and the README's tables are made from it
 * (`npm run generate`), and a check fails when they differ.
 */
import {
  actions,
  building,
  commands,
  inCheckout,
  inCluster,
  locking,
  migrating,
  ofCommit,
  ready,
  registry,
  releasing,
  rolling,
  notifying,
  testing,
  type Command,
} from './commands.js'
import {
  anyText,
  assignments,
  duration,
  graces,
  hostName,
  imageDigest,
  imageRepository,
  imageTag,
  imageTags,
  lines,
  objectName,
  oneOf,
  someOf,
  someTime,
  urlPath,
  webAddress,
  yesOrNo,
  type Reader,
} from './readers.js'
import { failureReasons } from './failure-reasons.js'

/** How a run is started: by a step of a workflow, or on a command line. */
export type Surface = 'action' | 'command'

/** What options are about: headings of `--help` and of docs/options.md, in this order. */
export const groups = {
  image: 'Image',
  tests: 'Tests',
  cluster: 'Cluster',
  migrations: 'Migrations',
  rollout: 'Rollout',
  rollback: 'Rollback',
  notifications: 'Notifications',
  run: 'Output and configuration',
} as const
export type Group = keyof typeof groups

export interface Option<T> {
  readonly read: Reader<T>
  /** One line for tables and `--help`. */
  readonly help: string
  readonly example: string
  /** The same as it is typed on a command line, where `example` is an expression of a workflow. */
  readonly cliExample?: string
  /** The text that is the default of the value. Without one the option is unset, or required. */
  readonly default?: string
  readonly required?: true
  /**
   * No value at all is a value too, written as `none`. An empty text on a command line or in a file is the
   * same; an action cannot tell it from an input that was not given.
   */
  readonly mayBeNone?: true
  /** Never printed, and not read from a file of the repository. */
  readonly secret?: true
  /** The option without which this one means nothing. */
  readonly with?: string
  /** On a command line it needs no value: `--dry-run`. */
  readonly flag?: true
  /** Where it means something; everywhere when not given. */
  readonly only?: Surface
  readonly group: Group
  readonly on: readonly Command[]
}

function option<T, const O extends Option<T>>(declared: O & { readonly read: Reader<T> }): O {
  return declared
}

export const table = {
  image: option({
    read: imageRepository,
    help: 'The image without a tag; every workload that runs it is released',
    example: 'ghcr.io/acme/shop',
    required: true,
    group: 'image',
    on: commands,
  }),
  tag: option({
    read: imageTag,
    help: 'Tag of the image; the SHA of the commit when not given',
    example: '4f2c1d9',
    group: 'image',
    on: ofCommit,
  }),
  digest: option({
    read: imageDigest,
    help: 'The image itself, whatever its tag names by now: the output of an earlier step, to promote what was tested',
    example: '${{ needs.staging.outputs.digest }}',
    cliExample: 'sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    group: 'image',
    on: ready,
  }),
  'extra-tags': option({
    read: imageTags,
    help: 'More tags, set once the release is deployed and not before',
    example: 'latest',
    default: '',
    group: 'image',
    on: releasing,
  }),
  context: option({
    read: anyText('path'),
    help: 'Folder that the image is built from',
    example: 'backend',
    default: '.',
    group: 'image',
    on: inCheckout,
  }),
  file: option({
    read: anyText('path'),
    help: 'The Dockerfile; the one in "context" when not given',
    example: 'docker/Dockerfile',
    group: 'image',
    on: [...building, 'doctor'],
  }),
  target: option({
    read: anyText('stage'),
    help: 'Stage of the Dockerfile to build',
    example: 'production',
    group: 'image',
    on: building,
  }),
  'build-args': option({
    read: assignments,
    help: 'Build arguments, NAME=value, one a line',
    example: 'VERSION=1.4',
    default: '',
    group: 'image',
    on: building,
  }),
  push: option({
    read: yesOrNo,
    help: 'Gives the image its tag in the registry: "build" at once, "test" when the tests have passed',
    example: 'true',
    default: 'false',
    flag: true,
    group: 'image',
    on: ['build', 'test'],
  }),
  'registry-username': option({
    read: anyText('name'),
    help: 'Who pushes and looks up images; only together with "registry-password"',
    example: '${{ github.actor }}',
    cliExample: 'ada',
    with: 'registry-password',
    group: 'image',
    on: registry,
  }),
  'registry-password': option({
    read: anyText('password'),
    help: 'Password or token for the registry; when not given, the logins that docker has',
    example: '${{ github.token }}',
    cliExample: '"$REGISTRY_PASSWORD"',
    with: 'registry-username',
    secret: true,
    group: 'image',
    on: registry,
  }),
  'test-command': option({
    read: anyText('command'),
    help: 'Runs in a container of the image before it is pushed; none: no tests',
    example: 'pytest -q',
    default: 'python manage.py test',
    mayBeNone: true,
    group: 'tests',
    on: [...testing, 'doctor'],
  }),
  'test-services': option({
    read: someOf('postgres', 'redis'),
    help: 'Throw-away servers for the tests: postgres, redis; their addresses come as DATABASE_URL and REDIS_URL',
    example: 'postgres redis',
    default: '',
    group: 'tests',
    on: testing,
  }),
  'test-env': option({
    read: assignments,
    help: 'Variables for the tests, NAME=value, one a line',
    example: 'DJANGO_DEBUG=1',
    default: '',
    group: 'tests',
    on: testing,
  }),
  'test-timeout': option({
    read: duration,
    help: 'The tests are ended after this time, and the release with them',
    example: '30m',
    default: '20m',
    group: 'tests',
    on: testing,
  }),
  kubeconfig: option({
    read: anyText('kubeconfig'),
    help: 'Content of a kubeconfig, or the path of one; when not given, what kubectl finds by itself (KUBECONFIG, ~/.kube/config)',
    example: '${{ secrets.KUBECONFIG }}',
    cliExample: '~/.kube/production',
    secret: true,
    group: 'cluster',
    on: inCluster,
  }),
  'kube-context': option({
    read: anyText('name'),
    help: 'Context of the kubeconfig; its current one when not given',
    example: 'production',
    group: 'cluster',
    on: inCluster,
  }),
  namespace: option({
    read: objectName,
    help: 'Namespace of the workloads',
    example: 'shop',
    required: true,
    group: 'cluster',
    on: inCluster,
  }),
  manifests: option({
    read: lines,
    help: 'Files, folders or kustomizations to apply with the release, one a line',
    example: 'k8s',
    default: '',
    group: 'cluster',
    on: [...releasing, 'doctor'],
  }),
  app: option({
    read: objectName,
    help: 'Name of the application in jobs and records; the last part of "image" when not given',
    example: 'shop',
    group: 'cluster',
    on: inCluster,
  }),
  'lock-wait': option({
    read: duration,
    help: 'How long to wait for another release of the same application; 0: not at all',
    example: '30m',
    default: '10m',
    group: 'cluster',
    on: locking,
  }),
  'migrate-command': option({
    read: anyText('command'),
    help: 'Runs in a Job when migrations are not applied yet, and always when it does more than "manage.py migrate"; none: no migrations',
    example: 'python backend/manage.py migrate --noinput',
    default: 'python manage.py migrate --noinput',
    mayBeNone: true,
    group: 'migrations',
    on: [...migrating, 'doctor'],
  }),
  'migrate-from': option({
    read: anyText('workload'),
    help: 'Workload that serves the web: it goes first, the migration Job takes its environment, and "smoke-path" is asked of it; found by itself when not given',
    example: 'deployment/web',
    group: 'migrations',
    on: [...rolling, 'migrate', 'doctor'],
  }),
  'migrate-timeout': option({
    read: someTime,
    help: 'The migration Job is ended after this time',
    example: '1h',
    default: '15m',
    group: 'migrations',
    on: migrating,
  }),
  timeout: option({
    read: someTime,
    help: 'For the rollout of all workloads together',
    example: '20m',
    default: '10m',
    group: 'rollout',
    on: rolling,
  }),
  'ready-timeout': option({
    read: someTime,
    help: 'A started pod must be Ready within this time; learned from the running version when not given',
    example: '90s',
    group: 'rollout',
    on: rolling,
  }),
  grace: option({
    read: graces(...failureReasons),
    help: 'How long a trouble may last before the release is undone, trouble=duration (docs/failures.md has their names)',
    example: 'ConfigMissing=60s',
    default: '',
    group: 'rollout',
    on: [...rolling, 'migrate'],
  }),
  order: option({
    read: oneOf('web-first', 'parallel'),
    help: 'web-first: the other workloads follow as soon as one new pod of the web is Ready; parallel: all at once',
    example: 'parallel',
    default: 'web-first',
    group: 'rollout',
    on: rolling,
  }),
  bake: option({
    read: duration,
    help: 'All pods are watched on for this time after the last became available; 0: not at all',
    example: '1m',
    default: '15s',
    group: 'rollout',
    on: rolling,
  }),
  'smoke-path': option({
    read: urlPath,
    help: 'Asked through the Service of the web once all pods are there; an answer from 200 to 299 of the new version is good; redirects on the same host are followed, as https where the page wants it',
    example: '/healthz',
    group: 'rollout',
    on: [...rolling, 'doctor'],
  }),
  'smoke-host': option({
    read: hostName,
    help: 'The Host that "smoke-path" is asked with; the one of the readiness probe, or localhost, when not given',
    example: 'shop.example.com',
    with: 'smoke-path',
    group: 'rollout',
    on: [...rolling, 'doctor'],
  }),
  'smoke-timeout': option({
    read: someTime,
    help: 'A good answer must come within this time',
    example: '2m',
    default: '60s',
    group: 'rollout',
    on: rolling,
  }),
  'on-failure': option({
    read: oneOf('undo', 'keep'),
    help: 'undo: everything is restored; keep: it stays as it is for a person to look at, until "recover" or the next release puts it back',
    example: 'keep',
    default: 'undo',
    group: 'rollout',
    on: rolling,
  }),
  to: option({
    read: anyText('version'),
    help: 'The release to restore: previous (what ran before, and was not rolled back from), the number of a release (see "history"), or a commit or tag',
    example: '4f2c1d9',
    default: 'previous',
    group: 'rollback',
    on: ['rollback'],
  }),
  'dry-run': option({
    read: yesOrNo,
    help: 'Says what would be done, and writes nothing',
    example: 'true',
    default: 'false',
    flag: true,
    group: 'rollback',
    on: ['rollback'],
  }),
  token: option({
    read: anyText('token'),
    help: 'Token for GitHub’s deployment records, with "deployments: write"; nothing else needs it',
    example: '${{ github.token }}',
    secret: true,
    only: 'action',
    group: 'notifications',
    on: notifying,
  }),
  environment: option({
    read: anyText('name'),
    help: 'GitHub environment whose deployment record tells what becomes of this version',
    example: 'production',
    with: 'token',
    only: 'action',
    group: 'notifications',
    on: notifying,
  }),
  'environment-url': option({
    read: webAddress,
    help: 'Where people see the version once it is live: a link in the deployment record',
    example: 'https://shop.example.com',
    with: 'environment',
    only: 'action',
    group: 'notifications',
    on: notifying,
  }),
  webhook: option({
    read: webAddress,
    help: 'Address that is told how the run ended, as the JSON that Slack and other chats take',
    example: '${{ secrets.CHAT_WEBHOOK }}',
    cliExample: '"$CHAT_WEBHOOK"',
    secret: true,
    group: 'notifications',
    on: notifying,
  }),
  'webhook-on': option({
    read: oneOf('always', 'failure'),
    help: 'When the webhook is told: always, or only of a run that did not end well',
    example: 'failure',
    default: 'always',
    group: 'notifications',
    on: notifying,
  }),
  json: option({
    read: yesOrNo,
    help: 'Prints the report as JSON to standard output, and the log to standard error',
    example: 'true',
    default: 'false',
    flag: true,
    only: 'command',
    group: 'run',
    on: commands,
  }),
  report: option({
    read: anyText('path'),
    help: 'Where the JSON report is written; the action makes a temporary file when it is not given',
    example: 'release.json',
    group: 'run',
    on: commands,
  }),
  junit: option({
    read: anyText('path'),
    help: 'Where the stages and the failed tests are written as JUnit XML, which GitLab and Jenkins show',
    example: 'release.xml',
    only: 'command',
    group: 'run',
    on: actions,
  }),
  'code-quality': option({
    read: anyText('path'),
    help: 'Where the lines that the cause is about are written in the form of GitLab Code Quality',
    example: 'quality.json',
    only: 'command',
    group: 'run',
    on: actions,
  }),
  config: option({
    read: anyText('path'),
    help: 'File with options; django-rollout.yml in the current folder, where there is one, when not given',
    example: 'deploy/production.yml',
    group: 'run',
    on: commands,
  }),
} as const

export type OptionName = keyof typeof table

type ValueOf<O> = O extends { read: Reader<infer T> } ? T : never

/** The options of one run, read and valid. Those without default are `undefined` when not given. */
export type Settings = {
  readonly [K in OptionName]: (typeof table)[K] extends { required: true } | { default: string }
    ? ValueOf<(typeof table)[K]>
    : ValueOf<(typeof table)[K]> | undefined
}

/** The options that a command takes, in the table's order; of one face, or of both. */
export function optionsOf(
  command: Command,
  face?: Surface,
): readonly (readonly [OptionName, Option<unknown>])[] {
  return (Object.entries(table) as [OptionName, Option<unknown>][]).filter(
    ([, { on, only }]) =>
      on.includes(command) && (face === undefined || only === undefined || only === face),
  )
}
