/** The command as a process of its own, which can be told things and ended in the middle. */
import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Report } from '../../src/report/report.js'
import { must, root, stack } from '../e2e/stack.js'

export interface Running {
  readonly pid: number
  /** The command line and both channels so far. */
  output(): string
  hasEnded(): boolean
  /** When it said that it writes, in ms since 1970. */
  readonly writes: readonly number[]
  kill(signal: NodeJS.Signals): void
  /** Resolves when the text has been written, or the run has ended without it: false. */
  says(text: string): Promise<boolean>
  readonly ended: Promise<Ended>
}

export interface Ended {
  /** Missing when it was killed before it could say. */
  readonly result?: string
  readonly began: number
  readonly ended: number
}

export function start(
  home: string,
  kubeconfig: string,
  command: 'deploy' | 'recover',
  options: Readonly<Record<string, string>>,
): Running {
  const began = Date.now()
  const report = join(home, `report-${Math.random().toString(36).slice(2)}.json`)
  const flags = Object.entries({ report, ...options }).flatMap(([name, value]) => [
    `--${name}`,
    value,
  ])
  const child = spawn('node', [join(root, 'dist/cli/index.js'), command, ...flags], {
    cwd: home,
    // Its temporary files, and so its proxy's socket, lie in `home`.
    env: { ...process.env, ...stack.env, KUBECONFIG: kubeconfig, TMPDIR: home, CI: 'true' },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A Ctrl-C that ends the rounds is none of its business.
    detached: true,
  })
  let output = `$ django-rollout ${command} ${flags.join(' ')}\n`
  let isOver = false
  const writes: number[] = []
  const waiting = new Set<() => void>()
  const tell = () => {
    for (const look of waiting) look()
  }
  for (const channel of [child.stdout, child.stderr]) {
    channel.on('data', (bytes: Buffer) => {
      output += bytes.toString()
      if (/^▸ (manifests|rollout)|^ *(image .* for |kubectl apply: )/m.test(bytes.toString())) {
        writes.push(Date.now())
      }
      tell()
    })
  }
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', () => {
      isOver = true
      tell()
      void readFile(report, 'utf8')
        .catch(() => '{}')
        .then((text) => JSON.parse(text) as Partial<Report>)
        .then(({ result }) =>
          resolve({ began, ended: Date.now(), ...(result !== undefined && { result }) }),
        )
    })
  })
  return {
    pid: child.pid ?? 0,
    output: () => output,
    hasEnded: () => isOver,
    writes,
    kill: (signal) => void child.kill(signal),
    says: (text) =>
      new Promise((resolve) => {
        const look = () => {
          const said = output.includes(text)
          if (!said && !isOver) return
          waiting.delete(look)
          resolve(said)
        }
        waiting.add(look)
        look()
      }),
    ended,
  }
}

export interface Process {
  readonly pid: number
  readonly parent: number
  readonly line: string
}

export async function processes(): Promise<readonly Process[]> {
  const told = await must('ps', ['-A', '-ww', '-o', 'pid=,ppid=,args='])
  return told.split('\n').flatMap((row) => {
    const [, pid, parent, line] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(row) ?? []
    return line === undefined ? [] : [{ pid: Number(pid), parent: Number(parent), line }]
  })
}

/** The process and all that it started, and what those started. */
export function familyOf(pid: number, all: readonly Process[]): readonly Process[] {
  return all.flatMap((one) => {
    if (one.pid === pid) return [one]
    return one.parent === pid ? familyOf(one.pid, all) : []
  })
}
