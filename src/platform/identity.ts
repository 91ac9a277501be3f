import { readFileSync, readlinkSync } from 'node:fs'

/**
 * Names this process among all that ever ran: the boot of the machine, the namespace of process numbers (a container
 * has its own), the number, and its start. `undefined` where the system does not say.
 */
export function identity(): string | undefined {
  const place = placeOf()
  const start = startOf(process.pid)
  return place === undefined || start === undefined ? undefined : `${place}.${process.pid}.${start}`
}

/** Returns whether that process has certainly ended. One of another machine or container may run. */
export function hasEnded(identity: string): boolean {
  const [, place, pid, start] = /^(.+)\.(\d+)\.(\d+)$/.exec(identity) ?? []
  if (place === undefined || place !== placeOf()) return false
  try {
    process.kill(Number(pid), 0)
  } catch (error) {
    // It exists where only the right to signal it is missing.
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
  const now = startOf(Number(pid))
  return now !== undefined && now !== start
}

function placeOf(): string | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    const [namespace] = /\d+/.exec(readlinkSync('/proc/self/ns/pid')) ?? []
    return namespace === undefined ? undefined : `${boot}.${namespace}`
  } catch {
    return undefined
  }
}

/** In clock ticks since the boot: the 22nd field, counted from behind the name, which may hold anything. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // A zombie runs nothing any more.
    return state === 'Z' ? 'ended' : fields[18]
  } catch {
    return undefined
  }
}
