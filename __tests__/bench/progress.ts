/** Says each line with the seconds since the start, and what is under way when there was none for a while. */

/** Something is said at least so often. */
const quietMs = 9_000

export interface Progress {
  log(line: string): void
  /** By name, since when, in ms since 1970. */
  readonly underWay: Map<string, number>
  stop(): void
}

export function startProgress(say: (line: string) => void): Progress {
  const startedAt = Date.now()
  const underWay = new Map<string, number>()
  let saidAt = startedAt
  const log = (line: string) => {
    saidAt = Date.now()
    say(`[${String(Math.round((saidAt - startedAt) / 1000)).padStart(4)}s] ${line}`)
  }
  const timer = setInterval(() => {
    if (Date.now() - saidAt < quietMs) return
    const names = [...underWay].map(
      ([name, since]) => `${name} (${Math.round((Date.now() - since) / 1000)} s)`,
    )
    log(`… ${names.join('; ') || 'preparing'}`)
  }, 1_000)
  return {
    log,
    underWay,
    stop: () => {
      clearInterval(timer)
    },
  }
}
