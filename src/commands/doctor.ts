/** Checks everything that a release needs, reports what would go wrong, and writes nothing. */
import { skewFindings } from '../checks/tools.js'
import { Failure } from '../failure/failure.js'
import type { Finding } from '../report/finding.js'
import type { Report } from '../report/report.js'
import { closed, examineCluster } from '../doctor/cluster.js'
import {
  lookInRegistry,
  inspectMachine,
  examineMachine,
  reachesCluster,
  type RegistryLookup,
  type Machine,
} from '../doctor/machine.js'
import { silentLog } from '../platform/stage-log.js'
import { abortable } from '../platform/time.js'
import { ReleaseContext } from '../stages/context.js'
import type { ToRun } from '../stages/platforms.js'
import { causeOf } from './causes.js'
import { reported, type Run, type Start } from './run.js'
import type { Outcome } from './run-state.js'

/** Returns `done` when nothing would keep a release from going live; warnings are possible. */
export function runDoctor(start: Start): Promise<Report> {
  return reported('doctor', start, (run) =>
    run.reporter.stage('doctor', (log) =>
      abortable(run.signal, async (): Promise<Outcome> => {
        log.waiting('checking tools, registry and cluster')
        const machine = await inspectMachine(run)
        const { source } = machine
        if (source) run.state.source = source
        const lookup =
          source && lookInRegistry({ ...run, source }, () => run.resources.keepLogin(run.settings))
        // Reported with the machine.
        lookup?.catch(() => undefined)
        const findings = (
          await Promise.all([
            examineMachine(run, machine, lookup),
            reachesCluster(run.platform, machine) ? examineClusterOf(run, machine, lookup) : [],
          ])
        ).flat()
        const isWell = findings.every(({ severity }) => severity !== 'error')
        return { result: isWell ? 'done' : 'failed', findings }
      }),
    ),
  )
}

async function examineClusterOf(
  run: Run,
  { source }: Machine,
  lookup?: Promise<RegistryLookup>,
): Promise<readonly Finding[]> {
  const { platform, settings, signal, resources } = run
  try {
    const cluster = await resources.openCluster(platform, settings, signal)
    const requested = source ?? { tag: settings.tag ?? 'unknown' }
    const context = new ReleaseContext({ ...run, source: requested })
    return [
      ...skewFindings(cluster.client, cluster.version),
      ...(await examineCluster(context.with({ log: silentLog, cluster }), () => toRun(lookup))),
    ]
  } catch (error) {
    signal.throwIfAborted()
    return closed(new Failure(causeOf(error, signal)))
  }
}

/** Returns what the look-up shows of the image that would run; nothing where it has failed. */
async function toRun(lookup?: Promise<RegistryLookup>): Promise<ToRun> {
  const found = await lookup?.catch(() => undefined)
  if (found && 'image' in found.lookup) return { image: found.lookup.image }
  return { ...(found?.platforms && { platforms: found.platforms }) }
}
