/** A gate before the registry: an address of its own, at which the nodes may be refused. */
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { stack } from './stack.js'

export interface Gate {
  /** `host:port`, as it stands in the names of images. */
  readonly address: string
  set(state: State): void
  close(): Promise<void>
}

/** `away`: answers 503 to the nodes. `private`: passes on only what comes with a login. */
type State = 'open' | 'away' | 'private'

export async function gateToRegistry(): Promise<Gate> {
  let state: State = 'open'
  const server = createServer((incoming, answer) => {
    if (state === 'away' && incoming.headers[ofNodes] !== undefined) {
      answer.writeHead(503).end()
    } else if (state === 'private' && incoming.headers.authorization === undefined) {
      answer.writeHead(401, { 'www-authenticate': 'Basic realm="private"' }).end()
    } else {
      passOn(incoming, answer)
    }
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  const address = `127.0.0.1:${port}`
  const hosts = join(stack.env['STACK_HOME'] ?? '', 'run/etc/certs.d', address)
  await mkdir(hosts)
  await writeFile(join(hosts, 'hosts.toml'), hostsOf(address))
  return {
    address,
    set: (next) => {
      state = next
    },
    close: async () => {
      await rm(hosts, { recursive: true })
      await new Promise((resolve) => {
        server.close(resolve)
        server.closeAllConnections()
      })
    },
  }
}

/** Told apart from the client of the release, which asks the same things. */
const ofNodes = 'x-node'

/**
 * Without it the nodes would ask the stack's own registry, as for all others. A server that is refused they ask
 * once more at `server`, and without the header: there is none.
 */
function hostsOf(address: string): string {
  return `server = "http://127.0.0.1:1"

[host."http://${address}"]
  capabilities = ["pull", "resolve"]
  [host."http://${address}".header]
    ${ofNodes} = "yes"
`
}

function passOn(incoming: IncomingMessage, answer: ServerResponse): void {
  const { method, url, headers } = incoming
  const [host, port] = stack.registry.split(':')
  const onward = request({ host, port, method, path: url, headers }, (far) => {
    answer.writeHead(far.statusCode ?? 502, far.headers)
    far.pipe(answer)
  })
  onward.on('error', () => answer.destroy())
  incoming.pipe(onward)
}
