/** A wire that can be cut: every byte between a run and the API server goes through it, TLS untouched. */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

export interface Relay {
  readonly port: number
  /** Ends every connection by a reset, and each new one too, until it is mended. */
  reset(): void
  /** Keeps every byte back, and tells nobody, until it is mended. */
  silence(): void
  mend(): void
  close(): Promise<void>
}

export async function startRelay(host: string, port: number): Promise<Relay> {
  let state: 'open' | 'resetting' | 'silent' = 'open'
  const pairs = new Set<readonly [Socket, Socket]>()
  const pour = (from: Socket, to: Socket) => {
    from.on('data', (bytes) => {
      if (!to.write(bytes)) from.pause()
    })
    to.on('drain', () => {
      if (state !== 'silent') from.resume()
    })
  }
  const server = createServer((near) => {
    if (state === 'resetting') {
      near.on('error', () => undefined)
      near.resetAndDestroy()
      return
    }
    const far = connect(port, host)
    const pair = [near, far] as const
    pairs.add(pair)
    const end = () => {
      pairs.delete(pair)
      near.destroy()
      far.destroy()
    }
    for (const socket of pair) socket.on('error', end).on('end', end).on('close', end)
    pour(near, far)
    pour(far, near)
    if (state === 'silent') pair.forEach((socket) => socket.pause())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cut = () => {
    for (const [near, far] of pairs) {
      near.resetAndDestroy()
      far.destroy()
    }
  }
  return {
    port: (server.address() as AddressInfo).port,
    reset: () => {
      state = 'resetting'
      cut()
    },
    silence: () => {
      state = 'silent'
      for (const pair of pairs) pair.forEach((socket) => socket.pause())
    },
    mend: () => {
      state = 'open'
      for (const pair of pairs) pair.forEach((socket) => socket.resume())
    },
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      cut()
      await closed
    },
  }
}
