import type { FailingTest, TestReport } from './test-output.js'
import { isOwn, lastTraceback, ownFrame, sentence } from './traceback.js'

/** The details of one failing test: the lines below its title. */
interface Section {
  readonly title: string
  readonly is: FailingTest['is']
  readonly lines: string[]
}

interface Summary {
  readonly node: string
  readonly is: FailingTest['is']
  readonly message: string
}

const part = /^=+ (.+?) =+$/
export const total = /^(?:=+ )?(no tests ran|\d+ [a-z][a-z ]*(?:, \d+ [a-z][a-z ]*)*) in [\d.]+s\b/
const titled = /^_+ (.*[^_ ].*) _+$/
const place = /^(\S+\.py):(\d+):(?: .*)?$/
const summed = /^(FAILED|ERROR|SUBFAIL\S*) (\S+\.py(?:::.+?)?)(?: - (.*))?$/

/** Reads pytest's output, whatever `--tb` and verbosity; `undefined` when its last line is not there. */
export function readPytest(lines: readonly string[]): TestReport | undefined {
  const totals = lines.findLast((line) => total.test(line))
  if (totals === undefined) return undefined
  const counts: Record<string, number> = {}
  for (const [, count, name = ''] of totals.matchAll(/(\d+) ([a-z][a-z ]*[a-z])(?=,| in )/g)) {
    counts[name.replace(/ in$/, '')] = Number(count)
  }
  const sum = (...names: string[]): number =>
    names.reduce((all, name) => all + (counts[name] ?? 0), 0)
  const errors = sum('error', 'errors')
  return {
    runner: 'pytest',
    run: sum('passed', 'failed', 'skipped', 'xfailed', 'xpassed') + errors,
    failures: sum('failed'),
    errors,
    skipped: sum('skipped'),
    failing: failingOf(sectionsOf(lines), summaryOf(lines)),
  }
}

/** Sections have the line, the summary has the full name: put together by the end of the name. */
function failingOf(sections: readonly Section[], summaries: readonly Summary[]): FailingTest[] {
  const left = [...summaries]
  const detailed = sections.map(({ title, is, lines }): FailingTest => {
    const bare = title.replace(/^ERROR (at (setup|teardown) of|collecting) /, '')
    const at = left.findIndex(({ node }) => bare === tailOf(node) || isSubtest(bare, tailOf(node)))
    const [summary] = at < 0 ? [] : left.splice(at, 1)
    const message = messageOf(lines) ?? summary?.message ?? title
    const name = summary ? `${summary.node}${bare.slice(tailOf(summary.node).length)}` : bare
    return { name, is, message, ...placeOf(lines) }
  })
  // With --tb=line or --tb=no there are no sections.
  const bare = left.map(({ node, is, message }): FailingTest => {
    const [file = node] = node.split('::')
    return { name: node, is, message, file }
  })
  return [...detailed, ...bare]
}

/** `orders/tests.py::OrderTests::test_page` is `OrderTests.test_page` in the title of its section. */
function tailOf(node: string): string {
  return node.includes('::') ? node.split('::').slice(1).join('.') : node
}

function isSubtest(title: string, tail: string): boolean {
  return title.startsWith(`${tail} (`) || title.startsWith(`${tail} [`)
}

function sectionsOf(lines: readonly string[]): Section[] {
  const sections: Section[] = []
  let is: FailingTest['is'] | undefined
  let open: Section | undefined
  for (const line of lines) {
    const name = part.exec(line)?.[1]
    if (name !== undefined) {
      is = name === 'FAILURES' ? 'failure' : name === 'ERRORS' ? 'error' : undefined
      open = undefined
      continue
    }
    const title = titled.exec(line)?.[1]
    if (is && title !== undefined) {
      open = { title, is, lines: [] }
      sections.push(open)
    } else if (/^-+ Captured .* -+$/.test(line)) {
      // What the test printed may look like anything.
      open = undefined
    } else {
      open?.lines.push(line)
    }
  }
  // With --tb=line a title may come without details: the summary has more.
  return sections.filter((each) => placeOf(each.lines).file !== undefined)
}

function summaryOf(lines: readonly string[]): Summary[] {
  const start = lines.findIndex((line) => part.exec(line)?.[1] === 'short test summary info')
  return (start < 0 ? [] : lines.slice(start)).flatMap((line) => {
    const [, kind, node, message = ''] = summed.exec(line) ?? []
    if (node === undefined) return []
    return [{ node, is: kind === 'ERROR' ? ('error' as const) : ('failure' as const), message }]
  })
}

/** The first of the last lines marked `E`: of chained exceptions the unhandled one. */
function messageOf(lines: readonly string[]): string | undefined {
  const said = lines.findLastIndex((line) => /^E\s/.test(line))
  if (said < 0) {
    const traceback = lastTraceback(lines)
    return traceback && sentence(traceback)
  }
  let first = said
  while (/^E\s/.test(lines[first - 1] ?? '')) first--
  return lines[first]?.slice(1).trim()
}

function placeOf(lines: readonly string[]): { file?: string; line?: number } {
  const own = lines.findLast((line) => isOwn(place.exec(line)?.[1] ?? '<none>'))
  const [, file, line] = place.exec(own ?? '') ?? []
  if (file !== undefined) return { file, line: Number(line) }
  const traceback = lastTraceback(lines)
  const frame = traceback && ownFrame(traceback)
  return frame ? { file: frame.file, line: frame.line } : {}
}
