import type { Clock } from '../platform/platform.js'
import type { StageLog, StatusRow, WaitedFor } from '../platform/stage-log.js'
import type { StageReport } from './report.js'
import { stillWaiting } from './sentences.js'

/** The destination of lines: a terminal, or the log of a workflow run. */
export interface Sink {
  /** The lines of a stage follow. */
  open(stage: string): void
  /** A line of this program. `seconds` since the start of the run. */
  say(line: string, seconds: number): void
  /** An untrusted line: must not control the terminal or the runner. */
  quote(line: string): void
  close(stage: string, ended: StageReport['ended'], seconds: number): void
  /**
   * Only where it can be drawn over and over: what is waited for, below the lines. What draws needs no
   * line every 10 s. `undefined`: nothing any more.
   */
  draw?(rows: (() => readonly StatusRow[]) | undefined): void
}

const silenceMs = 10_000
/** The precision of that. */
const tickMs = 250

type Entry = (sink: Sink) => void

/** The lines of one stage that are not logged yet. */
interface Queued {
  readonly entries: Entry[]
  over: boolean
}

/**
 * Keeps the stages of a run. Stages may run in parallel, but are logged one after the other: the lines of the first
 * that began are logged at once, those of the others wait. So the lines of two stages are never mixed.
 */
export class Reporter {
  readonly stages: StageReport[] = []
  readonly startedAt: number
  private readonly queue: Queued[] = []

  constructor(
    private readonly sink: Sink,
    private readonly clock: Clock,
  ) {
    this.startedAt = clock.now()
  }

  seconds(): number {
    return (this.clock.now() - this.startedAt) / 1000
  }

  /** Runs one stage and keeps its name, times and end. Throws what it throws. */
  async stage<T>(name: string, work: (stageLog: StageLog) => Promise<T>): Promise<T> {
    const own: Queued = { entries: [], over: false }
    this.queue.push(own)
    const write = (entry: Entry) => {
      own.entries.push(entry)
      this.drain()
    }
    const startedAt = this.clock.now()
    const stageLog = new RunningStage(name, this.clock, {
      write,
      seconds: () => this.seconds(),
      isDrawn: this.sink.draw !== undefined,
    })
    let ended: StageReport['ended'] = 'failed'
    try {
      const value = await work(stageLog)
      ended = 'done'
      return value
    } catch (error) {
      if (error instanceof Error && error.name === 'AbortError') ended = 'stopped'
      throw error
    } finally {
      stageLog.stop()
      const seconds = (this.clock.now() - startedAt) / 1000
      this.stages.push({ name, startedAt, seconds, ended })
      own.over = true
      write((sink) => {
        sink.draw?.(undefined)
        sink.close(name, ended, seconds)
      })
    }
  }

  /** Logs what the stage in front has written; continues with the next when it is over. */
  private drain(): void {
    for (let front = this.queue[0]; front !== undefined; front = this.queue[0]) {
      front.entries.splice(0).forEach((entry) => {
        entry(this.sink)
      })
      if (!front.over) return
      this.queue.shift()
    }
  }
}

interface StageOutput {
  readonly write: (entry: Entry) => void
  /** Since the start of the run. */
  readonly seconds: () => number
  /** What is waited for is drawn below the lines: no line needs to repeat it. */
  readonly isDrawn: boolean
}

/**
 * The log of a stage that runs. It says something every 10 s, by what the stage does:
 *
 * - it waits for workloads (`#waitingOn` is a function): the reasons, each 10 s;
 * - it waits for one thing (a text), or only works: the same after 10 s without a line.
 *
 * Its properties are arrow functions, so that a spread copies them and a stage can replace one.
 */
class RunningStage implements StageLog {
  #waitingOn: WaitedFor | undefined
  readonly #startedAt: number
  #spokenAt: number
  /** When the reason for waiting on a workload was last logged: lines about other workloads do not repeat it. */
  #remindedAt: number
  readonly #stopTicking: () => void

  constructor(
    private readonly name: string,
    private readonly clock: Clock,
    private readonly output: StageOutput,
  ) {
    this.#startedAt = this.#spokenAt = this.#remindedAt = clock.now()
    this.#stopTicking = clock.every(tickMs, this.#tick)
    this.#record((sink) => {
      sink.open(name)
    })
  }

  readonly say = (line: string): void => {
    const at = this.output.seconds()
    this.#record((sink) => {
      sink.say(line, at)
    })
  }

  readonly quote = (line: string): void => {
    this.#record((sink) => {
      sink.quote(line)
    })
  }

  readonly waiting = (on: WaitedFor | undefined): void => {
    this.#waitingOn = on
    this.#remindedAt = this.clock.now()
    const rows = on === undefined ? undefined : this.#rows
    this.output.write((sink) => {
      sink.draw?.(rows)
    })
  }

  stop(): void {
    this.#stopTicking()
  }

  #record(entry: Entry): void {
    this.#spokenAt = this.clock.now()
    this.output.write(entry)
  }

  readonly #rows = (): readonly StatusRow[] => {
    const on = this.#waitingOn
    if (typeof on === 'function') return on()
    const seconds = (this.clock.now() - this.#startedAt) / 1000
    return on === undefined ? [] : [{ is: 'waiting', words: on, seconds }]
  }

  readonly #tick = (): void => {
    const now = this.clock.now()
    // A drawn line is no silence.
    if (this.#waitingOn !== undefined && this.output.isDrawn)
      this.#spokenAt = this.#remindedAt = now
    const since = typeof this.#waitingOn === 'function' ? this.#remindedAt : this.#spokenAt
    if (now - since < silenceMs) return
    this.#remindedAt = now
    this.say(stillWaiting(this.#rows()) || `${this.name} is still running`)
  }
}
