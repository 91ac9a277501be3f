import { getExecOutput } from '@actions/exec'
import { spawn } from 'node:child_process'
import { accessSync, constants as access, statSync } from 'node:fs'
import { constants as system, userInfo } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { LineSplitter } from './lines.js'
import { watchdog, type Watchdog } from './watchdog.js'
import type { Finished, Processes, StreamOptions, Platform } from './platform.js'

/** How long a process group has to end after SIGTERM, in ms. */
const timeouts = 5_000

/** How long the output of a program that has ended may be held open by what it left running, in ms. */
const lastWords = 1_000

/** The programs of this machine. */
export function realProcesses(env: Platform['env']): Processes {
  const variables = (added: Readonly<Record<string, string>> = {}): Record<string, string> => {
    const all = Object.entries({ ...env, ...added })
    return Object.fromEntries(
      all.filter((entry): entry is [string, string] => entry[1] !== undefined),
    )
  }

  const dog = watchdog()
  let binding: Promise<string | undefined> | undefined

  return {
    account,

    find: (tool) => Promise.resolve(find(tool, env)),

    run: async (tool, args, how = {}) => {
      const path = find(tool, env)
      if (path === undefined) return missing(tool)
      const { input, cwd } = how
      if (input !== undefined) return fed(tool, path, args, { env: variables(how.env), cwd, input })
      try {
        const { exitCode, stdout, stderr } = await getExecOutput(quoted(path), [...args], {
          silent: true,
          ignoreReturnCode: true,
          env: variables(how.env),
          ...(cwd === undefined ? {} : { cwd }),
        })
        return { code: exitCode, stdout, stderr }
      } catch (error) {
        // No working folder, or no right to start the program.
        return unstarted(tool, error)
      }
    },

    stream: async (tool, args, how) => {
      const path = find(tool, env)
      if (path === undefined) {
        how.onLine(missing(tool).stderr, 'stderr')
        return 127
      }
      const own = { ...how, env: variables(how.env) }
      if (!how.bound) return stream(tool, path, args, own)
      binding ??= findBinder(env)
      const binder = await binding
      return binder === undefined
        ? stream(tool, path, args, own, dog)
        : stream(tool, binder, [...bindingArgs, path, ...args], own)
    },
  }
}

const bindingArgs = ['--pdeathsig', 'KILL', '--'] as const

/** A `setpriv` that has the system end a program with this process: tried, since BusyBox' has not. */
async function findBinder(env: Platform['env']): Promise<string | undefined> {
  const path = process.platform === 'linux' ? find('setpriv', env) : undefined
  if (path === undefined) return undefined
  const { signal } = new AbortController()
  const onLine = () => undefined
  const code = await stream(path, path, [...bindingArgs, 'true'], { signal, onLine })
  return code === 0 ? path : undefined
}

/**
 * Runs a program that reads `input`. The toolkit's exec does not hear when the program ends before it has
 * read all of it: the pipe's error (EPIPE) would end this process.
 */
function fed(
  tool: string,
  path: string,
  args: readonly string[],
  { env, cwd, input }: { env: Record<string, string>; cwd: string | undefined; input: string },
): Promise<Finished> {
  return new Promise((settle) => {
    const child = spawn(path, args, { env, ...(cwd === undefined ? {} : { cwd }) })
    const said = { stdout: [] as Buffer[], stderr: [] as Buffer[] }
    child.stdout.on('data', (bytes: Buffer) => said.stdout.push(bytes))
    child.stderr.on('data', (bytes: Buffer) => said.stderr.push(bytes))
    child.on('error', (error) => {
      if (child.pid === undefined) settle(unstarted(tool, error))
    })
    child.on('close', (code, signal) => {
      if (child.pid === undefined) return
      settle({
        code: code ?? 128 + (signal ? system.signals[signal] : 0),
        stdout: Buffer.concat(said.stdout).toString(),
        stderr: Buffer.concat(said.stderr).toString(),
      })
    })
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
  })
}

function stream(
  tool: string,
  path: string,
  args: readonly string[],
  how: StreamOptions,
  dog?: Watchdog,
): Promise<number> {
  return new Promise((settle) => {
    if (how.signal.aborted) return settle(128 + system.signals.SIGTERM)
    // A process group of its own: a signal reaches the plugins and children too, and Ctrl-C of the
    // terminal reaches us alone, so that we decide in which order things end.
    const child = spawn(path, args, {
      detached: true,
      env: how.env,
      ...(how.cwd === undefined ? {} : { cwd: how.cwd }),
      stdio: [how.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    })
    const unguard = child.pid === undefined ? undefined : dog?.guard(child.pid)
    const toGroup = (signal: NodeJS.Signals): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, signal)
      } catch {
        // Nobody of the group is left.
      }
    }
    let kill: NodeJS.Timeout | undefined
    const end = (): void => {
      toGroup('SIGTERM')
      kill = setTimeout(() => toGroup('SIGKILL'), timeouts)
    }
    how.signal.addEventListener('abort', end, { once: true })

    const splitters = (['stdout', 'stderr'] as const).map((channel) => {
      const splitter = new LineSplitter((line) => how.onLine(line, channel))
      child[channel]?.on('data', (bytes: Buffer) => splitter.push(bytes))
      return splitter
    })
    const finish = (code: number): void => {
      how.signal.removeEventListener('abort', end)
      clearTimeout(kill)
      for (const splitter of splitters) splitter.end()
      settle(code)
    }

    child.on('error', (error) => {
      if (child.pid !== undefined) return
      how.onLine(`${tool} could not be started: ${wordsOf(error)}`, 'stderr')
      finish(127)
    })
    child.on('exit', () => {
      setTimeout(() => {
        child.stdout?.destroy()
        child.stderr?.destroy()
      }, lastWords).unref()
    })
    child.on('close', (code, signal) => {
      // Whoever ignored SIGTERM in the group must not outlive its leader.
      if (how.signal.aborted) toGroup('SIGKILL')
      unguard?.()
      if (child.pid !== undefined) finish(code ?? 128 + (signal ? system.signals[signal] : 0))
    })
    // A program that ends without reading its input closes the pipe: its exit code tells the story.
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(how.input)
  })
}

/** Looks through PATH as a shell does; an empty entry (the working folder) is no place to find programs. */
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

/** A container may run as a number that no file gives a name. */
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
  return { code: 127, stdout: '', stderr: `${tool} could not be started: ${wordsOf(error)}` }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
