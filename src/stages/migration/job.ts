/** The Job of a migration: made from the web workload's template, and created under a free name. */
import type { Job } from 'kubernetes-types/batch/v1'
import type { PersistentVolumeClaim, Pod, PodSpec, Service } from 'kubernetes-types/core/v1'
import type { LabelSelector } from 'kubernetes-types/meta/v1'
import type { NetworkPolicy } from 'kubernetes-types/networking/v1'
import type { PodDisruptionBudget } from 'kubernetes-types/policy/v1'
import { databasesOfJson } from '../../django/identity.js'
import {
  inspectorEnv,
  type InspectorTask,
  type RunningVersion,
} from '../../django/inspector-env.js'
import { planCommand, startedCommand } from '../../django/inspector-command.js'
import { type BackupWhen } from '../../django/plan.js'
import {
  jobName,
  shaOf,
  lastingFolders,
  migrationJob,
  migrationLabels,
  type JobKind,
  type PodMarks,
} from '../../django/job.js'
import { claimUses, type ClaimUse } from '../../django/claims.js'
import type { NamedSelector, Neighbours } from '../../django/pod-labels.js'
import type { ReverseTask } from '../../django/reversal.js'
import { startsOf, type Starts } from '../../django/contract.js'
import { launchOf, type ImageCommand, type Launch } from '../../django/launch.js'
import { commandOf } from '../../docker/registry.js'
import { hasLostNode } from '../../judge/objects.js'
import { versionsInUse } from '../../judge/versions-in-use.js'
import { ApiError } from '../../kubernetes/api-error.js'
import { retryTransient } from '../../kubernetes/retry.js'
import type { Cluster } from '../../kubernetes/cluster.js'
import { collection } from '../../kubernetes/paths.js'
import { matches } from '../../kubernetes/policies.js'
import { idOf } from '../../kubernetes/workload.js'
import { fail } from '../../failure/failure.js'
import { isOfRepository } from '../../kubernetes/image.js'
import { templateOf } from '../../kubernetes/objects.js'
import { openContract, type Contract } from '../../state/contract.js'
import { aloneSince, lastEnded, openBridges, openHeld } from '../../state/history.js'
import { readArchive, type Archive } from '../../state/history-store.js'
import { hashOf } from '../../state/needs.js'
import { titleOf } from '../../undo/snapshot.js'
import { withTimeout } from '../../platform/time.js'
import type { NamespaceWatch } from '../../rollout/namespace-watch.js'
import type { OpenContext } from '../context.js'
import type { PreflightResult } from '../preflight.js'
import { ownTemplate, type OwnTemplate } from './manifest.js'
import { pinned, type Image } from '../../docker/image.js'
import type { Passed } from './log.js'
import type { Web } from '../../kubernetes/target.js'

/** How long the Job waits for a database that does not answer yet, in seconds. */
const databaseWaitSeconds = 15

/** A registry that does not answer delays a release by this at most, in ms: the lock is held meanwhile. */
const registryTimeoutMs = 15_000

export interface MadeJob {
  readonly job: Job
  readonly container: string
  readonly from: string
  readonly notes: readonly string[]
  /** Migrations that runs of this application have applied. */
  readonly own: ReadonlySet<string>
  /** What the last plan has left. */
  readonly before: Contract
  /** It is removed at its end, in whatever way. */
  readonly isCounted: boolean
  /** What the web's own command begins with, where it is more than a server; `isAll`: with nothing after it. */
  readonly script?: { readonly name: string; readonly isAll: boolean }
  /** The Job begins without what the web begins with. */
  readonly passed?: Passed
}

