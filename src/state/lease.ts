/**
 * The lock of a release: a Lease that its run renews. Whether a holder is still there is told by our own
 * clock alone, as client-go's leader election does it: a renewal that does not come for as long as the
 * Lease lasts means that the run is gone, whatever the clocks of its machine and ours say.
 * https://kubernetes.io/docs/concepts/architecture/leases/
 */
import type { Lease } from 'kubernetes-types/coordination/v1'
import type { ObjectMeta } from 'kubernetes-types/meta/v1'
import type { Clock } from '../platform/platform.js'
import { ApiError } from '../kubernetes/api-error.js'
import { LeaseUncertain, patienceMs, retryTransient } from '../kubernetes/retry.js'
import type { Cluster } from '../kubernetes/cluster.js'
import { isOfRepository } from '../kubernetes/image.js'
import { checkOurs, managed } from '../kubernetes/managed.js'
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

/** For people: `ada, https://…`. */
export function titleOf({ who, url }: Pick<Holder, 'who' | 'url'>): string {
  return url === undefined ? who : `${who}, ${url}`
}

export interface HeldLease {
  /**
   * Waits until the lock is surely ours; the signal is aborted when it may not be any more. Rejects with a
   * `LeaseLost` when it is lost for good.
   */
  ensureHeld(): Promise<AbortSignal>
  /** Aborted by a `LeaseLost`: nothing may be written from then on. */
  readonly lost: AbortSignal
  /** Gives the lock back. Nothing happens when it was lost. */
  release(): Promise<void>
}

export type Taking =
  | { readonly is: 'taken'; readonly lease: HeldLease }
  | { readonly is: 'held'; readonly by: string }
  /** By a run that is about another image: two applications have one name. */
  | { readonly is: 'foreign'; readonly by: string; readonly image: string }

export interface LeaseTimes {
  /** A Lease that is not renewed for so long is free, in ms. */
  readonly lastsMs: number
  /** How long to wait for another run's Lease, in ms. */
  readonly waitMs: number
}

const holderAnnotation = 'django-rollout/holder'
const imageAnnotation = 'django-rollout/image'
const lookMs = 1_000
/** After a renewal that did not come through. */
const againMs = 1_000

/** What a Lease looked like when it was last seen to change. */
interface Seen {
  readonly renewal: string
  readonly at: number
}

/** Whether a Lease may be taken now: nobody has it, we have it ourselves, or its holder is gone. Pure. */
export function isFree(lease: Lease, id: string, unchangedForMs: number, lastsMs: number): boolean {
  const holder = lease.spec?.holderIdentity
  return !holder || holder === id || unchangedForMs >= lastsMs
}

/** Who holds a Lease, as it can be read without waiting. */
export interface Keeper {
  /** For people: `ada, https://…`. */
  readonly by: string
  /** By the clock of the holder's machine: `2026-01-31T12:00:00.000000Z`. */
  readonly renewed?: string
}

/** Whether that run is still there is not told by it: only somebody who waits can say. */
export async function keeperOf(cluster: Cluster, name: string): Promise<Keeper | undefined> {
  const leases = collection('coordination.k8s.io/v1', cluster.namespace, 'leases')
  const { metadata, spec } = (await cluster.find<Lease>(`${leases}/${name}`)) ?? {}
  if (metadata) checkLease(cluster, metadata)
  if (!spec?.holderIdentity) return undefined
  const { renewTime: renewed } = spec
  return { by: holderIn(metadata, spec), ...(renewed !== undefined && { renewed }) }
}

/** A Lease of an earlier version has no label, but the name of a holder. */
function checkLease(cluster: Cluster, metadata: ObjectMeta): void {
  if (metadata.annotations?.[holderAnnotation] === undefined) checkOurs(cluster, 'lease', metadata)
}

