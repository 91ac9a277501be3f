/** A process that runs the real code, with everything that it asks of the world in the hands of a play. */
import { hash } from 'node:crypto'
import { collection, watched } from '../../src/kubernetes/paths.js'
import type { Clock, Request, Response, Platform } from '../../src/platform/platform.js'
import { kubectl } from './kubectl.js'
import { otherFolders, workloadFolders } from './places.js'
import type { Answer, Call, Change, Server, Weakness } from './server.js'

/** A request that was made and is not answered. */
export interface Pending {
  readonly id: number
  readonly call: Call
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: Error) => void
  /** What the server has answered, where that has not come through yet. */
  caught?: Answer
}

interface Alarm {
  at: number
  readonly ring: () => void
  readonly every?: number
}

export class Process {
  readonly platform: Platform
  readonly pending = new Map<number, Pending>()
  /** Nothing that it sends arrives, nothing that is answered comes back. */
  cutAt: number | undefined
  /** Killed: it does nothing any more. */
  isDead = false
  /** What it has met so far, in one word: code that met the same is in the same state. */
  past = ''
  private asked = 0
  private readonly alarms = new Set<Alarm>()
  private readonly watchers = new Map<string, (line: string) => void>()

  constructor(
    readonly name: string,
    private readonly server: Server,
    private readonly now: () => number,
    private readonly weak: Weakness | undefined,
  ) {
    this.platform = {
      clock: this.clock(),
      processes: {
        account: () => 'runner',
        identity: () => undefined,
        hasEnded: () => false,
        find: (tool) => Promise.resolve(tool),
        run: (_tool, args) => kubectl(args, (call) => this.send(call), this.server.edits),
        stream: async (tool, args, { signal, onLine, input }) => {
          if (tool === 'docker') {
            onLine('docker was not found', 'stderr')
            return 127
          }
          if (args.includes('proxy')) {
            onLine('Starting to serve on a socket', 'stdout')
            return new Promise((resolve) => signal.addEventListener('abort', () => resolve(143)))
          }
          const send = (call: Call) => this.send(call, signal)
          const { code, stdout, stderr } = await kubectl(args, send, this.server.edits, input)
          if (stdout !== '') onLine(stdout, 'stdout')
          if (stderr !== '') onLine(stderr, 'stderr')
          return code
        },
      },
      files: {
        read: () => Promise.resolve(undefined),
        exists: () => false,
        isFolder: () => false,
        link: () => Promise.resolve(undefined),
        list: () => Promise.resolve([]),
        linkTo: () => Promise.resolve(),
        makeFolder: () => Promise.resolve(),
        writeProgram: () => Promise.resolve(),
        privateFolder: () => Promise.resolve('/private'),
        socketFolder: () => Promise.resolve('/private'),
        writePrivate: () => Promise.resolve(),
        write: () => Promise.resolve(),
        remove: () => Promise.resolve(),
      },
      network: { request: (request) => this.request(request) },
      web: {
        // The registry is no part of the protocol: it lets nobody in.
        fetch: () => Promise.resolve(new Response(null, { status: 403 })),
        addressesOf: () => Promise.resolve([]),
      },
      tools: { fetchKubectl: () => Promise.resolve(undefined) },
      env: {},
    }
  }

  get isCutOff(): boolean {
    return this.cutAt !== undefined
  }

  /** Since when it is cut off, in ms; less than 0 when it is not. */
  cutFor(): number {
    return this.cutAt === undefined ? -Infinity : this.now() - this.cutAt
  }

  /** When it wants to be woken next. */
  nextAlarm(): number {
    if (this.standsStill) return Infinity
    let next = Infinity
    for (const { at } of this.alarms) if (at < next) next = at
    return next
  }

  /** Wakes whoever is due, one after the other: the one who was first to ask, first. */
  async ring(drained: () => Promise<void>): Promise<void> {
    while (!this.standsStill) {
      const alarm = [...this.alarms].find(({ at }) => at <= this.now())
      if (!alarm) return
      if (alarm.every === undefined) this.alarms.delete(alarm)
      else alarm.at += alarm.every
      this.meet(`alarm ${alarm.at}`)
      alarm.ring()
      await drained()
    }
  }

  /**
   * Its requests that may be the next to arrive. Those for what the release writes to arrive in the order in
   * which they were sent: each is decided on and done by itself, so another order gives nothing new.
   */
  next(): readonly Pending[] {
    const kinds = new Map<string, Pending>()
    for (const pending of this.pending.values()) {
      const { method, path } = pending.call
      const folder = method === 'POST' ? path : path.slice(0, path.lastIndexOf('/'))
      const kind = folders.includes(folder) ? 'what is released' : folder
      if (!kinds.has(kind)) kinds.set(kind, pending)
    }
    return [...kinds.values()]
  }

  /** The server's answer arrives. */
  answer(id: number, answer: Answer): void {
    const pending = this.take(id)
    this.meet(`${id} ${answer.status} ${JSON.stringify(answer.body)}`)
    pending.resolve(answer)
  }

  /** The connection breaks before an answer arrives. */
  breakOff(id: number): void {
    const pending = this.take(id)
    this.meet(`${id} broken`)
    pending.reject(new Error('read ECONNRESET'))
  }

