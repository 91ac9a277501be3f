/** Requests to a registry: the way to it, its login, redirects and repetitions. What it says is read in `registry.ts`. */
import { messageOf } from '../platform/error-message.js'
import { UnusableProxy } from '../platform/proxy.js'
import { repeat, TimeOver, withTimeout } from '../platform/time.js'
import type { Platform, Tls, WebRequest } from '../platform/platform.js'
import { credentialsFor } from './credentials.js'
import { basic, challengeIn, tokenIn, tokenRequest, tokenServer } from './registry-auth.js'
import { hostOf, isLocal, pathOf } from './registry-errors.js'
import { isInsecure, trustFor } from './registry-trust.js'
import { shortened, plain } from './text.js'

/** How a request ended. */
export type Reply =
  | Answer
  /** No answer, or an error of the registry's own, in the last attempt. */
  | { readonly is: 'unreachable'; readonly said: string }
  | { readonly is: 'denied'; readonly said: string }
  /** No repetition changes it. */
  | { readonly is: 'failed'; readonly said: string; readonly hint?: string }

export interface Answer {
  readonly is: 'answer'
  readonly status: number
  readonly headers: Headers
  readonly body: Buffer
  /** Of the server that answered: the last one of the redirects. */
  readonly origin: string
}

export interface RegistryRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT'
  /** Below the repository: `manifests/v1`. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** After this time (in ms) without an answer the request is repeated. */
const answerTime = 30_000
/** A registry that wants a longer pause than this (in ms) is not waited for. */
const longestPause = 60_000
const tries = 3
const mostRedirects = 5

/** An address under which the registry has answered, and whom to trust there. */
interface Way {
  readonly origin: string
  readonly tls: Tls
}

/** One repository, with what is known of the way to it. */
export class RegistryClient {
  readonly #host: string
  readonly #path: string
  #way: Way | undefined
  #isInsecure: boolean | undefined
  /** By the actions that they allow. */
  readonly #logins = new Map<string, string>()

  private constructor(
    private readonly platform: Platform,
    repository: string,
  ) {
    this.#host = hostOf(repository)
    this.#path = pathOf(repository)
  }

  /** Returns the same client for each request of a run: way and login are found once. */
  static of(platform: Platform, repository: string): RegistryClient {
    const known = clients.get(platform) ?? new Map<string, RegistryClient>()
    clients.set(platform, known)
    const client = known.get(repository) ?? new RegistryClient(platform, repository)
    known.set(repository, client)
    return client
  }

  /** Repeats what may have passed. Throws only the signal's reason. */
  async request(request: RegistryRequest, signal: AbortSignal): Promise<Reply> {
    return repeat<Reply | Transient>(
      {
        clock: this.platform.clock,
        signal,
        pauseAfter: (attempt, made) => {
          if (attempt.is === 'error' || attempt.result.is !== 'transient') return undefined
          const { pause = 1_000 * 3 ** (made - 1) } = attempt.result
          return made >= tries || pause > longestPause ? undefined : pause
        },
      },
      () => this.#attempt(request, signal),
    ).then((reply) => (reply.is === 'transient' ? { ...reply, is: 'unreachable' } : reply))
  }

  async #attempt(request: RegistryRequest, signal: AbortSignal): Promise<Reply | Transient> {
    try {
      const actions = request.method === 'PUT' ? 'pull,push' : 'pull'
      const known = this.#logins.get(actions)
      const first = await this.#send(request, known, signal)
      if (first.status !== 401) return settled(first)
      this.#logins.delete(actions)
      if (first.origin !== this.#way?.origin) return ofAnother(first, this.#host)
      const login = await this.#login(first, actions, signal)
      if (login === undefined) return settled(first)
      const second = await this.#send(request, login, signal)
      if (second.status < 400) this.#logins.set(actions, login)
      return settled(second)
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof Refusal) return error.reply
      if (error instanceof NoAnswer) return ofNoAnswer(error, this.#host)
      throw error
    }
  }

