/**
 * A tool's way to the API server, which counts: a plain HTTP server on this machine that adds the account's
 * token to each request and hands it on. What goes through is the tool's alone, whatever cluster it is, and
 * however many tools are at work at the same time.
 */
import { createServer } from 'node:http'
import { request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { server } from './api.js'
import { kindOf, type Asked } from './asked.js'

export interface Wire {
  /** All requests so far, in their order. */
  readonly asked: readonly Asked[]
  /** The content of a kubeconfig that leads here. */
  readonly kubeconfig: string
  close(): void
}

export async function startWire(token: string): Promise<Wire> {
  const asked: Asked[] = []
  const way = createServer((near, answer) => {
    const { method = 'GET', url: path = '/' } = near
    asked.push({ at: Date.now(), method, path, is: kindOf(method, path) })
    const { host: _own, ...rest } = near.headers
    const headers = { ...rest, authorization: `Bearer ${token}` }
    const far = request({ ...server.to, agent: server.anybody, method, path, headers })
    far.on('response', (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers)
      // A watch is told that it has begun before there is anything to tell.
      answer.flushHeaders()
      response.pipe(answer)
      response.on('error', () => answer.destroy())
    })
    far.on('error', () => answer.destroy())
    answer.on('close', () => far.destroy())
    near.pipe(far)
  })
  // Whoever keeps a connection at rest is never surprised by its end.
  way.keepAliveTimeout = 10 * 60_000
  await new Promise<void>((resolve) => way.listen(0, '127.0.0.1', resolve))
  const { port } = way.address() as AddressInfo
  return {
    asked,
    kubeconfig: JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'wire',
      clusters: [{ name: 'wire', cluster: { server: `http://127.0.0.1:${port}` } }],
      users: [{ name: 'wire', user: {} }],
      contexts: [{ name: 'wire', context: { cluster: 'wire', user: 'wire' } }],
    }),
    close: () => {
      way.close()
      way.closeAllConnections()
    },
  }
}
