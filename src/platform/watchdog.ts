/**
 * Ends what this process leaves running when it is killed: a second Node that knows the process groups of
 * our children, and kills them once its standard input ends. Nothing but our end closes that pipe. For
 * systems without `setpriv --pdeathsig`: macOS, BusyBox, util-linux before 2.33.
 */
import { spawn, type ChildProcess } from 'node:child_process'

/** Reads `+<pid>` and `-<pid>`, a line each. It ignores signals: Ctrl-C is for the processes that it watches. */
const script = `
const groups = new Set()
let rest = ''
process.stdin.on('data', (bytes) => {
  const lines = (rest + bytes).split('\\n')
  rest = lines.pop()
  for (const line of lines) line[0] === '+' ? groups.add(line.slice(1)) : groups.delete(line.slice(1))
})
process.stdin.on('close', () => {
  for (const group of groups) try { process.kill(-group, 'SIGKILL') } catch {}
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {})
`

export interface Watchdog {
  /** Begins, unless it has. Called before a program is started: to start this one takes longer than to name a group. */
  start(): void
  /** Watches over a process group until the function that is returned is called. */
  guard(group: number): () => void
}

/** Where it cannot be started, nothing is watched over. */
export function watchdog(): Watchdog {
  let started: ChildProcess | undefined
  const send = (line: string) => {
    started ??= start()
    started.stdin?.write(`${line}\n`)
  }
  return {
    start: () => {
      started ??= start()
    },
    guard: (group) => {
      send(`+${group}`)
      return () => {
        send(`-${group}`)
      }
    },
  }
}

function start(): ChildProcess {
  const child = spawn(process.execPath, ['-e', script], {
    // Not of our group: what ends that must not end this before us.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    env: {},
  })
  child.on('error', () => undefined)
  child.stdin.on('error', () => undefined)
  // It keeps no process from ending.
  child.unref()
  ;(child.stdin as unknown as { unref(): void }).unref()
  return child
}
