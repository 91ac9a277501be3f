/** The reversal of migrations in words: what it would drop, and what follows. Pure. */
import type { DatabaseReversal, Drop, Reversal } from '../django/reversal.js'
import { plural } from './sentences.js'

/** As far as the pod counts. */
const counted = 10_000

/** `drops shop_order.note (3 rows have a value)`; nothing where no stored value is lost. */
export function lossOf({ databases }: Reversal): string | undefined {
  const lost = databases.flatMap((one) => one.drops).filter(({ rows }) => rows !== 0)
  const code = databases.flatMap((one) => one.code)
  const parts = [
    ...lossWords(
      'drops',
      lost.filter(({ is }) => is === 'dropped'),
      'has a value',
      'have a value',
    ),
    ...lossWords(
      'shortens values of',
      lost.filter(({ is }) => is === 'cut'),
      'changes',
      'change',
    ),
    ...(code.length > 0 ? [`runs code that may change rows: ${code.join(', ')}`] : []),
  ]
  return parts.length === 0 ? undefined : parts.join(', and ')
}

/** `one`, `several`: what a row does, and what rows do. */
function lossWords(
  verb: string,
  lost: readonly Drop[],
  one: string,
  several: string,
): readonly string[] {
  const words = ({ object, rows }: Drop) => {
    if (rows === undefined) return `${object} (how many rows ${several} is not known)`
    if (rows > counted) return `${object} (more than ${counted} rows ${several})`
    return `${object} (${plural(rows, 'row')} ${rows === 1 ? one : several})`
  }
  return lost.length === 0 ? [] : [`${verb} ${lost.map(words).join(', ')}`]
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
