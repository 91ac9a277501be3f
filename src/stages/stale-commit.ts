/** A newer push may overtake a slow build: the older commit must not go live after it. */
import { lineageOf } from '../docker/lineage.js'
import { shortTag } from '../kubernetes/image.js'
import { titleOf } from '../state/lease.js'
import { commandLine } from '../options/command-line.js'
import { fail } from '../failure/failure.js'
import { liveNow, type History } from '../state/history.js'
import type { StageContext } from './context.js'

/** Throws a Failure `stale-commit` when a descendant of this commit is live. Only a rollback goes back. */
export async function checkNotStale(
  { platform, settings, source, signal, log }: StageContext,
  history: History,
): Promise<void> {
  const live = liveNow(history)
  if (live?.sha === undefined || source.sha === undefined) return
  const { sha } = source
  switch (await lineageOf({ platform, folder: settings.context, signal }, sha, live.sha)) {
    case 'not-older':
      return
    case 'unknown':
      log.say(
        `this checkout does not show whether ${shortTag(live.tag)}, which is live, is newer than ${shortTag(sha)}`,
      )
      return
    case 'older':
      fail({
        code: 'stale-commit',
        sentence: `${shortTag(sha)} is older than ${shortTag(live.tag)}, live since release ${live.number} by ${titleOf(live)}`,
        hint: `nothing was changed. To roll back to it anyway: ${commandLine('rollback', settings, { to: source.tag })}`,
      })
  }
}
