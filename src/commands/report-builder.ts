/** Builds the report from what is known of a run. */
import { commandLine } from '../options/command-line.js'
import type { Settings } from '../options/table.js'
import { ApiError } from '../kubernetes/api-error.js'
import { causeOfOutage } from '../kubernetes/retry.js'
import type { Cluster } from '../kubernetes/cluster.js'
import { LeaseLost } from '../state/held-lease.js'
import { appOf, parseImage } from '../kubernetes/image.js'
import {
  isWorkload,
  usesOfRepository,
  workloadId,
  type WorkloadObject,
} from '../kubernetes/objects.js'
import { idOf } from '../kubernetes/workload.js'
import { Failure, type Cause } from '../failure/failure.js'
import type { Finding } from '../report/finding.js'
import type { Report, WorkloadReport } from '../report/report.js'
import type { Result } from '../failure/result.js'
import { lastWriteProgress } from '../report/sentences.js'
import type { History } from '../state/history.js'
import type { Restored } from '../undo/restore.js'
import { titleOf, type Snapshot } from '../undo/snapshot.js'
import type { WriteProgress } from '../judge/types.js'
import { TimeOver, withShortTimeout } from '../platform/time.js'
import type { Clock } from '../platform/platform.js'
import { pinned } from '../docker/image.js'
import type { Run } from './run.js'
import {
  NotRecovered,
  type Images,
  type NotBegun,
  type Outcome,
  type Phase,
  type WritingProgress,
} from './run-state.js'

export function causeOf(error: unknown, signal: AbortSignal): Cause {
  // A user who cancels has to learn what is left half done: "cancelled" says that everything is as it was.
  if (error instanceof LeaseLost) return causeOfLoss(error)
  if (isLeftOpen(error)) return error.cause
  if (signal.aborted) return { code: 'cancelled', sentence: 'the run was cancelled' }
  if (error instanceof Failure) return error.cause
  if (error instanceof TimeOver) {
    return {
      code: 'timeout',
      sentence: 'a request to the cluster timed out',
      hint: 'check that the API server answers: kubectl version',
    }
  }
  const away = causeOfOutage(error)
  if (away) return away
  if (error instanceof ApiError) {
    return {
      code: 'write-failed',
      sentence: `the API server refused a request (${error.status}): ${error.message}`,
    }
  }
  const text = error instanceof Error ? error.message : String(error)
  return {
    code: 'internal',
    sentence: text,
    ...(error instanceof Error &&
      error.stack !== undefined && { logs: [{ lines: error.stack.split('\n') }] }),
  }
}

/** Returns what happened, for a warning. Leaves out that the run was cancelled besides, and what follows. */
export function sentenceOf(error: unknown): string {
  if (error instanceof LeaseLost) return describeLoss(error).sentence
  return causeOf(error, new AbortController().signal).sentence
}

/** Returns whether it says that something in the cluster is neither the old version nor the new one. */
export function isLeftOpen(error: unknown): error is Failure {
  return error instanceof Failure && leavesOpen(error.cause)
}

function leavesOpen({ code }: Cause): boolean {
  return code === 'restore-failed' || code === 'lock-lost'
}

/** Returns why nothing more may be written, if so. */
export function lostCause({ reason }: AbortSignal): Cause | undefined {
  return reason instanceof LeaseLost ? causeOfLoss(reason) : undefined
}

function causeOfLoss(reason: LeaseLost): Cause {
  const { sentence, first } = describeLoss(reason)
  return {
    code: 'lock-lost',
    sentence: `${sentence}: the release is incomplete, and nothing more was written`,
    hint: `${first}the next release restores everything before it starts. To restore now: django-rollout recover`,
  }
}

