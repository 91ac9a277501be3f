/**
 * Which workloads a release writes first. The web first: a version that does not start has touched nothing else. But a
 * worker of the old version discards the message of a task that it does not know
 * (https://docs.celeryq.dev/en/stable/userguide/tasks.html#names), so where the new version has such tasks, the
 * workers come first.
 */
import { runsCeleryWorker } from '../django/roles.js'
import { mismatch, tasksOf, type Mismatch, type Tasks } from '../django/tasks.js'
import type { Image } from '../docker/image.js'
import type { Judgement } from '../judge/types.js'
import { versionsInUse } from '../judge/versions-in-use.js'
import { firstOf } from '../judge/words.js'
import { shortTag } from '../kubernetes/image.js'
import { templateOf } from '../kubernetes/objects.js'
import { retryTransient } from '../kubernetes/retry.js'
import type { Target } from '../kubernetes/target.js'
import { idOf } from '../kubernetes/workload.js'
import { readArchive } from '../state/history-store.js'
import { logWarning, type ClusterContext } from './context.js'
import { isOfMigration } from './migration/job.js'
import type { PreflightResult } from './preflight.js'

export interface Waves {
  readonly first: readonly Target[]
  readonly rest: readonly Target[]
  /** Whether the rest follows. */
  readonly isDue: (judgement: Judgement) => boolean
}

type Workloads = Pick<PreflightResult, 'targets' | 'web'>

/** Returns the waves of this release. `tasks`: those of its version, packed, where its plan has reported them. */
export async function wavesFor(
  context: ClusterContext,
  checked: PreflightResult,
  image: Image,
  tasks: string | undefined,
): Promise<Waves> {
  const { order } = context.settings
  if (order === 'parallel') return atOnce(checked.targets)
  const web = webFirst(checked)
  const workers = order === 'web-first' ? undefined : workersFirst(checked)
  if (!workers || order === 'workers-first') return workers ?? web
  const found = await mismatchOf(context, checked, { image, tasks, workers: workers.first })
  const { isWorkersFirst, says, warns } = decided(found)
  if (says !== undefined) context.log.say(says)
  if (warns !== undefined) logWarning(context, warns)
  return isWorkersFirst ? workers : web
}

/** What is decided, and what a person should know of it. */
interface Decision {
  readonly isWorkersFirst: boolean
  readonly says?: string
  readonly warns?: string
}

/** Decides by the tasks of the running workers and of the new version. `version`: one that runs, `version 4f2c1d9`. */
export function decided({ added, removed, version }: Mismatch & { version: string }): Decision {
  const lacks = `this version does not know ${named(removed)}`
  if (added.length === 0) {
    const says = `${lacks}: such messages that are still in the queue are lost`
    return { isWorkersFirst: false, ...(removed.length > 0 && { says }) }
  }
  const misses = `${version} does not know ${named(added)}`
  if (removed.length === 0) {
    const says = `workers first: ${misses}; the web follows when all workers are new`
    return { isWorkersFirst: true, says }
  }
  return {
    isWorkersFirst: false,
    warns: `messages to the workers may be lost during the rollout: ${misses}, and ${lacks}; keep the old tasks for one more release`,
  }
}

function atOnce(targets: readonly Target[]): Waves {
  return { first: targets, rest: [], isDue: () => false }
}

/** Returns a single wave where the web is unknown, or where no old version could be spared. */
export function webFirst({ targets, web }: Workloads): Waves {
  const isWeb = ({ id }: Target) => web !== undefined && idOf(id) === idOf(web.workload)
  return split(targets, isWeb, hasReadyPod) ?? atOnce(targets)
}

/** Returns nothing where no Celery worker runs apart from the web. */
export function workersFirst({ targets, web }: Workloads): Waves | undefined {
  const isWorker = ({ id, live, uses }: Target) =>
    live !== undefined &&
    id.kind !== 'CronJob' &&
    (web === undefined || idOf(id) !== idOf(web.workload)) &&
    (templateOf(live).spec?.containers ?? []).some(
      (container) =>
        uses.some(({ name }) => name === container.name) && runsCeleryWorker(container),
    )
  return split(targets, isWorker, isComplete)
}

function split(
  targets: readonly Target[],
  isFirst: (target: Target) => boolean,
  isDue: Waves['isDue'],
): Waves | undefined {
  const first = targets.filter(isFirst)
  if (!first.some(({ live }) => live)) return undefined
  return { first, rest: targets.filter((target) => !isFirst(target)), isDue }
}

/** Returns whether each written workload has a Ready pod of the new version, or wants none. */
function hasReadyPod({ progress }: Judgement): boolean {
  return Object.values(progress).every(({ ready, wanted }) => ready > 0 || wanted === 0)
}

/** Returns whether all old pods are gone or ending: a worker that is ending takes no message any more. */
function isComplete({ verdicts }: Judgement): boolean {
  return Object.values(verdicts).every(({ is }) => is === 'complete' || is === 'done')
}

interface Compared {
  readonly image: Image
  readonly tasks: string | undefined
  readonly workers: readonly Target[]
}

/** Compares the tasks with those of the running workers, as far as they are known. */
async function mismatchOf(
  { platform, signal, cluster, app, settings }: ClusterContext,
  { live, reported }: PreflightResult,
  { image: { digest }, tasks, workers }: Compared,
): Promise<Mismatch & { readonly version: string }> {
  const { tasks: kept } = await retryTransient(platform.clock, signal, () =>
    readArchive(cluster, app, settings.image),
  )
  const coming = unpacked(tasks ?? kept.get(digest))
  const ids = workers.map(({ id }) => idOf(id))
  const found = versionsInUse(live.clusterState(), settings.image, isOfMigration(app))
    .filter(({ names }) => names.some((name) => ids.includes(name)))
    .flatMap(({ digest: runs = '', tag }) => {
      const running =
        runs === digest ? undefined : unpacked(kept.get(runs) ?? reported?.get(runs)?.tasks)
      return running && coming ? [{ ...mismatch(running, coming), tag }] : []
    })
  const all = (of: 'added' | 'removed') => [...new Set(found.flatMap((one) => one[of]))].sort()
  const [first] = found.filter(({ added, removed }) => added.length + removed.length > 0)
  const version = `version ${shortTag(first?.tag ?? '')}`
  return { added: all('added'), removed: all('removed'), version }
}

function unpacked(body: string | undefined): Tasks | undefined {
  return body === undefined ? undefined : tasksOf(body)
}

/** `the task a`, `the tasks a, b, c and 2 more` */
function named(tasks: readonly string[]): string {
  return `the task${tasks.length > 1 ? 's' : ''} ${firstOf(tasks, 3)}`
}
