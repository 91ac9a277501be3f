/**
 * The API server, asked as the administrator and by a way of its own: what the bench looks at is on no
 * tool's account.
 */
import { Agent, request, type RequestOptions } from 'node:https'
import type { IncomingMessage } from 'node:http'
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
  const answer = await ask(path)
  const parts: Buffer[] = []
  for await (const part of answer) parts.push(part as Buffer)
  const text = Buffer.concat(parts).toString()
  if (answer.statusCode !== 200) throw new Error(`${path}: ${answer.statusCode ?? 0} ${text}`)
  return JSON.parse(text) as T
}
