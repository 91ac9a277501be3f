/** Where a stage says what it does. What is shown where is the journal's business, not the stage's. */
export interface Journal {
  /** One line about a change of state, in our own words. */
  say(line: string): void
  /** A line that some program, container or server wrote: untrusted, shown as such. */
  quote(line: string): void
  /**
   * What is being waited for. Said after every 10 s of silence (a function is asked then);
   * `undefined`: nothing any more.
   */
  waiting(on: string | (() => string) | undefined): void
}
