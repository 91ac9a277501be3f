/** Applies what a release has held back, once no running version needs it any more. */
import type { Image } from '../docker/image.js'
import type { OpenContext } from '../stages/context.js'
import { notAppliedWarning, stillHeldWarning } from '../report/contract-sentences.js'
import { backupWhen } from '../stages/migration/backup.js'
import { endOfOthers } from '../stages/migration/ending.js'
import { Planning } from '../stages/migration/planning.js'
import { sentenceOf } from './causes.js'
import { closeMigration, keepSchemaChange } from './migrate.js'
import type { Run } from './run.js'

/**
 * With "contract: after", when the new version is live. It runs well, so a failure is a warning, and the next release
 * applies what is left.
 */
export async function applyHeld(
  run: Pick<Run, 'reporter' | 'state' | 'warn'>,
  context: OpenContext,
  image: Image,
): Promise<void> {
  const { reporter, state, warn } = run
  const { settings } = context
  const { held = [], bridges = [] } = state.contract ?? {}
  const { checked } = state.phase
  if (settings.contract !== 'after' || held.length + bridges.length === 0) return
  if (!checked?.web) return
  const { web } = checked
  const input = { checked, web, image, now: true, backup: backupWhen(settings) } as const
  await reporter.stage('contract', async (log) => {
    const own = context.with({ log })
    const planning = new Planning(own, input, () => endOfOthers(own, checked.live, image, log))
    // The release is closed: no other run looks for what the Job of a run has applied that was killed.
    await keepSchemaChange(run, context, { is: 'begun' })
    try {
      let plan = await planning.plan(log)
      if (plan.backup && plan.judged?.blocked !== true) {
        state.backup = await planning.backup(log, plan.backup)
        plan = await planning.plan(log)
      }
      const { migration } = planning
      if (plan.judged?.blocked !== true && plan.runs) await migration.migrate(log)
      const stays = stillHeldWarning(migration.contract().held ?? held, settings.contract)
      if (stays !== undefined) warn(stays)
    } catch (error) {
      context.signal.throwIfAborted()
      warn(notAppliedWarning(planning.migration.applied(), sentenceOf(error)))
    } finally {
      await closeMigration(run, planning.migration)
      await keepSchemaChange(run, context)
    }
  })
}
