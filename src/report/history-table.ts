/** The releases of an application as a table for people. Pure. */
import type { Entry, History } from '../state/history.js'
import { shortTag } from '../kubernetes/image.js'
import { fitWords } from './migration-sentences.js'
import { plural, printable, seconds } from './sentences.js'

const head = [
  '',
  '#',
  'when',
  'version',
  'result',
  'took',
  'by',
  'schema, last known',
  'notes',
] as const

/** Newest first; the version that runs has a star. */
export function historyTable(history: History): readonly string[] {
  if (history.length === 0) return ['the history is empty']
  const live = history.findLast(({ result }) => result === 'deployed' || result === 'found')
  const rows = history.toReversed().map((entry) => rowOf(entry, entry === live))
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  )
  return [head, ...rows].map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

function rowOf(entry: Entry, isLive: boolean): readonly string[] {
  const { number, at, tag, result, seconds: took, who, url } = entry
  return [
    isLive ? '*' : '',
    String(number),
    `${at.slice(0, 10)} ${at.slice(11, 16)} UTC`,
    shortTag(tag),
    result,
    seconds(took),
    who,
    fitWords(entry),
    [remarks(entry), url].filter((part) => part).join('  '),
  ].map(printable)
}

function remarks({
  command,
  back,
  result,
  cause,
  migrations,
  reversed = [],
  held = [],
}: Entry): string {
  const parts = [
    ...(result === 'found' ? ['was already running'] : []),
    ...(command === 'rollback' ? [back === undefined ? 'rollback' : `back to ${back}`] : []),
    ...(cause === undefined ? [] : [cause]),
    ...(migrations.length === 0 ? [] : [`migrations: ${migrations.length}`]),
    ...(reversed.length === 0 ? [] : [`reversed: ${reversed.join(', ')}`]),
    ...(held.length === 0 ? [] : [`${plural(held.length, 'migration')} held back`]),
  ]
  return parts.join('; ')
}