/** What a migration's Job is made of. */
export interface MigrationInput {
  readonly checked: Pick<PreflightResult, 'live' | 'targets' | 'services' | 'reported'>
  readonly web: Web
  readonly image: Image
  /** Nothing is planned: the image runs, and reports what it needs. */
  readonly reports?: OtherWork
  /** Nothing is migrated: the image is older than the database, and is only compared with it. */
  readonly proves?: OtherWork
  /** Nothing is migrated: migrations of this image are reversed. */
  readonly reverses?: OtherWork & { readonly task: ReverseTask }
  /** Nothing is judged: this image's own pods come back. */
  readonly again?: OtherWork
  /** What fits is applied, whatever is held back by "contract: manual". */
  readonly now?: true
  /** Nothing is migrated: the Job reports its plan, and is removed. */
  readonly plansOnly?: true
  /** When a backup comes before the migration; missing: never, or it was made. */
  readonly backup?: BackupWhen | undefined
  /** It was planned before the backup, and is planned again. */
  readonly isAgain?: true
}

/** What a Job does that migrates for no release. */
export interface OtherWork {
  /** `release 3` */
  readonly name: string
  /** Calls Django's command line as the image has it. */
  readonly command: string
  readonly timeoutMs: number
}

/** Returns the Job. Throws a Failure `plan-failed` when no Job can be made of the template. */
export async function makeJob(
  context: OpenContext,
  input: MigrationInput,
  marker: string,
): Promise<MadeJob> {
  const { checked, image, reports, proves, reverses, again, plansOnly = false } = input
  const { platform, settings, app, signal, cluster } = context
  const other = reports ?? proves ?? reverses ?? again
  const command = other?.command ?? settings['migrate-command']
  const timeoutMs = other?.timeoutMs ?? settings['migrate-timeout']
  // What goes back does so also in a run that has no such file.
  const own = other ? undefined : await ownTemplate(context)
  const web = own ? withLabelsOf(input.web, own) : input.web
  const [{ launch, claims, common, starts }, ofWeb, kept] = await Promise.all([
    commonOf(context, { checked, web, image }),
    own && commonOf(context, input),
    retryTransient(platform.clock, signal, () => readArchive(cluster, app, settings.image)),
  ])
  const running = runningVersions(context, checked, image, kept)
  const made = migrationJob({
    ...common,
    // What its own file has, the user has put before the migration; and versions that migrate nothing here have run
    // what their pods begin with.
    ...((own ?? other) && { inits: 'all' }),
    // Reports that run at once have different names.
    ...(reports && { sha: image.digest.slice('sha256:'.length) }),
    command: planCommand(command, launch.starter, marker),
    env: inspectorEnv({
      marker,
      migrate: command,
      waitSeconds: databaseWaitSeconds,
      volumes: lastingFolders(web.template, web.container, claims),
      unsafe: again ? 'allow' : settings['unsafe-migrations'],
      plansOnly,
      ...taskOf(context, input, {
        running,
        kept,
        starts,
        words: (ofWeb ?? { launch }).launch.words,
      }),
    }),
    timeoutSeconds: Math.ceil(timeoutMs / 1000),
    plansOnly,
    // Of a run that was killed: no client reads it.
    ...(plansOnly && { keepSeconds: 300 }),
  })
  if (made.is === 'impossible') {
    return fail({
      code: 'plan-failed',
      sentence: `creating the migration Job failed: ${made.problem}`,
    })
  }
  return {
    job: made.job,
    container: web.container,
    isCounted: made.isCounted,
    from: own ? (settings['migrate-manifest'] ?? '') : idOf(web.workload),
    own: new Set(kept.history.flatMap(({ migrations }) => migrations)),
    before: openContract(kept.history),
    notes: [...made.notes, ...(other ? [] : notCompared(checked, running))],
    ...beginningOf(launch),
  }
}

interface Known {
  readonly running: readonly RunningVersion[]
  readonly kept: Archive
  readonly starts: Starts
  /** Of the command that starts the web. */
  readonly words: readonly string[]
}

