/** Models of the image that its migrations do not know: found beside the tests, whose time it does not add to. */
import { compareCommand, managementOf, readModelChanges } from '../django/model-changes.js'
import { describeTraceback, isOwn, lastError } from '../django/traceback.js'
import { runInImage } from '../docker/run-tests.js'
import { errorLine } from '../docker/text.js'
import { Failure, type Cause } from '../failure/failure.js'
import { firstOf } from '../judge/words.js'
import { Last } from '../platform/lines.js'
import { messageOf } from '../platform/error-message.js'
import { withGracePeriod } from '../platform/time.js'
import type { ModelChange } from '../report/report.js'
import { logWarning, toRepo, type StageContext } from './context.js'
import type { Tested } from './test.js'

/** As much as is kept to be read: a Django's answer, or its traceback. */
const most = { count: 1_000, letters: 4 * 1024 * 1024 }

/** How long after the tests it may still run, in ms. */
const spareMs = 30_000

/**
 * Returns the changes of models that no migration has, of the project's own apps. Throws nothing but the signal's
 * reason: where Django cannot answer, the log says why.
 *
 * @param ended aborted when the tests are over.
 */
export async function findModelChanges(
  context: StageContext,
  tested: Tested,
  ended: AbortSignal,
): Promise<readonly ModelChange[]> {
  const { platform, signal, settings, log } = context
  try {
    return await withGracePeriod(platform.clock, spareMs, ended, (late) =>
      compare(context.with({ signal: AbortSignal.any([signal, late]) }), tested),
    )
  } catch (error) {
    signal.throwIfAborted()
    // A server that does not start: the tests fail with it.
    if (error instanceof Failure) return []
    const why = `the models were not compared with the migrations: ${messageOf(error)}`
    if (settings['missing-migrations'] === 'block') logWarning(context, why)
    else log.say(why)
    return []
  }
}

async function compare(
  context: StageContext,
  { built, box }: Tested,
): Promise<readonly ModelChange[]> {
  const { settings, log } = context
  const management = managementOf(settings['test-command'], settings['migrate-command'])
  const kept = new Last<string>(most, (line) => line.length)
  const plan = { built, command: compareCommand(management), beside: true } as const
  const { code } = await runInImage(context, box, plan, (line) => {
    kept.push(line)
  })
  const lines = kept.all
  const all = readModelChanges(lines)
  if (!all) {
    const error = lastError(lines)
    const why = error ? describeTraceback(error, toRepo(context)) : errorLine(lines)
    throw new Error(why === '' ? `exit code ${code}` : why)
  }
  const found = all
    // The migrations of a package are not this project's to make.
    .filter(({ migration }) => isOwn(migration))
    .map(({ app, changes, file: inImage, line }): ModelChange => {
      const file = inImage === undefined ? undefined : toRepo(context)(inImage)
      return {
        app,
        changes,
        message: `${app} has changes of its models without a migration: ${firstOf(changes, 4)}`,
        fix: `${management.manage} makemigrations ${app}`,
        ...(file !== undefined && line !== undefined && { file, line }),
      }
    })
  if (found.length === 0) log.say('each change of the models has its migration')
  for (const { message } of found) log.say(`warning: ${message}`)
  return found
}

/** Why a release ends that must have all migrations. */
export function missingMigrations(found: readonly ModelChange[]): Cause {
  const apps = firstOf(
    found.map(({ app }) => app),
    3,
  )
  return {
    code: 'tests-failed',
    sentence: `tests: there are changes of models without a migration (${apps}), and "missing-migrations" is block`,
    hint: found.map(({ fix }) => fix).join('; '),
  }
}
