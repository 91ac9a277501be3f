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
import { LeaseUncertain, retryForMs, retryTransient } from '../kubernetes/retry.js'
import type { Cluster } from '../kubernetes/cluster.js'
import { isOfRepository } from '../kubernetes/image.js'
import { checkManaged, managed } from '../kubernetes/managed.js'
import { collection } from '../kubernetes/paths.js'

/** A run that wants the lock. */
export interface Holder {
  /** Different for every run, attempts of the same one included. */
  readonly id: string
  /** Who started it: `ada`. */
  readonly who: string
  /** Where it can be looked at. */
  readonly url?: string
  /** The repository that it is about. */
  readonly image?: string
}

/** Returns the holder for people: `ada, https://…`. */
export function titleOf({ who, url }: Pick<Holder, 'who' | 'url'>): string {
  return url === undefined ? who : `${who}, ${url}`
}

export interface HeldLease {
  /**
   * Waits until the lock is certainly held; the signal is aborted when it may not be any more. Rejects with a
   * `LeaseLost` when it is lost for good.
   */
  ensureHeld(): Promise<AbortSignal>
  /** Aborted with a `LeaseLost`: nothing may be written from then on. */
  readonly lost: AbortSignal
  /** Releases the lock. Does nothing when it was lost. */
  release(): Promise<void>
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

const holderAnnotation = 'django-rollout/holder'
const imageAnnotation = 'django-rollout/image'
const pollMs = 1_000
/** The pause after a failed renewal. */
const retryMs = 1_000

/** What a Lease looked like when it was last seen to change. */
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
  const leases = collection('coordination.k8s.io/v1', cluster.namespace, 'leases')
  const { metadata, spec } = (await cluster.find<Lease>(`${leases}/${name}`)) ?? {}
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

/** Takes the Lease as soon as it is free; waits at most `waitMs`. */
export async function acquireLease(
  cluster: Cluster,
  clock: Clock,
  name: string,
  holder: Holder,
  { lastsMs, waitMs }: LeaseTimes,
  signal: AbortSignal,
  onWait: (by: string) => void,
): Promise<AcquireResult> {
  const leases = collection('coordination.k8s.io/v1', cluster.namespace, 'leases')
  const path = `${leases}/${name}`
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
      const taken = await writeLease(cluster, clock, lease, leases, name, holder, lastsMs)
      return (
        taken && {
          is: 'taken',
          lease: keepRenewed(cluster, clock, path, taken, now, holder, lastsMs),
        }
      )
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
  clock: Clock,
  lease: Lease | undefined,
  leases: string,
  name: string,
  holder: Holder,
  lastsMs: number,
): Promise<Lease | undefined> {
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
      renewTime: microTime(clock.now()),
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

/**
 * Renews the Lease until it is released. A waiting run counts from the last successful renewal: a little before its
 * time is over the lock is uncertain. A later renewal makes it certain again: no other run had it in between, since
 * the version is the one that we wrote.
 */
function keepRenewed(
  cluster: Cluster,
  clock: Clock,
  path: string,
  taken: Lease,
  takenAt: number,
  holder: Holder,
  lastsMs: number,
): HeldLease {
  const lost = new AbortController()
  /** Released or lost. */
  const over = new AbortController()
  let lease = taken
  let sure = new AbortController()
  /** By the clock: a process that was suspended, or got its answer late, could write before a timer fires. */
  let sureUntil = 0
  let expiry = new AbortController()
  let renewal = Promise.withResolvers<undefined>()

  const lose = (reason: LeaseLost) => {
    if (over.signal.aborted) return
    over.abort()
    sure.abort(reason)
    lost.abort(reason)
    renewal.resolve(undefined)
  }
  /** Why the last renewal failed. */
  let lastError: unknown
  const expire = async (at: number, signal: AbortSignal) => {
    const until = (time: number) => clock.sleep(Math.max(0, time - clock.now()), signal)
    await until(sureUntil)
    sure.abort(new LeaseUncertain())
    if (isDenied(lastError)) lose(lostBy(lastError))
    await until(at + retryForMs)
    lose(lostBy(lastError))
  }
  const renewedAt = (at: number) => {
    lastError = undefined
    expiry.abort()
    expiry = new AbortController()
    sureUntil = at + lastsMs * 0.9
    if (sure.signal.aborted) sure = new AbortController()
    renewal.resolve(undefined)
    renewal = Promise.withResolvers()
    expire(at, AbortSignal.any([expiry.signal, over.signal])).catch(() => undefined)
  }
  /** Returns whether the renewal succeeded. */
  const renew = async (): Promise<boolean> => {
    const begun = clock.now()
    try {
      lease = await cluster.put<Lease>(path, {
        ...lease,
        spec: { ...lease.spec, renewTime: microTime(begun) },
      })
      if (!over.signal.aborted) renewedAt(begun)
      return true
    } catch (error) {
      lastError = error
      if (error instanceof ApiError && [404, 409].includes(error.status)) await checkHolder()
      else if (sure.signal.aborted && isDenied(error)) lose(lostBy(error))
      return false
    }
  }
  const checkHolder = async () => {
    try {
      const now = await cluster.find<Lease>(path)
      // It may have been changed (an annotation) without being taken.
      if (now?.spec?.holderIdentity === holder.id) lease = now
      else lose(new LeaseLost('taken', now?.metadata?.annotations?.[holderAnnotation] ?? ''))
    } catch (error) {
      lastError = error
    }
  }
  const keepRenewing = async () => {
    for (let pause = lastsMs / 3; ;) {
      await clock.sleep(pause, over.signal)
      pause = (await renew()) ? lastsMs / 3 : retryMs
    }
  }
  renewedAt(takenAt)
  const ended = keepRenewing().catch(() => undefined)
  return {
    lost: lost.signal,
    ensureHeld: async () => {
      for (;;) {
        lost.signal.throwIfAborted()
        if (!sure.signal.aborted && clock.now() < sureUntil) return sure.signal
        await renewal.promise
      }
    },
    release: async () => {
      if (over.signal.aborted) return
      over.abort()
      await ended
      await cluster.put(path, { ...lease, spec: { ...lease.spec, holderIdentity: '' } })
    },
  }
}

/** Why a run lost its lock. */
export type WhyLost =
  /** Another run has it (by name), or it was deleted. */
  | 'taken'
  /** The server did not answer for too long (the last error). */
  | 'away'
  /** The server does not accept the account any more: its credentials (401), or its rights (403). */
  | 'denied'

export class LeaseLost extends Error {
  override readonly name = 'LeaseLost'

  constructor(
    readonly why: WhyLost,
    /** Details. */
    readonly words: string,
  ) {
    super('the lock was lost: another run may have taken it')
  }
}

function isDenied(lastError: unknown): lastError is ApiError {
  return lastError instanceof ApiError && [401, 403].includes(lastError.status)
}

function lostBy(lastError: unknown): LeaseLost {
  if (isDenied(lastError)) return new LeaseLost('denied', `${lastError.status} ${lastError.reason}`)
  return new LeaseLost('away', lastError instanceof Error ? lastError.message : '')
}

/** Renders Kubernetes' MicroTime: six digits after the second. */
function microTime(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z')
}
