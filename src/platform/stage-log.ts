/** Where a stage says what it does. What is shown where is the journal's business, not the stage's. */
export interface StageLog {
  /** One line about a change of state, in our own words. */
  say(line: string): void
  /** A line that some program, container or server wrote: untrusted, shown as such. */
  quote(line: string): void
  /**
   * What is being waited for: a terminal draws it all the time, a log gets it every 10 s (words after 10 s
   * of silence). A function is asked then. `undefined`: nothing any more.
   */
  waiting(on: WaitedFor | undefined): void
}

/** For a look at something that is no stage of its own. */
export const silentLog: StageLog = {
  say: () => undefined,
  quote: () => undefined,
  waiting: () => undefined,
}

export type WaitedFor = string | (() => readonly StatusRow[])

/** How one of the things that are waited for stands now: a line that people watch. */
export interface StatusRow {
  /** `deployment/web`; none: the words are about all of them. */
  readonly of?: string
  readonly is: 'waiting' | 'degraded' | 'ready' | 'failed'
  /** May hold words of the cluster: untrusted. */
  readonly words: string
  /** How long it takes so far, or has taken. */
  readonly seconds?: number
}
