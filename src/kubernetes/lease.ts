/**
 * The lock of a release: a Lease that its run renews. Whether a holder is still there is told by our own
 * clock alone, as client-go's leader election does it: a renewal that does not come for as long as the
 * Lease lasts means that the run is gone, whatever the clocks of its machine and ours say.
 * https://kubernetes.io/docs/concepts/architecture/leases/
 */
import type { Lease } from 'kubernetes-types/coordination/v1'
import type { Clock } from '../world/world.js'
import { ApiError } from './apierror.js'
import { isPassing } from './away.js'
import type { Cluster } from './cluster.js'
import { collection } from './paths.js'

/** A run that wants the lock. */
export interface Holder {
  /** Different for every run, attempts of the same one included. */
  readonly id: string
  /** Who started it: `ada`. */
  readonly who: string
  /** Where it can be looked at. */
  readonly url?: string
}

/** For people: `ada, https://…`. */
export function titleOf({ who, url }: Pick<Holder, 'who' | 'url'>): string {
  return url === undefined ? who : `${who}, ${url}`
}

export interface HeldLease {
  /** Aborted when the lock is not ours any more: nothing may be written from then on. */
  readonly lost: AbortSignal
  /** Gives the lock back. Nothing happens when it was lost. */
  release(): Promise<void>
}

export type Taking =
  { readonly is: 'taken'; readonly lease: HeldLease } | { readonly is: 'held'; readonly by: string }

export interface LeaseTimes {
  /** A Lease that is not renewed for so long is free, in ms. */
  readonly lastsMs: number
  /** How long to wait for another run's Lease, in ms. */
  readonly waitMs: number
}

const holderAnnotation = 'django-rollout/holder'
const lookMs = 1_000

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

/** Takes the Lease as soon as it is free; waits for that as long as `waitMs`. */
export async function takeLease(
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
  for (;;) {
    signal.throwIfAborted()
    const lease = await cluster.find<Lease>(path)
    const now = clock.now()
    const renewal = `${lease?.spec?.holderIdentity ?? ''} ${lease?.spec?.renewTime ?? ''}`
    if (seen?.renewal !== renewal) seen = { renewal, at: now }
    if (!lease || isFree(lease, holder.id, now - seen.at, lastsMs)) {
      const taken = await tryTake(cluster, clock, lease, leases, name, holder, lastsMs)
      if (taken) return { is: 'taken', lease: keep(cluster, clock, path, taken, holder, lastsMs) }
      continue
    }
    const by = lease.metadata?.annotations?.[holderAnnotation] ?? lease.spec?.holderIdentity ?? ''
    if (now - startedAt >= waitMs) return { is: 'held', by }
    onWait(by)
    await clock.sleep(lookMs, signal)
  }
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
      annotations: { [holderAnnotation]: titleOf(holder) },
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

/** Renews the Lease until it is released; says when it is lost. */
function keep(
  cluster: Cluster,
  clock: Clock,
  path: string,
  taken: Lease,
  holder: Holder,
  lastsMs: number,
): HeldLease {
  const lost = new AbortController()
  let lease = taken
  let renewedAt = clock.now()
  let over = false
  let renewing = Promise.resolve()

  const lose = () => {
    over = true
    stop()
    lost.abort(new LeaseLost())
  }
  const renew = async () => {
    const begun = clock.now()
    try {
      lease = await cluster.put<Lease>(path, {
        ...lease,
        spec: { ...lease.spec, renewTime: microTime(begun) },
      })
      renewedAt = begun
    } catch (error) {
      if (isPassing(error)) return
      const now = await cluster.find<Lease>(path).catch(() => undefined)
      // Somebody may have touched it (an annotation) without taking it.
      if (now?.spec?.holderIdentity === holder.id) lease = now
      else lose()
    }
  }
  const stop = clock.every(lastsMs / 3, () => {
    // Whoever waits for it counts from the last renewal that came through: ours must be over before.
    if (clock.now() - renewedAt >= lastsMs * 0.9) lose()
    if (!over) renewing = renewing.then(renew)
  })
  return {
    lost: lost.signal,
    release: async () => {
      if (over) return
      over = true
      stop()
      await renewing
      await cluster.put(path, { ...lease, spec: { ...lease.spec, holderIdentity: '' } })
    },
  }
}

export class LeaseLost extends Error {
  override readonly name = 'LeaseLost'

  constructor() {
    super('the lock was lost: another run may have taken it')
  }
}

/** Kubernetes' MicroTime: six digits after the second. */
function microTime(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z')
}
