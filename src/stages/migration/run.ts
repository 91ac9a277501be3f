/**
 * The plan and the migration: one Job made from the web workload's own template. Its container first reports the
 * plan, judges it, and then runs the migrate command. A new version that does not even start with its real settings is
 * found here, before any running pod is touched.
 */
import type { Pod } from 'kubernetes-types/core/v1'
import { isPlain } from '../../django/migrate-command.js'
import { plannedOf, withoutOwn, type Plan } from '../../django/plan.js'
import { lastError } from '../../django/traceback.js'
import { brokenBy, type Misfit, type Verified } from '../../django/verdict.js'
import { nameOf } from '../../kubernetes/objects.js'
import { retryTransient } from '../../kubernetes/retry.js'
import { collection } from '../../kubernetes/paths.js'
import { idOf } from '../../kubernetes/workload.js'
import { Failure, fail, type Cause } from '../../failure/failure.js'
import type { StageLog } from '../../platform/stage-log.js'
import { withLeft } from '../../report/half-sentences.js'
import { migrationSentence, verifiedWarnings } from '../../report/migration-sentences.js'
import { contractOf, type Contract } from '../../state/contract.js'
import type { SchemaChange } from '../../state/fit.js'
import { isEnding } from '../../judge/versions-in-use.js'
import { plural } from '../../report/sentences.js'
import { forgetDatabases } from '../../state/history-store.js'
import { reconcileUntil } from '../../rollout/reconcile.js'
import { titleOf } from '../../undo/snapshot.js'
import type { ClusterState } from '../../judge/types.js'
import type { NamespaceWatch } from '../../rollout/namespace-watch.js'
import { withTimeout } from '../../platform/time.js'
import { toRepo, type OpenContext } from '../context.js'
import { FollowedJob, shownLines, type JobEnd } from './followed-job.js'
import { createJob, makeJob, type MadeJob, type MigrationInput, type OtherWork } from './job.js'
import {
  migrationCause,
  Output,
  alsoPassed,
  passedBy,
  planCause,
  refusalCause,
  logPlan,
  triedCause,
  unreadCause,
  type Unread,
} from './log.js'

export interface Migration {
  /** Starts the Job; resolves with the plan. Throws a Failure when the new code does not start. */
  plan(log: StageLog): Promise<Plan>
  /** Resolves when the migrations are applied; called after `plan`, when something is pending. */
  migrate(log: StageLog): Promise<void>
  /** Returns what has been applied so far: `orders.0002_note`. */
  applied(): readonly string[]
  /** Returns the same after `migrate`, where the log shows all of it: it says of the rest that others have applied it. */
  whole(): readonly string[] | undefined
  /** Returns what the new version needs of the databases, packed; known with the plan. */
  needs(): string | undefined
  /** Returns the tasks of the new version, packed; known with the plan. */
  tasks(): string | undefined
  /**
   * Returns where the schema is not as the plan predicted, a sentence each; known after `migrate`. When that failed,
   * only what breaks the running versions: the new one will not run.
   */
  surprises(hasFailed: boolean): readonly string[]
  /**
   * Returns what the running versions do not fit now, by the databases themselves; nothing where that is not known.
   */
  broken(): readonly Misfit[] | undefined
  /** Returns what the versions that come back do not fit after a reversal; nothing where that is not known. */
  misfits(): readonly Misfit[] | undefined
  /** Returns what is held back still, and what is left in the databases for that time; nothing without a plan. */
  contract(): Partial<Contract>
  /** Returns what this has changed for earlier versions; nothing where nothing was migrated. */
  schema(): SchemaChange | undefined
  /**
   * Ensures that nothing of the migration runs or ever starts after this: removes a Job whose container has not
   * ended, and waits for its pod. One that has ended stays for an hour, for people to look at, unless it only plans, or
   * something counts its pod.
   */
  close(): Promise<void>
}

/** The pod has 5 s to end (src/django/job.ts); a slow node has a little more. */
const podGoneMs = 30_000

export function startMigration(context: OpenContext, input: MigrationInput): Migration {
  return new MigrationRun(context, input)
}

/**
 * One migration. Its states:
 *
 * - new: no Job was requested.
 * - requested (`#name`): a Job of this name may exist, also when the answer was lost.
 * - followed (`#job`): the Job exists. It has its own states.
 * - closed (`#over`): the Job has ended or is gone.
 */