  /** What all watches show at once. */
  see({ type, path, object }: Change): void {
    const collection = path.slice(0, path.lastIndexOf('/'))
    const watcher = this.watchers.get(collection)
    if (!watcher) return
    this.meet(`${type} ${path} ${object.metadata?.resourceVersion ?? ''}`)
    watcher(JSON.stringify({ type, object }))
  }

  kill(): void {
    this.isDead = true
    this.end()
    this.past = 'dead'
  }

  end(): void {
    this.pending.clear()
    this.alarms.clear()
    this.watchers.clear()
  }

  meet(what: string): void {
    this.past = hash('sha1', `${this.past} ${this.now()} ${what}`, 'base64')
  }

  private get standsStill(): boolean {
    return this.isCutOff && this.weak === 'no time goes by for a run that is cut off'
  }

  private take(id: number): Pending {
    const pending = this.pending.get(id)
    if (!pending) throw new Error(`${this.name} did not ask for ${id}`)
    this.pending.delete(id)
    return pending
  }

  /** The play decides when it arrives. */
  private send(call: Call, signal?: AbortSignal): Promise<Answer> {
    const id = ++this.asked
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted()
      // A request that is given up never arrives later: the assumption of docs/protocol.md.
      const giveUp = () => {
        if (this.weak === 'a request that was given up arrives later') {
          const ignore = () => undefined
          this.pending.set(id, { id, call, resolve: ignore, reject: ignore })
        } else this.pending.delete(id)
        this.meet(`${id} given up`)
        reject(signal?.reason as Error)
      }
      signal?.addEventListener('abort', giveUp)
      const settle =
        <T>(settled: (value: T) => void) =>
        (value: T) => {
          signal?.removeEventListener('abort', giveUp)
          settled(value)
        }
      this.pending.set(id, { id, call, resolve: settle(resolve), reject: settle(reject) })
    })
  }

  private async request({ method, path, body, signal }: Request): Promise<Response> {
    const [plain = ''] = path.split('?')
    if (path === '/version') return responseOf({ status: 200, body: { gitVersion: 'v1' } })
    if (path.includes('watch=1')) return this.watch(plain, signal)
    if (isWatched(plain)) {
      // What a list shows is what the watch that follows it would show: no step of its own.
      const items = this.server.list(plain)
      return responseOf({ status: 200, body: { metadata: { resourceVersion: '1' }, items } })
    }
    const call = { method, path, body }
    // A dry run of a PUT is told by what is put, and not by what stands there: no step of its own.
    if (path.endsWith('?dryRun=All')) return responseOf(this.server.try({ ...call, path: plain }))
    // What nobody writes has the same answer whenever it is asked for: no step of its own.
    if (isConstant(plain)) return responseOf(this.server.perform(call))
    return responseOf(await this.send(call, signal))
  }

  private watch(collection: string, signal?: AbortSignal): Promise<Response> {
    const lines: string[] = []
    let progressLines = Promise.withResolvers<undefined>()
    this.watchers.set(collection, (line) => {
      lines.push(line)
      progressLines.resolve(undefined)
    })
    signal?.addEventListener('abort', () => {
      this.watchers.delete(collection)
      progressLines.reject(signal.reason as Error)
    })
    progressLines.promise.catch(() => undefined)
    return Promise.resolve({
      status: 200,
      text: () => Promise.resolve(''),
      lines: async function* () {
        for (;;) {
          yield* lines.splice(0)
          await progressLines.promise
          progressLines = Promise.withResolvers()
          progressLines.promise.catch(() => undefined)
        }
      },
    })
  }

  private clock(): Clock {
    return {
      now: this.now,
      sleep: (ms, signal) =>
        new Promise((resolve, reject) => {
          signal?.throwIfAborted()
          const abort = () => {
            this.alarms.delete(alarm)
            reject(signal?.reason as Error)
          }
          const ring = () => {
            signal?.removeEventListener('abort', abort)
            resolve()
          }
          const alarm: Alarm = { at: this.now() + ms, ring }
          this.alarms.add(alarm)
          signal?.addEventListener('abort', abort)
        }),
      every: (ms, tick) => {
        const alarm: Alarm = { at: this.now() + ms, ring: tick, every: ms }
        this.alarms.add(alarm)
        return () => this.alarms.delete(alarm)
      },
      handled: () => Promise.resolve(),
    }
  }
}

const collections = new Set(
  Object.entries(watched).map(([plural, { apiVersion }]) => collection(apiVersion, 'shop', plural)),
)

const folders = [...workloadFolders, ...otherFolders]

function isWatched(path: string): boolean {
  return collections.has(path)
}

/** What tells one namespace from another. */
function isConstant(path: string): boolean {
  return /\/namespaces\/\w+(\/configmaps\/kube-root-ca\.crt)?$/.test(path)
}

function responseOf({ status, body }: Answer): Response {
  return {
    status,
    text: () => Promise.resolve(JSON.stringify(body)),
    // eslint-disable-next-line @typescript-eslint/require-await
    lines: async function* () {
      yield JSON.stringify(body)
    },
  }
}
