/**
 * The plan and the migration: one Job made from the web workload's own template, whose container first
 * tells what is to be migrated and then becomes the migrate command. A new version that does not even
 * start with its real settings is found here, before any running pod is touched.
 */
import type { Job } from 'kubernetes-types/batch/v1'
import type { Pod, Service } from 'kubernetes-types/core/v1'
import {
  inspectorEnv,
  isMarked,
  migrationBegins,
  planCommand,
  readPlan,
} from '../django/inspector.js'
import type { Plan } from '../django/inspector.js'
import { jobName, migrationJob, type NamedSelector } from '../django/job.js'
import { migrated } from '../django/progress.js'
import { ApiError } from '../kubernetes/apierror.js'
import type { Cluster } from '../kubernetes/cluster.js'
import { collection } from '../kubernetes/paths.js'
import { idOf } from '../kubernetes/workload.js'
import { Failure, fail, type Cause } from '../report/cause.js'
import type { Journal } from '../report/journal.js'
import { plural } from '../report/words.js'
import { diagnose } from '../rollout/diagnose.js'
import { judgeJob, type JobVerdict } from '../rollout/job.js'
import { newLedger, withLog } from '../rollout/ledger.js'
import { logPath } from '../rollout/logs.js'
import { looking } from '../rollout/looking.js'
import { isControlledBy } from '../rollout/live.js'
import { titleOf } from '../rollout/snapshot.js'
import type { Picture } from '../rollout/types.js'
import { within } from '../world/deadline.js'
import type { Site, Web } from './preflight.js'
import { pinned, toRepo, type Image, type Release } from './release.js'

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

/** How long a Job of ours goes on asking a database that does not answer yet, in seconds. */
const databaseWaitSeconds = 15
const reconnectMs = 500
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
  let created: Job | undefined
  let container = ''
  let ended: Promise<JobVerdict> | undefined
  let containerEnded = false

  const start = async (journal: Journal) => {
    const made = makeJob(release, site, web, image, marker)
    container = made.container
    made.notes.forEach((note) => {
      journal.say(note)
    })
    created = await createJob(cluster, site, release, made.job)
    journal.say(`${titleOf(created)}, made from ${made.from}`)
    ended = followJob(created.metadata?.name ?? '')
    // The plan stage may end before the Job does; who awaits it last hears of a failure.
    ended.catch(() => undefined)
  }

  /** Resolves when our container has ended and all its words are read. */
  const followJob = async (job: string): Promise<JobVerdict> => {
    let ledger = newLedger(world.clock.now())
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
    return verdict
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
        if (error instanceof ApiError && error.status < 500) return
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
      const { name, uid } = created?.metadata ?? {}
      if (containerEnded || name === undefined) return
      await cluster.remove(`${collection('batch/v1', cluster.namespace, 'jobs')}/${name}`)
      await within(world.clock, podGoneMs, cluster.life, (late) =>
        looking(
          { cluster, clock: world.clock, live: site.live, signal: late },
          () => {
            const pods = podsOfJob(site.live.picture(), uid)
            return { logsWanted: [], ...(pods.length === 0 && { ended: true }) }
          },
          () => undefined,
        ),
      ).catch(() => {
        throw new Error(
          `the pod of job/${name} does not end: kubectl delete pod -l job-name=${name}`,
        )
      })
    },
  }
}

/** The Job's pods, those that are being deleted too. */
function podsOfJob(picture: Picture, uid: string | undefined): readonly Pod[] {
  return [...picture.pods.values()].filter((pod) => isControlledBy(pod.metadata, uid))
}

/** What the container says: the plan between markers for us, the rest for people. */
class Output {
  /** All lines but the marked ones. */
  readonly lines: string[] = []
  readonly plan: Promise<Plan>
  private readonly found: (plan: Plan) => void
  private readonly held: string[] = []
  private journal: Journal | undefined
  private begun = false

  constructor(private readonly marker: string) {
    const { promise, resolve } = Promise.withResolvers<Plan>()
    this.plan = promise
    this.found = resolve
  }

  /** Lines go to this journal from now on, those held back first. */
  to(journal: Journal): void {
    this.journal = journal
    this.held.splice(0).forEach((line) => {
      journal.quote(line)
    })
  }

  /** Keeps lines back until the next stage listens. */
  hold(): void {
    this.journal = undefined
  }

  waiting(on: string): void {
    this.journal?.waiting(`waiting for the Job's pod: ${on}`)
  }

  line(line: string): void {
    if (isMarked(line, this.marker)) {
      if (migrationBegins(line, this.marker)) this.begun = true
      const plan = readPlan([line], this.marker)
      if (plan) this.found(plan)
      return
    }
    this.lines.push(line)
    if (this.journal) this.journal.quote(line)
    else this.held.push(line)
  }

