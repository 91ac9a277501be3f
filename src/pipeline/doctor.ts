/** Looks at everything that a release would look at, and writes nothing. */
import { findSource } from '../docker/source.js'
import type { Report, Result } from '../report/report.js'
import { reported, type Run, type Start } from './run.js'
import { lookAround } from './steps.js'

export function examine(start: Start): Promise<Report> {
  return reported('doctor', start, look)
}

async function look(run: Run): Promise<Result> {
  const { world, settings, signal, holder, app, soFar } = run
  const source = await findSource(world, settings, settings.context)
  soFar.source = source
  await lookAround(run, { world, settings, source, app, holder, signal })
  return 'done'
}
