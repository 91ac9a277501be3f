/** A server that has too much to do, is restarting, or cuts the connection, the first time that it is asked. */
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'

export interface Hesitant {
  /** What it has refused: `GET /version 503`. */
  readonly refused: readonly string[]
  close(): void
}

/**
 * Writes a kubeconfig of a server that lets each request through at its second try, under the account of
 * another kubeconfig.
 */
export async function hesitantServer(of: string, kubeconfig: string): Promise<Hesitant> {
  const proxy = spawn('kubectl', ['--kubeconfig', of, 'proxy', '--port=0'])
  const [said] = (await once(createInterface(proxy.stdout), 'line')) as [string]
  const port = Number(/:(\d+)$/.exec(said)?.[1])
  const seen = new Set<string>()
  const refused: string[] = []

  const answer = (near: IncomingMessage, back: ServerResponse) => {
    const path = near.url?.split('?')[0] ?? ''
    const asked = `${near.method} ${path}`
    if (!seen.has(asked)) {
      seen.add(asked)
      const how = [429, 503, 'cut'][refused.length % 3] ?? 'cut'
      refused.push(`${asked} ${how}`)
      if (typeof how === 'string') return near.socket.destroy()
      const status = { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: how }
      const reason = how === 429 ? 'TooManyRequests' : 'ServiceUnavailable'
      // As an API server says it: kubectl passes on these words alone.
      const message =
        how === 429
          ? 'the server has received too many requests and has asked us to try again later'
          : 'the server is currently unable to handle the request'
      back.writeHead(how, { 'Content-Type': 'application/json' })
      return back.end(JSON.stringify({ ...status, reason, message }))
    }
    const { method, headers, url: path_ } = near
    const way = request({ port, path: path_, method, headers }, (far) => {
      back.writeHead(far.statusCode ?? 500, far.headers)
      far.pipe(back)
    })
    for (const end of [way, back]) end.on('error', () => back.destroy())
    back.on('close', () => way.destroy())
    return near.pipe(way)
  }
  const server = createServer(answer)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port: own } = server.address() as AddressInfo
  const name = 'hesitant'
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': name,
    users: [],
    clusters: [{ name, cluster: { server: `http://127.0.0.1:${own}` } }],
    contexts: [{ name, context: { cluster: name } }],
  }
  await writeFile(kubeconfig, JSON.stringify(config), { mode: 0o600 })
  return {
    refused,
    close: () => {
      server.closeAllConnections()
      server.close()
      proxy.kill()
    },
  }
}
