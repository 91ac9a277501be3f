/** The end of a run as a message to a chat. Pure. */
import type { Holder } from '../state/lease.js'
import { type Report } from './report.js'
import { wentWell } from '../failure/result.js'
import { oneLine, seconds, verdict } from './sentences.js'

/** Discord takes 2,000 characters, and this is the one part that may be of any length. */
const longestCause = 1_000

/**
 * The JSON that Slack's incoming webhooks take, and those of Mattermost, Rocket.Chat and Discord (with
 * `/slack` behind its address): `text` is what all of them show.
 */
export function messageOf(
  report: Report,
  { who, url }: Pick<Holder, 'who' | 'url'>,
): { readonly text: string } {
  const { app, namespace, tag, result, cause } = report
  const lines = [
    `${wentWell(result) ? '✓' : '✗'} *${escaped(verdict(report))}*`,
    ...(cause ? [escaped(cause.sentence.slice(0, longestCause))] : []),
    escaped(
      [
        `${app} in namespace ${namespace}`,
        ...(tag === '' ? [] : [`version ${tag}`]),
        `by ${who}`,
        seconds(report.seconds),
      ].join(', '),
    ),
    ...(url === undefined ? [] : [asText(oneLine(url))]),
  ]
  return { text: lines.join('\n') }
}

/** Foreign text mentions no user, and is no link, not even in Markdown: https://docs.slack.dev/messaging/formatting-message-text */
function escaped(text: string): string {
  return asText(oneLine(text)).replaceAll('@', '@\u200b').replaceAll('](', ']\u200b(')
}

function asText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
