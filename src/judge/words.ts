/** Renders whole seconds: `14 s`. */
export function lasting(ms: number): string {
  return `${Math.max(0, Math.round(ms / 1000))} s`
}

/** Returns the cluster's words on one line, not longer than `limit` characters. */
export function oneLine(text: string, limit = 300): string {
  const line = text.replace(/\s+/g, ' ').trim()
  return line.length <= limit ? line : `${line.slice(0, limit - 1)}…`
}

/** Renders at most so many names: `a, b, c and 2 more`. */
export function firstOf(names: readonly string[], most: number): string {
  const more = names.length > most ? ` and ${names.length - most} more` : ''
  return names.slice(0, most).join(', ') + more
}
