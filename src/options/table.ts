/**
 * Every option of every surface, declared once. The actions, the inputs of the reusable workflows, the schema of
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
  planning,
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
  paths,
  platforms,
  quantities,
  secretAssignments,
  signatureChecks,
  someTime,
  testServices,
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
   * `none` is a valid value, which turns the option off. An empty text on a command line or in a file is the
   * same; an action cannot distinguish it from an input that was not given.
   */
  readonly mayBeNone?: true
  /** Never printed, and not read from a file of the repository. */
  readonly secret?: true
  /** The option that this one requires. */
  readonly with?: string
  /** On a command line it needs no value: `--dry-run`. */
  readonly flag?: true
  /** The only surface that has it; default: both. */
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
    help: 'Name of the image without a tag; every workload that runs it is released',
    example: 'ghcr.io/acme/shop',
    required: true,
    group: 'image',
    on: commands,
  }),
  tag: option({
    read: imageTag,
    help: 'Tag of the image; default: the SHA of the commit',
    example: '4f2c1d9',
    group: 'image',
    on: ofCommit,
  }),
  digest: option({
    read: imageDigest,
    help: 'Digest of the image, from the output of an earlier step: releases exactly the image that was tested',
    example: '${{ needs.staging.outputs.digest }}',
    cliExample: 'sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    group: 'image',
    on: ready,
  }),
  'verify-signature': option({
    read: signatureChecks,
    help: 'Signatures that the image must have before anything is written in the cluster, one per line: key=FILE or identity=… issuer=… for cosign, github=OWNER/REPOSITORY for an attestation of GitHub; "release" then builds nothing (docs/signatures.md)',
    example: 'key=cosign.pub',
    default: '',
    mayBeNone: true,
    group: 'image',
    on: [...planning, 'rollback', 'doctor'],
  }),
  'extra-tags': option({
    read: imageTags,
    help: 'Additional tags, set after the release is deployed',
    example: 'latest',
    default: '',
    group: 'image',
    on: releasing,
  }),
  context: option({
    read: anyText('path'),
    help: 'Build context: the folder that the image is built from',
    example: 'backend',
    default: '.',
    group: 'image',
    on: inCheckout,
  }),
  file: option({
    read: anyText('path'),
    help: 'Path of the Dockerfile; default: the one in "context"',
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
  'build-contexts': option({
    read: assignments,
    help: 'More places that FROM and COPY --from may name, NAME=value, one per line: a folder, docker-image://IMAGE, or an https:// address',
    example: 'shared=../shared',
    default: '',
    group: 'image',
    on: building,
  }),
  'build-args': option({
    read: assignments,
    help: 'Build arguments, NAME=value, one per line',
    example: 'VERSION=1.4',
    default: '',
    group: 'image',
    on: building,
  }),
  'build-secrets': option({
    read: secretAssignments,
    help: 'Secrets for RUN --mount=type=secret,id=NAME: NAME=value, or NAME for a variable of the environment; one per line',
    example: 'PIP_TOKEN=${{ secrets.PIP_TOKEN }}',
    cliExample: 'PIP_TOKEN',
    default: '',
    secret: true,
    group: 'image',
    on: building,
  }),
  'build-ssh': option({
    read: lines,
    help: 'SSH agent or keys for RUN --mount=type=ssh: default, or id=path of a socket or key, one per line',
    example: 'default',
    default: '',
    group: 'image',
    on: building,
  }),
  cache: option({
    read: oneOf('auto', 'gha', 'registry', 'inline', 'none'),
    help: "Where layers are kept for the next build: GitHub's cache (gha), the registry (written before the tests, as the tag buildcache), or the pushed image, which gets the tag buildcache too (inline). By default in CI: gha where the builder can write to it, else inline; elsewhere only in the engine. none takes no layer from a cache, and pulls base images again",
    example: 'registry',
    default: 'auto',
    group: 'image',
    on: [...building, 'test'],
  }),
  platforms: option({
    read: platforms,
    help: 'Platforms that the image is built for; default: that of the Docker engine. Several need a builder that pushes: docker/setup-buildx-action, or docker buildx create --use',
    example: 'linux/amd64, linux/arm64',
    default: '',
    group: 'image',
    on: [...building, 'doctor'],
  }),
  provenance: option({
    read: oneOf('none', 'min', 'max'),
    help: 'Record of the build beside the image: from what it was built (min), and how, with the build arguments (max). Needs a builder that pushes, as several platforms do',
    example: 'min',
    default: 'none',
    group: 'image',
    on: building,
  }),
  sbom: option({
    read: yesOrNo,
    help: 'Puts a list of the packages of the image beside it. Needs a builder that pushes, as several platforms do',
    example: 'true',
    default: 'false',
    flag: true,
    group: 'image',
    on: building,
  }),
  'image-labels': option({
    read: assignments,
    help: 'Labels of the image, NAME=value, one per line',
    example: 'org.opencontainers.image.licenses=MIT',
    default: '',
    group: 'image',
    on: building,
  }),
  push: option({
    read: yesOrNo,
    help: 'Pushes the image with its tag: "build" after the build, "test" after the tests pass',
    example: 'true',
    default: 'false',
    flag: true,
    group: 'image',
    on: ['build', 'test'],
  }),
  'skip-unchanged': option({
    read: yesOrNo,
    help: 'A build that holds the same files and settings as the image that runs is neither tested nor rolled out',
    example: 'true',
    default: 'false',
    flag: true,
    group: 'image',
    on: ['release'],
  }),
  'registry-username': option({
    read: anyText('name'),
    help: 'User name for the registry; requires "registry-password"',
    example: '${{ github.actor }}',
    cliExample: 'ada',
    with: 'registry-password',
    group: 'image',
    on: registry,
  }),
  'registry-password': option({
    read: anyText('password'),
    help: "Password or token for the registry; default: docker's existing logins",
    example: '${{ github.token }}',
    cliExample: '"$REGISTRY_PASSWORD"',
    with: 'registry-username',
    secret: true,
    group: 'image',
    on: registry,
  }),
  'test-command': option({
    read: anyText('command'),
    help: 'Command that runs in a container of the image before the push; none: no tests',
    example: 'pytest -q',
    default: 'python manage.py test',
    mayBeNone: true,
    group: 'tests',
    on: [...testing, 'doctor'],
  }),
  'test-services': option({
    read: testServices,
    help: 'Temporary servers for the tests: postgres, mysql, mariadb, redis, or any image as NAME=IMAGE; their versions, addresses and health commands: docs/test-services.md',
    example: 'postgres:15 redis',
    default: '',
    group: 'tests',
    on: [...testing, 'plan'],
  }),
  'test-env': option({
    read: assignments,
    help: 'Environment variables for the tests, and for "plan" with "needs", NAME=value, one per line',
    example: 'DJANGO_DEBUG=1',
    default: '',
    group: 'tests',
    on: [...testing, 'plan'],
  }),
  'missing-migrations': option({
    read: oneOf('warn', 'block', 'allow'),
    help: 'Changes of models without a migration, which are looked for beside the tests: warn: report them; block: fail the tests; allow: do not look',
    example: 'block',
    default: 'warn',
    group: 'tests',
    on: testing,
  }),
  'test-files': option({
    read: paths,
    help: 'Files and folders that the tests write, copied here also when tests fail, one per line: a path from WORKDIR of the image keeps its folders, an absolute one loses them. They never count as uncommitted changes',
    example: 'coverage.xml',
    default: '',
    group: 'tests',
    on: testing,
  }),
  'test-timeout': option({
    read: someTime,
    help: 'Time limit of the tests; the release fails when it is reached',
    example: '30m',
    default: '20m',
    group: 'tests',
    on: testing,
  }),
  kubeconfig: option({
    read: anyText('kubeconfig'),
    help: 'Content or path of a kubeconfig; default: the one that kubectl finds (KUBECONFIG, ~/.kube/config)',
    example: '${{ secrets.KUBECONFIG }}',
    cliExample: '~/.kube/production',
    secret: true,
    group: 'cluster',
    on: inCluster,
  }),
  'kube-context': option({
    read: anyText('name'),
    help: 'Context of the kubeconfig; default: its current context',
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
    help: 'Files, folders or kustomizations to apply with the release, one per line',
    example: 'k8s',
    default: '',
    group: 'cluster',
    on: [...releasing, 'doctor'],
  }),
  app: option({
    read: objectName,
    help: 'Name of the application in its lock, record and Jobs; default: the last part of "image"',
    example: 'shop',
    group: 'cluster',
    on: inCluster,
  }),
  'lock-wait': option({
    read: duration,
    help: 'How long to wait for another release of the same application; 0: do not wait',
    example: '30m',
    default: '10m',
    group: 'cluster',
    on: locking,
  }),
  'migrate-command': option({
    read: anyText('command'),
    help: 'Command that runs in a Job if migrations are not applied yet, or always if it does more than "manage.py migrate"; none: no migrations',
    example: 'python backend/manage.py migrate --noinput',
    default: 'python manage.py migrate --noinput',
    mayBeNone: true,
    group: 'migrations',
    on: [...planning, 'rollback', 'doctor'],
  }),
  'migrate-from': option({
    read: anyText('workload'),
    help: 'Workload that serves the web: it is rolled out first, the migration Job gets its environment, and "smoke-path" is requested from it; default: detected',
    example: 'deployment/web',
    group: 'migrations',
    on: [...rolling, 'plan', 'migrate', 'doctor'],
  }),
  'migrate-manifest': option({
    read: anyText('path'),
    help: 'File with a Job whose pod template the migration gets; default: the template of the web workload',
    example: 'deploy/migrate.yaml',
    group: 'migrations',
    on: [...planning, 'doctor'],
  }),
  'migrate-resources': option({
    read: quantities,
    help: 'Requests of the container of a migration, and of commands around the rollout, where they differ from the web’s; limits as limits.memory=1Gi',
    example: 'cpu=100m,memory=256Mi',
    default: '',
    group: 'migrations',
    on: [...planning, 'rollback', 'recover'],
  }),
  'unsafe-migrations': option({
    read: oneOf('block', 'warn', 'allow'),
    help: 'Migrations that break a version which still runs, and a rollback to a version that the schema breaks: block: stop before the first write; warn: continue and report it; allow: continue',
    example: 'warn',
    default: 'block',
    group: 'migrations',
    on: [...planning, 'rollback', 'recover'],
  }),
  contract: option({
    read: oneOf('off', 'next', 'after', 'manual'),
    help: 'When a migration is applied that removes what a running version needs: next: by the next release, before its rollout; after: when this rollout is done; manual: by the command migrate; off: it stops the release',
    example: 'after',
    default: 'next',
    group: 'migrations',
    on: planning,
  }),
  bridge: option({
    read: oneOf('on', 'off'),
    help: 'Keep or set a default of a column, or allow NULL in it, until all versions that run work without that',
    example: 'off',
    default: 'on',
    group: 'migrations',
    on: planning,
  }),
  'lock-wait-migrate': option({
    read: duration,
    help: 'How long a migration waits on PostgreSQL until the tables that it locks are not in use, without keeping other clients waiting; 0: wait in the queue, as Django does',
    example: '5m',
    default: '1m',
    group: 'migrations',
    on: [...migrating, 'rollback', 'recover'],
  }),
  'backup-cronjob': option({
    read: objectName,
    help: 'CronJob of the namespace that makes a backup: a Job of it runs before migrations whose loss could not be undone, and before a reversal that drops stored values; default: no backup',
    example: 'backup',
    group: 'migrations',
    on: [...planning, 'rollback', 'recover', 'doctor'],
  }),
  backup: option({
    read: oneOf('needed', 'always'),
    help: 'needed: a backup before migrations that drop or shorten something, or that cannot be reversed; always: before all migrations',
    example: 'always',
    default: 'needed',
    with: 'backup-cronjob',
    group: 'migrations',
    on: planning,
  }),
  'backup-timeout': option({
    read: someTime,
    help: 'Time limit of the backup',
    example: '3h',
    default: '1h',
    with: 'backup-cronjob',
    group: 'migrations',
    on: [...migrating, 'rollback', 'recover'],
  }),
  'migrate-timeout': option({
    read: someTime,
    help: 'Time limit of the migration Job',
    example: '1h',
    default: '15m',
    group: 'migrations',
    on: [...planning, 'rollback', 'recover'],
  }),
  sql: option({
    read: yesOrNo,
    help: 'Shows the SQL of each migration in the log, the report and the comment',
    example: 'true',
    default: 'false',
    flag: true,
    group: 'migrations',
    on: ['plan'],
  }),
  'before-rollout': option({
    read: lines,
    help: 'Commands that run in Jobs of the new version before the first pod is replaced, one per line; the release is undone when one fails',
    example: 'python manage.py collectstatic --noinput',
    default: '',
    group: 'rollout',
    on: releasing,
  }),
  'after-rollout': option({
    read: lines,
    help: 'Commands that run in Jobs of the new version when it is live, one per line; when one fails, the version stays and the run reports it',
    example: 'python manage.py warm_cache',
    default: '',
    group: 'rollout',
    on: releasing,
  }),
  needs: option({
    read: anyText('path'),
    help: 'File of "save-needs": plans without a cluster, in a temporary container with an empty PostgreSQL on this machine',
    example: 'needs.json',
    group: 'migrations',
    on: ['plan'],
  }),
  'save-needs': option({
    read: anyText('path'),
    help: 'File for what the running versions need and which migrations are applied, for a plan without a cluster',
    example: 'needs.json',
    group: 'migrations',
    on: ['plan'],
  }),
  timeout: option({
    read: someTime,
    help: 'Time limit of the rollout of all workloads',
    example: '20m',
    default: '10m',
    group: 'rollout',
    on: rolling,
  }),
  grace: option({
    read: graces(...failureReasons),
    help: 'How long a symptom may last before the release is undone, symptom=duration (names: docs/failures.md)',
    example: 'ConfigMissing=60s',
    default: '',
    group: 'rollout',
    on: [...rolling, 'plan', 'migrate'],
  }),
  order: option({
    read: oneOf('auto', 'web-first', 'workers-first', 'parallel'),
    help: 'web-first: the other workloads follow when one new pod of the web is Ready; workers-first: they follow when all Celery workers are new; auto: workers-first where the version has tasks that the running workers do not know, else web-first; parallel: all at once',
    example: 'parallel',
    default: 'auto',
    group: 'rollout',
    on: rolling,
  }),
  bake: option({
    read: duration,
    help: 'How long all pods are watched after the last one became available; 0: not watched',
    example: '1m',
    default: '15s',
    group: 'rollout',
    on: rolling,
  }),
  'smoke-path': option({
    read: urlPath,
    help: "Path to request through the web's Service after the rollout; the new version must answer with a status from 200 to 299; redirects on the same host are followed, with https if the page requires it",
    example: '/healthz',
    group: 'rollout',
    on: [...rolling, 'doctor'],
  }),
  'smoke-host': option({
    read: hostName,
    help: 'Host header of the smoke request; default: that of the readiness probe, or localhost',
    example: 'shop.example.com',
    with: 'smoke-path',
    group: 'rollout',
    on: [...rolling, 'doctor'],
  }),
  'smoke-timeout': option({
    read: someTime,
    help: 'Time limit of the smoke request',
    example: '2m',
    default: '60s',
    group: 'rollout',
    on: rolling,
  }),
  'on-failure': option({
    read: oneOf('undo', 'keep'),
    help: 'undo: restore everything; keep: leave everything for inspection, until "recover" or the next release restores it',
    example: 'keep',
    default: 'undo',
    group: 'rollout',
    on: rolling,
  }),
  'on-unsafe-undo': option({
    read: oneOf('auto', 'stop', 'reverse', 'undo'),
    help: 'When a release fails whose migrations break the previous version: auto: the new image reverses them where that drops no stored value, otherwise as stop; stop: the previous version is not restored, and the run says what to do; reverse: they are reversed in any case; undo: the previous version is restored onto the schema that breaks it',
    example: 'reverse',
    default: 'auto',
    group: 'migrations',
    on: [...rolling, 'recover'],
  }),
  to: option({
    read: anyText('version'),
    help: 'The release to roll back to: previous (the last version that was not rolled back from), the number of a release (see "history"), or a commit or tag',
    example: '4f2c1d9',
    default: 'previous',
    group: 'rollback',
    on: ['rollback'],
  }),
  'reverse-migrations': option({
    read: yesOrNo,
    help: 'Where the schema breaks the version to roll back to: the running version first reverses as few of its migrations as needed',
    example: 'true',
    default: 'false',
    flag: true,
    group: 'rollback',
    on: ['rollback'],
  }),
  'accept-downtime': option({
    read: yesOrNo,
    help: 'Reverses migrations even where the running version then fails until the rollback has ended',
    example: 'true',
    default: 'false',
    flag: true,
    with: 'reverse-migrations',
    group: 'rollback',
    on: ['rollback'],
  }),
  'dry-run': option({
    read: yesOrNo,
    help: 'Reports what would be done, and writes nothing',
    example: 'true',
    default: 'false',
    flag: true,
    group: 'rollback',
    on: ['rollback'],
  }),
  token: option({
    read: anyText('token'),
    help: 'Token for GitHub’s deployment records, with "deployments: write"; for the comment of "plan", with "pull-requests: write"; for github=… in "verify-signature", with "attestations: read"',
    example: '${{ github.token }}',
    secret: true,
    only: 'action',
    group: 'notifications',
    on: [...notifying, 'plan'],
  }),
  environment: option({
    read: anyText('name'),
    help: 'GitHub environment for the deployment record of this version',
    example: 'production',
    with: 'token',
    only: 'action',
    group: 'notifications',
    on: notifying,
  }),
  'environment-url': option({
    read: webAddress,
    help: 'URL of the live application: a link in the deployment record',
    example: 'https://shop.example.com',
    with: 'environment',
    only: 'action',
    group: 'notifications',
    on: notifying,
  }),
  webhook: option({
    read: webAddress,
    help: 'URL that receives the result of the run, as JSON for Slack and other chats',
    example: '${{ secrets.CHAT_WEBHOOK }}',
    cliExample: '"$CHAT_WEBHOOK"',
    secret: true,
    group: 'notifications',
    on: notifying,
  }),
  'webhook-on': option({
    read: oneOf('always', 'failure'),
    help: 'When to notify the webhook: always, or only after a failed run',
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
    help: 'File for the JSON report; default in the action: a temporary file',
    example: 'release.json',
    group: 'run',
    on: commands,
  }),
  junit: option({
    read: anyText('path'),
    help: 'File for stages and failed tests as JUnit XML, for GitLab and Jenkins',
    example: 'release.xml',
    only: 'command',
    group: 'run',
    on: actions,
  }),
  config: option({
    read: anyText('path'),
    help: 'File with options; default: django-rollout.yml in the current folder, if it exists',
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

/** Returns the options that a command takes, in the table's order; of one surface, or of both. */
export function optionsOf(
  command: Command,
  surface?: Surface,
): readonly (readonly [OptionName, Option<unknown>])[] {
  return (Object.entries(table) as [OptionName, Option<unknown>][]).filter(
    ([, { on, only }]) =>
      on.includes(command) && (surface === undefined || only === undefined || only === surface),
  )
}