/** Returns what the inspector is to do, by what the Job is for. */
function taskOf(
  { settings }: OpenContext,
  { checked, image, reports, proves, reverses, again, backup, now }: MigrationInput,
  { running, kept, starts, words }: Known,
): Partial<InspectorTask> {
  if (reports) return { reports: true }
  if (proves)
    return { proves: true, running: [{ names: [proves.name], tag: image.tag, isOwn: true }] }
  const common = {
    web: words,
    kept: databasesOfJson(kept.databases),
    lockWaitSeconds: settings['lock-wait-migrate'] / 1000,
  }
  if (reverses) return { ...common, reverses: reverses.task }
  const reported = [...(checked.reported?.values() ?? [])].map(({ needs }) => ({
    hash: hashOf(needs),
    needs,
  }))
  const judged = { ...common, running, earlier: [...kept.earlier, ...reported] }
  // What its release held back is not what a rollback has reversed.
  const stays = {
    ...starts,
    policy: 'stay',
    hasBridges: false,
    stay: openHeld(kept.history),
  } as const
  if (again) return { ...judged, contract: stays }
  return {
    ...judged,
    ...(backup !== undefined && { backup }),
    ...endedOf(kept.history),
    bridges: openBridges(kept.history),
    contract: {
      ...starts,
      policy: now === true && settings.contract === 'manual' ? 'next' : settings.contract,
      hasBridges: settings.bridge === 'on',
      ...(settings.contract === 'manual' && { stay: openHeld(kept.history) }),
    },
  }
}

function endedOf(history: Archive['history']): Pick<InspectorTask, 'ended'> {
  const ended = lastEnded(history)
  return ended === undefined ? {} : { ended }
}

/** Returns the script that the web begins with, or why the Job begins with none. */
function beginningOf({
  words,
  starter,
  skipped,
  isUnknown,
}: WebLaunch): Pick<MadeJob, 'script' | 'passed'> {
  if (starter)
    return starter.isScript
      ? { script: { name: starter.words.join(' '), isAll: words.length === 1 } }
      : {}
  if (skipped !== undefined)
    return { passed: { script: skipped, why: 'it needs a word that says what to start' } }
  return isUnknown ? { passed: { why: 'the registry does not say what the image starts' } } : {}
}

/** The user's own template is let in where the web is, too, unless its labels say otherwise. */
function withLabelsOf(web: Web, { template, ...own }: OwnTemplate): Web {
  const labels = { ...web.template.metadata?.labels, ...template.metadata?.labels }
  return { ...web, ...own, template: { ...template, metadata: { ...template.metadata, labels } } }
}

/** Returns the Job of a command of the user's. Throws a Failure `command-failed` when no Job can be made. */
export async function makeCommandJob(
  context: OpenContext,
  input: Pick<MigrationInput, 'checked' | 'web' | 'image'>,
  command: string,
  marker: string,
): Promise<Pick<MadeJob, 'job' | 'notes' | 'isCounted' | 'script' | 'passed'>> {
  const { launch, common } = await commonOf(context, input)
  const made = migrationJob({
    ...common,
    command: startedCommand(command, launch.starter, marker),
    timeoutSeconds: Math.ceil(context.settings['migrate-timeout'] / 1000),
    isCommand: true,
    // The migration is done.
    inits: 'all',
  })
  if (made.is === 'made') return { ...made, ...beginningOf(launch) }
  return fail({ code: 'command-failed', sentence: `creating its Job failed: ${made.problem}` })
}

