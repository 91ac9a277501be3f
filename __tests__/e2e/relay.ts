/**
 * A way to the API server that a test can cut: a TCP relay of its own on this machine. TLS goes through it
 * untouched; a kubeconfig for it names the server that the certificate is for.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { must } from './stack.js'

interface Config {
  readonly clusters: readonly [
    { readonly name: string; readonly cluster: { readonly server: string } & object },
  ]
}

export interface Relay {
  /** Refuses and resets all connections for so long, as a server does that was stopped. */
  stop(ms: number): Promise<void>
  /** A firewall drops every packet for so long: nobody is told, and connections stay open. */
  drop(ms: number): Promise<void>
  /** A copy of a kubeconfig whose way to the cluster leads through here. */
  kubeconfig(path: string): Promise<string>
  close(): Promise<void>
}

/** To the server that this kubeconfig names. */
export async function relayTo(kubeconfig: string): Promise<Relay> {
  const config = JSON.parse(await readFile(kubeconfig, 'utf8')) as Config
  const { hostname, port } = new URL(config.clusters[0].cluster.server)
  const open = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(Number(port), hostname)
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one)
      one.pipe(other)
      one.on('error', () => undefined)
      one.on('close', () => {
        open.delete(one)
        other.destroy()
      })
    }
  })
  const listen = (at: number) =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(at, '127.0.0.1', resolve)
    })
  const refuse = () =>
    new Promise<void>((resolve) => {
      server.close(() => {
        resolve()
      })
      for (const socket of open) socket.resetAndDestroy()
    })
  await listen(0)
  const { port: own } = server.address() as AddressInfo

  return {
    stop: async (ms) => {
      await refuse()
      await sleep(ms)
      await listen(own)
    },
    drop: async (ms) => {
      // Packets to the relay and from it, on this port of the loopback alone.
      const rules = ['--dport', '--sport'].map((side) => [
        'INPUT',
        '--in-interface',
        'lo',
        '--protocol',
        'tcp',
        side,
        String(own),
        '--jump',
        'DROP',
      ])
      try {
        for (const rule of rules) await asRoot('iptables', '--wait', '--insert', ...rule)
        await sleep(ms)
      } finally {
        for (const rule of rules) await asRoot('iptables', '--wait', '--delete', ...rule)
      }
    },
    kubeconfig: async (path) => {
      const text = await readFile(path, 'utf8')
      const { clusters, ...rest } = JSON.parse(text) as Config
      const [{ name, cluster }] = clusters
      const here = {
        ...cluster,
        server: `https://127.0.0.1:${own}`,
        'tls-server-name': hostname,
      }
      const copy = `${path}-relayed-${own}`
      const changed = { ...rest, clusters: [{ name, cluster: here }] }
      await writeFile(copy, JSON.stringify(changed), { mode: 0o600 })
      return copy
    },
    close: refuse,
  }
}

export function asRoot(program: string, ...args: readonly string[]): Promise<string> {
  return process.getuid?.() === 0
    ? must(program, args)
    : must('sudo', ['--non-interactive', program, ...args])
}