/** Takes the Lease as soon as it is free; waits for that as long as `waitMs`. */
export async function acquireLease(
  cluster: Cluster,
  clock: Clock,
  name: string,
  holder: Holder,
  { lastsMs, waitMs }: LeaseTimes,
  signal: AbortSignal,
  onWait: (by: string) => void,
): Promise<Taking> {
  const leases = collection('coordination.k8s.io/v1', cluster.namespace, 'leases')
  const path = `${leases}/${name}`
  const startedAt = clock.now()
  let seen: Seen | undefined
  const look = async (): Promise<Taking | undefined> => {
    signal.throwIfAborted()
    const lease = await cluster.find<Lease>(path)
    if (lease?.metadata) checkLease(cluster, lease.metadata)
    const now = clock.now()
    const renewal = `${lease?.spec?.holderIdentity ?? ''} ${lease?.spec?.renewTime ?? ''}`
    if (seen?.renewal !== renewal) seen = { renewal, at: now }
    if (!lease || isFree(lease, holder.id, now - seen.at, lastsMs)) {
      const taken = await tryTake(cluster, clock, lease, leases, name, holder, lastsMs)
      return (
        taken && { is: 'taken', lease: keep(cluster, clock, path, taken, now, holder, lastsMs) }
      )
    }
    const by = holderIn(lease.metadata, lease.spec)
    const image = lease.metadata?.annotations?.[imageAnnotation]
    if (image !== undefined && holder.image !== undefined && !isOfRepository(image, holder.image)) {
      return { is: 'foreign', by, image }
    }
    if (now - startedAt >= waitMs) return { is: 'held', by }
    onWait(by)
    await clock.sleep(lookMs, signal)
    return undefined
  }
  for (;;) {
    // A write whose answer was lost may have taken it: looked at again, it is ours then.
    const taking = await retryTransient(clock, signal, look)
    if (taking) return taking
  }
}

function holderIn(metadata: Lease['metadata'], spec: Lease['spec']): string {
  return metadata?.annotations?.[holderAnnotation] ?? spec?.holderIdentity ?? ''
}

/** Creates or overwrites the Lease; `undefined` when another run was faster. */
async function tryTake(
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
 * Renews the Lease until it is released. Whoever waits for it counts from the last renewal that came
 * through: a little before its time is over we are not sure of it any more. It is ours again when a renewal
 * comes through later: nobody has had it in between then, since the version is the one that we wrote.
 */
function keep(
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
  /** By the clock: whoever has stood still, or got its answer late, may write before a timer rings. */
  let sureUntil = 0
  let expiry = new AbortController()
  let progressLines = Promise.withResolvers<undefined>()

  const lose = (reason: LeaseLost) => {
    if (over.signal.aborted) return
    over.abort()
    sure.abort(reason)
    lost.abort(reason)
    progressLines.resolve(undefined)
  }
  /** Why the last renewal did not come through. */
  let trouble: unknown
  const expire = async (at: number, signal: AbortSignal) => {
    const until = (time: number) => clock.sleep(Math.max(0, time - clock.now()), signal)
    await until(sureUntil)
    sure.abort(new LeaseUncertain())
    if (isDenied(trouble)) lose(lostBy(trouble))
    await until(at + patienceMs)
    lose(lostBy(trouble))
  }
  const renewedAt = (at: number) => {
    trouble = undefined
    expiry.abort()
    expiry = new AbortController()
    sureUntil = at + lastsMs * 0.9
    if (sure.signal.aborted) sure = new AbortController()
    progressLines.resolve(undefined)
    progressLines = Promise.withResolvers()
    expire(at, AbortSignal.any([expiry.signal, over.signal])).catch(() => undefined)
  }
  /** Whether it came through. */
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
      trouble = error
      if (error instanceof ApiError && [404, 409].includes(error.status)) await lookWhose()
      else if (sure.signal.aborted && isDenied(error)) lose(lostBy(error))
      return false
    }
  }
  const lookWhose = async () => {
    try {
      const now = await cluster.find<Lease>(path)
      // Somebody may have touched it (an annotation) without taking it.
      if (now?.spec?.holderIdentity === holder.id) lease = now
      else lose(new LeaseLost('taken', now?.metadata?.annotations?.[holderAnnotation] ?? ''))
    } catch (error) {
      trouble = error
    }
  }
  const keepRenewing = async () => {
    for (let pause = lastsMs / 3; ;) {
      await clock.sleep(pause, over.signal)
      pause = (await renew()) ? lastsMs / 3 : againMs
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
        await progressLines.promise
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
  /** Another run has it (by name), or somebody deleted it. */
  | 'taken'
  /** The server was away for too long (its last words). */
  | 'away'
  /** The server does not accept the account any more: its credentials (401), or its rights (403). */
  | 'denied'

export class LeaseLost extends Error {
  override readonly name = 'LeaseLost'

  constructor(
    readonly why: WhyLost,
    /** What is known besides. */
    readonly words: string,
  ) {
    super('the lock was lost: another run may have taken it')
  }
}

function isDenied(trouble: unknown): trouble is ApiError {
  return trouble instanceof ApiError && [401, 403].includes(trouble.status)
}

function lostBy(trouble: unknown): LeaseLost {
  if (isDenied(trouble)) return new LeaseLost('denied', `${trouble.status} ${trouble.reason}`)
  return new LeaseLost('away', trouble instanceof Error ? trouble.message : '')
}

/** Kubernetes' MicroTime: six digits after the second. */
function microTime(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z')
}