  progress() {
    return this.begun ? migrated(this.lines) : { applied: [] }
  }
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
      log: output.lines.slice(-50),
    })
  )
}

function planCause(cause: Cause): Cause {
  return {
    ...cause,
    code: 'plan-failed',
    sentence: `the new version does not start: ${withoutName(cause)}`,
  }
}

function migrationCause(cause: Cause, lines: readonly string[]): Cause {
  const { open, applied } = migrated(lines)
  const kept = applied.length === 0 ? '' : `; applied before it: ${applied.join(', ')}`
  return {
    ...cause,
    code: 'migration-failed',
    sentence: `migration ${open ?? ''} failed: ${withoutName(cause)}${kept}`.replace('  ', ' '),
  }
}

/** The sentence without the Job's name at its beginning, which tells people nothing. */
function withoutName({ sentence, workload }: Cause): string {
  const name = workload?.replace(/^job\//, '')
  return name !== undefined && sentence.startsWith(`${name}: `)
    ? sentence.slice(name.length + 2)
    : sentence
}

/** Whether `migrate` has anything to do: squashed ones are recorded by it, though nothing is run. */
export function hasWork({ pending, squashed }: Plan): boolean {
  return pending.length + squashed.length > 0
}

function tellPlan(journal: Journal, plan: Plan): void {
  journal.say(`Django ${plan.django} with ${plan.vendorName} ${plan.version ?? ''}`.trim())
  if (!hasWork(plan)) journal.say('no migrations to apply')
  for (const { app, name, operations } of plan.pending) {
    journal.say(`to apply: ${app}.${name} (${operations.join(', ')})`)
  }
  const newer = plan.unknown.filter((migration) => migration.newer)
  if (newer.length > 0) {
    const names = newer.map(({ app, name }) => `${app}.${name}`).join(', ')
    journal.say(`the database is newer than this version: it has ${names}`)
  }
}

interface MadeJob {
  readonly job: Job
  readonly container: string
  readonly from: string
  readonly notes: readonly string[]
}

function makeJob(
  { settings, source, app }: Release,
  site: Site,
  web: Web,
  image: Image,
  marker: string,
): MadeJob {
  const command = settings['migrate-command']
  const sha = source.sha ?? source.tag
  const made = migrationJob({
    name: '',
    app,
    sha,
    template: web.template,
    container: web.container,
    ours: web.containers,
    image: pinned(image),
    command: planCommand(command),
    env: inspectorEnv({ marker, migrate: command, waitSeconds: databaseWaitSeconds }),
    timeoutSeconds: Math.ceil(settings['migrate-timeout'] / 1000),
    selectors: selectorsOf(site),
  })
  if (made.is === 'impossible') {
    return fail({ code: 'plan-failed', sentence: `no migration Job can be made: ${made.problem}` })
  }
  return {
    job: made.job,
    container: web.container,
    from: idOf(web.workload),
    notes: made.notes,
  }
}

/** Everything that picks pods by labels and must not pick ours. */
function selectorsOf({ live, services, targets }: Site): readonly NamedSelector[] {
  const { deployments, statefulsets, daemonsets } = live.picture()
  const manifests = targets.flatMap(({ manifest }) => (manifest ? [manifest] : []))
  const workloads = [
    ...deployments.values(),
    ...statefulsets.values(),
    ...daemonsets.values(),
    ...manifests,
  ].flatMap((object) => {
    const { selector } = (object.spec ?? {}) as { selector?: NamedSelector['selector'] }
    return selector ? [{ of: titleOf(object), selector }] : []
  })
  const behind = services.flatMap((service: Service) => {
    const matchLabels = service.spec?.selector
    return matchLabels
      ? [{ of: titleOf({ ...service, kind: 'Service' }), selector: { matchLabels } }]
      : []
  })
  return [...workloads, ...behind]
}

/** Creates it under the first free name: an earlier try of the same commit may have left its Job. */
async function createJob(
  cluster: Cluster,
  { live }: Site,
  { app, source }: Release,
  job: Job,
): Promise<Job> {
  const path = collection('batch/v1', cluster.namespace, 'jobs')
  for (let attempt = 1; ; attempt++) {
    const name = jobName(app, source.sha ?? source.tag, attempt)
    if (live.picture().jobs.has(name)) continue
    try {
      return await cluster.post<Job>(path, { ...job, metadata: { ...job.metadata, name } })
    } catch (error) {
      if (error instanceof ApiError && error.status === 409) continue
      throw error
    }
  }
}
