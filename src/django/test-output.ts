import type { Annotation } from '../failure/failure.js'
import { readPytest, total } from './pytest.js'
import { isManage, isOwn, lastTraceback, ownFrame, plain, sentence } from './traceback.js'

/** The result of a run of tests. */
export interface TestReport {
  readonly runner: 'unittest' | 'pytest'
  /** All tests, skipped and failing ones too. */
  readonly run: number
  readonly failures: number
  readonly errors: number
  readonly skipped: number
  readonly failing: readonly FailingTest[]
}

export interface FailingTest {
  /** As the runner takes it: `orders.tests.OrderTests.test_page`, `orders/tests.py::test_page`. */
  readonly name: string
  /** An error is what went wrong beside the assertions: an import, a fixture, an exception. */
  readonly is: 'failure' | 'error'
  /** The exception and the first line of its message. */
  readonly message: string
  /** The deepest frame in the user's own code, as the runner writes it: from the root or the WORKDIR. */
  readonly file?: string
  readonly line?: number
}

const ruler = /^={70}$/
const head = /^(FAIL|ERROR|UNEXPECTED SUCCESS): (.+)$/
const ran = /^Ran (\d+) tests? in [\d.]+s$/
const ended = /^(?:OK|FAILED|NO TESTS RAN)(?: \((.*)\))?$/

/**
 * Reads the output of Django's runner (unittest's format) or of pytest; `undefined` when it is neither,
 * as when the run ended before the first test.
 */
export function readTests(lines: readonly string[]): TestReport | undefined {
  const clean = lines.map(plain)
  return readUnittest(clean) ?? readPytest(clean)
}

/** Where a thread of Python was, in a file of the repository. */
export interface Place {
  readonly file: string
  readonly line: number
  readonly name: string
}

/** The first line of what Python's fault handler writes at SIGABRT. */
const aborted = 'Fatal Python error: Aborted'

/**
 * Returns where tests were that have been ended by SIGABRT: the innermost place in a file of the repository, of a main
 * thread if one has it. `manage.py` counts last: of several processes it is where the one waits that has started the
 * others. `undefined` where Python's fault handler has not written it. `toRepo`: as for `testAnnotations`.
 */
export function placeOfHang(
  lines: readonly string[],
  toRepo: (file: string) => string | undefined,
): Place | undefined {
  const stacks: { isMain: boolean; own: Place[] }[] = []
  for (const line of lines.slice(beforeAbort(lines).length).map(plain)) {
    const thread = /^(Current thread|Thread) 0x[0-9a-f]+ .*\(most recent call first\):$/.exec(line)
    if (thread) stacks.push({ isMain: thread[1] === 'Current thread', own: [] })
    const [, written = '', at, name = ''] = /^ {2}File "(.+)", line (\d+) in (.+)$/.exec(line) ?? []
    const file = isOwn(written) ? toRepo(written) : undefined
    if (file !== undefined) stacks.at(-1)?.own.push({ file, line: Number(at), name })
  }
  const inTests = (own: readonly Place[]) => own.find(({ file }) => !isManage(file))
  const main = stacks.filter(({ isMain }) => isMain)
  const [place] = [...main, ...stacks].flatMap(({ own }) => inTests(own) ?? [])
  return place ?? stacks.find(({ own }) => own.length > 0)?.own[0]
}

/** What tests wrote before they were ended by SIGABRT, of which a shell says so too. */
export function beforeAbort(lines: readonly string[]): readonly string[] {
  const begin = lines.findIndex((line) => plain(line) === aborted)
  if (begin >= 0) return lines.slice(0, begin)
  const own = lines.findLastIndex((line) => !/^Aborted( \(core dumped\))?$/.test(plain(line)))
  return lines.slice(0, own + 1)
}

/** What came after the runner's last line: a command that checks something else. All, where no runner has ended. */
export function afterTests(lines: readonly string[]): readonly string[] {
  const end = lines.map(plain).findLastIndex((line) => ended.test(line) || total.test(line))
  return lines.slice(end + 1)
}