function describeLoss({ why, words }: LeaseLost): {
  readonly sentence: string
  readonly first: string
} {
  const [status] = words.split(' ')
  switch (why) {
    case 'taken':
      return { sentence: `another run has taken the lock${words && ` (${words})`}`, first: '' }
    case 'unreachable':
      return {
        sentence: `the lock expired while the API server did not answer (${words})`,
        first: 'when it answers again, ',
      }
    case 'denied':
      return {
        sentence:
          status === '401'
            ? `the cluster no longer accepts the credentials of the kubeconfig (${words})`
            : `the cluster no longer lets this account renew its lock (${words})`,
        first: 'renew the token or the login (kubectl auth whoami shows who you are); then ',
      }
  }
}

/**
 * Returns the commands that restore the old version when the run could not verify it. The record is still open, so
 * the whole undo can be repeated; the images that the workloads ran allow it by hand.
 */
export function commandsBack(settings: Settings, cluster: Cluster, snapshot: Snapshot): string {
  const byHand = snapshot.flatMap(({ object, of, change, ran = {} }) => {
    if (of !== 'workload' || change === 'create' || !isWorkload(object)) return []
    const images = usesOfRepository(object, settings.image).map(
      ({ name, image: before }) => `${name}=${ran[name] ?? before}`,
    )
    return [cluster.commandLine(['set', 'image', idOf(workloadId(object)), ...images])]
  })
  return [
    `to try the restore again: ${commandLine('recover', settings)}`,
    ...(byHand.length > 0 ? ['or restore only the images:', ...byHand] : []),
  ].join('\n')
}

/** Returns what the workloads of the release run now, by `idOf`; leaves out those that cannot be read. */
export async function runningImages(
  cluster: Cluster,
  clock: Clock,
  { image }: Settings,
  snapshot: Snapshot,
): Promise<Images> {
  const read = await Promise.all(
    snapshot.map(async ({ object, of, path }) => {
      if (of !== 'workload' || !isWorkload(object)) return []
      const live = await withShortTimeout(clock, () => cluster.find<WorkloadObject>(path)).catch(
        () => null,
      )
      if (live === null) return []
      const uses = live ? usesOfRepository(live, image) : []
      return [[idOf(workloadId(object)), uses.map((use) => use.image)] as const]
    }),
  )
  return Object.fromEntries(read.flat())
}

/** Returns the result of a run that wrote nothing. */
function resultBefore(cause: Cause): NotBegun['result'] {
  if (cause.code === 'usage') return 'usage'
  if (cause.code === 'locked') return 'locked'
  if (cause.code === 'stale-commit') return 'superseded'
  if (leavesOpen(cause)) return 'stuck'
  return cause.code === 'cancelled' ? 'cancelled' : 'failed'
}

/** Returns the end of a run that threw before its release had begun. */
export function notBegun(error: unknown, signal: AbortSignal): NotBegun {
  const cause = causeOf(error, signal)
  const current = error instanceof NotRecovered ? error.current : undefined
  return { result: resultBefore(cause), cause, ...(current && { current }) }
}

/** What the ends of a run know, one or the other. */
interface AnyOutcome {
  readonly result: Result
  readonly cause?: Cause
  readonly dryRun?: true
  readonly history?: History
  readonly findings?: readonly Finding[]
  readonly ended?: readonly string[]
  readonly restored?: readonly Restored[]
  readonly left?: readonly Restored[]
  readonly current?: Images
}

