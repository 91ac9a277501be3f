/** A request of a tool to the API server. */

export interface Asked {
  /** ms since 1970. */
  readonly at: number
  readonly method: string
  /** With its query. */
  readonly path: string
  readonly is: 'watch' | 'lock' | 'read' | 'write'
}

export function kindOf(method: string, path: string): Asked['is'] {
  if (/\/leases(\/|\?|$)/.test(path)) return 'lock'
  // A question about one's own rights is a POST, and writes nothing.
  const asks = method === 'GET' || /\/selfsubject(access|rules)reviews$/.test(path)
  if (!asks) return 'write'
  return /[?&]watch=(1|true)\b/.test(path) ? 'watch' : 'read'
}
