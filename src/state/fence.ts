/** A run that may have lost its lock writes nothing: all writes go through here once the lock is held. */
import type { Cluster } from '../kubernetes/cluster.js'
import type { HeldLease } from './held-lease.js'

/**
 * Returns the same cluster, whose writes wait until the lock is certainly held, and are aborted when it may not be
 * any more. They reject with a `LeaseLost` when it is lost.
 */
export function fenced(cluster: Cluster, lease: Pick<HeldLease, 'ensureHeld'>): Cluster {
  return {
    ...cluster,
    post: async (path, body) => cluster.post(path, body, await lease.ensureHeld()),
    put: async (path, body) => cluster.put(path, body, await lease.ensureHeld()),
    remove: async (path, how) => cluster.remove(path, { ...how, signal: await lease.ensureHeld() }),
    kubectl: (args, how) => cluster.kubectl(args, { ...how, ensureHeld: () => lease.ensureHeld() }),
  }
}
