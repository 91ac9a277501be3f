/** Where a stage writes its lines. What is shown where is decided by the reporter, not by the stage. */
export interface StageLog {
  /** One line about a change of state, in this program's words. */
  say(line: string): void
  /** Logs a line that another program, container or server wrote: untrusted, shown as such. */
  quote(line: string): void
  /**
   * What is being waited for: a terminal draws it all the time, a log gets it every 10 s (words after 10 s
   * of silence). A function is called then. `undefined`: nothing any more.
   */
  waiting(on: WaitedFor | undefined): void
}

/** For a check that is not a separate stage. */
export const silentLog: StageLog = {
  say: () => undefined,
  quote: () => undefined,
  waiting: () => undefined,
}

export type WaitedFor = string | (() => readonly StatusRow[])

/** The current status of one thing that the stage waits for: a live line. */
export interface StatusRow {
  /** `deployment/web`; none: the words are about all of them. */
  readonly of?: string
  readonly is: 'waiting' | 'degraded' | 'ready' | 'failed'
  /** May hold words of the cluster: untrusted. */
  readonly words: string
  /** How long it has taken so far, or took in all. */
  readonly seconds?: number
}
