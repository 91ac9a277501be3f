/** The stack's registry behind a login, as most registries are: who pushes, pulls or looks up needs it. */
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { stack } from './stack.js'

export interface PrivateRegistry {
  /** What stands before the first slash of an image's name. */
  readonly address: string
  readonly close: () => void
}

/** The cluster's pods need no login: its nodes take all images from the stack's registry. */
export async function privateRegistry(
  user: string,
  password: string,
  before: (asked: { readonly method: string; readonly url: string }) => Promise<void> = () =>
    Promise.resolve(),
): Promise<PrivateRegistry> {
  const [host, port] = stack.registry.split(':')
  const login = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
  const server = createServer((asked, answer) => {
    if (asked.headers.authorization !== login) {
      answer.writeHead(401, { 'www-authenticate': 'Basic realm="private"' }).end()
      return
    }
    const { authorization: _, ...headers } = asked.headers
    const { method = '', url = '' } = asked
    void before({ method, url }).then(() => {
      const passed = request({ host, port, path: url, method, headers }, (told) => {
        answer.writeHead(told.statusCode ?? 502, told.headers)
        told.pipe(answer)
      })
      passed.on('error', () => answer.destroy())
      asked.pipe(passed)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
