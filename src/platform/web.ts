import {
  request as overHttp,
  type ClientRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http'
import { request as overHttps } from 'node:https'
import { lookup } from 'node:dns/promises'
import { isIP, type Socket } from 'node:net'
import { connect, createSecureContext, getCACertificates, type SecureContext } from 'node:tls'
import { setImmediate } from 'node:timers/promises'
import { bareHost, proxyFor, UnusableProxy } from './proxy.js'
import type { Platform, Tls, Web } from './platform.js'

/**
 * One connection a request: there are few. The toolkit's own client is not used, since a proxy that never
 * answers would hold it, and the process with it, whatever the signal says.
 */
export const realWeb = (env: Platform['env']): Web => ({
  fetch: async (url, { method, headers = {}, body, tls, signal }) => {
    signal.throwIfAborted()
    const target = new URL(url)
    const sent = body === undefined ? undefined : Buffer.from(body)
    const options = {
      method,
      signal,
      ...(tls && target.protocol === 'https:' && (await trusting(tls))),
      headers: {
        'user-agent': 'django-rollout',
        ...(sent && { 'content-length': sent.length }),
        ...headers,
      },
    }
    try {
      const proxy = proxyFor(target, env)
      const call = proxy ? await behind(proxy, target, options) : open(target, options)
      return await answerTo(call, sent)
    } catch (error) {
      throw signal.aborted ? signal.reason : error
    }
  },
  addressesOf: async (host) => {
    const found = await lookup(host, { all: true }).catch(() => [])
    return found.map(({ address }) => address)
  },
})

/** Hundreds of certificates are read once and not for each connection. */
const contexts = new WeakMap<Tls, Promise<SecureContext>>()

async function trusting(tls: Tls): Promise<TlsOptions> {
  let secureContext = contexts.get(tls)
  if (secureContext === undefined) {
    secureContext = contextOf(tls)
    contexts.set(tls, secureContext)
  }
  return {
    secureContext: await secureContext,
    ...(tls.unverified && { rejectUnauthorized: false }),
  }
}

/** Takes a tenth of a second of a processor: half to read the certificates, half to trust them. */
async function contextOf({ ca, client }: Tls): Promise<SecureContext> {
  const all = [...getCACertificates('default'), ...getCACertificates('system'), ...ca]
  await setImmediate()
  return createSecureContext({ ca: [...new Set(all)], ...client })
}

/** Why there was no answer: `ECONNREFUSED`, `TimeOver`. Not the error's message, which may name a secret address. */
export function nameOf(error: unknown): string {
  if (error instanceof UnusableProxy) return error.message
  const { code, name } = error as NodeJS.ErrnoException
  // An AbortError has a number for a code.
  return typeof code === 'string' ? code : name
}

interface TlsOptions {
  readonly secureContext?: SecureContext
  readonly rejectUnauthorized?: boolean
}

type Options = Omit<RequestOptions, 'headers'> &
  TlsOptions & {
    readonly signal: AbortSignal
    readonly headers: Readonly<Record<string, string | number>>
  }

function open(target: URL, options: RequestOptions & TlsOptions): ClientRequest {
  const request = target.protocol === 'https:' ? overHttps : overHttp
  return request(target, { agent: false, ...options })
}

/** A proxy gets the request for the page itself, or opens a tunnel to a server that only we may read. */
async function behind(proxy: URL, target: URL, options: Options): Promise<ClientRequest> {
  const known = credentials(proxy)
  if (target.protocol === 'http:') {
    const headers = { ...options.headers, host: target.host, ...known }
    return open(proxy, { ...options, path: target.href, headers })
  }
  const way = `${target.hostname}:${target.port || '443'}`
  const socket = await wayThrough(
    open(proxy, {
      method: 'CONNECT',
      path: way,
      headers: { host: way, ...known },
      signal: options.signal,
    }),
  )
  const host = bareHost(target.hostname)
  const servername = isIP(host) === 0 ? host : ''
  const { secureContext, rejectUnauthorized } = options
  return overHttps(target, {
    ...options,
    // Without an agent it would be that of http:, and the header `host` would name it.
    defaultPort: 443,
    createConnection: () =>
      connect({
        socket,
        host,
        servername,
        ...(secureContext && { secureContext }),
        ...(rejectUnauthorized !== undefined && { rejectUnauthorized }),
      }),
  })
}

function credentials({ username, password }: URL): Readonly<Record<string, string>> {
  if (username === '' && password === '') return {}
  const words = `${decoded(username)}:${decoded(password)}`
  return { 'proxy-authorization': `Basic ${Buffer.from(words).toString('base64')}` }
}

/** A percent sign that begins no escape is one. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function wayThrough(call: ClientRequest): Promise<Socket> {
  return new Promise((resolve, reject) => {
    call.on('connect', ({ statusCode }, socket) => {
      if (statusCode === 200) return resolve(socket)
      socket.destroy()
      reject(new Error(`the proxy answers ${statusCode}`))
    })
    call.on('response', ({ statusCode }) => {
      call.destroy()
      reject(new Error(`the proxy answers ${statusCode}`))
    })
    call.on('error', reject)
    call.end()
  })
}

/** The whole answer. */
async function answerTo(call: ClientRequest, sent: Buffer | undefined): Promise<Response> {
  const { promise, resolve, reject } = Promise.withResolvers<[IncomingMessage, Buffer]>()
  call.on('response', (message) => {
    const parts: Buffer[] = []
    message.on('data', (part: Buffer) => parts.push(part))
    message.on('error', reject)
    message.on('end', () => {
      resolve([message, Buffer.concat(parts)])
    })
  })
  call.on('error', reject)
  call.end(sent)
  const [message, body] = await promise
  return responseOf(message, body)
}

/** Throws an Error for a status that the standard does not have. */
function responseOf({ statusCode = 0, rawHeaders }: IncomingMessage, body: Buffer): Response {
  const headers = new Headers()
  for (let at = 0; at < rawHeaders.length; at += 2) {
    headers.append(rawHeaders[at] ?? '', rawHeaders[at + 1] ?? '')
  }
  // The standard allows no body for these, not even an empty one.
  const none = [204, 205, 304].includes(statusCode)
  return new Response(none ? null : new Uint8Array(body), { status: statusCode, headers })
}
