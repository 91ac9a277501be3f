/**
 * The plan and the migration: one Job made from the web workload's own template. Its container first reports the
 * plan and then becomes the migrate command. A new version that does not even start with its real settings is
 * found here, before any running pod is touched.
 */
import type { Pod } from 'kubernetes-types/core/v1'
import { isMarked, isPlain } from '../../django/inspector.js'
import type { Plan } from '../../django/inspector.js'
import { isTransient, retryTransient } from '../../kubernetes/retry.js'
import type { Cluster } from '../../kubernetes/cluster.js'
import { collection } from '../../kubernetes/paths.js'
import { idOf } from '../../kubernetes/workload.js'
import { Failure, fail, type Cause } from '../../failure/failure.js'
import type { StageLog } from '../../platform/stage-log.js'
import { plural } from '../../report/sentences.js'
import { forgetDatabases } from '../../state/history-store.js'
import { diagnose } from '../../judge/diagnose.js'
import { containerSource } from '../../judge/evidence.js'
import { collectEvidence } from '../../rollout/collect.js'
import { judgeJob, type JobVerdict } from '../../judge/job-judge.js'
import { newObservations, withLog } from '../../judge/observations.js'
import { logPath } from '../../rollout/logs.js'
import { reconcileUntil } from '../../rollout/reconcile.js'
import { titleOf } from '../../undo/snapshot.js'
import type { ClusterState } from '../../judge/types.js'
import type { NamespaceWatch } from '../../rollout/namespace-watch.js'
import { abortable, withTimeout, withGracePeriod } from '../../platform/time.js'
import { createJob, makeJob, type MadeJob } from './job.js'
import {
  migrationCause,
  Output,
  alsoPassed,
  passedHint,
  planCause,
  refusalCause,
  logPlan,
  unreadCause,
  type Unread,
} from './log.js'
import type { PreflightResult } from '../preflight.js'
import { toRepo, type Image, type Release } from '../release.js'
import type { Web } from '../../kubernetes/target.js'

export interface Migration {
  /** Starts the Job; resolves with the plan. Throws a Failure when the new code does not start. */
  plan(stageLog: StageLog): Promise<Plan>
  /** Resolves when the migrations are applied; called after `plan`, when something is pending. */
  migrate(stageLog: StageLog): Promise<void>
  /** Returns what has been applied so far: `orders.0002_note`. */
  applied(): readonly string[]
  /**
   * Ensures that nothing of the migration runs or ever starts after this: removes a Job whose container has not
   * ended, and waits for its pod. One that has ended stays for an hour, for people to look at.
   */
  close(): Promise<void>
}