  /** Returns the header that the registry wants; `undefined` where docker has no login that it takes. */
  async #login(answer: Answer, actions: string, signal: AbortSignal): Promise<string | undefined> {
    const challenge = challengeIn(answer.headers.get('www-authenticate'))
    const credentials = await credentialsFor(this.platform, this.#host, signal)
    if (credentials.is === 'token') return `Bearer ${credentials.token}`
    if (challenge?.is === 'basic') {
      return credentials.is === 'password' ? basic(credentials) : undefined
    }
    if (challenge === undefined) return undefined
    const { origin, tls } = this.#way ?? { origin: '', tls: { ca: [] } }
    const isPlain = origin.startsWith('http:') || tls.unverified === true
    const hasLogin = credentials.is !== 'none'
    const server = tokenServer(challenge.realm, { origin, isPlain }, hasLogin)
    if (server === undefined) throw new Refusal(withoutTls(challenge.realm, this.#host))
    const scope = `repository:${this.#path}:${actions}`
    const { url, ...request } = tokenRequest(challenge, server, credentials, scope)
    const trust = server.origin === origin ? tls : forOthers(tls)
    const reply = await this.#follow(url, { ...request, tls: trust }, signal)
    const at = `the token server ${server.host}`
    if (isTransient(reply.status)) throw new Refusal(transient(reply, at))
    if ([400, 401, 403].includes(reply.status)) {
      throw new Refusal({ is: 'denied', said: said(reply, at) })
    }
    const token = reply.status < 300 ? tokenIn(reply.body.toString()) : undefined
    if (token !== undefined) return `Bearer ${token}`
    const why = reply.status < 300 ? `${at} answers without a token` : said(reply, at)
    throw new Refusal({ is: 'failed', said: why })
  }

  /** Sends it on the way that is known, or on the first one that leads to an answer. */
  async #send(
    { path, ...request }: RegistryRequest,
    authorization: string | undefined,
    signal: AbortSignal,
  ): Promise<Answer> {
    const headers = { ...request.headers, ...(authorization !== undefined && { authorization }) }
    const over = (way: Way): Promise<Answer> =>
      this.#follow(
        `${way.origin}/v2/${this.#path}/${path}`,
        { ...request, headers, tls: way.tls },
        signal,
      )
    if (this.#way !== undefined) return over(this.#way)
    const first = await this.#firstWay()
    try {
      return await this.#taking(first, over)
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof Refusal || first.origin.startsWith('http:')) throw error
      this.#isInsecure ??=
        first.tls.unverified ?? (await isInsecure(this.platform, this.#host, signal))
      if (!this.#isInsecure) throw error
      return this.#sendInsecurely(first, over, signal)
    }
  }

  /** As the engine does with such registries: with TLS and any certificate, otherwise without. */
  async #sendInsecurely(
    first: Way,
    over: (way: Way) => Promise<Answer>,
    signal: AbortSignal,
  ): Promise<Answer> {
    if (first.tls.unverified === undefined) {
      try {
        return await this.#taking({ ...first, tls: { ...first.tls, unverified: true } }, over)
      } catch (error) {
        signal.throwIfAborted()
        if (error instanceof Refusal) throw error
      }
    }
    return this.#taking({ ...first, origin: first.origin.replace('https:', 'http:') }, over)
  }

  async #taking(way: Way, over: (way: Way) => Promise<Answer>): Promise<Answer> {
    const answer = await over(way)
    this.#way = way
    return answer
  }

  async #firstWay(): Promise<Way> {
    const host = this.#host
    const tls = await trustFor(this.platform, host)
    const origin = `https://${host === 'docker.io' ? 'registry-1.docker.io' : host}`
    return { origin, tls: isLocal(host) ? { ...tls, unverified: true } : tls }
  }

  /** Follows redirects. The login and the client's certificate stay with the server that they are for. */
  async #follow(
    url: string,
    request: Omit<WebRequest, 'signal'>,
    signal: AbortSignal,
  ): Promise<Answer> {
    let at = new URL(url)
    let sent = request
    for (let redirects = 0; ; redirects++) {
      const answer = await this.#fetch(at.href, sent, signal)
      const next = redirectOf(answer, sent.method, at)
      if (next === undefined) return answer
      if (redirects === mostRedirects) {
        throw new Refusal({ is: 'failed', said: `more than ${mostRedirects} redirects` })
      }
      if (next.origin !== at.origin) sent = forOther(sent)
      at = next
    }
  }

  async #fetch(
    url: string,
    request: Omit<WebRequest, 'signal'>,
    signal: AbortSignal,
  ): Promise<Answer> {
    const { clock, web } = this.platform
    try {
      return await withTimeout(clock, answerTime, signal, async (late): Promise<Answer> => {
        const response = await web.fetch(url, { ...request, signal: late })
        const { status, headers } = response
        const body = Buffer.from(await response.arrayBuffer())
        return { is: 'answer', status, headers, body, origin: new URL(url).origin }
      })
    } catch (error) {
      signal.throwIfAborted()
      throw new NoAnswer(new URL(url).host, error)
    }
  }
}

const clients = new WeakMap<Platform, Map<string, RegistryClient>>()

interface Transient {
  readonly is: 'transient'
  readonly said: string
  /** What the registry wants, in ms. */
  readonly pause?: number
}

/** Ends an attempt with a reply that is no answer of the registry. */
class Refusal extends Error {
  constructor(readonly reply: Reply | Transient) {
    super('refused')
  }
}

/** A server did not answer: the registry, its token server, or what it redirects to. */
class NoAnswer extends Error {
  constructor(
    readonly host: string,
    readonly reason: unknown,
  ) {
    super(`no answer from ${host}`)
  }
}

function settled(answer: Answer): Reply | Transient {
  if (isTransient(answer.status)) return transient(answer, 'it')
  if (answer.status === 401) return { is: 'denied', said: said(answer, 'it') }
  return answer
}

/** A server that the registry redirects to and that wants a login has no claim to the registry's. */
function ofAnother(answer: Answer, registry: string): Reply {
  const who = `it redirects to ${new URL(answer.origin).host}, which`
  return { is: 'denied', said: `${said(answer, who)}. The login for ${registry} is not sent there` }
}

