/**
 * The plan and the migration: one Job made from the web workload's own template, whose container first
 * tells what is to be migrated and then becomes the migrate command. A new version that does not even
 * start with its real settings is found here, before any running pod is touched.
 */
import type { Pod } from 'kubernetes-types/core/v1'
import { isMarked } from '../django/inspector.js'
import type { Plan } from '../django/inspector.js'
import { isPassing, patiently } from '../kubernetes/away.js'
import type { Cluster } from '../kubernetes/cluster.js'
import { collection } from '../kubernetes/paths.js'
import { Failure, fail } from '../report/cause.js'
import type { Journal } from '../report/journal.js'
import { plural } from '../report/words.js'
import { diagnose } from '../rollout/diagnose.js'
import { ofContainer } from '../rollout/evidence.js'
import { gather } from '../rollout/gather.js'
import { judgeJob, type JobVerdict } from '../rollout/job.js'
import { newLedger, withLog } from '../rollout/ledger.js'
import { logPath } from '../rollout/logs.js'
import { looking } from '../rollout/looking.js'
import { titleOf } from '../rollout/snapshot.js'
import type { Picture } from '../rollout/types.js'
import type { LivePicture } from '../rollout/watch.js'
import { within } from '../world/deadline.js'
import { createJob, makeJob } from './migrationjob.js'
import { migrationCause, Output, planCause, tellPlan } from './migrationlog.js'
import type { Site } from './preflight.js'
import { toRepo, type Image, type Release } from './release.js'
import type { Web } from './targets.js'

export interface Migration {
  /** Starts the Job; resolves with the plan. Throws a Failure when the new code does not start. */
  plan(journal: Journal): Promise<Plan>
  /** Resolves when the migrations are applied; to be called after `plan`, when something is pending. */
  migrate(journal: Journal): Promise<void>
  /** What has been applied so far: `orders.0002_note`. */
  applied(): readonly string[]
  /**
   * Makes sure that nothing of the migration runs or ever starts after this: a Job whose container has not
   * ended is removed, and its pod waited for. One that has ended stays for an hour, for people to look at.
   */
  close(): Promise<void>
}

const reconnectMs = 500
/** Lines of the log of a migration that failed. */
const shownLines = 50
/** The pod has 5 s to end (src/django/job.ts); a node that is slow has a little more. */
const podGoneMs = 30_000

