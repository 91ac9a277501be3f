/** Markdown of foreign words. Pure. */
import { printable } from './sentences.js'

const longestLogLine = 1000
/** Of anything else; a hint may hold the rules of a whole Role. */
const longestText = 10_000

/** `words` makes Markdown of a cell. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  words = escaped,
): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => words(cell)).join(' | ')} |`
  return [line(head), `|${' --- |'.repeat(head.length)}`, ...rows.map(line)].join('\n')
}

/**
 * Foreign words must stay words: no table cell, image, tag, formula or hidden link may come out of them.
 * GitHub still makes links of bare addresses, which show where they lead.
 */
export function escaped(text: string, longest = longestText): string {
  return cut(text, longest)
    .split(/\r\n|\r|\n/)
    .map((line) => printable(line).replace(/[\\|`*_[\]<>#~&$]/g, (sign) => `\\${sign}`))
    .join('<br>')
}

function cut(text: string, longest: number): string {
  return text.length > longest ? `${text.slice(0, longest)}…` : text
}

export const open = (title: string, text: string) => details('<details open>', title, text)
export const closed = (title: string, text: string) => details('<details>', title, text)

/** A title may have the name of a container. */
function details(tag: string, title: string, text: string): string {
  const named = printable(title)
    .replace(/\s+/g, ' ')
    .replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`)
  return `${tag}<summary>${named}</summary>\n\n${text}\n\n</details>`
}

/** A fence longer than any run of backticks inside keeps a log from ending it. */
export function fenced(log: readonly string[], language = ''): string {
  const lines = log.map((line) => cut(printable(line), longestLogLine))
  const longest = Math.max(
    2,
    ...lines.flatMap((line) => (line.match(/`+/g) ?? []).map((run) => run.length)),
  )
  const fence = '`'.repeat(longest + 1)
  return `${fence}${language}\n${lines.join('\n')}\n${fence}`
}
