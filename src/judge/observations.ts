import type { Diagnosis, Exits, Observations, LogWanted } from './types.js'

/** Returns empty observations. `startedAt`: when our write left, in ms since 1970. */
export function newObservations(startedAt: number): Observations {
  return { startedAt, firstSeen: {}, exits: {}, logs: {}, facts: [], completeSince: {} }
}

/** Returns the key of a log: the same for `previous` and not, since a restart turns one into the other. */
export function logKey(log: Pick<LogWanted, 'podUid' | 'container' | 'exit'>): string {
  return `${log.podUid}/${log.container}/${log.exit}`
}

/** Returns the observations with a log that has arrived. */
export function withLog(
  observations: Observations,
  wanted: LogWanted,
  diagnosis: Diagnosis,
): Observations {
  return { ...observations, logs: { ...observations.logs, [logKey(wanted)]: diagnosis } }
}

/**
 * Records the observations of one evaluation. All times are those of our own clock, when something was first
 * seen: the cluster's clock may be minutes off, and its times are whole seconds.
 */
export class ObservationRecorder {
  readonly #before: Observations
  readonly #now: number
  readonly #firstSeen: Record<string, number> = {}
  readonly #exits: Record<string, Exits>
  readonly #completeSince: Record<string, number> = {}
  readonly #unready = new Set<string>()
  #keepsAll = false

  constructor(before: Observations, now: number) {
    this.#before = before
    this.#now = now
    this.#exits = { ...before.exits }
  }

  /** Returns when `key` was first seen; now, if that is the first time. A key that is not requested again is forgotten. */
  since(key: string): number {
    return (this.#firstSeen[key] ??= this.#before.firstSeen[key] ?? this.#now)
  }

  /**
   * Keeps all that is known of a pod that is not Ready, though a symptom may be absent for a moment: a
   * container that was restarted shows no symptom until it fails once more.
   */
  keepPod(uid: string): void {
    this.#unready.add(uid)
  }

  /** Keeps everything: this evaluation does not know which pods are of the new template (its controller has not seen a scaling). */
  keepAll(): void {
    this.#keepsAll = true
  }

  /** Records how many times a container has exited and whether its pod is Ready; returns what was first known. */
  exits(uid: string, container: string, count: number, ready: boolean): Exits {
    const key = `${uid}/${container}`
    let known: Exits = this.#exits[key] ?? { before: ready ? count : 0 }
    if (ready && known.atReady === undefined) known = { ...known, atReady: count }
    this.#exits[key] = known
    return known
  }

  /** Returns what was recorded of a container's exits. */
  known(uid: string, container: string): Exits {
    return this.#exits[`${uid}/${container}`] ?? { before: 0 }
  }

  /** Returns since when a workload has been complete, without a break. */
  complete(id: string): number {
    return (this.#completeSince[id] ??= this.#before.completeSince[id] ?? this.#now)
  }

  close(): Observations {
    for (const [key, at] of Object.entries(this.#before.firstSeen)) {
      const uid = key.slice(0, key.indexOf('/'))
      if (this.#keepsAll || this.#unready.has(uid)) this.#firstSeen[key] ??= at
    }
    return {
      ...this.#before,
      firstSeen: this.#firstSeen,
      exits: this.#exits,
      completeSince: this.#completeSince,
    }
  }
}
