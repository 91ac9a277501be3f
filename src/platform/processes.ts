import { getExecOutput } from '@actions/exec'
import { spawn, type ChildProcess } from 'node:child_process'
import { accessSync, constants as access, statSync } from 'node:fs'
import { constants as system, userInfo } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { hasEnded, identity } from './identity.js'
import { LineSplitter } from './lines.js'
import { watchdog, type Watchdog } from './watchdog.js'
import type { Channel, Finished, Processes, StreamOptions, Platform } from './platform.js'
import { messageOf } from './error-message.js'

/** How long a process group has to end after SIGTERM, in ms. */
const sigkillAfterMs = 5_000

/** How long a child that a program has left running may hold its output open, in ms. */
const openOutputTimeoutMs = 1_000

/** The programs of this machine. */
export function realProcesses(env: Platform['env']): Processes {
  const variables = (added: Readonly<Record<string, string>> = {}): Record<string, string> => {
    const all = Object.entries({ ...env, ...added })
    return Object.fromEntries(
      all.filter(
        (entry): entry is [string, string] => entry[1] !== undefined && !isInput(entry[0]),
      ),
    )
  }

  const dog = watchdog()
  let binding: Promise<string | undefined> | undefined

  return {
    account,
    identity,
    hasEnded,

    find: (tool) => Promise.resolve(find(tool, env)),

    run: async (tool, args, options = {}) => {
      const path = find(tool, env)
      if (path === undefined) return missing(tool)
      const { input, cwd } = options
      if (input !== undefined)
        return fed(tool, path, args, { env: variables(options.env), cwd, input })
      try {
        const { exitCode, stdout, stderr } = await getExecOutput(quoted(path), [...args], {
          silent: true,
          ignoreReturnCode: true,
          env: variables(options.env),
          ...(cwd === undefined ? {} : { cwd }),
        })
        return { code: exitCode, stdout, stderr }
      } catch (error) {
        // The working folder does not exist, or the program may not be started.
        return unstarted(tool, error)
      }
    },

    stream: async (tool, args, options) => {
      const path = find(tool, env)
      if (path === undefined) {
        options.onLine(missing(tool).stderr, 'stderr')
        return 127
      }
      const own = { ...options, env: variables(options.env) }
      if (!options.bound) return stream({ tool, path, args }, own)
      binding ??= findBinder(env)
      const binder = await binding
      return binder === undefined
        ? stream({ tool, path, args }, own, dog)
        : stream({ tool, path: binder, args: [...bindingArgs, path, ...args] }, own)
    },
  }
}

/** Inputs of an action are variables, and secrets among them: what is built and tested is not ours. */
function isInput(variable: string): boolean {
  return variable.startsWith('INPUT_')
}

const bindingArgs = ['--pdeathsig', 'KILL', '--'] as const

/** Returns a `setpriv` by which the system ends a program with this process. Tries it: that of BusyBox cannot. */
async function findBinder(env: Platform['env']): Promise<string | undefined> {
  const path = process.platform === 'linux' ? find('setpriv', env) : undefined
  if (path === undefined) return undefined
  const { signal } = new AbortController()
  const onLine = () => undefined
  const program = { tool: path, path, args: [...bindingArgs, 'true'] }
  const code = await stream(program, { signal, onLine, env: { PATH: env['PATH'] ?? '' } })
  return code === 0 ? path : undefined
}

/**
 * Runs a program that reads `input`. The toolkit's exec does not handle a program that ends before it
 * has read all of it: the error of the pipe (EPIPE) would end this process.
 */
function fed(
  tool: string,
  path: string,
  args: readonly string[],
  { env, cwd, input }: { env: Record<string, string>; cwd: string | undefined; input: string },
): Promise<Finished> {
  return new Promise((finish) => {
    const child = spawn(path, args, { env, ...(cwd === undefined ? {} : { cwd }) })
    const said = { stdout: [] as Buffer[], stderr: [] as Buffer[] }
    child.stdout.on('data', (bytes: Buffer) => said.stdout.push(bytes))
    child.stderr.on('data', (bytes: Buffer) => said.stderr.push(bytes))
    child.on('error', (error) => {
      if (child.pid === undefined) finish(unstarted(tool, error))
    })
    child.on('close', (code, signal) => {
      if (child.pid === undefined) return
      finish({
        code: code ?? 128 + (signal ? system.signals[signal] : 0),
        stdout: Buffer.concat(said.stdout).toString(),
        stderr: Buffer.concat(said.stderr).toString(),
      })
    })
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
  })
}

