import type { Cluster } from './cluster.js'

export interface PodPort {
  readonly pod: string
  readonly port: number
}

/**
 * Forwards a port of this machine to a port of a pod, for as long as `work` lasts. Throws an Error with kubectl's
 * words when that fails.
 */
export async function forwarded<T>(
  cluster: Cluster,
  { pod, port }: PodPort,
  signal: AbortSignal,
  work: (localPort: number) => Promise<T>,
): Promise<T> {
  const over = new AbortController()
  const { promise: local, resolve, reject } = Promise.withResolvers<number>()
  let said = ''
  const ended = cluster
    .stream(['port-forward', '--address', '127.0.0.1', `pod/${pod}`, `:${port}`], {
      signal: AbortSignal.any([signal, over.signal]),
      onLine: (line) => {
        const [, found] = /^Forwarding from 127\.0\.0\.1:(\d+) ->/.exec(line) ?? []
        if (found === undefined) said = line
        else resolve(Number(found))
      },
    })
    .then(() => {
      reject(new Error(said || 'kubectl port-forward ended'))
    }, reject)
  try {
    return await work(await local)
  } finally {
    over.abort()
    await ended
  }
}
