/** What a release does that finds its version running: the history gets it, and the user learns what waits still. */
import { shortTag } from '../kubernetes/image.js'
import { Failure } from '../failure/failure.js'
import { readHistory, saveRelease } from '../state/history-store.js'
import { liveNow, openHeld } from '../state/history.js'
import { stillHeldWarning } from '../report/contract-sentences.js'
import { templatesIn } from '../undo/templates.js'
import { checkHistory } from '../stages/name-conflicts.js'
import { runsAlready } from '../stages/pinned-tags.js'
import type { PreflightResult } from '../stages/preflight.js'
import type { OpenContext } from '../stages/context.js'
import { checkedNow } from '../stages/snapshot.js'
import { isLeftOpen, sentenceOf } from './causes.js'
import type { Run } from './run.js'
import { lockAndRecover } from './lock.js'
import { releaseStartOf, type ReleaseInput } from './open-release.js'

/** Another version went live in the meantime: the version to record does not run. */
class NoLongerRunning extends Failure {}

/**
 * Makes a later rollback to this version possible, and names what is held back still. A failure needs no undo, so it is
 * a warning. Throws a Failure `stale-commit` when another version went live while this run waited for the lock, and one that leaves another
 * run's release unfinished.
 */
export async function recordRunningVersion(
  run: Run,
  context: OpenContext,
  checked: PreflightResult,
  running: Pick<ReleaseInput, 'command' | 'image'>,
): Promise<void> {
  const { platform, app, settings, signal } = context
  const { image } = running
  try {
    const history = await readHistory(context.cluster, app, settings.image)
    // What another version has held back since waits for that one.
    const last = liveNow(history)
    const held = openHeld(history).filter((name) => last?.held?.includes(name))
    const waits = stillHeldWarning(held, settings.contract)
    if (waits !== undefined) run.warn(waits)
    if (last?.digest === image.digest) return
    await run.reporter.stage('history', async (log) => {
      const { cluster } = await lockAndRecover(run, context.with({ log }), checked)
      // Another run may have had the lock since.
      const now = await checkedNow(context.with({ log, cluster }), checked)
      await checkHistory(context, now)
      if (!(await runsAlready(context, now.live, now.targets, image))) {
        throw new NoLongerRunning({
          code: 'stale-commit',
          sentence: `another version went live while this run waited for the lock, so ${shortTag(image.tag)} is no longer running`,
          hint: 'release it again if it should run',
        })
      }
      const ended = {
        ...releaseStartOf(run, context, running),
        result: 'found' as const,
        seconds: 0,
        migrations: [],
      }
      const templates = templatesIn(now.targets.flatMap(({ live }) => live ?? []))
      const reported = checked.reported?.get(image.digest)
      await saveRelease({ cluster, clock: platform.clock, app }, ended, { templates, ...reported })
      log.say(
        `${shortTag(image.tag)} is now in the history as the version that was already running`,
      )
    })
  } catch (error) {
    if (error instanceof NoLongerRunning || isLeftOpen(error)) throw error
    signal.throwIfAborted()
    run.warn(
      `${shortTag(image.tag)} is missing in the history, so a rollback cannot restore it: ${sentenceOf(error)}`,
    )
  }
}
