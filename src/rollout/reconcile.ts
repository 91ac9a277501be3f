/** Evaluates again whenever the cluster state changes, a wanted log has arrived, or a grace has ended. */
import type { Cluster } from '../kubernetes/cluster.js'
import type { Clock } from '../platform/platform.js'
import { factKey, type Fact, type FactWanted } from '../judge/facts.js'
import { logKey } from '../judge/observations.js'
import { fetchFact } from './facts.js'
import { fetchLog } from './logs.js'
import type { LogWanted } from '../judge/types.js'
import type { NamespaceWatch } from './namespace-watch.js'

/** How often an empty log is requested again, and the pause before it, in ms. */
const mostTries = 2
const againMs = 300
/** The pause after an evaluation, in its own time: however much happens, a tenth of the time is spent on it. */
const restShare = 9
/** The longest pause, in ms: the time of day may have been set while it was evaluated. */
const mostRestMs = 500

export interface ReconcileContext {
  readonly cluster: Cluster
  readonly clock: Clock
  readonly live: NamespaceWatch
  readonly signal: AbortSignal
}

/** The result of one evaluation: an end, or what to evaluate again for. */
export interface ReconcileResult<T> {
  readonly ended?: T
  /** In ms since 1970. */
  readonly requeueAt?: number
  readonly logsWanted: readonly LogWanted[]
  readonly factsWanted?: readonly FactWanted[]
}

/**
 * Calls `evaluate` until it returns an end. Passes each log that it wanted to `onLog`, each fact to `onFact`, once,
 * and evaluates again. Rejects with the signal's reason when it is aborted, and with what a callback throws.
 */
export function reconcileUntil<T>(
  context: ReconcileContext,
  evaluate: Evaluate<T>,
  onLog: OnLog,
  onFact: OnFact = () => undefined,
): Promise<T> {
  return new Reconciler(context, evaluate, { onLog, onFact }).run()
}

type Evaluate<T> = (now: number) => ReconcileResult<T>
type OnLog = (wanted: LogWanted, lines: readonly string[]) => void
type OnFact = (fact: Fact) => void

/**
 * Decides when to evaluate. Its states:
 *
 * - `idle`: waits for a change, for a wanted log, or for the time of the last evaluation's `requeueAt`.
 * - `scheduled`: evaluates in a moment. Many events arrive together; one evaluation after the last of them is enough.
 *   In a large namespace, where an evaluation takes long, it waits a little longer: signals, the lock's renewal and the
 *   log get their turns.
 * - `over`: has its end, and evaluates nothing any more.
 */
class Reconciler<T> {
  #state: 'idle' | 'scheduled' | 'over' = 'idle'
  readonly #result = Promise.withResolvers<T>()
  /** How often each log was requested; Infinity: it is on its way, or it has arrived. */
  readonly #requests = new Map<string, number>()
  readonly #facts = new Set<string>()
  #timer = new AbortController()
  /** No evaluation before this time, in ms since 1970. */
  #restsUntil = 0
  #stopListening: () => void = () => undefined

  constructor(
    private readonly context: ReconcileContext,
    private readonly evaluate: Evaluate<T>,
    private readonly on: { readonly onLog: OnLog; readonly onFact: OnFact },
  ) {}

  run(): Promise<T> {
    const { live, signal } = this.context
    this.#stopListening = live.onChange(this.#schedule)
    signal.addEventListener('abort', this.#cancel)
    if (signal.aborted) this.#cancel()
    else this.#schedule()
    return this.#result.promise
  }

  readonly #schedule = (): void => {
    if (this.#state !== 'idle') return
    this.#state = 'scheduled'
    this.#whenDue()
      .then(() => {
        this.#reconcile()
      })
      .catch(this.#fail)
  }

  async #whenDue(): Promise<void> {
    const { clock, signal } = this.context
    const rest = Math.min(this.#restsUntil - clock.now(), mostRestMs)
    if (rest > 0) await clock.sleep(rest, signal)
    await clock.handled()
  }

  #reconcile(): void {
    if (this.#state === 'over') return
    this.#state = 'idle'
    const { clock } = this.context
    const now = clock.now()
    const { ended, requeueAt, logsWanted, factsWanted = [] } = this.evaluate(now)
    const evaluatedAt = clock.now()
    this.#restsUntil = evaluatedAt + restShare * (evaluatedAt - now)
    if (ended !== undefined) {
      if (this.#end()) this.#result.resolve(ended)
      return
    }
    for (const wanted of logsWanted) this.#fetch(wanted).catch(this.#fail)
    for (const wanted of factsWanted) this.#read(wanted).catch(this.#fail)
    this.#timer.abort()
    this.#timer = new AbortController()
    if (requeueAt !== undefined) {
      const wait = clock.sleep(Math.max(0, requeueAt - now), this.#timer.signal)
      wait.then(this.#schedule, () => undefined)
    }
  }

  async #fetch(wanted: LogWanted): Promise<void> {
    const { cluster, clock, signal } = this.context
    const key = logKey(wanted)
    const tries = this.#requests.get(key) ?? 0
    if (tries === Infinity) return
    this.#requests.set(key, Infinity)
    const lines = await fetchLog(cluster, clock, wanted)
    // The container was restarted in this moment: the next evaluation requests the log of the previous run.
    const again = lines.length === 0 && tries < mostTries
    if (again) {
      await clock.sleep(againMs, signal).catch(() => undefined)
      this.#requests.set(key, tries + 1)
    } else this.on.onLog(wanted, lines)
    this.#schedule()
  }

  async #read(wanted: FactWanted): Promise<void> {
    const key = factKey(wanted)
    if (this.#facts.has(key)) return
    this.#facts.add(key)
    const { cluster, clock } = this.context
    this.on.onFact(await fetchFact(cluster, clock, wanted))
    this.#schedule()
  }

  readonly #cancel = (): void => {
    if (this.#end()) this.#result.reject(this.context.signal.reason as Error)
  }

  readonly #fail = (error: unknown): void => {
    if (this.#end()) this.#result.reject(error instanceof Error ? error : new Error(String(error)))
  }

  /** Stops everything; returns false when it was over before. */
  #end(): boolean {
    if (this.#state === 'over') return false
    this.#state = 'over'
    this.#timer.abort()
    this.#stopListening()
    this.context.signal.removeEventListener('abort', this.#cancel)
    return true
  }
}
