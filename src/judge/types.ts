import type { DaemonSet, Deployment, ReplicaSet, StatefulSet } from 'kubernetes-types/apps/v1'
import type { CronJob, Job } from 'kubernetes-types/batch/v1'
import type { Event, Pod } from 'kubernetes-types/core/v1'
import type { WorkloadId } from '../kubernetes/workload.js'
import type { FailureReason } from '../options/failure-reasons.js'
import type { Cause } from '../failure/failure.js'
import type { Fact, FactWanted } from './facts.js'

/** The objects of the namespace as the watches last reported them: one map per kind, by name. */
export interface ClusterState {
  readonly deployments: ReadonlyMap<string, Deployment>
  readonly statefulsets: ReadonlyMap<string, StatefulSet>
  readonly daemonsets: ReadonlyMap<string, DaemonSet>
  readonly cronjobs: ReadonlyMap<string, CronJob>
  readonly replicasets: ReadonlyMap<string, ReplicaSet>
  readonly jobs: ReadonlyMap<string, Job>
  readonly pods: ReadonlyMap<string, Pod>
  readonly events: ReadonlyMap<string, Event>
  /** When the server last confirmed the least fresh of these kinds, in ms since 1970: no deadline fires on a stale state. */
  readonly confirmedAt: number
}

/** What one workload must become. */
export interface DesiredWorkload {
  readonly workload: WorkloadId
  /** The image that each of these containers (init containers too) must run, as written in the template. */
  readonly images: Readonly<Record<string, string>>
  /** `metadata.generation` that our write gave it; a controller that has seen less has not answered yet. */
  readonly generation: number
  /** `lastTransitionTime` of a `Progressing=False` from before our write: this release did not cause it. */
  readonly staleProgressing?: string
  /** No version ran before: timeouts are longer, since waiting makes the service no worse. */
  readonly first: boolean
  /**
   * Set by an undo of a workload that was not complete before: the number of pods that were available then,
   * and must be again. The other pods need not be better than they were.
   */
  readonly available?: number
  /** How long its pods of earlier versions took from start to Ready, where that is known. */
  readonly starts?: KnownStarts
  /** A DaemonSet: nodes that did not answer before our write. The other nodes decide. */
  readonly deadNodes?: readonly string[]
}

/** How long pods took from the start of their containers to Ready. */
export interface KnownStarts {
  /** In ms, rounded up: the cluster's times are whole seconds. */
  readonly slowest: number
  /** How many say something: those of pods whose readiness was probed. */
  readonly count: number
}

/** Graces and deadlines of a release, in ms. */
export interface Timeouts {
  /** From our write to the end of all waiting, for each workload. */
  readonly timeout: number
  /** How long all pods are watched after the last new one became available. */
  readonly bake: number
  /** Graces set by the user, in ms. */
  readonly grace: Readonly<Partial<Record<FailureReason, number>>>
  /** How they change the graces of the rules. An undo gives up nothing sooner than the rules do: it lengthens. */
  readonly graces?: 'replace' | 'lengthen'
}

/** How long a release waits for its version to start; its record keeps it for the undo. */
export type ReleaseTimeouts = Pick<Timeouts, 'timeout' | 'grace'>

export type Verdict =
  /** `on`, in words: `2 of 3 ready, waiting for worker-7d… (startup probe 14 s of 60 s)` */
  | { readonly is: 'waiting'; readonly on: string; readonly reason?: WaitingReason }
  /** All its pods are available: it waits for the other workloads, or bakes. */
  | { readonly is: 'complete' }
  | { readonly is: 'done' }
  | { readonly is: 'failed'; readonly cause: Cause }
  | { readonly is: 'superseded'; readonly by: string }

/** What is wrong with a workload and may still pass; a workload that is only slow has none. */
export type WaitingReason = Exclude<FailureReason, 'NotReady'> | 'paused'

/** A container log that the judge needs before it can decide. */
export interface LogWanted {
  readonly pod: string
  readonly podUid: string
  readonly container: string
  /** The log of the run before the current one. */
  readonly previous: boolean
  /** Number of the exit that it belongs to (1 for the first); part of the key, with uid and container. */
  readonly exit: number
}

/** What a container's log says about its exit; `diagnose` reads it once. */
export interface Diagnosis {
  /** The lines that lead to its exit, as the container wrote them: untrusted text. */
  readonly lines: readonly string[]
  /** `permanent`: waiting does not help. `transient`: it missed something that may come late. Else `unknown`. */
  readonly kind: 'permanent' | 'transient' | 'unknown'
  /** `ModuleNotFoundError: No module named 'shop.task' (shop/celery.py:3)`, or the last line with words. */
  readonly summary?: string
  /** The line of the user's own code, where its path below the image's WORKDIR is known. */
  readonly at?: { readonly file: string; readonly line: number }
}

/** How many times a container had exited when it was first evaluated. */
export interface Exits {
  /** The number at its first evaluation if its pod was Ready then; else 0. This release did not cause those exits. */
  readonly before: number
  /** The number when its pod was first seen Ready. */
  readonly atReady?: number
}

/**
 * What the judge remembers between two evaluations, since the cluster's objects do not say it: when a
 * symptom was first seen, how often containers have exited, when each workload became complete. Plain data;
 * each evaluation returns a new one.
 */
export interface Observations {
  /** When our write left, in ms since 1970. */
  readonly startedAt: number
  /** First seen, by a key that names pod (or object), container and reason. */
  readonly firstSeen: Readonly<Record<string, number>>
  /** Exits of containers, by `uid/container`. */
  readonly exits: Readonly<Record<string, Exits>>
  /** Logs that were requested and have arrived, by `logKey`. An empty log is an answer too: nothing to wait for. */
  readonly logs: Readonly<Record<string, Diagnosis>>
  /** What was read of the cluster so far. */
  readonly facts: readonly Fact[]
  /** When each workload (by `idOf`) was last seen to become complete. */
  readonly completeSince: Readonly<Record<string, number>>
}

/** What a judge looks at: the same input gives the same answer. */
export interface JudgeInput {
  readonly clusterState: ClusterState
  readonly timeouts: Timeouts
  /** What the last evaluation returned. */
  readonly observations: Observations
  /** In ms since 1970, of the same clock as `clusterState.confirmedAt`. */
  readonly now: number
}

/** How far a workload is, for its live line. */
export interface Progress {
  /**
   * The desired number of pods of the new template (0 for a CronJob, or when scaled to 0); unknown until its
   * controller has seen the new version.
   */
  readonly wanted?: number
  /** Pods of the new template that are Ready now. */
  readonly ready: number
}

/** What became of one write to a workload, as far as it was tracked. */
export interface WriteProgress extends Progress {
  /** When the write left, in ms since 1970; none if the workload was in the desired state already. */
  readonly startedAt?: number
  /** When the workload last became complete; not set while it is not, or when it should have no pod. */
  readonly completeAt?: number
}

/** By `idOf` of the workload. */
export type WriteProgresses = Readonly<Record<string, WriteProgress>>

export interface Judgement {
  /** By `idOf` of the workload. */
  readonly verdicts: Readonly<Record<string, Verdict>>
  /** By `idOf` of the workload; none for one that is superseded. */
  readonly progress: Readonly<Record<string, Progress>>
  /** When the last of all workloads became complete: the start of the bake. Not set while one is not. */
  readonly completeAt?: number
  readonly observations: Observations
  /** When to evaluate again (ms since 1970) even if nothing changes: a grace ends then. */
  readonly requeueAt?: number
  readonly logsWanted: readonly LogWanted[]
  readonly factsWanted: readonly FactWanted[]
}
