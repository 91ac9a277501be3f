/** Notifies a chat of the end of a run. A failed notification changes no result. */
import type { Holder } from '../state/lease.js'
import type { Settings } from '../options/table.js'
import { retry, TimeOver, withTimeout } from '../platform/time.js'
import { nameOf } from '../platform/web.js'
import type { Platform } from '../platform/platform.js'
import { messageOf } from './webhook-message.js'
import { type Report } from './report.js'
import { wentWell } from '../failure/result.js'

/** A time limit for one attempt, in ms. */
const requestTimeoutMs = 10_000

interface RunEnd {
  readonly report: Report
  readonly holder: Holder
}

/**
 * Posts the end of a run to the webhook. Returns a warning when that failed; gives up when `signal` is aborted.
 * The address is a secret, so the warning does not contain it.
 */
export async function notifyWebhook(
  { clock, web }: Platform,
  { webhook: url, 'webhook-on': on }: Pick<Settings, 'webhook' | 'webhook-on'>,
  { report, holder }: RunEnd,
  signal: AbortSignal = new AbortController().signal,
): Promise<readonly string[]> {
  if (url === undefined || (on === 'failure' && wentWell(report.result))) return []
  const body = JSON.stringify(messageOf(report, holder))
  const headers = { 'content-type': 'application/json' }
  const { error } = await retry<Attempt>(
    { clock, signal, tries: 3, pause: 1_000, isTransient: (attempt) => attempt.isTransient },
    async () => {
      try {
        const { status } = await withTimeout(clock, requestTimeoutMs, signal, (late) =>
          web.fetch(url, { method: 'POST', headers, body, signal: late }),
        )
        if (status >= 200 && status < 300) return { isTransient: false }
        return {
          error: `the request was refused (${status})`,
          isTransient: status === 429 || status >= 500,
        }
      } catch (error) {
        // A server that did not answer in time may have received it, and would receive it twice.
        const isTransient = !(error instanceof TimeOver)
        return { error: `there was no answer (${nameOf(error)})`, isTransient }
      }
    },
  ).catch((error: unknown): Attempt => ({
    error: `there was no answer (${nameOf(error)})`,
    isTransient: false,
  }))
  return error === undefined ? [] : [`the webhook was not notified: ${error}`]
}

interface Attempt {
  readonly error?: string
  /** Whether it may be tried again. */
  readonly isTransient: boolean
}