/** Returns what all Jobs have in common that are made of the web's template. */
async function commonOf(
  context: OpenContext,
  { checked, web, image }: Pick<MigrationInput, 'checked' | 'web' | 'image'>,
) {
  const { platform, settings, source, app, holder, signal, cluster } = context
  const started = podsToStart(checked)
  const all = [...started, { name: '', spec: web.template.spec }]
  const requested = commandWhereNeeded(context, all, image)
  const [launch, imageCommand, claims, policies, budgets] = await Promise.all([
    launchOfWeb(web, requested),
    requested,
    retryTransient(platform.clock, signal, () => claimsOf(context, checked, web)),
    listed<NetworkPolicy>(cluster, 'networking.k8s.io/v1', 'networkpolicies'),
    listed<PodDisruptionBudget>(cluster, 'policy/v1', 'poddisruptionbudgets'),
  ])
  const pods = podsOfWeb(checked, web)
  const marks = marksOfPods(pods.web)
  const common = {
    name: '',
    app,
    sha: source.sha ?? source.tag,
    run: holder.id,
    template: web.template,
    container: web.container,
    webContainers: web.containers,
    image: pinned(image),
    resources: settings['migrate-resources'],
    near: {
      selectors: [...selectorsOf(checked), ...selectorsOfBudgets(budgets ?? [])],
      ...(policies && { policies }),
      others: pods.others,
    } satisfies Neighbours,
    claims,
    live: marks,
  }
  const isUnknown = imageCommand === undefined && leavesToImage(started, settings.image)
  const commands = [...settings['before-rollout'], ...settings['after-rollout']]
  const isOurs = (name: string) => isOfRepository(name, settings.image)
  const starts = {
    ...(isUnknown && { refused: 'the registry does not say what the image starts' }),
    ...startsOf(started, commands, isOurs, imageCommand),
  }
  return { launch, claims, common, starts }
}

/** Returns all versions of the image that run in the namespace, with what is known of their needs. */
export function runningVersions(
  { app, settings }: Pick<OpenContext, 'app' | 'settings'>,
  { live, reported }: Pick<PreflightResult, 'live' | 'reported'>,
  { digest: released }: Image,
  { needs, history }: Pick<Archive, 'needs' | 'history'>,
): readonly RunningVersion[] {
  return versionsInUse(live.clusterState(), settings.image, isOfMigration(app)).map(
    ({ digest = '', tag, names, isIdle }) => {
      if (digest === released) return { names, tag, isOwn: true }
      const kept = needs.get(digest) ?? reported?.get(digest)?.needs
      const since = aloneSince(history, digest)
      return {
        names,
        tag,
        ...(isIdle && { isIdle }),
        ...(kept !== undefined && { needs: kept }),
        ...(since !== undefined && { since }),
      }
    },
  )
}

/** Returns whether a pod is of a migration of this app, and not of the app itself. */
export function isOfMigration(app: string): (pod: Pod) => boolean {
  const own = Object.entries(migrationLabels(app))
  return ({ metadata }) => own.every(([name, value]) => metadata?.labels?.[name] === value)
}

/** A release that moves to another repository has nothing to compare with: what runs is not of its image. */
function notCompared({ targets }: MigrationInput['checked'], running: readonly RunningVersion[]) {
  const others = targets.filter(({ live }) => live !== undefined)
  return running.length > 0 || others.length === 0
    ? []
    : ['the migrations are not compared: no running version of this image was found']
}

/** `isUnknown`: the template leaves it to the image, and the registry does not say what that starts. */
type WebLaunch = Launch & { readonly isUnknown: boolean }

async function launchOfWeb(
  { template, container }: Web,
  requested: Promise<ImageCommand | undefined>,
): Promise<WebLaunch> {
  const own = template.spec?.containers.find(({ name }) => name === container)
  if (!own) return { words: [], isUnknown: false }
  const ofImage = own.command === undefined ? await requested : undefined
  return { ...launchOf(own, ofImage), isUnknown: own.command === undefined && !ofImage }
}

/** Returns what the image starts; reads it only where a template leaves that to it. */
async function commandWhereNeeded(
  { platform, signal, settings }: Pick<OpenContext, 'platform' | 'signal' | 'settings'>,
  pods: readonly NamedPod[],
  image: Image,
): Promise<ImageCommand | undefined> {
  if (!leavesToImage(pods, settings.image)) return undefined
  return withTimeout(platform.clock, registryTimeoutMs, signal, (own) =>
    commandOf(platform, image, own),
  ).catch(() => {
    // The pods pull it themselves: its command is useful, but not required.
    signal.throwIfAborted()
    return undefined
  })
}