class MigrationRun implements Migration {
  readonly #marker = `rollout-${crypto.randomUUID()}`
  readonly #output: Output
  #made: MadeJob | undefined
  #plan: Plan | undefined
  #name: string | undefined
  #job: FollowedJob | undefined
  /** All of the plan, where the log does not show what was applied. */
  #whole: readonly string[] | undefined
  /** The Job has ended, and its log does not show what it did. */
  #isUnread = false
  /** The log shows all that the command has applied. */
  #isWhole = false
  /** The command has succeeded. */
  #isDone = false
  readonly #over = new AbortController()

  constructor(
    private readonly context: OpenContext,
    private readonly input: MigrationInput,
  ) {
    this.#output = new Output(this.#marker, (refused) =>
      this.#withPassed(refusalCause(refused, this.#refusalWords())),
    )
  }

  async plan(log: StageLog): Promise<Plan> {
    this.#output.to(log)
    const job = await this.#start(log)
    const found = await Promise.race([this.#output.plan, this.#endOfPlan(job)])
    this.#output.hold()
    const plan = this.#other
      ? found
      : withoutOwn(withLeftOut(found, this.input.checked.targets), this.#made?.own ?? new Set())
    this.#plan = plan
    const { settings } = this.context
    if (!this.#other && !this.input.isAgain) logPlan(log, plan, settings.sql, settings.contract)
    return plan
  }

  async migrate(log: StageLog): Promise<void> {
    this.#output.to(log)
    const end = await this.#job?.end
    if (end?.verdict.is === 'failed') {
      if (end.unread === undefined) {
        // One that was killed may have recorded a migration before its line was written.
        this.#isWhole = lastError(this.#output.lines) !== undefined
        throw new Failure(this.#cause(end.verdict.cause))
      }
      fail(this.#unreadCause('migration-failed', end, end.unread))
    }
    this.#isDone = true
    if (end?.unread !== undefined) {
      log.say(`its log could not be read completely (${end.unread}), but it succeeded`)
      this.#whole = await this.#wholePlan()
    }
    this.#isWhole = end?.unread === undefined
    if (this.#lacksLook()) {
      log.say(
        'tables were locked as Django does, without looking who uses them: the command starts no Python that reads PYTHONPATH',
      )
    }
    const whole = this.whole()
    const others = whole ? this.#pending().filter((name) => !whole.includes(name)) : []
    if (others.length > 0) {
      log.say(
        `applied by another client since the plan: ${others.join(', ')}; another cluster or namespace may use this database, too`,
      )
    }
    const done = this.input.reverses ? 'reversed' : 'applied'
    log.say(`${plural(this.applied().length, 'migration')} ${done}`)
  }

  #cause(cause: Cause): Cause {
    const { migrated, gaveUp, tried } = this.#output
    const judged = this.#plan?.judged
    // One that is only reported has not ended it.
    if (tried.length > 0 && judged?.policy === 'block')
      return triedCause(cause, { ...judged, findings: tried }, migrated, toRepo(this.context))
    return withLeft(migrationCause(cause, migrated, gaveUp), this.#compared ?? [])
  }

  /** What the migration really made of the databases, where that is known. */
  get #compared(): readonly Verified[] | undefined {
    const { verified } = this.#output
    return verified === undefined || 'why' in verified ? undefined : verified
  }

  get #other(): OtherWork | undefined {
    const { reports, proves, reverses, again } = this.input
    return reports ?? proves ?? reverses ?? again
  }

  /** Whether it should have looked before it locked, and has not. */
  #lacksLook(): boolean {
    const { judged, databases = [] } = this.#plan ?? {}
    return (
      judged !== undefined &&
      this.context.settings['lock-wait-migrate'] > 0 &&
      databases.some(({ vendor, pending }) => vendor === 'postgresql' && pending.length > 0) &&
      !this.#output.looks
    )
  }

  applied(): readonly string[] {
    return this.#whole ?? this.#output.progress().applied
  }

  whole(): readonly string[] | undefined {
    // It is printed unless the command is quiet, or not Django's own.
    const isTold = this.#output.lines.some((line) => line.trim() === 'Running migrations:')
    return this.#isWhole && isTold ? this.#output.progress().applied : undefined
  }

  #pending(): readonly string[] {
    return this.#other || !this.#plan ? [] : plannedOf(this.#plan)
  }

  needs(): string | undefined {
    return this.#output.needs
  }

  tasks(): string | undefined {
    return this.#output.tasks
  }

  broken(): readonly Misfit[] | undefined {
    const compared = this.#compared
    const { judged } = this.#plan ?? {}
    return !judged || !compared || this.#isPartly() ? undefined : brokenBy(judged, compared)
  }

  /** Whether what the plan has not compared is not compared after it either. */
  #isPartly(): boolean {
    return (this.#plan?.judged?.findings ?? []).some(
      ({ rule }) => rule === 'schemas' || rule === 'unjudged',
    )
  }

  misfits(): readonly Misfit[] | undefined {
    return this.#output.reversed
  }

  surprises(hasFailed: boolean): readonly string[] {
    const { tried } = this.#output
    const { judged } = this.#plan ?? {}
    if (!judged) return []
    // The others are the cause.
    const refused =
      judged.policy === 'block' ? [] : tried.map((one) => migrationSentence(one, judged.versions))
    return [...refused, ...this.#unpredicted(hasFailed)]
  }

  #unpredicted(hasFailed: boolean): readonly string[] {
    const { verified } = this.#output
    const { judged } = this.#plan ?? {}
    if (!judged || verified === undefined) return []
    if ('why' in verified)
      return [`the schema was not compared with the plan after the migration: ${verified.why}`]
    return verifiedWarnings(hasFailed ? verified.map(withoutNew) : verified, judged)
  }

  contract(): Partial<Contract> {
    if (this.#other) return {}
    const made = this.#output.bridges
    const progress = { isDone: this.#isDone, applied: this.applied(), made }
    return contractOf(this.#plan, this.#made?.before, progress)
  }

  schema(): SchemaChange | undefined {
    const applied = this.applied()
    const { runs, judged, databases = [] } = this.#plan ?? { runs: this.#isUnread }
    if (!runs || judged?.blocked === true || this.#plan?.backup)
      return applied.length > 0 ? { is: 'unknown' } : undefined
    const pending = databases.filter((one) => one.pending.length > 0 || one.isBridged === true)
    if (this.#plan && pending.length + applied.length === 0) return undefined
    const compared = this.#compared ?? []
    const isWhole =
      !this.#isPartly() &&
      pending.length > 0 &&
      pending.every(({ database }) => compared.some((one) => one.database === database))
    return isWhole ? { is: 'compared', databases: compared, applied } : { is: 'unknown' }
  }

  async close(): Promise<void> {
    const { context, input } = this
    this.#over.abort(new Error('the migration is closed'))
    this.#output.hold()
    try {
      const { live } = input.checked
      const stays = input.plansOnly !== true && this.#made?.isCounted !== true
      const isOver = stays && this.#job?.hasContainerEnded === true
      const container = this.#made?.container ?? ''
      if (this.#name !== undefined && !(isOver && endsByItself(live, this.#name, container)))
        await removeJob(context, live, this.#name)
    } finally {
      await this.#job?.close()
    }
  }

  async #start(log: StageLog): Promise<FollowedJob> {
    const { context, input } = this
    const { live } = input.checked
    const made = await makeJob(context, input, this.#marker)
    this.#made = made
    made.notes.forEach((note) => {
      log.say(note)
    })
    const created = await createJob(context, live, made.job, (name) => {
      this.#name = name
    })
    log.say(`${titleOf(created)}, created from ${made.from}`)
    const signal = AbortSignal.any([context.signal, this.#over.signal])
    const desired = { job: nameOf(created), container: made.container }
    this.#job = new FollowedJob(context.with({ signal }), live, desired, this.#output)
    return this.#job
  }

  /** Waits for a Job that ends without a plan, and throws its cause as it concerns the release. */
  async #endOfPlan(job: FollowedJob): Promise<Plan> {
    const output = this.#output
    const end = await job.end
    if (end.verdict.is === 'failed') {
      const { cause } = end.verdict
      // The inspector's output arrives before the end of the Job: a refusal is no crash.
      await Promise.race([output.plan, Promise.resolve()])
      if (output.progress().applied.length > 0) return output.plan
      if (cause.code !== 'crash') throw new Failure(cause)
      if (end.unread === undefined)
        throw new Failure(planCause(this.#withPassed(cause), this.#who(), output.lines))
    }
    const early = await Promise.race([output.plan, Promise.resolve(undefined)])
    if (!early && end.unread !== undefined) fail(this.#unreadCause('plan-failed', end, end.unread))
    return (
      early ??
      fail({
        code: 'plan-failed',
        sentence: `${this.#who()} started, but exited before it listed its migrations`,
        hint: 'check that "migrate-command" calls Django’s manage.py',
        logs: [{ lines: output.lines.slice(-shownLines) }],
      })
    )
  }

  /** Adds that what starts the web was skipped, if so: it may prepare what the command needs. */
  #withPassed(cause: Cause): Cause {
    return alsoPassed(cause, passedBy(this.#output, this.#made), this.#command())
  }

  /** When the command succeeds, all of the plan is applied; commands of another form may do a part of it. */
  async #wholePlan(): Promise<readonly string[] | undefined> {
    if (this.input.reverses || !isPlain(this.#command())) return undefined
    return plannedOf(await this.#output.plan)
  }

  #who(): string {
    return this.#other?.name ?? 'the new version'
  }

  #command(): string {
    return this.#other?.command ?? this.context.settings['migrate-command']
  }

  #unreadCause(code: Unread, { verdict }: JobEnd, words: string): Cause {
    this.#isUnread = true
    const job = this.#name ?? ''
    const container = this.#made?.container ?? ''
    return unreadCause(
      code,
      { job, verdict, words },
      {
        migrated: this.#output.migrated,
        logs: this.context.cluster.commandLine(['logs', `job/${job}`, '-c', container]),
      },
    )
  }

  #refusalWords() {
    const { cluster, app } = this.context
    const { workload, container } = this.input.web
    const script = this.#made?.script
    return {
      command: this.#command(),
      ...(script && !script.isAll && { starter: script.name }),
      accept: cluster.commandLine(forgetDatabases(app)),
      give: (variable: string) =>
        cluster.commandLine(['set', 'env', idOf(workload), '-c', container, variable]),
    }
  }
}

/** Adds who keeps a version that runs: excluded workloads, CronJobs among them, and pods without an owner. */
function withLeftOut(
  { judged, ...plan }: Plan,
  targets: MigrationInput['checked']['targets'],
): Plan {
  if (!judged) return plan
  const updated = new Set(targets.map(({ id }) => idOf(id)))
  const versions = judged.versions.map((version) => {
    // A name may have more words: `cronjob/report which is suspended`.
    const leftOut = version.names.filter(
      (name) => !isEnding(name) && !updated.has(name.split(' ')[0] ?? ''),
    )
    return leftOut.length === 0 ? version : { ...version, leftOut }
  })
  return { ...plan, judged: { ...judged, versions } }
}

/** Leaves out what was found for the new version. */
function withoutNew({ unpredicted, ...verified }: Verified): Verified {
  return { ...verified, unpredicted: unpredicted.filter(({ direction }) => direction !== 'new') }
}

/** Removes a Job and waits for its pod to be gone; throws an Error when that fails. */
export async function removeJob(
  { platform, cluster }: Pick<OpenContext, 'platform' | 'cluster'>,
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

/**
 * Whether a Job whose `container` has ended ends too. A container that an injector adds to the pod (a mesh, Vault, a
 * database proxy) runs on, and the Job with it.
 */
export function endsByItself(live: NamespaceWatch, name: string, container: string): boolean {
  // Its own status may show the end later.
  return runningIn(live, name).every((running) => running === container)
}

/** Returns the names of the containers of a Job's pods that run. */
export function runningIn(live: NamespaceWatch, name: string): readonly string[] {
  return podsOfJob(live.clusterState(), name)
    .flatMap(({ status }) => status?.containerStatuses ?? [])
    .filter(({ state }) => state?.running)
    .map((container) => container.name)
}

/** Returns the Job's pods, those that are being deleted too. */
function podsOfJob(clusterState: ClusterState, name: string): readonly Pod[] {
  return [...clusterState.pods.values()].filter(
    ({ metadata }) => metadata?.labels?.['job-name'] === name,
  )
}
