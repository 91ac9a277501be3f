/** Checks everything that a release needs, reports what would go wrong, and writes nothing. */
import { skewFindings } from '../checks/tools.js'
import { Failure } from '../failure/failure.js'
import type { Finding } from '../report/finding.js'
import type { Report } from '../report/report.js'
import { closed, examineCluster } from '../doctor/cluster.js'
import { inspectMachine, examineMachine, reachesCluster, type Machine } from '../doctor/machine.js'
import { silentLog } from '../platform/stage-log.js'
import { abortable } from '../platform/time.js'
import { ReleaseContext } from '../stages/context.js'
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
        if (machine.source) run.state.source = machine.source
        const findings = (
          await Promise.all([
            examineMachine(run, machine, () => run.resources.keepLogin(run.settings)),
            reachesCluster(run.platform, machine) ? examineClusterOf(run, machine) : [],
          ])
        ).flat()
        const isWell = findings.every(({ severity }) => severity !== 'error')
        return { result: isWell ? 'done' : 'failed', findings }
      }),
    ),
  )
}

async function examineClusterOf(run: Run, { source }: Machine): Promise<readonly Finding[]> {
  const { platform, settings, signal, resources } = run
  try {
    const cluster = await resources.openCluster(platform, settings, signal)
    const requested = source ?? { tag: settings.tag ?? 'unknown' }
    const context = new ReleaseContext({ ...run, source: requested })
    return [
      ...skewFindings(cluster.client, cluster.version),
      ...(await examineCluster(context.with({ log: silentLog, cluster }))),
    ]
  } catch (error) {
    signal.throwIfAborted()
    return closed(new Failure(causeOf(error, signal)))
  }
}