function leavesToImage(pods: readonly NamedPod[], repository: string): boolean {
  const containers = pods.flatMap(({ spec }) => [
    ...(spec?.initContainers ?? []),
    ...(spec?.containers ?? []),
  ])
  return containers.some(
    ({ image = '', command }) => command === undefined && isOfRepository(image, repository),
  )
}

interface NamedPod {
  readonly name: string
  readonly spec: PodSpec | undefined
}

/** Returns all that a release starts pods of, and what runs already. */
function podsToStart({
  targets,
  jobs = [],
}: Pick<PreflightResult, 'targets'> & Partial<Pick<PreflightResult, 'jobs'>>): readonly NamedPod[] {
  const workloads = targets.flatMap(({ id, becomes, manifest, live }) =>
    [becomes, manifest, live].flatMap((object) =>
      object ? [{ name: idOf(id), spec: templateOf(object).spec }] : [],
    ),
  )
  const once = jobs.map((job) => ({
    name: titleOf(job),
    spec: (job as Job).spec?.template.spec,
  }))
  return [...workloads, ...once]
}

/** Returns what each claim of the template allows for a second pod, while current pods use it. */
async function claimsOf(
  { cluster, app }: Pick<OpenContext, 'cluster' | 'app'>,
  { live }: Pick<PreflightResult, 'live'>,
  { template }: Web,
): Promise<Readonly<Record<string, ClaimUse>>> {
  const names = (template.spec?.volumes ?? []).flatMap(({ persistentVolumeClaim }) =>
    persistentVolumeClaim ? [persistentVolumeClaim.claimName] : [],
  )
  // The migration's own is about to end, and shows it up to a second later.
  const isOwn = isOfMigration(app)
  const pods = [...live.clusterState().pods.values()].filter((pod) => !isOwn(pod))
  const uses = await Promise.all(
    names.map(async (name) => {
      const users = pods.filter(
        ({ spec, status }) =>
          status?.phase !== 'Succeeded' &&
          status?.phase !== 'Failed' &&
          spec?.volumes?.some((volume) => volume.persistentVolumeClaim?.claimName === name),
      )
      if (users.length === 0) return []
      const path = `${collection('v1', cluster.namespace, 'persistentvolumeclaims')}/${name}`
      // An account that may not read it learns nothing: the volume counts as one of a single node.
      const claim = await cluster.find<PersistentVolumeClaim>(path).catch((error: unknown) => {
        if (error instanceof ApiError && error.status === 403) return undefined
        throw error
      })
      const modes = claim?.spec?.accessModes ?? ['ReadWriteOnce']
      const at = users.map((pod) => ({ node: pod.spec?.nodeName, isLost: hasLostNode(pod) }))
      return [{ name, modes, users: at }]
    }),
  )
  return claimUses(uses.flat())
}

/** Returns all objects of a kind; `undefined` where the account may not list them. */
async function listed<T>(
  cluster: Cluster,
  apiVersion: string,
  plural: string,
): Promise<readonly T[] | undefined> {
  const path = collection(apiVersion, cluster.namespace, plural)
  try {
    return (await cluster.find<{ items: readonly T[] }>(path))?.items ?? []
  } catch (error) {
    if (error instanceof ApiError && error.status === 403) return undefined
    throw error
  }
}

/** Returns the labels and annotations of all running pods: of the web, and of others but Jobs of ours. */
function podsOfWeb({ live, targets }: MigrationInput['checked'], { workload }: Web) {
  const target = targets.find(({ id }) => idOf(id) === idOf(workload))
  const selector = (target?.live?.spec as { selector?: LabelSelector } | undefined)?.selector
  const running = [...live.clusterState().pods.values()].flatMap(({ metadata, status }) => {
    const { labels = {}, annotations = {} } = metadata ?? {}
    return status?.phase === 'Running' && labels['django-rollout/job'] === undefined
      ? [{ labels, annotations }]
      : []
  })
  const isWebs = ({ labels }: PodMarks) => selector !== undefined && matches(selector, labels)
  return {
    web: running.filter(isWebs),
    others: running.filter((one) => !isWebs(one)).map(({ labels }) => labels),
  }
}

