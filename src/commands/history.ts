/** Reads the releases of an application. */
import type { Report } from '../report/report.js'
import { readHistory } from '../state/history-store.js'
import { abortable } from '../platform/time.js'
import { reported, type Start } from './run.js'
import type { Outcome } from './run-state.js'

export function showHistory(start: Start): Promise<Report> {
  return reported('history', start, ({ platform, settings, signal, app, resources }) =>
    abortable(signal, async (): Promise<Outcome> => {
      const cluster = await resources.openCluster(platform, settings, signal)
      return { result: 'unchanged', history: await readHistory(cluster, app, settings.image) }
    }),
  )
}
