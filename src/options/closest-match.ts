/** Returns the name with the fewest changed letters, if few enough that a typing error is likely. */
export function closestMatch<T extends string>(word: string, names: readonly T[]): T | undefined {
  const [best] = names
    .map((name) => ({ name, distance: distance(word, name) }))
    .sort((a, b) => a.distance - b.distance)
  return best && best.distance <= Math.max(2, word.length / 3) ? best.name : undefined
}

/** Returns what a misspelled option may mean: the end of a sentence. */
export function hintFor(name: string, names: readonly string[]): string {
  const near = closestMatch(name, names)
  return near === undefined ? '' : `; did you mean "${near}"?`
}

/** Levenshtein's distance: letters to insert, delete or replace. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 0; i < a.length; i++) {
    const letter = a[i]
    const next = [i + 1]
    for (let j = 0; j < b.length; j++) {
      next.push(
        Math.min(
          (next[j] ?? 0) + 1,
          (row[j + 1] ?? 0) + 1,
          (row[j] ?? 0) + (letter === b[j] ? 0 : 1),
        ),
      )
    }
    row = next
  }
  return row[b.length] ?? 0
}
