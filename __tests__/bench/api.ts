/**
 * The API server, asked as the administrator and by a way of its own: what the bench looks at is on no
 * tool's account.
 */
import { Agent, request, type RequestOptions } from 'node:https'
import type { IncomingMessage } from 'node:http'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { kubectlJson } from '../e2e/stack.js'

interface Config {
  readonly clusters: readonly [
    {
      readonly cluster: { readonly server: string; readonly 'certificate-authority-data': string }
    },
  ]
  readonly users: readonly [
    {
      readonly user: {
        readonly 'client-certificate-data': string
        readonly 'client-key-data': string
      }
    },
  ]
}

/** Connections that are at rest are given up before the server does it. */
const restMs = 20_000

async function readServer() {
  const config = await kubectlJson<Config>('config', 'view', '--raw', '--flatten', '--minify')
  const [{ cluster }] = config.clusters
  const [{ user }] = config.users
  const plain = (base64: string) => Buffer.from(base64, 'base64')
  const { hostname, port } = new URL(cluster.server)
  const agent = (how: object) =>
    new Agent({
      keepAlive: true,
      timeout: restMs,
      ca: plain(cluster['certificate-authority-data']),
      ...how,
    })
  return {
    to: { hostname, port: port || 443 },
    /** Anybody, who has to bring a token. */
    anybody: agent({}),
    admin: agent({
      cert: plain(user['client-certificate-data']),
      key: plain(user['client-key-data']),
    }),
  }
}

export const server = await readServer()

/** The answer to a GET, with its body still to come. */
export function ask(path: string, how: RequestOptions = {}): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request({ ...server.to, agent: server.admin, path, ...how }, resolve)
      .on('error', reject)
      .end()
  })
}

export async function json<T>(path: string): Promise<T> {
  return read(await ask(path), path)
}

async function read<T>(answer: IncomingMessage, what: string): Promise<T> {
  const parts: Buffer[] = []
  for await (const part of answer) parts.push(part as Buffer)
  const text = Buffer.concat(parts).toString()
  const { statusCode = 0 } = answer
  if (statusCode >= 300) throw new Error(`${what}: ${statusCode} ${text}`)
  return JSON.parse(text) as T
}

/** A request with a body; a PATCH is merged by the names of lists, as kubectl does it. */
export async function call<T>(method: string, path: string, body?: object): Promise<T> {
  const text = body === undefined ? '' : JSON.stringify(body)
  const type = method === 'PATCH' ? 'application/strategic-merge-patch+json' : 'application/json'
  const headers = { 'content-type': type, 'content-length': Buffer.byteLength(text) }
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    request({ ...server.to, agent: server.admin, method, path, headers }, resolve)
      .on('error', reject)
      .end(text)
  })
  return read<T>(answer, `${method} ${path}`)
}

interface Meta {
  readonly metadata: { readonly uid: string; readonly resourceVersion: string }
}

export interface Change<T> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly object: T
}

/** All objects of a list, and each change from then on, until it is aborted. An object may come twice. */
export async function* changesOf<T>(path: string, signal: AbortSignal): AsyncGenerator<Change<T>> {
  const [plain = '', query] = path.split('?')
  while (!signal.aborted) {
    try {
      const list = await json<{ items: readonly T[] } & Meta>(path)
      for (const object of list.items) yield { type: 'ADDED', object }
      const from = `watch=1&resourceVersion=${list.metadata.resourceVersion}`
      const answer = await ask(`${plain}?${from}${query === undefined ? '' : `&${query}`}`, {
        signal,
      })
      for await (const line of createInterface({ input: answer })) {
        const change = JSON.parse(line) as Change<T> | { readonly type: 'ERROR' }
        if (change.type === 'ERROR') break
        yield change
      }
    } catch {
      // It was stopped, or the server went away.
      await sleep(200)
    }
  }
}