/** A program that is run: its name in messages, and the path and arguments that are started. */
interface Program {
  readonly tool: string
  readonly path: string
  readonly args: readonly string[]
}

async function stream(program: Program, options: StreamOptions, dog?: Watchdog): Promise<number> {
  if (options.signal.aborted) return 128 + system.signals.SIGTERM
  return new ProcessGroup(program, options, dog).exitCode
}

/**
 * Runs a program in a new process group: a signal reaches its plugins and children too. Ctrl-C in the terminal
 * reaches only this process, which decides in which order things end. Its states:
 *
 * - running.
 * - ending, when it is aborted: SIGTERM is sent, and SIGKILL after a while.
 * - exited: a child that it has left running may hold its output open for a moment.
 * - closed: all lines are passed on, and `exitCode` resolves.
 */
class ProcessGroup {
  readonly exitCode: Promise<number>
  readonly #resolve: (code: number) => void
  readonly #child: ChildProcess
  readonly #unguard: (() => void) | undefined
  readonly #splitters: readonly LineSplitter[]
  #kill: NodeJS.Timeout | undefined

  constructor(
    private readonly program: Program,
    private readonly options: StreamOptions,
    dog: Watchdog | undefined,
  ) {
    const { promise, resolve } = Promise.withResolvers<number>()
    this.exitCode = promise
    this.#resolve = resolve
    dog?.start()
    const child = spawn(program.path, program.args, {
      detached: true,
      env: options.env,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    })
    this.#child = child
    this.#unguard = child.pid === undefined ? undefined : dog?.guard(child.pid)
    options.signal.addEventListener('abort', this.#end, { once: true })
    this.#splitters = (['stdout', 'stderr'] as const).map((channel) => this.#split(channel))
    child.on('error', this.#onError)
    child.on('exit', this.#onExit)
    child.on('close', this.#onClose)
    // A program that ends without reading its input closes the pipe: its exit code is what counts.
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(options.input)
  }

  #split(channel: Channel): LineSplitter {
    const splitter = new LineSplitter((line) => this.options.onLine(line, channel))
    this.#child[channel]?.on('data', (bytes: Buffer) => splitter.push(bytes))
    return splitter
  }

  readonly #end = (): void => {
    this.#signal('SIGTERM')
    this.#kill = setTimeout(() => this.#signal('SIGKILL'), sigkillAfterMs)
  }

  readonly #onError = (error: Error): void => {
    if (this.#child.pid !== undefined) return
    const line = `${this.program.tool} could not be started: ${messageOf(error)}`
    this.options.onLine(line, 'stderr')
    this.#finish(127)
  }

  readonly #onExit = (): void => {
    setTimeout(() => {
      this.#child.stdout?.destroy()
      this.#child.stderr?.destroy()
    }, openOutputTimeoutMs).unref()
  }

  readonly #onClose = (code: number | null, signal: NodeJS.Signals | null): void => {
    // A process that ignored SIGTERM must not outlive the leader of its group.
    if (this.options.signal.aborted) this.#signal('SIGKILL')
    this.#unguard?.()
    if (this.#child.pid !== undefined)
      this.#finish(code ?? 128 + (signal ? system.signals[signal] : 0))
  }

  #signal(signal: NodeJS.Signals): void {
    try {
      if (this.#child.pid !== undefined) process.kill(-this.#child.pid, signal)
    } catch {
      // No process of the group is left.
    }
  }

  #finish(code: number): void {
    this.options.signal.removeEventListener('abort', this.#end)
    clearTimeout(this.#kill)
    for (const splitter of this.#splitters) splitter.end()
    this.#resolve(code)
  }
}

/** Searches PATH as a shell does, but skips an empty entry (the working folder). */
function find(tool: string, env: Platform['env']): string | undefined {
  if (tool.includes('/')) return isProgram(tool) ? resolve(tool) : undefined
  return (env['PATH'] ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => resolve(join(folder, tool)))
    .find(isProgram)
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, access.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** @actions/exec reads its first argument as a command line: the quotes keep a path with blanks whole. */
function quoted(path: string): string {
  return `"${path.replaceAll('"', '\\"')}"`
}

/** Returns the name of the account. In a container it may be a number without a name. */
function account(): string {
  try {
    return userInfo().username
  } catch {
    return `uid ${process.getuid?.()}`
  }
}

function missing(tool: string): Finished {
  return { code: 127, stdout: '', stderr: `${tool} was not found on PATH` }
}

function unstarted(tool: string, error: unknown): Finished {
  return { code: 127, stdout: '', stderr: `${tool} could not be started: ${messageOf(error)}` }
}
