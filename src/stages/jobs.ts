/**
 * Jobs of the manifests that run the released image: each release runs them again, after the migration and before
 * the rollout.
 */
import type { Job } from 'kubernetes-types/batch/v1'
import { ApiError } from '../kubernetes/api-error.js'
import { isTransient, retryTransient } from '../kubernetes/retry.js'
import { releasedJob, runAnnotation } from '../kubernetes/jobs.js'
import { nameOf, type KubeObject } from '../kubernetes/objects.js'
import { collection } from '../kubernetes/paths.js'
import { Failure, type Cause } from '../failure/failure.js'
import type { StatusRow } from '../platform/stage-log.js'
import { diagnose } from '../judge/diagnose.js'
import { collectEvidence } from '../rollout/collect.js'
import { judgeRun, type RunVerdict } from '../judge/job-run-judge.js'
import { withFact } from '../judge/facts.js'
import { newObservations, withLog } from '../judge/observations.js'
import type { NamespaceWatch } from '../rollout/namespace-watch.js'
import { reconcileUntil } from '../rollout/reconcile.js'
import { titleOf } from '../undo/snapshot.js'
import { removeJob } from './migration/run.js'
import type { PreflightResult } from './preflight.js'
import { toRepo, type ClusterContext, type ReleaseContext } from './context.js'
import { unfinishedJobs } from './recover.js'
import { messageOf } from '../platform/error-message.js'

/** Returns the Jobs as this run creates them, with this image. */
export function jobsOf(
  { settings, app, holder }: Pick<ReleaseContext, 'settings' | 'app' | 'holder'>,
  manifests: readonly KubeObject[],
  image: string,
): readonly Job[] {
  const options = { repository: settings.image, image, app, run: holder.id }
  const timeoutSeconds = Math.ceil(settings['migrate-timeout'] / 1000)
  return manifests.map((manifest) => releasedJob(manifest, { ...options, timeoutSeconds }))
}

/**
 * Runs the Jobs side by side to their ends; throws the Failure of the first that fails. However this ends, none of
 * them continues: removes those that have not ended, and keeps those that have for people to look at.
 */
export async function runJobs(
  context: ClusterContext,
  { live }: Pick<PreflightResult, 'live'>,
  jobs: readonly Job[],
): Promise<void> {
  const { log, warn } = context
  const { clock } = context.platform
  const over = new AbortController()
  const own = context.with({ signal: AbortSignal.any([context.signal, over.signal]) })
  const rows = new Map<string, StatusRow>()
  const works = jobs.map(async (job) => {
    await create(own, job)
    log.say(`${titleOf(job)} created`)
    const startedAt = clock.now()
    const seconds = () => (clock.now() - startedAt) / 1000
    const verdict = await followJob(own, live, job, (words) => {
      rows.set(nameOf(job), { of: titleOf(job), is: 'waiting', words, seconds: seconds() })
      log.waiting(() => [...rows.values()])
    })
    rows.delete(nameOf(job))
    if (verdict.is === 'failed') throw new Failure(verdict.cause)
    const { runsOn } = verdict
    const end =
      runsOn.length === 0
        ? ''
        : `; it is removed, since these containers do not end: ${runsOn.join(', ')}`
    log.say(`${titleOf(job)} succeeded after ${seconds().toFixed(1)} s${end}`)
  })
  try {
    await Promise.all(works)
  } finally {
    over.abort(new Error('another Job has failed'))
    await Promise.allSettled(works)
    log.waiting(undefined)
    await endThem(context, live, jobs).catch((error: unknown) => {
      warn(messageOf(error))
    })
  }
}

async function create({ platform, signal, cluster }: ClusterContext, job: Job): Promise<void> {
  const path = collection('batch/v1', cluster.namespace, 'jobs')
  await retryTransient(
    platform.clock,
    signal,
    async () => {
      signal.throwIfAborted()
      try {
        await cluster.post(path, job)
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 409)) throw error
        // The name contains this run: the answer to the last try was lost.
        const there = await cluster.find<Job>(`${path}/${nameOf(job)}`)
        if (there?.metadata?.annotations?.[runAnnotation] !== ofRun(job)) throw error
      }
    },
    isTransient,
  )
}

function ofRun({ metadata }: Job): string | undefined {
  return metadata?.annotations?.[runAnnotation]
}

async function followJob(
  context: ClusterContext,
  live: NamespaceWatch,
  job: Job,
  onWait: (words: string) => void,
): Promise<Exclude<RunVerdict, { is: 'waiting' }>> {
  const { settings, signal, cluster } = context
  const { clock } = context.platform
  const startedAt = clock.now()
  const timeouts = { timeout: settings.timeout, bake: 0, grace: settings.grace }
  let observations = newObservations(startedAt)
  let crash: Cause | undefined
  const verdict = await reconcileUntil<Exclude<RunVerdict, { is: 'waiting' }>>(
    { cluster, clock, live, signal },
    (now) => {
      const seen = { clusterState: live.clusterState(), timeouts, observations, now }
      const judgement = judgeRun(nameOf(job), seen, crash)
      observations = judgement.observations
      const { verdict, requeueAt, logsWanted, factsWanted } = judgement
      if (verdict.is === 'waiting') {
        crash = verdict.crash ?? crash
        onWait(verdict.on)
      }
      return {
        logsWanted,
        factsWanted,
        ...(requeueAt !== undefined && { requeueAt }),
        ...(verdict.is !== 'waiting' && { ended: verdict }),
      }
    },
    (wanted, lines) => {
      observations = withLog(observations, wanted, diagnose(lines, toRepo(context)))
    },
    (fact) => {
      observations = withFact(observations, fact)
    },
  )
  if (verdict.is === 'done') return verdict
  const seen = { cluster, clock, live, startedAt, toRepo: toRepo(context) }
  return {
    is: 'failed',
    cause: await collectEvidence(verdict.cause, seen).catch(() => verdict.cause),
  }
}

/** Requested from the server, not read from the watch, which may lag behind. */
async function endThem(
  context: ClusterContext,
  live: NamespaceWatch,
  jobs: readonly Job[],
): Promise<void> {
  const names = jobs.map(nameOf)
  const unfinished = (await unfinishedJobs(context.cluster)).map(nameOf)
  const left = unfinished.filter((name) => names.includes(name))
  await Promise.all(left.map((name) => removeJob(context, live, name)))
}
