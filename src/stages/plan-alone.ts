/**
 * A plan without a cluster: the image runs on this machine, with an empty database that is first brought to the
 * migrations which are applied where the application runs.
 */
import { inspectorEnv } from '../django/inspector-env.js'
import { planCommand } from '../django/inspector-command.js'
import { type DatabasePlan, type Plan } from '../django/plan.js'
import { lastError, describeTraceback } from '../django/traceback.js'
import type { Built } from '../docker/build.js'
import { runInImage } from '../docker/run-tests.js'
import { TestBox } from '../docker/test-box.js'
import { errorLine } from '../docker/text.js'
import { fail, type Cause } from '../failure/failure.js'
import { isDatabase, usualService, type TestService } from '../options/services.js'
import { longest, LongLine } from '../platform/lines.js'
import { withTimeout } from '../platform/time.js'
import type { NeedsFile } from '../state/needs-file.js'
import { toRepo, type StageContext } from './context.js'
import { backupWhen } from './migration/backup.js'
import { shownLines } from './migration/followed-job.js'
import { faultCause, logPlan, Output, refusalCause } from './migration/log.js'

/** Throws a Failure `plan-failed`, and what `runInImage` throws. */
export async function planAlone(
  context: StageContext,
  built: Built,
  { versions, applied }: NeedsFile,
): Promise<Plan> {
  const { platform, settings, signal, log, warn } = context
  const command = settings['migrate-command']
  const backup = backupWhen(settings)
  const marker = `rollout-${crypto.randomUUID()}`
  const words = { command, accept: '', give: (variable: string) => `test-env: ${variable}` }
  const output = new Output(marker, (refused) => refusalCause(refused, words))
  output.to(log)
  const task = inspectorEnv({
    marker,
    migrate: command,
    running: versions,
    unsafe: settings['unsafe-migrations'],
    plansOnly: true,
    leaves: applied,
    ...(backup !== undefined && { backup }),
    // What the pods start is not known here: that an image migrates by itself is seen with the cluster.
    contract: {
      policy: settings.contract,
      hasBridges: settings.bridge === 'on',
      programs: [],
    },
  })
  const own = Object.fromEntries(task.map(({ name, value }) => [name, value]))
  const long = new LongLine(marker)
  const timeout = settings['migrate-timeout']
  const services = withDatabase(settings['test-services'])
  const env = { ...settings['test-env'], ...own }
  const box = new TestBox(platform, { run: context.holder.id, timeout, services, env }, signal)
  try {
    await withTimeout(platform.clock, timeout, signal, (late) =>
      runInImage(
        context.with({ signal: late }),
        box,
        { built, command: planCommand(command, undefined, marker) },
        (line) => {
          for (const piece of long.push(line)) output.line(piece)
          // A line that was cut comes in pieces of this length, or one less.
          if (line.length < longest - 1) output.line(long.end())
        },
      ),
    )
  } finally {
    await box.close(warn)
  }
  const rest = long.end()
  if (rest !== '') output.line(rest)
  const plan = await Promise.race([output.plan, Promise.resolve(undefined)])
  if (!plan) return fail(noPlan(context, output.lines))
  const sizeless = { ...plan, databases: plan.databases.map(withoutSizes) }
  logPlan(log, sizeless, settings.sql)
  return sizeless
}

/** The tests' own database, or PostgreSQL. */
function withDatabase(services: readonly TestService[]): readonly TestService[] {
  return services.some(isDatabase) ? services : [usualService('postgres'), ...services]
}

function noPlan(context: StageContext, lines: readonly string[]): Cause {
  const logs = [{ lines: lines.slice(-shownLines) }]
  const fault = faultCause('the new version', lines)
  if (fault) return { ...fault, logs }
  const error = lastError(lines)
  const why = error === undefined ? errorLine(lines) : describeTraceback(error, toRepo(context))
  return {
    code: 'plan-failed',
    sentence: `the new version does not start in a container without the cluster: ${why}`,
    hint: 'Its settings must take the database from DATABASE_URL, or from the variables PG…, POSTGRES_… or MYSQL_…; set what else it needs with "test-env"',
    logs,
  }
}

/** The tables are empty here. */
function withoutSizes(database: DatabasePlan): DatabasePlan {
  const pending = database.pending.map(({ locks, ...one }) => ({
    ...one,
    ...(locks && { locks: locks.map((lock) => ({ ...lock, rows: -1, bytes: 0 })) }),
  }))
  return { ...database, pending }
}
