/** Applies the migrations of an image in the registry, by the same Job as in a release. Rolls out nothing. */
import { findSource } from '../docker/source.js'
import { fail } from '../failure/failure.js'
import { unsafeCause } from '../report/migration-sentences.js'
import type { Report } from '../report/report.js'
import { imageToDeploy, type DeployableImage } from '../stages/image.js'
import { endOfOthers } from '../stages/migration/ending.js'
import { backupWhen } from '../stages/migration/backup.js'
import { Planning } from '../stages/migration/planning.js'
import type { Migration } from '../stages/migration/run.js'
import { withReported } from '../stages/migration/unreleased.js'
import { leftBehind, planWarnings } from '../stages/migration/log.js'
import { checkHistory } from '../stages/name-conflicts.js'
import { preflight, type PreflightResult } from '../stages/preflight.js'
import { toRepo, type OpenContext, type ReleaseContext } from '../stages/context.js'
import { plannedOf, type Plan } from '../django/plan.js'
import type { Image } from '../docker/image.js'
import { idOf } from '../kubernetes/workload.js'
import type { SchemaWork } from '../state/record.js'
import { onceVerified } from '../stages/signature.js'
import { checkedNow } from '../stages/snapshot.js'
import { readHistory, saveSchemaChange } from '../state/history-store.js'
import { openHeld } from '../state/history.js'
import type { StageLog } from '../platform/stage-log.js'
import { messageOf } from '../platform/error-message.js'
import { orLost, sentenceOf } from './causes.js'
import { contextOf, reported, type Run, type Start } from './run.js'
import type { Outcome } from './run-state.js'
import type { OnSchema } from './transaction.js'
import { lockAndRecover } from './lock.js'
import { allOrAbort } from '../platform/time.js'

/** Returns `done` when migrations were applied, `unchanged` when there was nothing to apply. */
export function migrateOnly(start: Start): Promise<Report> {
  return reported('migrate', start, toImage)
}

async function toImage(run: Run): Promise<Outcome> {
  const { platform, settings, reporter, signal, state, resources } = run
  if (settings['migrate-command'] === '') {
    fail({
      code: 'usage',
      sentence: '"migrate" needs a command, but "migrate-command" is none',
      hint: 'remove the option to use the default, or remove this step',
    })
  }
  const requested = contextOf(run, await findSource(platform, settings, settings.context))
  const toRun = Promise.withResolvers<DeployableImage>()
  const [{ cluster: unlocked, checked }, ready] = await allOrAbort(signal, [
    (signal) =>
      reporter.stage('preflight', async (log) => {
        const context = requested.with({ signal, log })
        const open = onceVerified(settings, toRun.promise, () =>
          resources.openCluster(platform, settings, signal),
        )
        return withReported(context, await preflight(context, open, () => toRun.promise))
      }),
    (signal) =>
      reporter.stage('image', async (log) => {
        await resources.login(settings)
        const ready = await imageToDeploy(requested.with({ signal, log }))
        toRun.resolve(ready)
        return ready
      }),
  ])
  const { image } = ready
  state.haveImage(image)
  const context = contextOf(run, ready.source)
  const { cluster, lost, now } = await reporter.stage('lock', async (log) => {
    const locked = await lockAndRecover(run, context.with({ log, cluster: unlocked }), checked)
    const withLock = context.with({ log, cluster: locked.cluster })
    await checkHistory(withLock, checked)
    return { ...locked, now: await checkedNow(withLock, checked) }
  })
  const locked = context.with({ cluster, signal: AbortSignal.any([signal, lost]) })
  try {
    state.keepPlan = () => keepSchemaChange(run, locked, { is: 'begun' })
    const hasRun = await migrateTo(run, locked, now, { image })
    return { result: hasRun ? 'done' : 'unchanged' }
  } catch (error) {
    throw orLost(error, lost)
  } finally {
    await keepSchemaChange(run, locked)
  }
}

/** Keeps what is applied outside of a release: the last one of the history has it, so that it is not of others. */
export async function keepSchemaChange(
  { state, warn }: Pick<Run, 'state' | 'warn'>,
  { cluster, platform, app }: OpenContext,
  schema = state.schema,
): Promise<void> {
  const { contract, migrations } = state
  if (!schema && !contract?.held && migrations.length === 0) return
  const history = { cluster, clock: platform.clock, app }
  await saveSchemaChange(history, schema, contract, migrations).catch((error: unknown) => {
    warn(`the history does not show which versions fit the schema now: ${messageOf(error)}`)
  })
}

