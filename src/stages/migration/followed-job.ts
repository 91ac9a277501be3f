/** Follows the migration's Job: its verdict, and all that its container writes. */
import { diagnose } from '../../judge/diagnose.js'
import { containerSource } from '../../judge/evidence.js'
import { judgeJob, type DesiredJob, type JobVerdict } from '../../judge/job-judge.js'
import { withFact } from '../../judge/facts.js'
import { newObservations, withLog } from '../../judge/observations.js'
import { isTransient } from '../../kubernetes/retry.js'
import { abortable, withGracePeriod, withTimeout } from '../../platform/time.js'
import { collectEvidence } from '../../rollout/collect.js'
import { logPath } from '../../rollout/logs.js'
import type { NamespaceWatch } from '../../rollout/namespace-watch.js'
import { reconcileUntil } from '../../rollout/reconcile.js'
import { toRepo, type OpenContext } from '../context.js'
import type { Output } from './log.js'
import { messageOf } from '../../platform/error-message.js'

/** How a followed Job ended. */
export interface JobEnd {
  readonly verdict: JobVerdict
  /** Why the log of a container that has ended could not be read to its end. */
  readonly unread?: string
}

const reconnectMs = 500
/**
 * How long the log of a container that has ended is requested: where the server cannot reach the node's kubelet
 * every attempt fails, and the lock is held meanwhile.
 */
const lastWordsMs = 30_000
/** The same when the migration is given up and its pod is gone: lines on their way still arrive. */
const briefWordsMs = 1_000
/** Lines of the log of a migration that failed. */
export const shownLines = 50

/**
 * A Job that exists, and the log of its container. Its states:
 *
 * - waiting: the container has not started.
 * - running (`#reading`): its log is read.
 * - ended (`hasContainerEnded`): the rest of its log is read, for 30 s at most; nothing comes after its own word that it ends.
 * - closed: nothing is read any more.
 *
 * A cancel ends the following, and `end` rejects. It does not end the reading: the pod writes until it is gone.
 */
export class FollowedJob {
  /** Resolves when the container has ended and all its lines are read. */
  readonly end: Promise<JobEnd>
  #hasContainerEnded = false
  /** Resolves with the reason why the log could not be read to its end, if so. */
  #reading: Promise<string | undefined> | undefined
  /** Aborted once the Job's verdict is known. */
  readonly #decided = new AbortController()
  /** Whose log is read. */
  #pod = ''
  readonly #closed = new AbortController()

  /** The following ends with `context.signal`. */
  constructor(
    private readonly context: OpenContext,
    private readonly live: NamespaceWatch,
    private readonly desired: DesiredJob,
    private readonly output: Output,
  ) {
    this.end = this.#follow()
    // The plan stage may end before the Job does; the last one to await it gets a failure.
    this.end.catch(() => undefined)
  }

  /** Nothing of the migration runs any more. */
  get hasContainerEnded(): boolean {
    return this.#hasContainerEnded
  }

