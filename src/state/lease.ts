/**
 * The lock of a release: a Lease that its run renews. Our own clock alone decides whether a holder is still there,
 * as in client-go's leader election: if no renewal comes for as long as the Lease lasts, the run is gone, whatever
 * the clocks of its machine and ours say.
 * https://kubernetes.io/docs/concepts/architecture/leases/
 */
import type { Lease } from 'kubernetes-types/coordination/v1'
import type { ObjectMeta } from 'kubernetes-types/meta/v1'
import type { Clock } from '../platform/platform.js'
import { ApiError } from '../kubernetes/api-error.js'
import { retryTransient } from '../kubernetes/retry.js'
import type { Cluster } from '../kubernetes/cluster.js'
import { isOfRepository } from '../kubernetes/image.js'
import { checkManaged, managed } from '../kubernetes/managed.js'
import { collection } from '../kubernetes/paths.js'
import { holderAnnotation, keepRenewed, microTime, type HeldLease } from './held-lease.js'

/** A run that has the lock, or waits for it. */
export interface Holder {
  /** Different for every run, attempts of the same one included. */
  readonly id: string
  /** Who started it: `ada`. */
  readonly who: string
  /** The page of the run. */
  readonly url?: string
  /** The repository that it is about. */
  readonly image?: string
}

/** Returns the holder for people: `ada, https://…`. */
export function titleOf({ who, url }: Pick<Holder, 'who' | 'url'>): string {
  return url === undefined ? who : `${who}, ${url}`
}

export type AcquireResult =
  | { readonly is: 'taken'; readonly lease: HeldLease }
  | { readonly is: 'held'; readonly by: string }
  /** Held by a run of another image: two applications have one name. */
  | { readonly is: 'foreign'; readonly by: string; readonly image: string }

export interface LeaseTimes {
  /** A Lease that was not renewed for this long is free, in ms. */
  readonly lastsMs: number
  /** How long to wait for another run's Lease, in ms. */
  readonly waitMs: number
}

const imageAnnotation = 'django-rollout/image'
const pollMs = 1_000

/** The state of a Lease at its last observed change. */
interface LastChange {
  readonly renewal: string
  readonly at: number
}

/** Returns whether a Lease may be taken now: it has no holder, the holder is this run, or the holder is gone. Pure. */
export function isFree(lease: Lease, id: string, unchangedForMs: number, lastsMs: number): boolean {
  const holder = lease.spec?.holderIdentity
  return !holder || holder === id || unchangedForMs >= lastsMs
}

/** The holder of a Lease, as it can be read without waiting. */
export interface LeaseHolder {
  /** For people: `ada, https://…`. */
  readonly by: string
  /** By the clock of the holder's machine: `2026-01-31T12:00:00.000000Z`. */
  readonly renewed?: string
}

/** Returns the holder of a Lease. It does not say whether that run still exists: only waiting shows that. */
export async function leaseHolderOf(
  cluster: Cluster,
  name: string,
): Promise<LeaseHolder | undefined> {
  const { metadata, spec } = (await cluster.find<Lease>(`${leasesOf(cluster)}/${name}`)) ?? {}
  if (metadata) checkLease(cluster, metadata)
  if (!spec?.holderIdentity) return undefined
  const { renewTime: renewed } = spec
  return { by: holderIn(metadata, spec), ...(renewed !== undefined && { renewed }) }
}

/** Throws for a Lease that is not ours. One of an earlier version has no label, but the name of a holder. */
function checkLease(cluster: Cluster, metadata: ObjectMeta): void {
  if (metadata.annotations?.[holderAnnotation] === undefined)
    checkManaged(cluster, 'lease', metadata)
}

/** The wish of a run for the lock. */
export interface LeaseRequest extends LeaseTimes {
  /** Of the Lease. */
  readonly name: string
  readonly holder: Holder
}

/** Takes the Lease as soon as it is free; waits at most `waitMs`. */
export async function acquireLease(
  { cluster, clock }: { readonly cluster: Cluster; readonly clock: Clock },
  request: LeaseRequest,
  signal: AbortSignal,
  onWait: (by: string) => void,
): Promise<AcquireResult> {
  const { holder, lastsMs, waitMs } = request
  const path = `${leasesOf(cluster)}/${request.name}`
  const startedAt = clock.now()
  let seen: LastChange | undefined
  const tryOnce = async (): Promise<AcquireResult | undefined> => {
    signal.throwIfAborted()
    const lease = await cluster.find<Lease>(path)
    if (lease?.metadata) checkLease(cluster, lease.metadata)
    const now = clock.now()
    const renewal = `${lease?.spec?.holderIdentity ?? ''} ${lease?.spec?.renewTime ?? ''}`
    if (seen?.renewal !== renewal) seen = { renewal, at: now }
    if (!lease || isFree(lease, holder.id, now - seen.at, lastsMs)) {
      const taken = await writeLease(cluster, request, lease, clock.now())
      const context = { cluster, clock, path, holderId: holder.id, lastsMs }
      return taken && { is: 'taken', lease: keepRenewed(context, taken, now) }
    }
    const by = holderIn(lease.metadata, lease.spec)
    const image = lease.metadata?.annotations?.[imageAnnotation]
    if (image !== undefined && holder.image !== undefined && !isOfRepository(image, holder.image)) {
      return { is: 'foreign', by, image }
    }
    if (now - startedAt >= waitMs) return { is: 'held', by }
    onWait(by)
    await clock.sleep(pollMs, signal)
    return undefined
  }
  for (;;) {
    // A write whose answer was lost may have taken it: the next read shows that this run holds it.
    const taking = await retryTransient(clock, signal, tryOnce)
    if (taking) return taking
  }
}

function holderIn(metadata: Lease['metadata'], spec: Lease['spec']): string {
  return metadata?.annotations?.[holderAnnotation] ?? spec?.holderIdentity ?? ''
}

/** Creates or overwrites the Lease; `undefined` when another run was faster. */
async function writeLease(
  cluster: Cluster,
  { name, holder, lastsMs }: LeaseRequest,
  lease: Lease | undefined,
  now: number,
): Promise<Lease | undefined> {
  const leases = leasesOf(cluster)
  const wanted: Lease = {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: {
      name,
      labels: managed,
      annotations: {
        [holderAnnotation]: titleOf(holder),
        ...(holder.image !== undefined && { [imageAnnotation]: holder.image }),
      },
      ...(lease?.metadata?.resourceVersion !== undefined && {
        resourceVersion: lease.metadata.resourceVersion,
      }),
    },
    spec: {
      holderIdentity: holder.id,
      leaseDurationSeconds: Math.ceil(lastsMs / 1000),
      renewTime: microTime(now),
    },
  }
  try {
    return lease
      ? await cluster.put<Lease>(`${leases}/${name}`, wanted)
      : await cluster.post<Lease>(leases, wanted)
  } catch (error) {
    if (error instanceof ApiError && error.status === 409) return undefined
    throw error
  }
}

function leasesOf(cluster: Cluster): string {
  return collection('coordination.k8s.io/v1', cluster.namespace, 'leases')
}