/** How a followed Job ended. */
interface JobEnd {
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
const shownLines = 50
/** The pod has 5 s to end (src/django/job.ts); a slow node has a little more. */
const podGoneMs = 30_000

export function startMigration(
  release: Release,
  cluster: Cluster,
  site: PreflightResult,
  web: Web,
  image: Image,
): Migration {
  const { platform, settings, signal } = release
  const over = new AbortController()
  const until = AbortSignal.any([signal, over.signal])
  const marker = `rollout-${crypto.randomUUID()}`
  const command = settings['migrate-command']
  let script: MadeJob['script']
  const output = new Output(marker, (refused) =>
    refusalCause(refused, {
      command,
      ...(script && !script.isAll && { starter: script.name }),
      accept: cluster.commandLine(forgetDatabases(release.app)),
      give: (variable) =>
        cluster.commandLine(['set', 'env', idOf(web.workload), '-c', web.container, variable]),
    }),
  )
  let job: string | undefined
  let container = ''
  let ended: Promise<JobEnd> | undefined
  let hasContainerEnded = false
  /** Why the log could not be read to its end, if so. A cancel does not end it: the pod writes until it is gone. */
  let reading: Promise<string | undefined> | undefined
  const jobOver = new AbortController()
  const closed = new AbortController()

  const start = async (stageLog: StageLog) => {
    const made = await makeJob(release, cluster, site, web, image, marker)
    container = made.container
    script = made.script
    made.notes.forEach((note) => {
      stageLog.say(note)
    })
    const created = await createJob(cluster, site, release, made.job, (name) => {
      job = name
    })
    stageLog.say(`${titleOf(created)}, created from ${made.from}`)
    ended = followJob(job ?? '')
    // The plan stage may end before the Job does; the last one to await it gets a failure.
    ended.catch(() => undefined)
  }

  /** Resolves when the migration's container has ended and all its lines are read. */
  const followJob = async (job: string): Promise<JobEnd> => {
    const startedAt = platform.clock.now()
    let observations = newObservations(startedAt)
    const desired = { job, container }
    const timeouts = { timeout: settings.timeout, bake: 0, grace: settings.grace }
    const verdict = await reconcileUntil<JobVerdict>(
      { cluster, clock: platform.clock, live: site.live, signal: until },
      (now) => {
        const clusterState = site.live.clusterState()
        const judgement = judgeJob(desired, { clusterState, timeouts, observations, now })
        observations = judgement.observations
        const { verdict: is } = judgement
        if (is.is === 'started' || is.is === 'finished') reading ??= readLog(is.pod)
        if (is.is === 'waiting') output.waiting(is.on)
        const { requeueAt, logsWanted } = judgement
        return {
          logsWanted,
          ...(requeueAt !== undefined && { requeueAt }),
          ...((is.is === 'failed' || is.is === 'finished') && { ended: is }),
        }
      },
      (wanted, lines) => {
        const said = lines.filter((line) => !isMarked(line, marker))
        observations = withLog(observations, wanted, diagnose(said, toRepo(release)))
      },
    )
    if (
      verdict.is === 'failed' &&
      verdict.cause.pod !== undefined &&
      verdict.exitCode !== undefined
    ) {
      reading ??= readLog(verdict.cause.pod)
    }
    hasContainerEnded =
      verdict.is === 'finished' || (verdict.is === 'failed' && verdict.exitCode !== undefined)
    jobOver.abort()
    const words = await abortable(until, () => Promise.resolve(reading))
    const unread = words !== undefined && hasContainerEnded ? { unread: words } : {}
    if (verdict.is !== 'failed') return { verdict, ...unread }
    // The container's output is read already, without the marked lines.
    const own = { of: containerSource(container), lines: output.lines.slice(-shownLines) }
    const cause = { ...verdict.cause, logs: verdict.cause.logs ?? [own] }
    const seen = { cluster, clock: platform.clock, live: site.live, startedAt }
    const more = collectEvidence(cause, { ...seen, toRepo: toRepo(release) })
    return { verdict: { ...verdict, cause: await more.catch(() => cause) }, ...unread }
  }

  /**
   * Reads the log to its end; continues after a lost connection behind the last line. Resolves with the server's
   * words when the log is unavailable: soon after the Job's end.
   */
  const readLog = (pod: string): Promise<string | undefined> =>
    withGracePeriod(platform.clock, lastWordsMs, jobOver.signal, async (late) => {
      const enough = AbortSignal.any([cluster.life, closed.signal, late])
      const isOver = () => enough.aborted
      let read = 0
      let words = `it did not end within ${lastWordsMs / 1000} s of its container's end`
      while (!isOver()) {
        try {
          let at = 0
          for await (const line of cluster.lines(
            `${logPath(cluster, pod, container)}&follow=true`,
            enough,
          )) {
            if (at++ < read) continue
            read += 1
            output.line(line)
          }
          return undefined
        } catch (error) {
          if (isOver()) break
          words = error instanceof Error ? error.message : String(error)
          if (!isTransient(error)) break
          await platform.clock.sleep(reconnectMs, enough).catch(() => undefined)
        }
      }
      return words
    })

  /** Assumes all of the plan, where the log does not show what was applied. */
  let whole: readonly string[] | undefined
  const applied = () => whole ?? output.progress().applied

  const unreadOf: UnreadCause = (code, verdict, words) =>
    unreadCause(code, job ?? '', verdict, words, {
      lines: output.lines,
      logs: cluster.commandLine(['logs', `job/${job ?? ''}`, '-c', container]),
    })

  return {
    plan: async (stageLog) => {
      output.to(stageLog)
      await start(stageLog)
      const plan = await Promise.race([
        output.plan,
        endOfPlan(ended, output, unreadOf, (why) => passedHint(script?.name ?? '', why, command)),
      ])
      output.hold()
      logPlan(stageLog, plan)
      return plan
    },
    migrate: async (stageLog) => {
      output.to(stageLog)
      const how = await ended
      if (how?.verdict.is === 'failed') {
        if (how.unread === undefined)
          throw new Failure(migrationCause(how.verdict.cause, output.lines))
        fail(unreadOf('migration-failed', how.verdict, how.unread))
      }
      if (how?.unread !== undefined) {
        stageLog.say(`its log could not be read completely (${how.unread}), but it succeeded`)
        // When it succeeds, all of the plan is applied; other commands may do a part of it.
        if (isPlain(command)) {
          const { databases } = await output.plan
          whole = databases.flatMap(({ pending }) =>
            pending.map(({ app, name }) => `${app}.${name}`),
          )
        }
      }
      stageLog.say(`${plural(applied().length, 'migration')} applied`)
    },
    applied,
    close: async () => {
      over.abort(new Error('the migration is closed'))
      output.hold()
      try {
        if (job !== undefined && !hasContainerEnded)
          await removeJob(release, cluster, site.live, job)
      } finally {
        // Python ignores SIGTERM: what was applied until the pod was gone is at the end of the log.
        const { clock } = platform
        await withTimeout(clock, briefWordsMs, cluster.life, (late) =>
          abortable(late, () => Promise.resolve(reading)),
        ).catch(() => undefined)
        closed.abort()
      }
    },
  }
}

/** Removes a Job and waits for its pod to be gone; throws an Error when that fails. */
export async function removeJob(
  { platform }: Release,
  cluster: Cluster,
  live: NamespaceWatch,
  name: string,
): Promise<void> {
  const path = `${collection('batch/v1', cluster.namespace, 'jobs')}/${name}`
  await retryTransient(platform.clock, cluster.life, () => cluster.remove(path))
  await withTimeout(platform.clock, podGoneMs, cluster.life, (signal) =>
    reconcileUntil(
      { cluster, clock: platform.clock, live, signal },
      () => {
        const gone = podsOfJob(live.clusterState(), name).length === 0
        return { logsWanted: [], ...(gone && { ended: true }) }
      },
      () => undefined,
    ),
  ).catch(() => {
    throw new Error(
      `the pod of job/${name} does not terminate: kubectl delete pod -l job-name=${name}`,
    )
  })
}

/** Returns the Job's pods, those that are being deleted too. */
function podsOfJob(clusterState: ClusterState, name: string): readonly Pod[] {
  return [...clusterState.pods.values()].filter(
    ({ metadata }) => metadata?.labels?.['job-name'] === name,
  )
}

type UnreadCause = (code: Unread, verdict: JobVerdict, words: string) => Cause

/** Waits for a Job that ends without a plan, and throws its cause as it concerns the release. */
async function endOfPlan(
  ended: Promise<JobEnd> | undefined,
  output: Output,
  unreadOf: UnreadCause,
  hintOf: (passed: string) => string,
): Promise<Plan> {
  const how = await ended
  if (how?.verdict.is === 'failed') {
    const { cause } = how.verdict
    // The inspector's output arrives before the end of the Job: a refusal is no crash.
    await Promise.race([output.plan, Promise.resolve()])
    if (output.progress().applied.length > 0) return output.plan
    if (cause.code !== 'crash') throw new Failure(cause)
    if (how.unread === undefined) {
      const { passed } = output
      throw new Failure(planCause(passed === undefined ? cause : alsoPassed(cause, hintOf(passed))))
    }
  }
  const early = await Promise.race([output.plan, Promise.resolve(undefined)])
  if (!early && how?.unread !== undefined) fail(unreadOf('plan-failed', how.verdict, how.unread))
  return (
    early ??
    fail({
      code: 'plan-failed',
      sentence: 'the new version started, but exited before it listed its migrations',
      hint: 'check that "migrate-command" calls Django’s manage.py',
      logs: [{ lines: output.lines.slice(-shownLines) }],
    })
  )
}
