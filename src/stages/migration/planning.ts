/** The plans of a migration: the first one, and the one after a backup. */
import type { BackupReason, Plan } from '../../django/plan.js'
import { backupReasons } from '../../report/backup-sentences.js'
import type { StageLog } from '../../platform/stage-log.js'
import type { OpenContext } from '../context.js'
import { makeBackup, type Backup } from './backup.js'
import { endOfBroken } from './ending.js'
import type { MigrationInput } from './job.js'
import { startMigration, type Migration } from './run.js'

/**
 * Plans a migration as often as needed: each plan is one of a new Job, and the last Job migrates what it has planned
 * itself, whatever has changed since the first plan. `wait` is called before each plan.
 */
export class Planning {
  #input: MigrationInput
  #migration: Migration

  constructor(
    private readonly context: OpenContext,
    input: MigrationInput,
    private readonly wait: (log: StageLog) => Promise<void> = () => Promise.resolve(),
    private readonly start = startMigration,
  ) {
    this.#input = input
    this.#migration = start(context, input)
  }

  /** The migration of the last plan. */
  get migration(): Migration {
    return this.#migration
  }

  /** Plans, once more where only pods that were ending stood against it. */
  async plan(log: StageLog): Promise<Plan> {
    await this.wait(log)
    const plan = await this.#migration.plan(log)
    if (plan.judged?.blocked !== true) return plan
    const { live } = this.#input.checked
    if (!(await endOfBroken(this.context, live, plan.judged, log))) return plan
    await this.#startAgain()
    return this.#migration.plan(log)
  }

  /** Makes the backup that a plan has asked for. The next plan asks for none. */
  async backup(log: StageLog, reasons: readonly BackupReason[]): Promise<Backup> {
    const { checked, image } = this.#input
    this.#input = { ...this.#input, backup: undefined, isAgain: true }
    await this.#startAgain()
    return makeBackup(this.context.with({ log }), checked, {
      image,
      reasons: backupReasons(reasons),
      work: 'migrated',
    })
  }

  async #startAgain(): Promise<void> {
    await this.#migration.close()
    this.#migration = this.start(this.context, this.#input)
  }
}
