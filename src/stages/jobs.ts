/**
 * Jobs of the manifests that run the released image: each release runs them again, after the migration and before
 * the rollout.
 */
import type { Job } from 'kubernetes-types/batch/v1'
import { ApiError } from '../kubernetes/api-error.js'
import { isTransient, retryTransient } from '../kubernetes/retry.js'
import type { Cluster } from '../kubernetes/cluster.js'
import { releasedJob, runAnnotation } from '../kubernetes/jobs.js'
import { nameOf, type KubeObject } from '../kubernetes/objects.js'
import { collection } from '../kubernetes/paths.js'
import { Failure, type Cause } from '../failure/failure.js'
import type { StageLog, StatusRow } from '../platform/stage-log.js'
import { diagnose } from '../judge/diagnose.js'
import { collectEvidence } from '../rollout/collect.js'
import { judgeRun, type RunVerdict } from '../judge/job-run-judge.js'
import { newObservations, withLog } from '../judge/observations.js'
import { reconcileUntil } from '../rollout/reconcile.js'
import { titleOf } from '../undo/snapshot.js'
import { removeJob } from './migration/run.js'
import type { PreflightResult } from './preflight.js'
import { toRepo, type Release } from './release.js'
import { unfinishedMigrations } from './recover.js'

/** Returns the Jobs as this run creates them, with this image. */
export function jobsOf(
  { settings, app, holder }: Pick<Release, 'settings' | 'app' | 'holder'>,
  manifests: readonly KubeObject[],
  image: string,
): readonly Job[] {
  const how = { repository: settings.image, image, app, run: holder.id }
  const timeoutSeconds = Math.ceil(settings['migrate-timeout'] / 1000)
  return manifests.map((manifest) => releasedJob(manifest, { ...how, timeoutSeconds }))
}

/**
 * Runs the Jobs side by side to their ends; throws the Failure of the first that fails. However this ends, none of
 * them continues: removes those that have not ended, and keeps those that have for people to look at.
 *
 * @param warn receives what could not be ended.
 */
export async function runJobs(
  release: Release,
  stageLog: StageLog,
  cluster: Cluster,
  site: PreflightResult,
  jobs: readonly Job[],
  warn: (words: string) => void,
): Promise<void> {
  const over = new AbortController()
  const own = { ...release, signal: AbortSignal.any([release.signal, over.signal]) }
  const stand = new Map<string, StatusRow>()
  const works = jobs.map(async (job) => {
    await create(own, cluster, job)
    stageLog.say(`${titleOf(job)} created`)
    const startedAt = release.platform.clock.now()
    const seconds = () => (release.platform.clock.now() - startedAt) / 1000
    const verdict = await followJob(own, cluster, site, job, startedAt, (words) => {
      stand.set(nameOf(job), { of: titleOf(job), is: 'waiting', words, seconds: seconds() })
      stageLog.waiting(() => [...stand.values()])
    })
    stand.delete(nameOf(job))
    if (verdict.is === 'failed') throw new Failure(verdict.cause)
    stageLog.say(`${titleOf(job)} ended well after ${seconds().toFixed(1)} s`)
  })
  try {
    await Promise.all(works)
  } finally {
    over.abort(new Error('another Job has failed'))
    await Promise.allSettled(works)
    stageLog.waiting(undefined)
    await endThem(release, cluster, site, jobs).catch((error: unknown) => {
      warn(error instanceof Error ? error.message : String(error))
    })
  }
}

async function create({ platform, signal }: Release, cluster: Cluster, job: Job): Promise<void> {
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
  release: Release,
  cluster: Cluster,
  { live }: PreflightResult,
  job: Job,
  startedAt: number,
  onWait: (words: string) => void,
): Promise<Exclude<RunVerdict, { is: 'waiting' }>> {
  const { platform, settings, signal } = release
  const { clock } = platform
  const timeouts = { timeout: settings.timeout, bake: 0, grace: settings.grace }
  let observations = newObservations(startedAt)
  let crash: Cause | undefined
  const verdict = await reconcileUntil<Exclude<RunVerdict, { is: 'waiting' }>>(
    { cluster, clock, live, signal },
    (now) => {
      const seen = { clusterState: live.clusterState(), timeouts, observations, now }
      const judgement = judgeRun(nameOf(job), seen, crash)
      observations = judgement.observations
      const { verdict, requeueAt, logsWanted } = judgement
      if (verdict.is === 'waiting') {
        crash = verdict.crash ?? crash
        onWait(verdict.on)
      }
      return {
        logsWanted,
        ...(requeueAt !== undefined && { requeueAt }),
        ...(verdict.is !== 'waiting' && { ended: verdict }),
      }
    },
    (wanted, lines) => {
      observations = withLog(observations, wanted, diagnose(lines, toRepo(release)))
    },
  )
  if (verdict.is === 'done') return verdict
  const seen = { cluster, clock, live, startedAt, toRepo: toRepo(release) }
  return {
    is: 'failed',
    cause: await collectEvidence(verdict.cause, seen).catch(() => verdict.cause),
  }
}

/** Requested from the server, not read from the watch, which may lag behind. */
async function endThem(
  release: Release,
  cluster: Cluster,
  { live }: PreflightResult,
  jobs: readonly Job[],
): Promise<void> {
  const names = jobs.map(nameOf)
  const unfinished = (await unfinishedMigrations(cluster, release.app)).map(nameOf)
  const left = unfinished.filter((name) => names.includes(name))
  await Promise.all(left.map((name) => removeJob(release, cluster, live, name)))
}
