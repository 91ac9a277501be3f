/** The memory of a process and all that it starts. */
import { readdirSync, readFileSync } from 'node:fs'

/** Often enough for a kubectl that lives for a tenth of a second. */
const everyMs = 40

export interface Memory {
  /** The most that was seen at once, in bytes; 0 where there is no /proc. */
  peak(): number
  stop(): void
}

export function watchMemory(pid: number): Memory {
  let peak = 0
  const look = () => {
    peak = Math.max(peak, residentOf(pid))
  }
  look()
  const timer = setInterval(look, everyMs)
  return {
    peak: () => peak,
    stop: () => {
      clearInterval(timer)
    },
  }
}

/** Resident memory of the process and its descendants, added up. Of a page that several processes share each has a part. */
function residentOf(pid: number): number {
  try {
    const [, kilobytes = '0'] =
      /^Pss: +(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')) ?? []
    const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean),
    )
    return children.reduce(
      (sum, child) => sum + residentOf(Number(child)),
      Number(kilobytes) * 1024,
    )
  } catch {
    // It has just ended.
    return 0
  }
}
