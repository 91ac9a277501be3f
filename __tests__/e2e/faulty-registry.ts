/** The stack's registry behind a proxy that fails where a test wants it. */
import { createServer, request, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { stack } from './stack.js'

export interface Asked {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
}

export type Fault =
  /** The connection is reset in the middle of the request. */
  | 'cut'
  /** There is never an answer. */
  | 'hold'
  | {
      readonly status: number
      readonly headers?: Readonly<Record<string, string>>
      readonly body?: string
    }

export interface FaultyRegistry {
  /** What stands before the first slash of an image's name. */
  readonly address: string
  /** Resets the connections whose requests are held. */
  readonly drop: () => void
  /** Ends all connections, and refuses new ones. */
  readonly close: () => void
}

/** Passes on what has no fault, without its login. */
export async function faultyRegistry(
  faultOf: (asked: Asked) => Fault | undefined | Promise<Fault | undefined>,
): Promise<FaultyRegistry> {
  const [host, port] = stack.registry.split(':')
  const held = new Set<Socket>()
  const server = createServer((asked, answer) => {
    const { method = '', url = '' } = asked
    const pass = () => {
      const { authorization: _, ...headers } = asked.headers
      const passed = request({ host, port, path: url, method, headers }, (told) => {
        answer.writeHead(told.statusCode ?? 502, told.headers)
        told.pipe(answer)
      })
      passed.on('error', () => answer.destroy())
      asked.pipe(passed)
    }
    const fail = (fault: Fault) => {
      if (fault === 'hold') {
        held.add(asked.socket)
      } else if (fault === 'cut') {
        asked.once('data', () => asked.socket.resetAndDestroy())
      } else {
        asked.resume()
        answer.writeHead(fault.status, fault.headers).end(fault.body)
      }
    }
    void Promise.resolve(faultOf({ method, url, headers: asked.headers })).then((fault) =>
      fault === undefined ? pass() : fail(fault),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    drop: () => {
      for (const socket of held) socket.resetAndDestroy()
    },
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** One that wants a login, as most registries do: who pushes, pulls or looks up needs it. */
export function privateRegistry(
  user: string,
  password: string,
  before: (asked: Asked) => Promise<void> = () => Promise.resolve(),
): Promise<FaultyRegistry> {
  const login = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
  return faultyRegistry(async (asked) => {
    if (asked.headers.authorization !== login)
      return { status: 401, headers: { 'www-authenticate': 'Basic realm="private"' } }
    await before(asked)
    return undefined
  })
}