function withoutTls(realm: string, registry: string): Reply {
  const said = `the login for ${registry} is not sent to its token server ${new URL(realm).origin}, which has no TLS`
  return { is: 'failed', said, hint: 'Give the registry a realm with https:' }
}

function isTransient(status: number): boolean {
  return [408, 425, 429, 500, 502, 503, 504].includes(status)
}

function transient(answer: Answer, who: string): Transient {
  const after = answer.headers.get('retry-after')
  const pause = after === null ? undefined : pauseIn(after, answer.headers.get('date'))
  const wanted = pause === undefined ? '' : `, and wants a pause of ${Math.ceil(pause / 1000)} s`
  return {
    is: 'transient',
    said: `${said(answer, who)}${wanted}`,
    ...(pause !== undefined && { pause }),
  }
}

/** Reads `Retry-After`, in ms: seconds, or a time, which is compared with the server's clock. */
function pauseIn(after: string, date: string | null): number | undefined {
  if (/^\d+$/.test(after.trim())) return Number(after) * 1000
  const pause = Date.parse(after) - Date.parse(date ?? '')
  return Number.isNaN(pause) ? undefined : Math.max(0, pause)
}

function redirectOf({ status, headers }: Answer, method: string, at: URL): URL | undefined {
  const follows = method === 'GET' || method === 'HEAD' ? [301, 302, 303, 307, 308] : [307, 308]
  const location = headers.get('location')
  if (!follows.includes(status) || location === null || !URL.canParse(location, at.href))
    return undefined
  const next = new URL(location, at.href)
  // What is written, or has a login in its body, goes to no other server.
  if (method !== 'GET' && method !== 'HEAD' && next.origin !== at.origin) return undefined
  return /^https?:$/.test(next.protocol) ? next : undefined
}

function forOther(request: Omit<WebRequest, 'signal'>): Omit<WebRequest, 'signal'> {
  const { authorization: _, ...headers } = request.headers ?? {}
  return { ...request, headers, ...(request.tls && { tls: forOthers(request.tls) }) }
}

/** The engine trusts the certificates of a registry for all that the registry leads to. */
function forOthers(tls: Tls): Tls {
  const { client, ...others } = tls
  // The very same where nothing is left out: its certificates have been read.
  return client === undefined ? tls : others
}

/** Returns what an answer that is no success says: `it answers 403: denied: requested access is denied`. */
export function said({ status, body }: Pick<Answer, 'status' | 'body'>, who = 'it'): string {
  const words = wordsIn(body.toString())
  return `${who} answers ${status}${words === '' ? '' : `: ${shortened(plain(words), 200)}`}`
}

/** The registry's own words: `{"errors": [{"code": …, "message": …}]}`, of a token server also `details`. */
function wordsIn(body: string): string {
  try {
    const { errors, details } = JSON.parse(body) as {
      errors?: readonly { code?: unknown; message?: unknown }[]
      details?: unknown
    }
    const [first] = errors ?? []
    const parts = [first?.code, first?.message, details].filter(
      (part): part is string => typeof part === 'string' && part !== '',
    )
    return parts.map((part, i) => (i === 0 && first?.code ? part.toLowerCase() : part)).join(': ')
  } catch {
    return ''
  }
}

/** Codes of errors that come of a certificate, of a connection, and of an address. */
const untrusted =
  /^(SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_(VERIFY|GET)_\w+|CERT_UNTRUSTED)$/
const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'its name cannot be resolved now',
  ETIMEDOUT: 'connection timed out',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'network is unreachable',
}

function ofNoAnswer({ host, reason: error }: NoAnswer, registry: string): Reply | Transient {
  const isRegistry = host === registry || host === 'registry-1.docker.io'
  const transientBy = (why: string): Transient => ({
    is: 'transient',
    said: isRegistry ? why : `${host}, where it leads to: ${why}`,
  })
  if (error instanceof UnusableProxy) return { is: 'failed', said: error.message }
  if (error instanceof TimeOver) return transientBy(`no answer within ${answerTime / 1000} s`)
  const { code = '' } = error as NodeJS.ErrnoException
  if (untrusted.test(code)) {
    return {
      is: 'failed',
      said: `this machine does not trust the certificate of ${host} (${code})`,
      hint: `Put the certificate of its authority into /etc/docker/certs.d/${host}/ca.crt, where the Docker engine reads it too`,
    }
  }
  if (code.startsWith('CERT_') || code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return {
      is: 'failed',
      said: `the certificate of ${host} is not valid: ${messageOf(error)}`,
      hint: 'Give the registry a valid certificate',
    }
  }
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_')) {
    return {
      is: 'failed',
      said: `${host} does not answer with TLS (${code})`,
      hint: `For a registry without TLS add "${host}" to "insecure-registries" of the Docker engine (/etc/docker/daemon.json)`,
    }
  }
  return transientBy(words[code] ?? (code || messageOf(error)))
}
