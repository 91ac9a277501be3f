/** Runs a tool as on a fresh runner: with a home of its own, and nobody to ask. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { stack } from '../e2e/stack.js'
import { watchMemory } from './memory.js'

export interface Call {
  readonly program: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

export interface Line {
  /** When it arrived, in ms since 1970. */
  readonly at: number
  readonly text: string
}

export interface Place {
  /** Where it is started. */
  readonly folder: string
  /** For what it remembers. */
  readonly home: string
  /** The path of its kubeconfig. */
  readonly kubeconfig: string
}

export interface Ran {
  readonly code: number
  readonly said: readonly Line[]
  readonly peakBytes: number
}

/** Whatever happens, a tool is ended after this time. */
const longestMs = 10 * 60_000

export function runTool(
  { program, args, env, folder, home, kubeconfig }: Call & Place,
  signal: AbortSignal,
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: folder,
      env: {
        ...process.env,
        ...stack.env,
        ...homesIn(home),
        KUBECONFIG: kubeconfig,
        CI: 'true',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own, which can be ended as a whole.
      detached: true,
    })
    const { pid } = child
    const said: Line[] = []
    for (const channel of [child.stdout, child.stderr]) {
      createInterface(channel).on('line', (text) => said.push({ at: Date.now(), text }))
    }
    const memory = pid === undefined ? undefined : watchMemory(pid)
    const end = () => {
      if (pid !== undefined && child.exitCode === null) process.kill(-pid, 'SIGKILL')
    }
    const timer = setTimeout(end, longestMs)
    signal.addEventListener('abort', end)
    child.on('error', reject)
    child.on('close', (code) => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      memory?.stop()
      if (signal.aborted) reject(new Error('it was interrupted'))
      else resolve({ code: code ?? 1, said, peakBytes: memory?.peak() ?? 0 })
    })
  })
}

/** Where tools keep what they remember, so that each begins as on a fresh machine. */
export function homesIn(home: string): Readonly<Record<string, string>> {
  const names = ['HOME', 'TMPDIR', 'XDG_CACHE_HOME', 'XDG_CONFIG_HOME', 'XDG_DATA_HOME']
  return Object.fromEntries(names.map((name) => [name, home]))
}
