/** Builds the report from what is known of a run. */
import { appOf, parseImage } from '../kubernetes/image.js'
import { idOf } from '../kubernetes/workload.js'
import type { Cause } from '../failure/failure.js'
import type { Finding } from '../report/finding.js'
import type { Report, WorkloadReport } from '../report/report.js'
import type { Result } from '../failure/result.js'
import { reportedPlan } from '../report/migration-sentences.js'
import { lastWriteProgress } from '../report/sentences.js'
import type { History } from '../state/history.js'
import type { Restored } from '../undo/restore.js'
import { titleOf } from '../undo/snapshot.js'
import type { WriteProgress } from '../judge/types.js'
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
import { causeOf, leavesOpen } from './causes.js'

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
  const { phase, source, tests, modelChanges, exceptions } = state
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
    ...(modelChanges.length > 0 && { modelChanges }),
    workloads: workloadsOf(phase, any),
    ...(state.plan && { plan: reportedPlan(state.plan, settings.sql, settings.contract) }),
    ...(state.backup && { backup: state.backup }),
    ...(state.commands.length > 0 && { commands: state.commands }),
    migrations: state.migrations,
    ...(state.reversed.length > 0 && { reversed: state.reversed }),
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
