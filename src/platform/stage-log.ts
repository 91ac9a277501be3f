import { Last } from './lines.js'

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

/** As much of a log as anyone reads: what writes it may never end. */
const most = { count: 2_000, letters: 2 * 1024 * 1024 }

type KeptLine = readonly [how: 'say' | 'quote', line: string]

/** Keeps what is said of work while no stage listens: the last lines, and what is waited for. */
export class LateLog implements StageLog {
  #log: StageLog | undefined
  #waited: WaitedFor | undefined
  #kept = keptLines()

  /** Writes to this one from now on, what was kept first. */
  to(log: StageLog): void {
    this.#log = log
    for (const [how, line] of this.#kept.all) log[how](line)
    this.#kept = keptLines()
    log.waiting(this.#waited)
  }

  /** Keeps lines until the next stage listens. */
  hold(): void {
    this.#log = undefined
    this.#waited = undefined
  }

  say(line: string): void {
    this.#write('say', line)
  }

  quote(line: string): void {
    this.#write('quote', line)
  }

  waiting(on: WaitedFor | undefined): void {
    this.#waited = on
    this.#log?.waiting(on)
  }

  #write(how: KeptLine[0], line: string): void {
    if (this.#log) this.#log[how](line)
    else this.#kept.push([how, line])
  }
}

function keptLines(): Last<KeptLine> {
  return new Last(most, ([, line]) => line.length)
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
