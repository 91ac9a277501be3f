/** How a run ends, told as data: what is known so far becomes the report. */
import type { Command, Settings } from '../options/table.js'
import { ApiError } from '../kubernetes/apierror.js'
import { causeOfAway } from '../kubernetes/away.js'
import type { Cluster } from '../kubernetes/cluster.js'
import { parseImage, shortName } from '../kubernetes/image.js'
import { idOf } from '../kubernetes/workload.js'
import { Failure, type Cause } from '../report/cause.js'
import type { Report, Result, WorkloadReport } from '../report/report.js'
import type { Reporter } from '../report/reporter.js'
import type { Restored } from '../rollout/restore.js'
import { titleOf, type Snapshot } from '../rollout/snapshot.js'
import type { Site } from '../stages/preflight.js'
import { TimeOver } from '../world/deadline.js'
import { pinned, type Image, type Release } from '../stages/release.js'

/** What is known of a run so far: the report is made of it, however the run ends. */
export interface SoFar {
  source?: Release['source']
  image?: Image
  site?: Site
  snapshot?: Snapshot
  cause?: Cause
  judgedAt?: number
  restored?: readonly Restored[]
  migrations: readonly string[]
  /** What a person should know though it does not decide how the run ends. */
  warnings: string[]
  seconds: Readonly<Record<string, number>>
}

export function causeOf(error: unknown, signal: AbortSignal): Cause {
  if (signal.aborted) return { code: 'cancelled', sentence: 'the run was cancelled' }
  if (error instanceof Failure) return error.cause
  if (error instanceof TimeOver) {
    return {
      code: 'timeout',
      sentence: 'the cluster did not answer, or did not come to an end, in time',
      hint: 'see whether the API server answers: kubectl version',
    }
  }
  const away = causeOfAway(error)
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
    ...(error instanceof Error && error.stack !== undefined && { log: error.stack.split('\n') }),
  }
}

/** What a person types to have the old version back, when we could not make sure of it. */
export function commandsBack(cluster: Cluster, { targets }: Site): string {
  const commands = targets.flatMap(({ id, uses, running }) =>
    running.length === 0
      ? []
      : [
          cluster.commandLine([
            'set',
            'image',
            idOf(id),
            ...uses.map(({ name }, i) => `${name}=${running[i] ?? ''}`),
          ]),
        ],
  )
  return [
    'look at what runs now, and bring the old version back where it does not:',
    ...commands,
  ].join('\n')
}

/** How a run ends that wrote nothing. */
export function resultBefore(cause: Cause): Result {
  if (cause.code === 'usage') return 'usage'
  if (cause.code === 'locked') return 'locked'
  if (cause.code === 'restore-failed') return 'stuck'
  return cause.code === 'cancelled' ? 'cancelled' : 'failed'
}

export function report(
  command: Command,
  settings: Settings,
  reporter: Reporter,
  result: Result,
  soFar: SoFar,
): Report {
  const { source, image, site, cause } = soFar
  const previous = site?.targets.flatMap(({ running }) => running)[0]
  const previousTag = previous === undefined ? undefined : parseImage(previous).tag
  return {
    command,
    result,
    app: settings.app ?? shortName(settings.image),
    namespace: settings.namespace,
    image: settings.image,
    tag: source?.tag ?? settings.tag ?? '',
    ...(image && { digest: image.digest }),
    ...(previousTag !== undefined && { previousTag }),
    ...(cause && { cause }),
    ...(soFar.judgedAt !== undefined && { judgedAt: soFar.judgedAt }),
    stages: reporter.stages,
    workloads: workloadsOf(result, soFar),
    migrations: soFar.migrations,
    warnings: soFar.warnings,
    undone: (soFar.restored ?? []).flatMap(({ prior, did }) => {
      const word = { put: 'put back', delete: 'removed', keep: 'kept', ask: '', nothing: '' }[did]
      return word === '' ? [] : [{ object: titleOf(prior.object), did: word }]
    }),
    startedAt: reporter.startedAt,
    seconds: reporter.seconds(),
  }
}

function workloadsOf(
  result: Result,
  { site, image, snapshot, seconds }: SoFar,
): readonly WorkloadReport[] {
  if (!site || !image) return []
  return site.targets.map(({ id, live, running }) => {
    const [from] = running
    const took = seconds[idOf(id)]
    return {
      ...id,
      ...(from !== undefined && { from }),
      to: pinned(image),
      now: nowRuns(result, live !== undefined, snapshot !== undefined),
      ...(took !== undefined && { seconds: took }),
    }
  })
}

function nowRuns(result: Result, wasThere: boolean, begun: boolean): WorkloadReport['now'] {
  switch (result) {
    case 'deployed':
    case 'unchanged':
      return 'new'
    case 'stuck':
    case 'superseded':
      return 'unknown'
    default:
      if (wasThere) return 'old'
      return begun && result !== 'failed' ? 'removed' : 'absent'
  }
}