export function startMigration(
  release: Release,
  cluster: Cluster,
  site: Site,
  web: Web,
  image: Image,
): Migration {
  const { world, settings, signal } = release
  const over = new AbortController()
  const until = AbortSignal.any([signal, over.signal])
  const marker = `rollout-${crypto.randomUUID()}`
  const output = new Output(marker)
  let job: string | undefined
  let container = ''
  let ended: Promise<JobVerdict> | undefined
  let containerEnded = false

  const start = async (journal: Journal) => {
    const made = makeJob(release, site, web, image, marker)
    container = made.container
    made.notes.forEach((note) => {
      journal.say(note)
    })
    const created = await createJob(cluster, site, release, made.job, (name) => {
      job = name
    })
    journal.say(`${titleOf(created)}, made from ${made.from}`)
    ended = followJob(job ?? '')
    // The plan stage may end before the Job does; who awaits it last hears of a failure.
    ended.catch(() => undefined)
  }

  /** Resolves when our container has ended and all its words are read. */
  const followJob = async (job: string): Promise<JobVerdict> => {
    const startedAt = world.clock.now()
    let ledger = newLedger(startedAt)
    let reading: Promise<void> | undefined
    const aim = { job, container }
    const patience = { timeout: settings.timeout, bake: 0, grace: settings.grace }
    const verdict = await looking<JobVerdict>(
      { cluster, clock: world.clock, live: site.live, signal: until },
      (now) => {
        const judgement = judgeJob(site.live.picture(), aim, patience, ledger, now)
        ledger = judgement.ledger
        const { verdict: is } = judgement
        if (is.is === 'started' || is.is === 'finished') reading ??= readLog(is.pod)
        if (is.is === 'waiting') output.waiting(is.on)
        const { lookAgainAt, logsWanted } = judgement
        return {
          logsWanted,
          ...(lookAgainAt !== undefined && { lookAgainAt }),
          ...((is.is === 'failed' || is.is === 'finished') && { ended: is }),
        }
      },
      (wanted, lines) => {
        const said = lines.filter((line) => !isMarked(line, marker))
        ledger = withLog(ledger, wanted, diagnose(said, toRepo(release)))
      },
    )
    if (
      verdict.is === 'failed' &&
      verdict.cause.pod !== undefined &&
      verdict.exitCode !== undefined
    ) {
      reading ??= readLog(verdict.cause.pod)
    }
    await reading
    containerEnded =
      verdict.is === 'finished' || (verdict.is === 'failed' && verdict.exitCode !== undefined)
    if (verdict.is !== 'failed') return verdict
    // What our container has said is read already, without the lines that are for us.
    const own = { of: ofContainer(container), lines: output.lines.slice(-shownLines) }
    const cause = { ...verdict.cause, logs: verdict.cause.logs ?? [own] }
    const seen = { cluster, clock: world.clock, live: site.live, startedAt }
    const more = gather(cause, { ...seen, toRepo: toRepo(release) })
    return { ...verdict, cause: await more.catch(() => cause) }
  }

  /** Reads the log to its end; a connection that was cut is taken up again behind what was read. */
  const readLog = async (pod: string) => {
    let read = 0
    while (!until.aborted) {
      try {
        let at = 0
        for await (const line of cluster.lines(
          `${logPath(cluster, pod, container)}&follow=true`,
          until,
        )) {
          if (at++ < read) continue
          read += 1
          output.line(line)
        }
        return
      } catch (error) {
        if (!isPassing(error)) return
        await world.clock.sleep(reconnectMs, until).catch(() => undefined)
      }
    }
  }

  return {
    plan: async (journal) => {
      output.to(journal)
      await start(journal)
      const plan = await Promise.race([output.plan, endOfPlan(ended, output)])
      output.hold()
      tellPlan(journal, plan)
      return plan
    },
    migrate: async (journal) => {
      output.to(journal)
      const verdict = await ended
      if (verdict?.is === 'failed') throw new Failure(migrationCause(verdict.cause, output.lines))
      const { applied } = output.progress()
      journal.say(`${plural(applied.length, 'migration')} applied`)
    },
    applied: () => output.progress().applied,
    close: async () => {
      over.abort(new Error('the migration is closed'))
      if (job !== undefined && !containerEnded) await removeJob(release, cluster, site.live, job)
    },
  }
}

/** Removes a Job and waits for its pod to be gone; throws an Error when that does not come about. */
export async function removeJob(
  { world }: Release,
  cluster: Cluster,
  live: LivePicture,
  name: string,
): Promise<void> {
  const path = `${collection('batch/v1', cluster.namespace, 'jobs')}/${name}`
  await patiently(world.clock, cluster.life, () => cluster.remove(path))
  await within(world.clock, podGoneMs, cluster.life, (signal) =>
    looking(
      { cluster, clock: world.clock, live, signal },
      () => {
        const gone = podsOfJob(live.picture(), name).length === 0
        return { logsWanted: [], ...(gone && { ended: true }) }
      },
      () => undefined,
    ),
  ).catch(() => {
    throw new Error(`the pod of job/${name} does not end: kubectl delete pod -l job-name=${name}`)
  })
}

/** The Job's pods, those that are being deleted too. */
function podsOfJob(picture: Picture, name: string): readonly Pod[] {
  return [...picture.pods.values()].filter(
    ({ metadata }) => metadata?.labels?.['job-name'] === name,
  )
}

/** When the Job ends without a plan: its cause, told as what it means for the release. */
async function endOfPlan(ended: Promise<JobVerdict> | undefined, output: Output): Promise<Plan> {
  const verdict = await ended
  if (verdict?.is === 'failed') {
    const { cause } = verdict
    if (output.progress().applied.length > 0) return output.plan
    throw new Failure(cause.code === 'crash' ? planCause(cause) : cause)
  }
  const early = await Promise.race([output.plan, Promise.resolve(undefined)])
  return (
    early ??
    fail({
      code: 'plan-failed',
      sentence: 'the new version started, but ended without telling its migrations',
      hint: 'does "migrate-command" call Django’s manage.py?',
      logs: [{ lines: output.lines.slice(-shownLines) }],
    })
  )
}
