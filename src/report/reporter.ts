import type { Clock } from '../platform/platform.js'
import type { StageLog, StatusRow, WaitedFor } from '../platform/stage-log.js'
import type { StageReport } from './report.js'
import { stillWaiting } from './sentences.js'

/** Where lines end up: a terminal, or a workflow run's log. */
export interface Sink {
  /** A stage's lines follow. */
  open(stage: string): void
  /** A line of this program. `seconds` since the start of the run. */
  say(line: string, seconds: number): void
  /** A foreign line: must not be able to act on the terminal or the runner. */
  quote(line: string): void
  close(stage: string, ended: StageReport['ended'], seconds: number): void
  /**
   * Only where it can be drawn over and over: what is waited for, below the lines. Whoever draws needs no
   * line every 10 s. `undefined`: nothing any more.
   */
  draw?(rows: (() => readonly StatusRow[]) | undefined): void
}

const silenceMs = 10_000
/** How exactly those are kept. */
const tickMs = 250

type Entry = (sink: Sink) => void

/**
 * Keeps the stages of a run. Stages may run side by side, but are logged one after the other: the first that began
 * is logged at once, the others wait their turn, so that no two stages' lines are mixed.
 */
export class Reporter {
  readonly stages: StageReport[] = []
  readonly startedAt: number
  private readonly queue: { entries: Entry[]; over: boolean }[] = []

  constructor(
    private readonly sink: Sink,
    private readonly clock: Clock,
  ) {
    this.startedAt = clock.now()
  }

  seconds(): number {
    return (this.clock.now() - this.startedAt) / 1000
  }

  /** Runs one stage and keeps its name, times and end; what it throws is passed on. */
  async stage<T>(name: string, work: (stageLog: StageLog) => Promise<T>): Promise<T> {
    const own = { entries: [] as Entry[], over: false }
    this.queue.push(own)
    const startedAt = this.clock.now()
    let spokenAt = startedAt
    /** When the reason for waiting on a workload was last logged: lines about other workloads do not repeat it. */
    let remindedAt = startedAt
    let waitingOn: WaitedFor | undefined
    const record = (entry: Entry) => {
      spokenAt = this.clock.now()
      own.entries.push(entry)
      this.drain()
    }
    const say = (line: string) => {
      const at = this.seconds()
      record((sink) => {
        sink.say(line, at)
      })
    }
    const stageLog: StageLog = {
      say,
      quote: (line) => {
        record((sink) => {
          sink.quote(line)
        })
      },
      waiting: (on) => {
        waitingOn = on
        remindedAt = this.clock.now()
        draw(on === undefined ? undefined : rows)
      },
    }
    const rows = (): readonly StatusRow[] => {
      if (typeof waitingOn === 'function') return waitingOn()
      const seconds = (this.clock.now() - startedAt) / 1000
      return waitingOn === undefined ? [] : [{ is: 'waiting', words: waitingOn, seconds }]
    }
    const draw: NonNullable<Sink['draw']> = (what) => {
      own.entries.push((sink) => {
        sink.draw?.(what)
      })
      this.drain()
    }
    const stopTicking = this.clock.every(tickMs, () => {
      const now = this.clock.now()
      // A drawn line is no silence.
      if (waitingOn !== undefined && this.sink.draw) spokenAt = remindedAt = now
      if (now - (typeof waitingOn === 'function' ? remindedAt : spokenAt) < silenceMs) return
      remindedAt = now
      say(stillWaiting(rows()) || `${name} is still running`)
    })
    record((sink) => {
      sink.open(name)
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
      stopTicking()
      const seconds = (this.clock.now() - startedAt) / 1000
      this.stages.push({ name, startedAt, seconds, ended })
      own.over = true
      record((sink) => {
        sink.draw?.(undefined)
        sink.close(name, ended, seconds)
      })
    }
  }

  /** Tells what the stage in front has to say; goes on to the next when it is over. */
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
