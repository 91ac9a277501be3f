import type { DaemonSet, Deployment, ReplicaSet, StatefulSet } from 'kubernetes-types/apps/v1'
import type { CronJob, Job } from 'kubernetes-types/batch/v1'
import type { Event, Pod } from 'kubernetes-types/core/v1'
import type { WorkloadId } from '../kubernetes/workload.js'
import type { Trouble } from '../options/troubles.js'
import type { Cause } from '../failure/failure.js'

/** What the namespace holds, as the watches tell it: one map per kind, by name. */
export interface ClusterState {
  readonly deployments: ReadonlyMap<string, Deployment>
  readonly statefulsets: ReadonlyMap<string, StatefulSet>
  readonly daemonsets: ReadonlyMap<string, DaemonSet>
  readonly cronjobs: ReadonlyMap<string, CronJob>
  readonly replicasets: ReadonlyMap<string, ReplicaSet>
  readonly jobs: ReadonlyMap<string, Job>
  readonly pods: ReadonlyMap<string, Pod>
  readonly events: ReadonlyMap<string, Event>
  /** When the server last confirmed the least fresh of these kinds, in ms since 1970: no deadline fires on a stale picture. */
  readonly confirmedAt: number
}

/** What one workload is to become. */
export interface DesiredWorkload {
  readonly workload: WorkloadId
  /** The image that each of these containers (init containers too) is to run, as written in the template. */
  readonly images: Readonly<Record<string, string>>
  /** `metadata.generation` that our write gave it; a controller that has seen less has not answered yet. */
  readonly generation: number
  /** `lastTransitionTime` of a `Progressing=False` that stood there before our write: it is not ours. */
  readonly staleProgressing?: string
  /** No version ran before: patience is longer, since nobody is served worse by waiting. */
  readonly first: boolean
  /**
   * An undo of what was not complete before: so many pods were available then, and have to be again. The
   * others need not be better than they were.
   */
  readonly available?: number
  /** How long its slowest pod took before from start to Ready, in ms, where that is known. */
  readonly readyBefore?: number
  /** A DaemonSet: nodes that did not answer before our write. It is judged by the others. */
  readonly deadNodes?: readonly string[]
}

/** Graces and deadlines of a release, in ms. */
export interface Timeouts {
  /** From our write to the end of all waiting, for each workload. */
  readonly timeout: number
  /** From a pod's start to Ready; learned from the old version when not set. */
  readonly readyTimeout?: number
  /** How long all must be watched on after the last new pod became available. */
  readonly bake: number
  /** Graces set by the user, in ms. */
  readonly grace: Readonly<Partial<Record<Trouble, number>>>
  /** What they do to those of the rules. On the way back nothing is given up sooner than by the rules. */
  readonly graces?: 'replace' | 'lengthen'
}

/** What a release gives its version to come up; its record keeps it for the undo. */
export type ReleaseTimeouts = Pick<Timeouts, 'timeout' | 'grace' | 'readyTimeout'>

export type Verdict =
  /** `on`, in words: `2 of 3 ready, waiting for worker-7d… (startup probe 14 s of 60 s)` */
  | { readonly is: 'waiting'; readonly on: string; readonly trouble?: Hindrance }
  /** All its pods are there: it waits for the other workloads, or is watched on (the bake). */
  | { readonly is: 'complete' }
  | { readonly is: 'done' }
  | { readonly is: 'failed'; readonly cause: Cause }
  | { readonly is: 'superseded'; readonly by: string }

/** What is wrong with a workload and may still pass; one that only takes its time has none. */
export type Hindrance = Exclude<Trouble, 'NotReady'> | 'paused'

/** A container log that the judge has to see before it can decide. */
export interface LogWanted {
  readonly pod: string
  readonly podUid: string
  readonly container: string
  /** The log of the run before the present one. */
  readonly previous: boolean
  /** Number of the exit that it belongs to (1 for the first): key together with uid and container. */
  readonly exit: number
}

/** What a container's log says about its end, read once by `diagnose`. */
export interface Diagnosis {
  /** The lines that lead to its end, as the container wrote them: untrusted text. */
  readonly lines: readonly string[]
  /** `permanent`: no time mends it. `transient`: it missed something that may come late. Else `unknown`. */
  readonly kind: 'permanent' | 'transient' | 'unknown'
  /** `ModuleNotFoundError: No module named 'shop.task' (shop/celery.py:3)`, or the last line that says something. */
  readonly summary?: string
  /** The line of the user's own code, where its path below the image's WORKDIR is known. */
  readonly at?: { readonly file: string; readonly line: number }
}

/** How many times a container had ended when we came to know it. */
export interface Exits {
  /** When its pod was first looked at and Ready already; else 0. Those are no ends of this release. */
  readonly before: number
  /** When its pod was first seen Ready. */
  readonly atReady?: number
}

/**
 * What the judge remembers from one look to the next, since the cluster's objects do not say it: when a
 * sign was first seen, how often containers have ended, when each workload became complete. Plain data; a new
 * one is returned by each look.
 */
export interface Observations {
  /** When our write left, in ms since 1970. */
  readonly startedAt: number
  /** First seen, by a key that names pod (or object), container and reason. */
  readonly firstSeen: Readonly<Record<string, number>>
  /** Ends of containers, by `uid/container`. */
  readonly exits: Readonly<Record<string, Exits>>
  /** Logs that were asked for and have come, by `logKey`. An empty one is an answer too: nothing to wait for. */
  readonly logs: Readonly<Record<string, Diagnosis>>
  /** When each workload (by `idOf`) was last seen to become complete. */
  readonly completeSince: Readonly<Record<string, number>>
}

/** How far a workload has come, for the one line that people watch. */
export interface Progress {
  /**
   * Pods that it is to have of our template (0 for a CronJob, or when scaled to 0); not known before its
   * controller has seen the new version.
   */
  readonly wanted?: number
  /** Pods of our template that are Ready now. */
  readonly ready: number
}

/** What became of one write to a workload, as far as it was followed. */
export interface WriteProgress extends Progress {
  /** When the write left, in ms since 1970; none where the workload was as it is to be already. */
  readonly startedAt?: number
  /** When the workload was last seen to become complete; not set while it is not, or when it is to have no pod. */
  readonly completeAt?: number
}

/** By `idOf` of the workload. */
export type WriteProgresses = Readonly<Record<string, WriteProgress>>

export interface Judgement {
  /** By `idOf` of the workload. */
  readonly verdicts: Readonly<Record<string, Verdict>>
  /** By `idOf` of the workload; none for one that is superseded. */
  readonly progress: Readonly<Record<string, Progress>>
  /** When the last of all workloads became complete; the bake counts from here. Not set while one is not. */
  readonly completeAt?: number
  readonly observations: Observations
  /** Look again at this time (ms since 1970) even when nothing happens: a grace ends then. */
  readonly requeueAt?: number
  readonly logsWanted: readonly LogWanted[]
}