export function report(
  { command, settings, reporter, state }: Pick<Run, 'command' | 'settings' | 'reporter' | 'state'>,
  outcome: Outcome,
): Report {
  const { phase, source, tests, exceptions } = state
  const any: AnyOutcome = outcome
  const previous = phase.checked?.targets.flatMap(({ running }) => running)[0]
  const previousTag = previous === undefined ? undefined : parseImage(previous).tag
  const detectedAt = phase.is === 'begun' ? phase.detectedAt : undefined
  return {
    command,
    result: any.result,
    app: settings.app ?? appOf(settings.image),
    namespace: settings.namespace,
    image: settings.image,
    tag: source?.tag ?? settings.tag ?? '',
    ...(phase.is !== 'preflight' && { digest: phase.image.digest }),
    ...(previousTag !== undefined && { previousTag }),
    ...(any.cause && { cause: any.cause }),
    ...(any.dryRun && { dryRun: any.dryRun }),
    ...(any.history && { history: any.history }),
    ...(any.findings && { findings: any.findings }),
    ...(detectedAt !== undefined && { detectedAt }),
    stages: reporter.stages,
    ...(tests && { tests }),
    workloads: workloadsOf(phase, any),
    migrations: state.migrations,
    warnings: state.warnings,
    restored: [
      ...(any.ended ?? []).map((object) => ({ object, action: 'ended' })),
      ...(any.restored ?? []).flatMap((restored) => {
        const word = describeRestored(restored)
        return word === undefined ? [] : [{ object: titleOf(restored.prior.object), action: word }]
      }),
      ...(any.left ?? []).flatMap((left) => {
        const word = describeLeft(left)
        return word === undefined ? [] : [{ object: titleOf(left.prior.object), action: word }]
      }),
    ],
    ...(exceptions.length > 0 && { exceptions }),
    startedAt: reporter.startedAt,
    seconds: reporter.seconds(),
  }
}

function describeRestored({ did, why, external }: Restored): string | undefined {
  switch (did) {
    case 'put':
      return external === undefined ? 'restored' : `restored, except that it ${external}`
    case 'delete':
      return 'removed'
    case 'keep':
      return `kept, because ${why}`
    case 'external':
      return `left alone, because another client changed it: it ${external}`
    case 'ask':
    case 'nothing':
      return undefined
  }
}

/** Describes an object after a run that restores nothing, where it is not as before. */
function describeLeft({ did, external }: Restored): string | undefined {
  switch (did) {
    case 'put':
    case 'keep':
      return 'stays as this release wrote it'
    case 'delete':
      return 'stays, created by this release'
    case 'external':
      return `stays as another client changed it: it ${external}`
    case 'ask':
      return 'was deleted by another client'
    case 'nothing':
      return undefined
  }
}

function workloadsOf(
  phase: Phase,
  { result, current, dryRun }: AnyOutcome,
): readonly WorkloadReport[] {
  if (phase.is === 'preflight' || !phase.checked) return []
  const { image, checked } = phase
  const progress: WritingProgress = phase.is === 'begun' ? phase : {}
  return checked.targets.map(({ id, live, running }) => {
    const [from] = running
    const rollout = progress.rollout?.[idOf(id)]
    const undo = progress.undo?.[idOf(id)]
    const runs = current?.[idOf(id)]?.[0]
    const images = current ? current[idOf(id)] : 'not read'
    const workload: WorkloadReport = {
      ...id,
      ...(from !== undefined && { from }),
      to: pinned(image),
      now: dryRun ? 'old' : nowRuns(result, live !== undefined, phase.is === 'begun', images),
      ...(runs !== undefined && { runs }),
      ...(rollout && { rollout }),
      ...(undo && { undo }),
    }
    const took = secondsOf(lastWriteProgress(workload))
    return { ...workload, ...(took !== undefined && { seconds: took }) }
  })
}

function secondsOf(progress: WriteProgress | undefined): number | undefined {
  const { startedAt, completeAt } = progress ?? {}
  return startedAt === undefined || completeAt === undefined
    ? undefined
    : (completeAt - startedAt) / 1000
}

function nowRuns(
  result: Result,
  existed: boolean,
  begun: boolean,
  images: readonly string[] | 'not read' | undefined,
): WorkloadReport['now'] {
  const before = existed ? 'old' : 'absent'
  switch (result) {
    case 'deployed':
    case 'unchanged':
      return 'new'
    case 'stuck':
    case 'kept':
    case 'superseded':
      // This run has written nothing itself; what it restored for another run was read.
      if (!begun && (images === 'not read' || (!existed && !images))) return before
      return existed && images?.length === 0 ? 'gone' : 'unknown'
    default:
      return !existed && begun && result !== 'failed' ? 'removed' : before
  }
}
