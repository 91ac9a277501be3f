/** One run of the program, from its options to its report. */
import type { Holder } from '../state/lease.js'
import { appOf } from '../kubernetes/image.js'
import type { Command } from '../options/commands.js'
import type { Source } from '../docker/source.js'
import { ReleaseContext } from '../stages/context.js'
import type { Settings } from '../options/table.js'
import type { Report } from '../report/report.js'
import type { Reporter } from '../report/reporter.js'
import type { ReleaseStart } from '../state/history.js'
import type { Platform } from '../platform/platform.js'
import { notBegun, report } from './report-builder.js'
import { Resources } from './resources.js'
import { RunState, type Outcome } from './run-state.js'

/** What an entry point passes to a run. */
export interface Start {
  readonly platform: Platform
  readonly settings: Settings
  readonly reporter: Reporter
  /** Aborted when a user or the runner ends the run. */
  readonly signal: AbortSignal
  readonly holder: Holder
  /** Called right before this version is written; the result is not awaited. */
  readonly onBegin?: (begun: ReleaseStart) => void
}

export interface Run extends Start {
  readonly command: Command
  /** Name of the application in jobs, labels and records. */
  readonly app: string
  readonly state: RunState
  /** Adds a sentence to the report that a person should know although it does not decide the result. */
  readonly warn: (sentence: string) => void
  readonly resources: Resources
}

/** Returns the context of a release of this source; from now on the report names this source. */
export function contextOf(run: Run, source: Source): ReleaseContext {
  run.state.source = source
  return new ReleaseContext({ ...run, source })
}

/** Does the work of a command. Never throws: whatever happens ends in a report. */
export async function reported(
  command: Command,
  start: Start,
  work: (run: Run) => Promise<Outcome>,
): Promise<Report> {
  const { settings, signal } = start
  const resources = new Resources(start.platform)
  const app = settings.app ?? appOf(settings.image)
  const state = new RunState()
  const warn = (sentence: string) => {
    state.warnings.push(sentence)
  }
  const { platform } = resources
  const run: Run = { ...start, platform, command, app, state, warn, resources }
  let outcome: Outcome
  try {
    outcome = await work(run)
  } catch (error) {
    outcome = notBegun(error, signal)
  } finally {
    await resources.close()
  }
  return report(run, outcome)
}
