import type { TestReport } from '../django/test-output.js'
import type { Command } from '../options/commands.js'
import type { WorkloadId } from '../kubernetes/workload.js'
import type { History } from '../state/history.js'
import type { WriteProgress } from '../judge/types.js'
import type { Cause } from '../failure/failure.js'
import type { Finding } from './finding.js'
import type { Result } from '../failure/result.js'

export interface StageReport {
  readonly name: string
  /** ms since 1970. */
  readonly startedAt: number
  readonly seconds: number
  readonly ended: 'done' | 'failed' | 'stopped'
}

export interface WorkloadReport extends WorkloadId {
  /** Image before the release; none for a workload that it created. */
  readonly from?: string
  readonly to: string
  /** What it runs at the end of the run. */
  readonly now: 'new' | 'old' | 'removed' | 'absent' | 'gone' | 'unknown'
  /** The image that was seen where it is not certain what it runs. */
  readonly runs?: string
  /** From the write that brought it there to complete. */
  readonly seconds?: number
  /** What became of the release's write; none where it did not come so far, or the workload was gone. */
  readonly rollout?: WriteProgress
  /** What became of the write that restored it. */
  readonly undo?: WriteProgress
}

/** An object that is not as the result says. */
export interface Exception {
  /** `statefulset/queue` */
  readonly object: string
  /**
   * another version: it runs the image, and not the version that was released. withdrawn: it goes on with
   * the version that was taken back. unwell: it was left as it is, or was so before, and is unhealthy.
   */
  readonly is: 'another version' | 'withdrawn' | 'unwell'
  readonly message: string
  /** A command to type. */
  readonly fix?: string
  /** How many of its pods. */
  readonly pods?: number
}

/** Changes of an app's models that no migration has. */
export interface ModelChange {
  readonly app: string
  /** In Django's words: `Add field note to order`. */
  readonly changes: readonly string[]
  readonly message: string
  /** A command to type. */
  readonly fix: string
  /** A changed model, in a file of the repository. */
  readonly file?: string
  readonly line?: number
}

/** The pending migrations of a release, and what they break. */
export interface MigrationPlan {
  readonly migrations: readonly PlannedMigration[]
  /** The versions that it was compared with; missing where nothing was compared. */
  readonly versions?: readonly {
    /** Who runs it: `deployment/web`. */
    readonly names: readonly string[]
    readonly tag: string
    /** own: the version of the plan itself; state: what it needs was not kept. */
    readonly source: 'kept' | 'own' | 'state'
  }[]
  /** Not applied by this release, because a running version needs what they remove. */
  readonly held?: readonly HeldFromPlan[]
  /** How both versions work meanwhile, a sentence each. */
  readonly bridges?: readonly string[]
  /** Why a release makes a backup first, a reason each; missing: it makes none. */
  readonly backup?: readonly string[]
  /** The most severe first. */
  readonly findings: readonly PlanFinding[]
}

export interface HeldFromPlan {
  readonly database: string
  /** `orders.0002_note` */
  readonly name: string
  readonly operations: readonly string[]
  /** Why, and when it is applied. */
  readonly message: string
}

export interface PlannedMigration {
  /** The alias in `DATABASES`. */
  readonly database: string
  /** `orders.0002_note` */
  readonly name: string
  /** `AddField`, `RunPython` */
  readonly operations: readonly string[]
  readonly reversible: boolean
  /** Tables for which reading or writing waits while it runs (PostgreSQL); rows: an estimate, -1: there is none. */
  readonly locks?: readonly {
    readonly table: string
    readonly mode: string
    readonly rows: number
    readonly bytes: number
  }[]
  /** Whether the versions that run, and the new one, work with what it makes. */
  readonly verdict: 'safe' | 'unsafe' | 'may break' | 'not known' | 'accepted' | 'not judged'
  /** Only of `plan`, on request. */
  readonly sql?: string
}

export interface PlanFinding {
  /** `column-gone` */
  readonly rule: string
  readonly severity: 'error' | 'warning'
  readonly database: string
  /** `shop_order.note` */
  readonly object: string
  readonly migration?: string
  readonly message: string
  /** How to do the same safely. */
  readonly fix: string
  /** The reason of the comment that accepts it. */
  readonly allowed?: string
}

/** A command before or after the rollout. */
export interface CommandRun {
  readonly when: 'before-rollout' | 'after-rollout'
  readonly command: string
  readonly seconds: number
  readonly ended: 'done' | 'failed'
}

/** With what came up after the run had ended. */
export function warned(report: Report, warnings: readonly string[]): Report {
  return { ...report, warnings: [...report.warnings, ...warnings] }
}

/** All that is known at the end of a run; log, summary, outputs and JSON are renderings of it. */
export interface Report {
  readonly command: Command
  readonly result: Result
  readonly app: string
  readonly namespace: string
  readonly image: string
  readonly tag: string
  readonly digest?: string
  readonly previousTag?: string
  readonly cause?: Cause
  /** When the cause was recognised, in ms since 1970. */
  readonly detectedAt?: number
  /** A dry run: nothing was changed. */
  readonly dryRun?: true
  /** The releases that `history` shows. */
  readonly history?: History
  /** What `doctor` has found. */
  readonly findings?: readonly Finding[]
  readonly stages: readonly StageReport[]
  /** The result of the user's tests; files are those of the repository, from its root. */
  readonly tests?: TestReport
  /** What the models of the image have, and its migrations do not. */
  readonly modelChanges?: readonly ModelChange[]
  readonly workloads: readonly WorkloadReport[]
  /** The migrations that were not applied yet, and what they break. */
  readonly plan?: MigrationPlan
  /** The backup that was made before migrations were applied or reversed: its Job. */
  readonly backup?: { readonly job: string; readonly seconds: number }
  /** The commands before and after the rollout that were started. */
  readonly commands?: readonly CommandRun[]
  /** Migrations applied by this run: `orders.0002_note`. */
  readonly migrations: readonly string[]
  /** Migrations that this run reversed, the last one first. */
  readonly reversed?: readonly string[]
  /** Warnings, which do not decide the result. */
  readonly warnings: readonly string[]
  /** Objects that the undo restored, removed, or left because they hold data; migrations that were ended. */
  readonly restored: readonly { readonly object: string; readonly action: string }[]
  /** Objects that are not as the result says. */
  readonly exceptions?: readonly Exception[]
  readonly startedAt: number
  readonly seconds: number
}
