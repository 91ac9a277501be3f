/** The commands before and after a rollout. */
import type { Image } from '../docker/image.js'
import { runCommand } from '../stages/command.js'
import type { OpenContext } from '../stages/context.js'
import type { PreflightResult } from '../stages/preflight.js'
import type { CommandRun } from '../report/report.js'
import { sentenceOf } from './causes.js'
import { shared } from './migrate.js'
import type { Run } from './run.js'

interface Input {
  readonly checked: PreflightResult
  readonly image: Image
}

/** Runs them one after the other; throws the Failure of the first that fails. */
export async function runCommands(
  { reporter, state }: Run,
  context: OpenContext,
  { checked, image }: Input,
  when: CommandRun['when'],
): Promise<void> {
  const commands = context.settings[when]
  const { web } = checked
  if (commands.length === 0 || !web) return
  const { clock } = context.platform
  await reporter.stage(when, async (log) => {
    for (const [at, command] of commands.entries()) {
      const shown = shared(command) ?? `line ${at + 1}`
      const startedAt = clock.now()
      const ended = (how: CommandRun['ended']) => {
        const seconds = (clock.now() - startedAt) / 1000
        state.commands.push({ when, command: shown, seconds, ended: how })
      }
      try {
        await runCommand(
          context.with({ log }),
          { checked, web, image },
          command,
          `${when} (${shown})`,
        )
      } catch (error) {
        ended('failed')
        throw error
      }
      ended('done')
    }
  })
}

/**
 * Runs those after the rollout. The version is live, and what they do is outside of the cluster (a cache, a message, an
 * upload): an undo could not take it back, so a failure is a warning.
 */
export async function runCommandsAfter(
  run: Run,
  context: OpenContext,
  input: Input,
): Promise<void> {
  try {
    await runCommands(run, context, input, 'after-rollout')
  } catch (error) {
    run.warn(`${sentenceOf(error)}. The new version is live and stays`)
  }
}