/**
 * The first `most` failing tests as annotations; those whose file is none of the repository's are left
 * out. `toRepo` maps a path as the runner writes it to one from the repository's root (see `repoFile`).
 */
export function testAnnotations(
  report: TestReport,
  toRepo: (file: string) => string | undefined,
  most = 10,
): Annotation[] {
  return report.failing
    .flatMap(({ name, is, message, file, line = 1 }) => {
      const path = file === undefined ? undefined : toRepo(file)
      const title = is === 'failure' ? `Test failed: ${name}` : `Test could not run: ${name}`
      return path === undefined ? [] : [{ file: path, line, title, message }]
    })
    .slice(0, most)
}

/** The same with paths from the repository's root; a place that is none of the repository's is left out. */
export function inRepository(
  report: TestReport,
  toRepo: (file: string) => string | undefined,
): TestReport {
  const failing = report.failing.map(({ file: written, line, ...test }) => {
    const file = written === undefined ? undefined : toRepo(written)
    return file === undefined ? test : { ...test, file, ...(line !== undefined && { line }) }
  })
  return { ...report, failing }
}

function readUnittest(lines: readonly string[]): TestReport | undefined {
  const heads = lines.flatMap((line, at) =>
    ruler.test(line) && head.test(lines[at + 1] ?? '') ? [at + 1] : [],
  )
  const runs = lines.flatMap((line, at) => (ran.test(line) ? [at] : []))
  if (heads.length === 0 && runs.length === 0) return undefined
  const counts: Record<string, number> = {}
  for (const line of lines) {
    for (const [, name = '', count] of (ended.exec(line)?.[1] ?? '').matchAll(/([a-z ]+)=(\d+)/g)) {
      counts[name.trim()] = (counts[name.trim()] ?? 0) + Number(count)
    }
  }
  const ends = [...heads.map((at) => at - 1), ...runs, lines.length]
  const failing = heads.map((at) =>
    failingOf(lines.slice(at, Math.min(...ends.filter((end) => end > at)))),
  )
  const seen = (is: FailingTest['is']) => failing.filter((each) => each.is === is).length
  return {
    runner: 'unittest',
    run: runs.reduce((sum, at) => sum + Number(ran.exec(lines[at] ?? '')?.[1]), 0),
    // A run that was killed has no last line: then what was seen counts.
    failures: (counts['failures'] ?? 0) + (counts['unexpected successes'] ?? 0) || seen('failure'),
    errors: counts['errors'] ?? seen('error'),
    skipped: counts['skipped'] ?? 0,
    failing,
  }
}

function failingOf(lines: readonly string[]): FailingTest {
  const [, kind, title = ''] = head.exec(lines[0] ?? '') ?? []
  // With --buffer, what the test printed follows; a traceback in there is not the test's.
  const printed = lines.findIndex((line) => line === 'Stdout:' || line === 'Stderr:')
  const traceback = lastTraceback(printed < 0 ? lines : lines.slice(0, printed))
  const own = traceback && ownFrame(traceback)
  return {
    name: nameOf(title),
    is: kind === 'ERROR' ? 'error' : 'failure',
    message: traceback ? sentence(traceback) : kind === 'UNEXPECTED SUCCESS' ? 'it passed' : title,
    ...(own ? { file: own.file, line: own.line } : {}),
  }
}

/**
 * `test_page (orders.tests.OrderTests.test_page) (n=2)` from Python 3.11 on; before that the method is
 * not repeated in the brackets. A module that could not be imported is a test of unittest's own.
 */
function nameOf(title: string): string {
  const [, method = '', path = '', subtest = ''] = /^(\S+) \(([^()\s]+)\)(.*)$/.exec(title) ?? []
  if (method === '') return title
  if (path.includes('unittest.loader._FailedTest')) return method
  const full = path.endsWith(`.${method}`) ? path : `${path}.${method}`
  return `${full}${subtest}`
}
