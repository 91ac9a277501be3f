/** A run that may have lost its lock writes nothing: all writes go through here from the lock on. */
import type { Cluster } from '../kubernetes/cluster.js'
import type { HeldLease } from './lease.js'

/**
 * The same cluster, whose writes wait until the lock is surely ours and are ended when it may not be any
 * more. They reject with a `LeaseLost` when it is lost.
 */
export function fenced(
  cluster: Cluster,
  { ensureHeld: ours }: Pick<HeldLease, 'ensureHeld'>,
): Cluster {
  return {
    ...cluster,
    post: async (path, body) => cluster.post(path, body, await ours()),
    put: async (path, body) => cluster.put(path, body, await ours()),
    remove: async (path, how) => cluster.remove(path, { ...how, signal: await ours() }),
    kubectl: (args, how) => cluster.kubectl(args, { ...how, ours }),
  }
}
