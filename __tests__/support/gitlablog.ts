/** A job log as GitLab reads it: which of its lines are in which section. */
import { stripVTControlCharacters } from 'node:util'

export interface Section {
  readonly name: string
  /** The line that stays when it is folded. */
  readonly header: string
  readonly lines: readonly string[]
  readonly seconds: number
}

/** As GitLab's own `build_trace_section_regex` has it: a name, options, and nothing between `\r` and escape. */
const mark = new RegExp(
  String.raw`section_(start|end):(\d+):([a-zA-Z0-9_.-]+)(?:\[\w+=\w+(?:, ?\w+=\w+)*\])?\r\x1b\[0K`,
  'g',
)

/** Throws an Error when a section is opened twice, within another, or not closed; or at half a mark. */
export function sectionsOf(log: string): readonly Section[] {
  const sections: Section[] = []
  let open: { name: string; at: number; from: number } | undefined
  for (const found of log.matchAll(mark)) {
    const [whole, kind, at = '', name = ''] = found
    if (kind === 'start') {
      if (open) throw new Error(`${name} is opened within ${open.name}`)
      if (sections.some((section) => section.name === name)) throw new Error(`${name} comes twice`)
      open = { name, at: Number(at), from: found.index + whole.length }
    } else {
      if (open?.name !== name)
        throw new Error(`${name} is closed, and ${open?.name ?? 'none'} open`)
      const [header = '', ...lines] = stripVTControlCharacters(
        log.slice(open.from, found.index),
      ).split('\n')
      sections.push({ name, header, lines: lines.slice(0, -1), seconds: Number(at) - open.at })
      open = undefined
    }
  }
  if (open) throw new Error(`${open.name} is not closed`)
  if (log.replace(mark, '').includes('\r\u001b[0K')) throw new Error('half a mark')
  return sections
}