/** Returns what all running pods of the web have in common besides their template: admission may have added it. */
function marksOfPods(pods: readonly PodMarks[]): PodMarks {
  const common = (kind: keyof PodMarks) =>
    Object.fromEntries(
      Object.entries(pods[0]?.[kind] ?? {}).filter(([key, value]) =>
        pods.every((each) => each[kind][key] === value),
      ),
    )
  return { labels: common('labels'), annotations: common('annotations') }
}

/** Returns everything that selects pods by labels and must not select the Job's pod. */
function selectorsOf({
  live,
  services,
  targets,
}: MigrationInput['checked']): readonly NamedSelector[] {
  const { deployments, statefulsets, daemonsets } = live.clusterState()
  const manifests = targets.flatMap(({ manifest }) => (manifest ? [manifest] : []))
  const workloads = [
    ...deployments.values(),
    ...statefulsets.values(),
    ...daemonsets.values(),
    ...manifests,
  ].flatMap((object) => {
    const { selector } = (object.spec ?? {}) as { selector?: LabelSelector }
    return selector ? [{ of: titleOf(object), selector }] : []
  })
  const behind = services.flatMap((service: Service): readonly NamedSelector[] => {
    const { selector: matchLabels = {}, publishNotReadyAddresses = false } = service.spec ?? {}
    // An empty one selects no pods.
    if (Object.keys(matchLabels).length === 0) return []
    const of = titleOf({ ...service, kind: 'Service' })
    return [
      { of, selector: { matchLabels }, ...(publishNotReadyAddresses && { takesUnready: true }) },
    ]
  })
  const unique = new Map([...workloads, ...behind].map((one) => [JSON.stringify(one), one]))
  return [...unique.values()]
}

function selectorsOfBudgets(budgets: readonly PodDisruptionBudget[]): readonly NamedSelector[] {
  return budgets.flatMap((budget) => {
    const { selector } = budget.spec ?? {}
    return selector ? [{ of: titleOf({ ...budget, kind: 'PodDisruptionBudget' }), selector }] : []
  })
}

/** Of a Job that was made here. */
function kindOf({ metadata }: Job): JobKind {
  const kind = metadata?.labels?.['django-rollout/job']
  return kind === 'plan' || kind === 'command' ? kind : 'migrate'
}

type NeededToCreate = 'platform' | 'app' | 'source' | 'signal' | 'cluster'

/**
 * Creates the Job under the first free name; reports the name before the attempt (an answer may be lost): an
 * earlier attempt of the same commit may have left its Job.
 */
export async function createJob(
  { platform, app, source, signal, cluster }: Pick<OpenContext, NeededToCreate>,
  live: NamespaceWatch,
  job: Job,
  onTry: (name: string | undefined) => void,
): Promise<Job> {
  const path = collection('batch/v1', cluster.namespace, 'jobs')
  const version = shaOf(job) ?? source.sha ?? source.tag
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted()
    const name = jobName(app, version, attempt, kindOf(job))
    if (live.clusterState().jobs.has(name)) continue
    onTry(name)
    const named = { ...job, metadata: { ...job.metadata, name } }
    let isLost = false
    try {
      return await retryTransient(platform.clock, signal, async () => {
        // Two Jobs must never run: this is the one whose answer was lost.
        const there = isLost ? await cluster.find<Job>(`${path}/${name}`) : undefined
        if (there) return there
        isLost = true
        return cluster.post<Job>(path, named)
      })
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 409)) throw error
      // It is not ours to remove.
      onTry(undefined)
    }
  }
}
