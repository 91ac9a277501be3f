/** Applies what a release has held back, once no running version needs it any more. */
import type { Image } from '../docker/image.js'
import type { OpenContext } from '../stages/context.js'
import { stillHeldWarning } from '../report/contract-sentences.js'
import { backupWhen } from '../stages/migration/backup.js'
import { endOfOthers } from '../stages/migration/ending.js'
import { Planning } from '../stages/migration/planning.js'
import { saveSchemaChange } from '../state/history-store.js'
import { sentenceOf } from './causes.js'
import { contractOf } from './open-release.js'
import type { Run } from './run.js'

/**
 * With "contract: after", when the new version is live. It runs well, so a failure is a warning, and the next release
 * applies what is left.
 */
export async function applyHeld(run: Run, context: OpenContext, image: Image): Promise<void> {
  const { reporter, state, warn } = run
  const { settings, platform, cluster, app } = context
  const { held = [], bridges = [] } = contractOf(state.plan)
  const { checked } = state.phase
  if (settings.contract !== 'after' || held.length + bridges.length === 0) return
  if (!checked?.web) return
  const { web } = checked
  const input = { checked, web, image, now: true, backup: backupWhen(settings) } as const
  await reporter.stage('contract', async (log) => {
    const own = context.with({ log })
    const planning = new Planning(own, input, () => endOfOthers(own, checked.live, image, log))
    try {
      let plan = await planning.plan(log)
      if (plan.backup && plan.judged?.blocked !== true) {
        state.backup = await planning.backup(log, plan.backup)
        plan = await planning.plan(log)
      }
      const { migration } = planning
      if (plan.judged?.blocked !== true && plan.runs) await migration.migrate(log)
      const left = contractOf(plan)
      const applied = migration.applied()
      const history = { cluster, clock: platform.clock, app }
      await saveSchemaChange(history, migration.schema(), left, applied)
      state.migrations = [...state.migrations, ...applied]
      const stays = stillHeldWarning(held, left.held)
      if (stays !== undefined) warn(stays)
    } catch (error) {
      context.signal.throwIfAborted()
      warn(`what was held back was not applied, and the next release does it: ${sentenceOf(error)}`)
    } finally {
      await planning.migration.close().catch((error: unknown) => {
        warn(sentenceOf(error))
      })
    }
  })
}
