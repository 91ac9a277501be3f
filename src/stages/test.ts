import {
  afterTests,
  beforeAbort,
  inRepository,
  placeOfHang,
  readTests,
  testAnnotations,
  type TestReport,
} from '../django/test-output.js'
import { lastError, ownFrame, describeTraceback } from '../django/traceback.js'
import { engineCause } from '../docker/client.js'
import { entrypointOf, runInImage } from '../docker/run-tests.js'
import { TestBox } from '../docker/test-box.js'
import { duration, plain, shortened, errorLine } from '../docker/text.js'
import { fail, type Annotation, type Cause } from '../failure/failure.js'
import type { ServiceKind, TestService } from '../options/services.js'
import { Last } from '../platform/lines.js'
import { TimeOver, withGracePeriod, withTimeout } from '../platform/time.js'
import type { Built } from './build.js'
import { logWarning, toRepo, type ReleaseContext, type StageContext } from './context.js'

/** As much as is kept to be read: both test runners print their failures last. */
const most = { count: 20_000, letters: 32 * 1024 * 1024 }

/** Lines of a failure's log. */
const shownLines = 40
/** For what tests say of where they hang: on a busy machine the engine needs seconds to reach them. */
const lastWordsMs = 15_000

/** An image, and the servers for its tests. */
export interface Tested {
  readonly built: Built
  readonly box: TestBox
}

export interface TestListener {
  /** Called at each line that the tests print. */
  readonly onOutput: () => void
  /** Receives the report, passed or failed, where the runner is Django's or pytest. */
  readonly onReport: (report: TestReport) => void
}

/** Starts the servers for the tests. */
export function testBox({ platform, settings, holder, signal }: ReleaseContext): TestBox {
  const plan = {
    run: holder.id,
    timeout: settings['test-timeout'],
    services: settings['test-services'],
    env: settings['test-env'],
  }
  return new TestBox(platform, plan, signal)
}

/**
 * Runs the tests in a container of the built image, before it is available to others. Bypasses the image's
 * entrypoint. There is nothing to undo: the box is thrown away.
 *
 * Throws a `Failure` (`tests-failed`, `tool-missing`, `registry`), or the signal's reason.
 */
export async function test(
  context: StageContext,
  { built, box }: Tested,
  { onOutput, onReport }: TestListener,
): Promise<void> {
  const { platform, settings, signal, log } = context
  const startedAt = platform.clock.now()
  const command = settings['test-command']
  const entrypoint = await entrypointOf(platform, built, signal)
  if (entrypoint !== undefined) {
    log.say(`tests run without the image's entrypoint (${shortened(plain(entrypoint), 100)})`)
  }
  log.say(`running ${command}`)

  const last = new Last<string>(most, (line) => line.length)
  const timeout = settings['test-timeout']
  const run = (late: AbortSignal, end: AbortSignal) =>
    runInImage(
      context.with({ signal: AbortSignal.any([signal, end]) }),
      box,
      { built, command, late, files: settings['test-files'] },
      (line) => {
        onOutput()
        log.quote(line)
        last.push(line)
      },
    )
  const ran = await withTimeout(platform.clock, timeout, signal, async (late) => {
    try {
      return await withGracePeriod(platform.clock, lastWordsMs, late, (end) => run(late, end))
    } catch (error) {
      if (error instanceof TimeOver && !signal.aborted) return undefined
      throw error
    }
  })
  const lines = last.all
  for (const why of ran?.uncopied ?? []) logWarning(context, `test-files: ${why}`)
  if (!ran || ran.isLate) return fail(notInTime(context, lines))
  const { code } = ran

  const report = readTests(lines)
  if (report) onReport(inRepository(report, toRepo(context)))
  if (code !== 0) return fail(testCause(context, code, lines, report))
  if (report?.run === 0) {
    logWarning(context, 'no tests ran; check that "test-command" finds them')
    return
  }
  log.say(passed(report, platform.clock.now() - startedAt))
}

function passed(report: TestReport | undefined, ms: number): string {
  if (report === undefined) return `tests passed in ${duration(ms)}`
  const skipped = report.skipped === 0 ? '' : `, ${report.skipped} of them skipped`
  return `${report.run} ${report.run === 1 ? 'test' : 'tests'} passed in ${duration(ms)}${skipped}`
}

function notInTime(context: StageContext, lines: readonly string[]): Cause {
  const place = placeOfHang(lines, toRepo(context))
  const after = place
    ? `they were in ${place.file}:${place.line} (${place.name})`
    : lastWords(beforeAbort(lines))
  const sentence = `tests: not finished after ${duration(context.settings['test-timeout'])}; ${after}`
  return {
    code: 'tests-failed',
    sentence,
    hint: 'Raise "test-timeout", or look for a test that hangs',
    logs: [{ lines: lines.slice(-shownLines) }],
    ...(place && {
      annotations: [
        { file: place.file, line: place.line, title: 'The tests hang', message: sentence },
      ],
    }),
  }
}

