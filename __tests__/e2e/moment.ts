/** Something that happens once in the middle of a run, as soon as its log shows the moment. */
import type { How } from './stack.js'

export interface Moment {
  readonly how: Pick<How, 'onOutput'>
  /** What was done has ended; rejects when the moment never came. */
  done(): Promise<unknown>
}

export function at(moment: RegExp, work: () => Promise<unknown>): Moment {
  let done: Promise<unknown> | undefined
  return {
    how: {
      onOutput: (soFar) => {
        if (moment.test(soFar)) done ??= work()
      },
    },
    done: () => done ?? Promise.reject(new Error(`${String(moment)} never came`)),
  }
}

/** Sends the run a signal at the moment. */
export function killAt(moment: RegExp, signal: NodeJS.Signals = 'SIGKILL'): Pick<How, 'onOutput'> {
  let sent = false
  return {
    onOutput: (soFar, kill) => {
      if (sent || !moment.test(soFar)) return
      sent = true
      kill(signal)
    },
  }
}

/** The rollout has written. */
export const inTheRollout = /(deployment\/web.*|all \d+ workloads): (0|1) of \d/
