import type {
  Clock,
  Files,
  Finished,
  Processes,
  Platform,
  Web,
} from '../../src/platform/platform.js'

/** A command or a request that is expected, and what it answers. */
export interface Line {
  /** Of the whole command line: tool and arguments with blanks between. Of a request: `GET https://…`. */
  readonly when: RegExp
  readonly code?: number
  readonly stdout?: string
  readonly stderr?: string
  /** Of a request, whose body is `stdout`. */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  /** The code of the error that a request ends with, when there is no answer. */
  readonly error?: string
  /** Does not end by itself: an abort ends it. */
  readonly hangs?: true
  /** Answers any number of times; otherwise once. */
  readonly always?: true
}

export interface Script {
  readonly platform: Platform
  /** The command lines that ran, in their order. */
  readonly ran: string[]
  /** What each of them got beside the environment of all. */
  readonly environments: Readonly<Record<string, string | undefined>>[]
  /** How long was slept, in ms. */
  readonly slept: number[]
  /** Private files that were written, by path. */
  readonly written: Record<string, string>
}

/**
 * A world whose programs answer by a script, and whose clock does not wait. A command that is not in the
 * script fails the test.
 */
export function scripted(
  lines: readonly Line[],
  more: { readonly env?: Platform['env']; readonly files?: Readonly<Record<string, string>> } = {},
): Script {
  const left = [...lines]
  const ran: string[] = []
  const environments: Readonly<Record<string, string | undefined>>[] = []
  const slept: number[] = []
  const written: Record<string, string> = {}
  let now = 0

  const next = (tool: string, args: readonly string[], env: Platform['env'] = {}): Line => {
    const command = [tool, ...args].join(' ')
    ran.push(command)
    environments.push(env)
    const at = left.findIndex(({ when }) => when.test(command))
    const line = left[at]
    if (line === undefined) throw new Error(`not in the script: ${command}`)
    if (!line.always) left.splice(at, 1)
    return line
  }

  const processes: Processes = {
    account: () => 'runner',
    identity: () => undefined,
    hasEnded: () => false,
    find: (tool) => Promise.resolve(`/usr/bin/${tool}`),
    run: (tool, args, { env } = {}) => {
      const { code = 0, stdout = '', stderr = '' } = next(tool, args, env)
      return Promise.resolve<Finished>({ code, stdout, stderr })
    },
    stream: async (tool, args, { signal, onLine, env }) => {
      const line = next(tool, args, env)
      for (const channel of ['stdout', 'stderr'] as const) {
        const text = line[channel] ?? ''
        if (text !== '')
          text
            .replace(/\n$/, '')
            .split('\n')
            .forEach((each) => onLine(each, channel))
      }
      if (line.hangs && !signal.aborted) {
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
      }
      return signal.aborted ? 143 : (line.code ?? 0)
    },
  }
  // Time passes only when nothing else is left to do, and from one sleeper's end to the next.
  const sleepers = new Set<{ readonly due: number; readonly wake: () => void }>()
  const pass = (): void => {
    const [first] = [...sleepers].sort((a, b) => a.due - b.due)
    if (first === undefined) return
    sleepers.delete(first)
    now = first.due
    first.wake()
  }
  const clock: Clock = {
    now: () => now,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        signal?.throwIfAborted()
        const abort = (): void => {
          sleepers.delete(sleeper)
          reject(signal?.reason as Error)
        }
        const sleeper = {
          due: now + ms,
          wake: () => {
            signal?.removeEventListener('abort', abort)
            slept.push(ms)
            resolve()
          },
        }
        sleepers.add(sleeper)
        signal?.addEventListener('abort', abort)
        setImmediate(pass)
      }),
    every: () => () => undefined,
    handled: () => Promise.resolve(),
  }
  const texts = more.files ?? {}
  const isFolder = (path: string): boolean =>
    path === '.' || Object.keys(texts).some((name) => name.startsWith(`${path}/`))
  const files: Files = {
    read: (path) => Promise.resolve(texts[path]),
    exists: (path) => path in texts || isFolder(path),
    isFolder,
    link: () => Promise.resolve(undefined),
    list: () => Promise.resolve([]),
    privateFolder: () => Promise.resolve('/private'),
    socketFolder: () => Promise.resolve('/private'),
    linkTo: () => Promise.resolve(),
    writeProgram: () => Promise.resolve(),
    writePrivate: (path, text) => {
      written[path] = text
      return Promise.resolve()
    },
    write: () => Promise.resolve(),
    makeFolder: () => Promise.resolve(),
    remove: () => Promise.resolve(),
  }
  const network = { request: () => Promise.reject(new Error('no network here')) }
  const web: Web = {
    fetch: async (url, { method, signal }) => {
      signal.throwIfAborted()
      const { status = 200, headers = {}, stdout = '', error, hangs } = next(method, [url])
      if (error !== undefined) throw Object.assign(new Error(error), { code: error })
      if (hangs) await new Promise((resolve) => signal.addEventListener('abort', resolve))
      signal.throwIfAborted()
      const body = method === 'HEAD' || status === 204 ? null : stdout
      return new Response(body, { status, headers })
    },
    addressesOf: () => Promise.resolve([]),
  }
  const tools = { fetchKubectl: () => Promise.resolve(undefined) }
  return {
    platform: { clock, processes, files, network, web, tools, env: more.env ?? {} },
    ran,
    environments,
    slept,
    written,
  }
}