  /** Waits a moment for the lines on their way. Python ignores SIGTERM: the last ones say what was applied. */
  async close(): Promise<void> {
    if (this.#closed.signal.aborted) return
    const { cluster, platform } = this.context
    await withTimeout(platform.clock, briefWordsMs, cluster.life, (late) =>
      abortable(late, () => Promise.resolve(this.#reading)),
    ).catch(() => undefined)
    this.#closed.abort()
  }

  async #follow(): Promise<JobEnd> {
    const startedAt = this.context.platform.clock.now()
    const said = this.output.end.then(() => 'said' as const)
    const verdict = await Promise.race([this.#verdict(startedAt), said])
    if (verdict === 'said') {
      this.#hasContainerEnded = true
      this.#decided.abort()
      // No line comes after that one.
      this.#closed.abort()
      return { verdict: { is: 'finished', pod: this.#pod } }
    }
    const hasExited = verdict.is === 'failed' && verdict.exitCode !== undefined
    if (hasExited && verdict.cause.pod !== undefined) this.#read(verdict.cause.pod)
    this.#hasContainerEnded = verdict.is === 'finished' || hasExited
    this.#decided.abort()
    const words = await abortable(this.context.signal, () => Promise.resolve(this.#reading))
    const unread = words !== undefined && this.#hasContainerEnded ? { unread: words } : {}
    if (verdict.is !== 'failed') return { verdict, ...unread }
    return { verdict: await this.#withEvidence(verdict, startedAt), ...unread }
  }

  #verdict(startedAt: number): Promise<JobVerdict> {
    const { context, live, desired, output } = this
    const { cluster, platform, settings, signal } = context
    const timeouts = { timeout: settings.timeout, bake: 0, grace: settings.grace }
    let observations = newObservations(startedAt)
    let uid: string | undefined
    const until = AbortSignal.any([signal, this.#decided.signal])
    return reconcileUntil<JobVerdict>(
      { cluster, clock: platform.clock, live, signal: until },
      (now) => {
        const clusterState = live.clusterState()
        uid ??= clusterState.jobs.get(desired.job)?.metadata?.uid
        const known = { ...desired, ...(uid !== undefined && { uid }) }
        const judgement = judgeJob(known, { clusterState, timeouts, observations, now })
        observations = judgement.observations
        const { verdict, requeueAt, logsWanted, factsWanted } = judgement
        if (verdict.is === 'started' || verdict.is === 'finished') this.#read(verdict.pod)
        if (verdict.is === 'waiting') output.waiting(verdict.on)
        return {
          logsWanted,
          factsWanted,
          ...(requeueAt !== undefined && { requeueAt }),
          ...((verdict.is === 'failed' || verdict.is === 'finished') && { ended: verdict }),
        }
      },
      (wanted, lines) => {
        const diagnosis = diagnose(output.unmarked(lines), toRepo(context))
        observations = withLog(observations, wanted, diagnosis)
      },
      (fact) => {
        observations = withFact(observations, fact)
      },
    )
  }

  async #withEvidence(
    failed: Extract<JobVerdict, { is: 'failed' }>,
    startedAt: number,
  ): Promise<JobVerdict> {
    const { context, live, desired, output } = this
    // The container's output is read already, without the marked lines.
    const own = {
      source: containerSource(desired.container),
      lines: output.lines.slice(-shownLines),
    }
    const cause = { ...failed.cause, logs: failed.cause.logs ?? [own] }
    const seen = { cluster: context.cluster, clock: context.platform.clock, live, startedAt }
    const more = collectEvidence(cause, { ...seen, toRepo: toRepo(context) })
    return { ...failed, cause: await more.catch(() => cause) }
  }

  /** Begins to read the log, unless that has begun. */
  #read(pod: string): void {
    const { clock } = this.context.platform
    this.#pod = pod
    this.#reading ??= withGracePeriod(clock, lastWordsMs, this.#decided.signal, (late) =>
      this.#readToEnd(pod, late),
    )
  }

  /**
   * Reads the log to its end; continues after a lost connection behind the last line. Resolves with the server's
   * words when the log is unavailable: soon after the Job's end.
   */
  async #readToEnd(pod: string, late: AbortSignal): Promise<string | undefined> {
    const { cluster, platform } = this.context
    const path = `${logPath(cluster, pod, this.desired.container)}&follow=true`
    const enough = AbortSignal.any([cluster.life, this.#closed.signal, late])
    const isOver = () => enough.aborted
    const log = { whole: this.output.marker }
    let read = 0
    let words = `it did not end within ${lastWordsMs / 1000} s of its container's end`
    while (!isOver()) {
      try {
        let at = 0
        for await (const line of cluster.lines(path, enough, log)) {
          if (at++ < read) continue
          read += 1
          this.output.line(line)
        }
        return undefined
      } catch (error) {
        if (isOver()) break
        words = messageOf(error)
        if (!isTransient(error)) break
        await platform.clock.sleep(reconnectMs, enough).catch(() => undefined)
      }
    }
    return words
  }
}
