/**
 * The way back by the newer image: only it has the code that reverses its migrations. A Job of it finds the least that
 * an older version needs reversed, counts what that drops, and reverses it where it may.
 */
import { fail } from '../../failure/failure.js'
import type { Reversal, ReverseTask } from '../../django/reversal.js'
import { misfitSentence } from '../../report/migration-sentences.js'
import { reversalWords } from '../../report/reversal-sentences.js'
import type { ClusterContext } from '../context.js'
import type { MigrationInput } from './job.js'
import { startMigration } from './run.js'

/** The input of a Job of the newer image. */
export interface ReversalInput extends Pick<MigrationInput, 'checked' | 'web' | 'image'> {
  /** `release 4`: the newer version. */
  readonly name: string
  /** `release 3 (4f2c1d9)`: the version that comes back. */
  readonly back: string
  readonly command: string
  readonly timeoutMs: number
  readonly task: ReverseTask
}

/** Receives what was reversed, also when the Job fails. */
export type OnReversed = (migrations: readonly string[]) => void

/**
 * Runs the Job. Resolves with what it has found; it has reversed exactly where that says `reverse`. Throws a Failure
 * when it does not start, when a reversal fails, and when the version that comes back does not fit after it.
 */
export async function reverse(
  context: ClusterContext,
  input: ReversalInput,
  onReversed: OnReversed = () => undefined,
): Promise<Reversal> {
  const { log } = context
  const { name, back, command, timeoutMs, task, ...rest } = input
  const migration = startMigration(context, {
    ...rest,
    reverses: { name, command, timeoutMs, task },
  })
  try {
    const { reversal } = await migration.plan(log)
    if (!reversal)
      return fail({ code: 'plan-failed', sentence: `${name} did not say what it can reverse` })
    if (reversal.does !== 'reverse') return reversal
    log.say(reversalWords(reversal))
    await migration.migrate(log)
    const [left] = migration.misfits() ?? []
    if (left) {
      fail({
        code: 'migration-failed',
        sentence: `the migrations were reversed, but the schema is not as expected: ${misfitSentence(back, left)}`,
      })
    }
    log.say(`the schema now fits ${back}`)
    return reversal
  } finally {
    try {
      await migration.close()
    } finally {
      onReversed(migration.applied())
    }
  }
}
