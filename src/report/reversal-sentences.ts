/** The reversal of migrations in words: what it would drop, and what follows. Pure. */
import type { DatabaseReversal, Reversal } from '../django/reversal.js'
import { plural } from './sentences.js'

/** As far as the pod counts. */
const counted = 10_000

/** `drops shop_order.note (3 rows have a value)`; nothing where no stored value is lost. */
export function lossOf({ databases }: Reversal): string | undefined {
  const drops = databases.flatMap((one) => one.drops).filter(({ rows }) => rows !== 0)
  const code = databases.flatMap((one) => one.code)
  const parts = [
    ...(drops.length > 0
      ? [`drops ${drops.map(({ object, rows }) => `${object} (${rowsOf(rows)})`).join(', ')}`]
      : []),
    ...(code.length > 0 ? [`runs code that may change rows: ${code.join(', ')}`] : []),
  ]
  return parts.length === 0 ? undefined : parts.join(', and ')
}

function rowsOf(rows: number | undefined): string {
  if (rows === undefined) return 'how many rows have a value is not known'
  if (rows > counted) return `more than ${counted} rows have a value`
  return `${plural(rows, 'row')} ${rows === 1 ? 'has' : 'have'} a value`
}

/** `shop.0003_drop, shop.0002_note`: the last one first. */
export function reversedNames({ databases }: Reversal): readonly string[] {
  return databases.flatMap(({ migrations }) => migrations)
}

/** `reversing shop.0003_drop drops no stored value` */
export function reversalWords(reversal: Reversal): string {
  return `reversing ${reversedNames(reversal).join(', ')} ${lossOf(reversal) ?? 'drops no stored value'}`
}

/** Returns whether the newer version fits after it. */
export function isBetween({ databases }: Reversal): boolean {
  return databases.every(({ newFits }) => newFits)
}

/** Returns why nothing can be reversed: `shop.0003_fill cannot be reversed (RunPython without a reverse)`. */
export function impossibleWords({ databases }: Reversal): string {
  return databases.flatMap(impossible).join('; ')
}

function impossible({ irreversible, why }: DatabaseReversal): readonly string[] {
  const stops = irreversible.map(
    ({ migration, operations }) =>
      `${migration} cannot be reversed (${[...new Set(operations)].join(', ')} without a reverse)`,
  )
  return stops.length > 0 ? stops : why === undefined ? [] : [why]
}
