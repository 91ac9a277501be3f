/** How far a run has come, and how it ended: the report is a function of both (report-builder.ts). */
import type { TestReport } from '../django/test-output.js'
import type { Databases } from '../django/identity.js'
import type { Plan } from '../django/plan.js'
import type { Image } from '../docker/image.js'
import type { Source } from '../docker/source.js'
import { Failure, type Cause } from '../failure/failure.js'
import type { Result } from '../failure/result.js'
import type { WriteProgresses } from '../judge/types.js'
import type { Finding } from '../report/finding.js'
import type { CommandRun, Exception, ModelChange } from '../report/report.js'
import type { Backup } from '../stages/migration/backup.js'
import type { PreflightResult } from '../stages/preflight.js'
import type { RolloutListener } from '../stages/rollout.js'
import type { Contract } from '../state/contract.js'
import type { Fit, SchemaChange } from '../state/fit.js'
import type { History, Starts } from '../state/history.js'
import type { Restored } from '../undo/restore.js'
import type { OnWrite } from '../undo/snapshot.js'

export type Phase = PreflightPhase | BuiltPhase | BegunPhase

/** The image is not known yet. */
interface PreflightPhase {
  readonly is: 'preflight'
  /** Missing: preflight has not passed yet, or the command rolls nothing out, so the report names no workloads. */
  readonly checked?: PreflightResult
}

/** The image was built, or found in the registry; nothing is written yet. */
interface BuiltPhase {
  readonly is: 'built'
  readonly image: Image
  readonly checked?: PreflightResult
}

/** The record exists: a failure takes back from now on. */
interface BegunPhase extends WritingProgress {
  readonly is: 'begun'
  readonly image: Image
  /** As it was right before the first write. */
  readonly checked: PreflightResult
  /** When the cause of a failure was recognised, in ms since 1970. */
  readonly detectedAt?: number
}

/** What has become of the writes so far. */
export interface WritingProgress {
  readonly rollout?: WriteProgresses
  /** Of the writes that restored. */
  readonly undo?: WriteProgresses
}

export class RunState {
  /** The commit and the tag as far as they are known. */
  source?: Source
  tests?: TestReport
  /** Changes of models without a migration. */
  modelChanges: readonly ModelChange[] = []
  /** Applied by this run: `orders.0002_note`. */
  migrations: readonly string[] = []
  /** Reversed by this run, the last one first. */
  reversed: readonly string[] = []
  /** The migrations that were not applied yet when the new version started, and what they break. */
  plan?: Plan
  /** What is held back still, and what is left in the databases for that time. */
  contract?: Partial<Contract>
  /** Keeps what the plan leaves in the databases, before it is carried out. */
  keepPlan?: () => Promise<void>
  /** What the new version needs of the databases, packed; kept for the releases after it. */
  needs?: string | undefined
  /** Its tasks, packed; kept in the same way. */
  tasks?: string | undefined
  /** What its migrations have changed for the versions of the history. */
  schema?: SchemaChange | undefined
  /** A rollback: how the version that it restores fits the schema, where the history does not know. */
  fit?: Fit
  /** The last backup that was made: before the migration, or before a reversal. */
  backup?: Backup
  /** The commands before and after the rollout that this run has started. */
  readonly commands: CommandRun[] = []
  /** How long pods of the releases before took to become Ready, by `idOf` of their workload. */
  knownStarts: Starts = {}
  /** How long its own took. */
  starts: Starts = {}
  /** The command that migrates, where the history may have it. */
  migrate?: string | undefined
  /** The identities of the databases that the version uses, by alias, where a plan has reported them. */
  databases?: Databases
  /** Objects that are not as the result says. */
  exceptions: readonly Exception[] = []
  /** What a person should know although it does not decide the result. */
  readonly warnings: string[] = []
  private current: Phase = { is: 'preflight' }

  get phase(): Phase {
    return this.current
  }

  passPreflight(checked: PreflightResult): void {
    this.current = { ...this.current, checked }
  }

  /** A build of a commit that has several gets its tag when it is pushed. */
  haveImage(image: Image): void {
    const { checked } = this.current
    if (this.source) this.source = { ...this.source, tag: image.tag }
    this.current = { is: 'built', image, ...(checked && { checked }) }
  }

  /** The record exists, so the report is one of a release that has begun, however it ends. */
  begin(image: Image, checked: PreflightResult): void {
    this.current = { is: 'begun', image, checked }
  }

  /** However they ended. */
  readonly keepTests = (tests: TestReport): void => {
    this.tests = tests
  }

  /** Returns what keeps the state of a rollout; `wrote` receives its writes. */
  listener(wrote: OnWrite): RolloutListener {
    return {
      wrote,
      progress: (rollout) => {
        this.keep({ rollout })
      },
      detected: (at) => {
        this.detect(at)
      },
      started: (starts) => {
        this.starts = starts
      },
    }
  }

  /** There is no progress to keep before the release has begun. */
  keep(progress: WritingProgress): void {
    if (this.current.is === 'begun') this.current = { ...this.current, ...progress }
  }

  /** The first time counts. */
  detect(detectedAt: number): void {
    if (this.current.is === 'begun') this.current = { detectedAt, ...this.current }
  }
}

/** The end of a run: its result with all that only such an end knows. There are no other ends. */
export type Outcome =
  | { readonly result: 'deployed' | 'done' | 'unchanged' }
  | { readonly result: 'unchanged'; readonly dryRun: true }
  | { readonly result: 'unchanged'; readonly history: History }
  | { readonly result: 'done' | 'failed'; readonly findings: readonly Finding[] }
  /** Another run's migrations were ended: `job/<name>`. */
  | { readonly result: 'undone'; readonly ended: readonly string[] }
  /** Another run's release was restored. */
  | { readonly result: 'undone'; readonly restored: readonly Restored[] }
  | NotBegun
  | GivenUp

/** A run that threw before its release had begun. */
export interface NotBegun {
  readonly result: Extract<
    Result,
    'failed' | 'usage' | 'locked' | 'superseded' | 'cancelled' | 'stuck'
  >
  readonly cause: Cause
  /** Only where restoring what another run has left failed. */
  readonly current?: Images
}

/** What each workload runs where the run could not verify it, by `idOf`. */
export type Images = Readonly<Record<string, readonly string[]>>

/** How a release ended that has begun and failed. */
export type GivenUp = { readonly cause: Cause } & (
  | { readonly result: 'failed' | 'cancelled' }
  | {
      readonly result: 'undone' | 'cancelled'
      readonly restored: readonly Restored[]
    }
  /** Another version was set meanwhile: everything else was restored. */
  | {
      readonly result: 'superseded'
      readonly restored: readonly Restored[]
      readonly current: Images
    }
  /** The same, and nothing was restored. */
  | {
      readonly result: 'superseded'
      readonly left: readonly Restored[]
      readonly current: Images
    }
  | { readonly result: 'kept'; readonly current: Images }
  | StuckOutcome
)

/** The undo failed, or the record could not be closed: restored or left as far as it came. */
export interface StuckOutcome {
  readonly result: 'stuck'
  readonly current?: Images
  readonly restored?: readonly Restored[]
  readonly left?: readonly Restored[]
}

/** The failure of restoring what another run has left. */
export class NotRecovered extends Failure {
  constructor(
    cause: Cause,
    readonly current: Images,
  ) {
    super(cause)
  }
}
