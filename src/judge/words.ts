/** Renders whole seconds: `14 s`. */
export function lasting(ms: number): string {
  return `${Math.max(0, Math.round(ms / 1000))} s`
}

/** Returns the cluster's words on one line, not longer than `limit` characters. */
export function oneLine(text: string, limit = 300): string {
  const line = text.replace(/\s+/g, ' ').trim()
  return line.length <= limit ? line : `${line.slice(0, limit - 1)}…`
}
