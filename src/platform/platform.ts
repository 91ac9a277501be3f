/**
 * Everything outside of the program that a release may touch, as ports. The real adapters are in this
 * folder (`real.ts`), and nothing else in `src/` reaches for a process, a file, a clock or a socket.
 */
export interface Platform {
  readonly clock: Clock
  readonly processes: Processes
  readonly files: Files
  readonly network: Network
  readonly web: Web
  readonly tools: Tools
  /** The variables that this process was started with. */
  readonly env: Readonly<Record<string, string | undefined>>
}

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Resolves after `ms`; rejects with the signal's reason when it is aborted before. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Calls `tick` after each `ms` until the function that is returned is called. */
  every(ms: number, tick: () => void): () => void
  /** Resolves once everything that has arrived by now is handled: all lines of a chunk, for example. */
  handled(): Promise<void>
}

/** A finished program. `code` is 127 when it could not be started. */
export interface Finished {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  /** Text for the standard input: the place for passwords and manifests. */
  readonly input?: string
  /** Variables added to this process's own. */
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

export type Channel = 'stdout' | 'stderr'

export interface StreamOptions extends RunOptions {
  /** Aborting sends SIGTERM, and SIGKILL 5 s later. */
  readonly signal: AbortSignal
  /** Does not outlive this process, even one that ends by SIGKILL. */
  readonly bound?: true
  /** Each line as it comes, without its line end. */
  readonly onLine: (line: string, channel: Channel) => void
}

export interface Processes {
  /** The name of the account that this process runs as: `ada`; its number where it has no name. */
  account(): string
  /** Names this process among all that ever ran; `undefined` where the system does not say. */
  identity(): string | undefined
  /** Whether the process of such a name has certainly ended. */
  hasEnded(identity: string): boolean
  /** The path of a program on PATH. */
  find(tool: string): Promise<string | undefined>
  /** Runs a short command to its end. Never throws for an exit code. Arguments are never read by a shell. */
  run(tool: string, args: readonly string[], options?: RunOptions): Promise<Finished>
  /**
   * Runs a command that may take long or never end; resolves with its exit code (127 when it could not
   * be started, 128 + number when a signal ended it).
   */
  stream(tool: string, args: readonly string[], options: StreamOptions): Promise<number>
}

export interface Files {
  /** The text of a file; `undefined` when there is none. */
  read(path: string): Promise<string | undefined>
  exists(path: string): boolean
  isFolder(path: string): boolean
  /** Where a symbolic link leads, as it is written in it; `undefined` when this is none. */
  link(path: string): Promise<string | undefined>
  /** Names in a folder, sorted. */
  list(path: string): Promise<readonly string[]>
  /** A new folder that only this user may enter (0700), under the runner's or the system's temporary one. */
  privateFolder(): Promise<string>
  /**
   * The same with a short path: a Unix socket's address holds 107 bytes, and a runner's temporary folder
   * may be longer than that.
   */
  socketFolder(): Promise<string>
  /** Makes a symbolic link to `target`, which may be relative to the working folder. */
  linkTo(target: string, path: string): Promise<void>
  /** Writes a program that only this user may start (0700), with the folder that it is in. */
  writeProgram(path: string, text: string): Promise<void>
  /** Writes a file that only this user may read (0600). */
  writePrivate(path: string, text: string): Promise<void>
  /** Writes or replaces an ordinary file. */
  write(path: string, text: string): Promise<void>
  /** Makes a folder, and those above it; nothing happens when it is there. */
  makeFolder(path: string): Promise<void>
  /** Removes a file or a folder with all in it; nothing happens when it is not there. */
  remove(path: string): Promise<void>
}

export interface Request {
  /** The server: the path of a Unix socket, or a TCP port of this machine. */
  readonly socket: string | number
  /** The Host header; default: this machine's. */
  readonly host?: string
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly body?: unknown
  readonly contentType?: string
  readonly signal?: AbortSignal
}

export interface Response {
  readonly status: number
  /** Where a redirect leads: no redirect is followed. */
  readonly location?: string
  /** The whole body. */
  text(): Promise<string>
  /**
   * The body line by line, as it comes. Ends when the connection does; throws when that was not clean. A line of a log
   * of over 64 Ki letters comes in pieces.
   */
  lines(log?: LogLines): AsyncIterable<string>
}

/** The lines of a log: what writes them may never end one. */
export interface LogLines {
  /** A line with this text is for the program, and comes whole. */
  readonly whole?: string
}

export interface Network {
  /** Throws an Error when there is no answer at all. */
  request(request: Request): Promise<Response>
}

export interface WebRequest {
  readonly method: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly tls?: Tls
  readonly signal: AbortSignal
}

/** Which servers to trust besides those whom Node trusts, and how to prove who this client is. In PEM. */
export interface Tls {
  /** Also trusts the certificate authorities of the system, as programs in Go do. */
  readonly ca: readonly string[]
  readonly client?: { readonly cert: string; readonly key: string }
  /** Trusts every server. */
  readonly unverified?: true
}

/** The internet, through the proxy that the usual variables name (`https_proxy`, `http_proxy`, `no_proxy`). */
export interface Web {
  /**
   * The standard's `fetch`, but that it follows no redirect and answers once the whole body has come, which is
   * untrusted. `url` is `https:` or `http:`, and may be a secret. Throws an Error when there is no answer, with
   * the signal's reason when that is aborted.
   */
  readonly fetch: (url: string, request: WebRequest) => Promise<globalThis.Response>
  /** Returns the IP addresses of a host; none when its name cannot be resolved. */
  readonly addressesOf: (host: string) => Promise<readonly string[]>
}

/** The window of an interactive terminal. */
export interface Window {
  write(text: string): void
  /** In characters, as it is now. */
  size(): { readonly columns: number; readonly rows: number }
}

export interface Tools {
  /**
   * The first known kubectl that `fits` (`v1.34.4`), from the runner's tool cache, or downloaded into it; `undefined`
   * outside of a runner, and where none fits. Throws an Error when the download fails, or its checksum is wrong.
   */
  fetchKubectl(fits: (version: string) => boolean): Promise<Kubectl | undefined>
}

export interface Kubectl {
  readonly path: string
  /** `v1.34.4`; empty where it is not known. */
  readonly version: string
}
