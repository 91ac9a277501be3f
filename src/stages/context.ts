/** What every stage is given. A stage is `(context, input) => output`. */
import { repoFile } from '../django/traceback.js'
import type { Source } from '../docker/source.js'
import type { Cluster } from '../kubernetes/cluster.js'
import type { Command } from '../options/commands.js'
import type { Settings } from '../options/table.js'
import type { Platform } from '../platform/platform.js'
import type { StageLog } from '../platform/stage-log.js'
import type { Holder } from '../state/lease.js'

interface ContextFields {
  readonly platform: Platform
  /** What the user wants. */
  readonly settings: Settings
  readonly source: Source
  /** Name of the application in jobs, labels and records. */
  readonly app: string
  /** The command in logs and records. */
  readonly command: Command
  /** The run, as others see it. */
  readonly holder: Holder
  /** Aborted when a person cancels or another stage failed: the stage ends soon and throws. */
  readonly signal: AbortSignal
  /** Receives a sentence for the report that a person should know although it does not decide the result. */
  readonly warn: (sentence: string) => void
}

/** What a stage may be given besides. */
interface MoreFields {
  readonly log: StageLog
  readonly cluster: Cluster
}

/** The context between the stages: no stage has a log yet. */
export class ReleaseContext implements ContextFields {
  readonly platform: Platform
  readonly settings: Settings
  readonly source: Source
  readonly app: string
  readonly command: Command
  readonly holder: Holder
  readonly signal: AbortSignal
  readonly warn: (sentence: string) => void

  constructor(fields: ContextFields) {
    this.platform = fields.platform
    this.settings = fields.settings
    this.source = fields.source
    this.app = fields.app
    this.command = fields.command
    this.holder = fields.holder
    this.signal = fields.signal
    this.warn = fields.warn
  }

  /** Returns the same context but for these fields: the one way to narrow or extend it. */
  with<const Part extends Partial<ContextFields & MoreFields>>(part: Part): this & Part {
    return Object.assign(new ReleaseContext(this), this, part)
  }
}

/** The same with an open cluster. Its writes need the lock once the lock is taken. */
export type OpenContext = ReleaseContext & Pick<MoreFields, 'cluster'>

/** The context of a stage that needs no cluster: `log` is the stage's own. */
export type StageContext = ReleaseContext & Pick<MoreFields, 'log'>

/** The context of a stage that needs the cluster: it cannot be called before that is open. */
export type ClusterContext = StageContext & OpenContext

/** Logs a warning, and adds it to the report. */
export function logWarning({ log, warn }: StageContext, warning: string): void {
  log.say(`warning: ${warning}`)
  warn(warning)
}

/** Returns a function that finds the file of the user's repository for a path inside of the image. */
export function toRepo({
  platform,
  settings,
}: Pick<ReleaseContext, 'platform' | 'settings'>): (file: string) => string | undefined {
  return (file) => repoFile(file, (path) => platform.files.exists(path), settings.context)
}
