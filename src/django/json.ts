/** Checks of what came as JSON: from a pod, from a file, from an object that people can edit. Pure. */

/** All items as `read` understands them; `undefined` when one of them is not understood. */
export function listOf<T>(json: unknown, read: (item: unknown) => T | undefined): T[] | undefined {
  if (!Array.isArray(json)) return undefined
  const items = json.map(read).filter((item) => item !== undefined)
  return items.length === json.length ? items : undefined
}

export function isRecord(json: unknown): json is Record<string, unknown> {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}

export function isTexts(record: Record<string, unknown>): record is Record<string, string> {
  return Object.values(record).every(isText)
}

export function isText(json: unknown): json is string {
  return typeof json === 'string'
}

export function textOf(json: unknown): string | undefined {
  return isText(json) ? json : undefined
}