/** Returns the command if history and reports may have it: no value of a variable, which may be secret. */
export function shared(command: string): string | undefined {
  const isPlain = /^(cd [\w./-]+ && )?[\w./ =-]+$/.test(command) && !/(^| )\w+=/.test(command)
  return isPlain ? command : undefined
}

/** Plans and migrates. Returns whether the command was run; the applied migrations are in the run's state. */
export async function migrateTo(
  { reporter, state, warn, command }: Run,
  context: OpenContext,
  checked: PreflightResult,
  { image, keep }: { readonly image: Image; readonly keep?: OnSchema },
): Promise<boolean> {
  const { settings } = context
  if (!checked.web || settings['migrate-command'] === '') return false
  const input = {
    checked,
    web: checked.web,
    image,
    backup: backupWhen(settings),
    ...(command === 'migrate' && { now: true as const }),
  }
  const planning = new Planning(context, input, (log) => endOfHolders(context, checked, image, log))
  try {
    const plan = await reporter.stage('plan', (log) => planned(state, context, planning, log))
    state.needs = planning.migration.needs()
    state.tasks = planning.migration.tasks()
    state.migrate = shared(settings['migrate-command'])
    state.databases = Object.fromEntries(
      plan.databases.map(({ database, identity }) => [database, identity]),
    )
    planWarnings(plan).forEach(warn)
    if (!plan.runs) return false
    const { backup: reasons } = plan
    if (reasons)
      state.backup = await reporter.stage('backup', (log) => planning.backup(log, reasons))
    await state.keepPlan?.()
    const work = workOfUndo(context, checked, plan)
    if (work) await keep?.(work)
    let hasFailed = true
    try {
      await reporter.stage('migrate', async (log) => {
        if (reasons) await planned(state, context, planning, log)
        await planning.migration.migrate(log)
      })
      hasFailed = false
    } finally {
      planning.migration.surprises(hasFailed).forEach(warn)
      const misfits = planning.migration.broken()
      const own = planning.migration.whole()
      // An undo takes nothing back that another cluster has applied meanwhile.
      if (work && (misfits ?? own))
        await keep?.({ ...work, ...(misfits && { misfits }), ...(own && { migrations: own }) })
    }
    leftBehind(plan, settings['migrate-command'], planning.migration.applied()).forEach(warn)
    return true
  } finally {
    await closeMigration({ state, warn }, planning.migration)
  }
}

/** Ends a migration in whatever state it is, and keeps what it has done for the history. Never throws. */
export async function closeMigration(
  { state, warn }: Pick<Run, 'state' | 'warn'>,
  migration: Migration,
): Promise<void> {
  await migration.close().catch((error: unknown) => {
    warn(sentenceOf(error))
  })
  // Its pod may have applied some before it was gone.
  state.migrations = [...state.migrations, ...migration.applied()]
  state.schema = migration.schema()
  state.contract = { ...state.contract, ...migration.contract() }
}

/** Throws a Failure `unsafe-migration` where the plan is blocked: the pod has not migrated then. */
async function planned(
  state: Run['state'],
  context: ReleaseContext,
  planning: Planning,
  log: StageLog,
): Promise<Plan> {
  const plan = await planning.plan(log)
  state.plan = plan
  state.contract = planning.migration.contract()
  if (plan.judged?.blocked === true) fail(unsafeCause(plan.judged, toRepo(context)))
  return plan
}

type BackWork = Extract<SchemaWork, { is: 'back' }>

/** What an undo has to do once the migration has begun: the previous version may not fit any more. */
export function workOfUndo(
  { settings }: ReleaseContext,
  { web, reported }: Pick<PreflightResult, 'web' | 'reported'>,
  plan?: Plan,
): BackWork | undefined {
  const command = settings['migrate-command']
  // Where nothing is judged, no version comes back.
  if (!web || command === '' || (plan && !plan.judged)) return undefined
  const { workload, container } = web
  const migrations = plan && plannedOf(plan)
  return {
    is: 'back',
    web: idOf(workload),
    container,
    command,
    ...(migrations && { migrations }),
    ...(reported && {
      reported: [...reported].map(([digest, { tag, needs }]) => ({ digest, tag, needs })),
    }),
  }
}

/** What was held back for a version would be held back again for its last pods, when a release follows quickly. */
async function endOfHolders(
  context: OpenContext,
  { live }: Pick<PreflightResult, 'live'>,
  image: Image,
  log: StageLog,
): Promise<void> {
  const { cluster, app, settings } = context
  const held = openHeld(await readHistory(cluster, app, settings.image))
  if (held.length > 0) await endOfOthers(context, live, image, log)
}