function lastWords(lines: readonly string[]): string {
  const last = lines.findLast((line) => plain(line).trim() !== '')
  return last === undefined ? 'there was no output' : `the last line was "${oneLine(last)}"`
}

/** Returns why a test run with this exit code failed. */
function testCause(
  context: StageContext,
  code: number,
  lines: readonly string[],
  report: TestReport | undefined,
): Cause {
  const { settings } = context
  const command = settings['test-command']
  const inRepo = toRepo(context)
  const logs = [{ lines: lines.slice(-shownLines) }]
  const cause = (sentence: string, more: Partial<Cause> = {}): Cause => ({
    code: 'tests-failed',
    sentence: `tests: ${sentence}`,
    logs,
    ...more,
  })

  const [first] = report?.failing ?? []
  if (report !== undefined && first !== undefined) {
    const count = Math.max(report.failures + report.errors, report.failing.length)
    const file = first.file === undefined ? undefined : (inRepo(first.file) ?? first.file)
    const place = file === undefined ? '' : ` (${file}:${first.line ?? 1})`
    const which = count === 1 ? '' : ', first'
    return cause(
      `${count} of ${report.run} failed${which}: ${first.name}${place}: ${oneLine(first.message)}`,
      {
        annotations: testAnnotations(report, inRepo),
        ...hintFor(lines, settings['test-services']),
      },
    )
  }
  if (code === 125 || (code === 127 && lines.length <= 1)) {
    const problem = engineCause('tests', { code, stdout: '', stderr: lines.join('\n') })
    if (problem !== undefined) return problem
  }
  if (lines.some((line) => /exec:? "?\/bin\/sh"?(:| failed)/.test(line))) {
    return cause('the image has no /bin/sh to run them with', {
      hint: 'Set "target" to a stage that has one, or set "test-command" to none and test before the release',
    })
  }
  if (code === 125) return cause(`starting their container failed: ${errorLine(lines)}`)
  if (report?.run === 0)
    return cause(`"${shortened(command, 100)}" found no tests (exit code ${code})`)

  // What passing tests have logged is no cause.
  const error = lastError(afterTests(lines))
  if (error !== undefined) {
    const frame = ownFrame(error)
    const file = frame === undefined ? undefined : inRepo(frame.file)
    const message = describeTraceback(error, inRepo)
    const annotations: readonly Annotation[] =
      frame === undefined || file === undefined
        ? []
        : [{ file, line: frame.line, title: 'The tests could not run', message }]
    return cause(message, { annotations, ...hintFor(lines, settings['test-services']) })
  }
  const lastLine =
    errorLine(afterTests(lines).slice(-shownLines)) || errorLine(lines.slice(-shownLines))
  if (code === 143) {
    return cause(`something else ended them (SIGTERM); ${lastWords(lines)}`, {
      hint: 'Run it again: the Docker engine was stopped or restarted, or a person stopped the container',
    })
  }
  const killed = code === 137 ? { hint: 'Exit code 137 is a kill, usually for lack of memory' } : {}
  return cause(
    `"${shortened(command, 100)}" exited with code ${code}${lastLine === '' ? '' : `: ${oneLine(lastLine)}`}`,
    killed,
  )
}

/** What tests say that have not found a server; the first kind is the one to set. */
const unreached: readonly (readonly [RegExp, ServiceKind, ...ServiceKind[]])[] = [
  [/psycopg|port 5432/, 'postgres'],
  [/Can't connect to .*\bserver\b|:3306/, 'mysql', 'mariadb'],
  [/\bredis\b|:6379/i, 'redis'],
]

/** Returns a hint for tests that look for a server that was not started. */
function hintFor(
  lines: readonly string[],
  services: readonly TestService[],
): { readonly hint?: string } {
  const says = (words: RegExp): boolean => lines.some((line) => words.test(line))
  const wanted = unreached.flatMap(([words, ...kinds]) =>
    says(words) && !services.some(({ kind }) => kind && kinds.includes(kind)) ? [kinds[0]] : [],
  )
  const failed =
    /connection refused|can't connect to|could not translate host name|failed to resolve host|Name or service not known/i
  return says(failed) && wanted.length > 0
    ? { hint: `For a temporary server, set test-services: ${wanted.join(' ')}` }
    : {}
}

function oneLine(text: string): string {
  return shortened(plain(text).replace(/\s+/g, ' ').trim(), 300)
}
