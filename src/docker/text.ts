/** Colours, cursor moves and titles that programs write for a terminal. */
// eslint-disable-next-line no-control-regex
const escapes = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])/g

// eslint-disable-next-line no-control-regex
const controls = /[\x00-\x08\x0b-\x1f\x7f]/g

/** Returns a program's line without colours and control characters, for use in a sentence. */
export function plain(line: string): string {
  return line.replace(escapes, '').replace(controls, '')
}

/** At most `length` letters, the cut marked. */
export function shortened(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1).trimEnd()}…`
}

/** Last lines of programs that explain nothing. */
const chatter =
  /^\s*$|^\[notice\]|^WARNING: (Running pip|You are using pip|Retrying)|^make(\[\d+\])?: \*\*\*|^npm (ERR!|error) A complete log|^(npm (ERR!|error)\s*)$|^note: |^hint: |^╰─>|^(Run|See) 'docker .*--help'/

const errorWords =
  /\berror\b|error:|exception|fatal|denied|fail(ed|ure)|not found|no such|cannot|could not|unable|invalid|missing|no space left|^fail\b/i

/**
 * The line of a failed program that explains most: the last one that mentions an error, or else the last
 * one that is more than chatter. Empty when there is none.
 */
export function errorLine(lines: readonly string[]): string {
  const meant = lines.map((line) => plain(line).trim()).filter((line) => !chatter.test(line))
  const line = meant.findLast((each) => errorWords.test(each)) ?? meant.at(-1) ?? ''
  return line.replace(/^error: /i, '')
}

/** A time for people: `0.8 s`, `45 s`, `20 min`, `1 h 30 min`. */
export function duration(ms: number): string {
  const seconds = Number((ms / 1000).toFixed(ms < 10_000 ? 1 : 0))
  if (seconds < 120) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 120) return `${minutes} min`
  const rest = minutes % 60
  return `${Math.floor(minutes / 60)} h${rest === 0 ? '' : ` ${rest} min`}`
}
