/** A Lease that this run holds: it is renewed in the background until it is released or lost. */
import type { Lease } from 'kubernetes-types/coordination/v1'
import type { Clock } from '../platform/platform.js'
import { ApiError } from '../kubernetes/api-error.js'
import { LeaseUncertain, longestOutageMs } from '../kubernetes/retry.js'
import type { Cluster } from '../kubernetes/cluster.js'

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

export const holderAnnotation = 'django-rollout/holder'
/** The pause after a failed renewal. */
const retryMs = 1_000

export interface RenewalContext {
  readonly cluster: Cluster
  readonly clock: Clock
  readonly path: string
  readonly holderId: string
  /** A Lease that was not renewed for this long is free, in ms. */
  readonly lastsMs: number
}

/** Renews a Lease that was taken, until it is released. `takenAt`: when the request for it left. */
export function keepRenewed(context: RenewalContext, taken: Lease, takenAt: number): HeldLease {
  const lease = new RenewedLease(context, taken)
  lease.begin(takenAt)
  return lease
}

type LeaseState = 'held' | 'uncertain' | 'lost' | 'released'

/**
 * Renews the Lease until it is released. A waiting run counts from the last successful renewal, and so do these
 * states:
 *
 * - `held`: the last renewal is recent. Writes may leave.
 * - `uncertain`: a little before the time of the Lease is over. Writes wait. A later renewal makes it `held` again:
 *   no other run had it in between, since the version is the one that we wrote.
 * - `lost`: another run has the Lease, or no renewal succeeded for too long. Nothing is written from then on.
 * - `released`: the next run may take it.
 */
class RenewedLease implements HeldLease {
  #state: LeaseState = 'held'
  /** As the server has answered it. */
  #lease: Lease
  /** Of the writes that left while it was `held`. */
  #sure = new AbortController()
  /** By the clock: a process that was suspended, or got its answer late, could write before a timer fires. */
  #sureUntil = 0
  /** Why the last renewal failed. */
  #lastError: unknown
  /** Aborted by the next successful renewal. */
  #expiry = new AbortController()
  /** Resolves with the next successful renewal, or the loss. */
  #renewal = Promise.withResolvers<undefined>()
  #renewing: Promise<void> | undefined
  readonly #lost = new AbortController()
  /** Lost or released. */
  readonly #over = new AbortController()
  readonly #context: RenewalContext

  constructor(context: RenewalContext, taken: Lease) {
    this.#context = context
    this.#lease = taken
  }

  get lost(): AbortSignal {
    return this.#lost.signal
  }

  begin(takenAt: number): void {
    this.#becomeHeld(takenAt)
    this.#renewing = this.#keepRenewing().catch(() => undefined)
  }

  async ensureHeld(): Promise<AbortSignal> {
    for (;;) {
      this.lost.throwIfAborted()
      const { signal } = this.#sure
      if (!signal.aborted && this.#context.clock.now() < this.#sureUntil) return signal
      await this.#renewal.promise
    }
  }

  async release(): Promise<void> {
    if (this.#isOver()) return
    this.#state = 'released'
    this.#over.abort()
    await this.#renewing
    const { cluster, path } = this.#context
    await cluster.put(path, { ...this.#lease, spec: { ...this.#lease.spec, holderIdentity: '' } })
  }

  #isOver(): boolean {
    return this.#state === 'lost' || this.#state === 'released'
  }

  /** `at`: when the request of the renewal left. */
  #becomeHeld(at: number): void {
    this.#state = 'held'
    this.#lastError = undefined
    this.#sureUntil = at + this.#context.lastsMs * 0.9
    if (this.#sure.signal.aborted) this.#sure = new AbortController()
    this.#renewal.resolve(undefined)
    this.#renewal = Promise.withResolvers()
    this.#expiry.abort()
    this.#expiry = new AbortController()
    const signal = AbortSignal.any([this.#expiry.signal, this.#over.signal])
    this.#expire(at, signal).catch(() => undefined)
  }

  #becomeUncertain(): void {
    if (this.#isOver()) return
    this.#state = 'uncertain'
    this.#sure.abort(new LeaseUncertain())
  }

  #becomeLost(reason: LeaseLost): void {
    if (this.#isOver()) return
    this.#state = 'lost'
    this.#over.abort()
    this.#sure.abort(reason)
    this.#lost.abort(reason)
    this.#renewal.resolve(undefined)
  }

  /** Passes through `uncertain` to `lost`, unless a renewal comes first. */
  async #expire(renewedAt: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#context
    const until = (time: number) => clock.sleep(Math.max(0, time - clock.now()), signal)
    await until(this.#sureUntil)
    this.#becomeUncertain()
    if (isDenied(this.#lastError)) this.#becomeLost(lostBy(this.#lastError))
    await until(renewedAt + longestOutageMs)
    this.#becomeLost(lostBy(this.#lastError))
  }

  async #keepRenewing(): Promise<void> {
    const { clock, lastsMs } = this.#context
    for (let pause = lastsMs / 3; ;) {
      await clock.sleep(pause, this.#over.signal)
      pause = (await this.#renew()) ? lastsMs / 3 : retryMs
    }
  }

  /** Returns whether the renewal succeeded. */
  async #renew(): Promise<boolean> {
    const { cluster, clock, path } = this.#context
    const begun = clock.now()
    try {
      this.#lease = await cluster.put<Lease>(path, {
        ...this.#lease,
        spec: { ...this.#lease.spec, renewTime: microTime(begun) },
      })
      if (!this.#isOver()) this.#becomeHeld(begun)
      return true
    } catch (error) {
      this.#lastError = error
      if (error instanceof ApiError && [404, 409].includes(error.status)) await this.#checkHolder()
      else if (this.#state === 'uncertain' && isDenied(error)) this.#becomeLost(lostBy(error))
      return false
    }
  }

  /** Reads who has the Lease: it may have been changed (an annotation) without being taken. */
  async #checkHolder(): Promise<void> {
    const { cluster, path, holderId } = this.#context
    try {
      const now = await cluster.find<Lease>(path)
      if (now?.spec?.holderIdentity === holderId) this.#lease = now
      else
        this.#becomeLost(
          new LeaseLost('taken', now?.metadata?.annotations?.[holderAnnotation] ?? ''),
        )
    } catch (error) {
      this.#lastError = error
    }
  }
}

/** Why a run lost its lock. */
export type WhyLost =
  /** Another run has it (by name), or it was deleted. */
  | 'taken'
  /** The server did not answer for too long (the last error). */
  | 'unreachable'
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
  return new LeaseLost('unreachable', lastError instanceof Error ? lastError.message : '')
}

/** Renders Kubernetes' MicroTime: six digits after the second. */
export function microTime(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z')
}
