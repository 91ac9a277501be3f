/** The local stack as the end-to-end tests see it: real cluster, real registry, real engine. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')

// jest wants colors of its workers where a person looks at it; what the tests start is read by the tests.
delete process.env['FORCE_COLOR']

export interface Ended {
  readonly code: number
  /** Both channels, in the order in which they came. */
  readonly output: string
  readonly stdout: string
}

export interface How {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
  /** Called with each piece of output and the process, to act in the middle. */
  readonly onOutput?: (soFar: string, kill: (signal: NodeJS.Signals) => void, pid: number) => void
}

/** Runs a program to its end, with its arguments as a list. */
export function run(program: string, args: readonly string[], how: How = {}): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: how.cwd,
      env: { ...process.env, ...how.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    let output = ''
    let stdout = ''
    const kill = (signal: NodeJS.Signals) => void child.kill(signal)
    const pid = child.pid ?? 0
    child.stdout.on('data', (bytes: Buffer) => {
      stdout += bytes.toString()
      output += bytes.toString()
      how.onOutput?.(output, kill, pid)
    })
    child.stderr.on('data', (bytes: Buffer) => {
      output += bytes.toString()
      how.onOutput?.(output, kill, pid)
    })
    child.on('error', reject)
    child.on('close', (code) => {
      resolve({ code: code ?? 1, output, stdout })
    })
    child.stdin.on('error', () => undefined)
    child.stdin.end(how.input)
  })
}

/** The same, where anything but success is the test's own trouble. */
export async function must(
  program: string,
  args: readonly string[],
  how: How = {},
): Promise<string> {
  const { code, output, stdout } = await run(program, args, how)
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}:\n${output}`)
  return stdout
}

/** What `cluster/stack env` tells, once for all tests of a file. */
async function readStack() {
  const told = await must(`${root}/cluster/stack`, ['env'])
  const env = Object.fromEntries(
    told
      .split('\n')
      .filter((line) => line.includes('='))
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  )
  const need = (name: string): string => {
    const value = env[name]
    if (value === undefined) throw new Error(`cluster/stack env does not tell ${name}`)
    return value
  }
  return {
    bin: need('STACK_BIN'),
    home: need('STACK_HOME'),
    registry: need('STACK_REGISTRY'),
    address: need('STACK_NODE_ADDRESS'),
    kubeconfig: need('KUBECONFIG'),
    /** The environment for programs that are to use the stack; kubectl with all rights. */
    env: {
      ...env,
      // Node 24 comes as a package of the project.
      PATH: `${need('STACK_BIN')}:${root}/node_modules/.bin:${process.env['PATH'] ?? ''}`,
    } as Readonly<Record<string, string>>,
  }
}

export const stack = await readStack()

/** kubectl as the administrator: for what a test arranges and looks at, never for what it tests. */
export function kubectl(...args: readonly string[]): Promise<string> {
  return must('kubectl', args, { env: stack.env })
}

export async function kubectlJson<T>(...args: readonly string[]): Promise<T> {
  return JSON.parse(await kubectl(...args, '-o', 'json')) as T
}

/** Both forms that a manifest may have in a registry: without it, a registry may answer that there is none. */
export const acceptManifests =
  'Accept: application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json'
