/** Which version a rollback restores. */
import { findImage, lookUpImage, revisionOf } from '../docker/registry.js'
import { shortTag } from '../kubernetes/image.js'
import { titleOf } from '../state/lease.js'
import { commandLine } from '../options/command-line.js'
import { imageTag, Problem } from '../options/readers.js'
import { fail } from '../failure/failure.js'
import { readArchive } from '../state/history-store.js'
import {
  appliedSince,
  chosenFrom,
  foundBefore,
  liveSince,
  wanted,
  withFound,
  type Chosen,
  type Differ,
  type Entry,
  type History,
} from '../state/history.js'
import { readRecord } from '../state/record.js'
import { templatesDiffer } from '../undo/templates.js'
import type { PreflightResult } from './preflight.js'
import type { ClusterContext, ReleaseContext, StageContext } from './context.js'
import { pinned, type Image } from '../docker/image.js'
import { runningVersion } from './snapshot.js'

export interface Version {
  readonly image: Image
  /** The release that deployed it; none for an image that is in the registry but not in the history. */
  readonly release?: Entry
  /** Its commit, where it is known. */
  readonly sha?: string
  /** Migrations that were applied since, and stay. */
  readonly appliedSince: readonly string[]
}

/** Reads the versions to choose from. */
export async function readVersions(
  context: ClusterContext,
  checked: Pick<PreflightResult, 'live' | 'targets'>,
): Promise<KnownVersions> {
  const { app, settings, cluster, log } = context
  const record = await readRecord(cluster, app, settings.image)
  const { history, templates: kept } = await readArchive(cluster, app, settings.image)
  const chosen = chosenFrom(history, record?.begun)
  if (chosen.open) {
    log.say('a release is in progress or unfinished, and ends before this one begins')
  }
  const differ: Differ = (one, other) =>
    templatesDiffer(kept.get(one.number), kept.get(other.number))
  const running = chosen.open ? undefined : runningVersion(context, checked)
  if (!running) return { ...chosen, runs: chosen.history, differ }
  const now = { run: 'now', who: '', at: '', image: settings.image }
  const runs = withFound(chosen.history, foundBefore(now, running))
  if (runs !== chosen.history) {
    log.say(`${shortTag(running.tag)} is running, set by another client`)
  }
  return { ...chosen, runs, differ }
}

export interface KnownVersions extends Chosen {
  /** With versions that other clients have deployed since. */
  readonly runs: History
  readonly differ: Differ
}

/**
 * Chooses the wanted version. Throws a Failure when it does not exist: `usage`, `no-release`, `image-missing` or
 * `registry`.
 */
export async function chooseVersion(
  context: StageContext,
  { history, runs, open, differ }: KnownVersions,
): Promise<Version> {
  const { settings, log } = context
  const found = wanted(settings.to === 'previous' ? runs : history, settings.to, open, differ)
  if (found.is !== 'found') {
    const other = found.is === 'unknown' ? await inRegistry(context) : undefined
    if (other) return { ...other, appliedSince: [] }
    const isOurChoice = settings.to === 'previous'
    return fail({
      code: isOurChoice ? 'no-release' : 'usage',
      sentence: `there is no version to roll back to: ${found.why}`,
      hint: `to list the versions: ${commandLine('history', settings)}`,
    })
  }
  const { entry } = found
  const { tag, digest, number, at } = entry
  const image = { repository: settings.image, tag, digest }
  await checkInRegistry(context, image, number)
  log.say(
    `${settings['dry-run'] ? 'would roll' : 'rolling'} back to release ${number}: ${shortTag(tag)}, ${at.slice(0, 10)} by ${titleOf(entry)}`,
  )
  return {
    image,
    release: entry,
    appliedSince: appliedSince(history, entry),
    ...(entry.sha !== undefined && { sha: entry.sha }),
  }
}

/**
 * Throws a Failure `stale-commit` when another release went live while this rollback waited: `previous` was chosen
 * from what was live before. A named version is wanted whatever runs.
 */
export function checkStillPrevious(
  { settings }: Pick<ReleaseContext, 'settings'>,
  chosen: Chosen,
  now: History,
): void {
  const since = settings.to === 'previous' ? liveSince(chosen, now) : undefined
  if (!since) return
  fail({
    code: 'stale-commit',
    sentence: `release ${since.number} (${shortTag(since.tag)}) by ${titleOf(since)} went live while this rollback waited, so the previous version is now a different one`,
    hint: `nothing was changed. See what is live: ${commandLine('history', settings)}, then roll back again`,
  })
}

/** Returns a commit or tag that never went live here, but that the registry has. */
async function inRegistry({
  platform,
  settings,
  signal,
}: ReleaseContext): Promise<Pick<Version, 'image' | 'sha'> | undefined> {
  const { to } = settings
  if (imageTag(to) instanceof Problem) return undefined
  const image = await findImage(platform, settings.image, to, signal)
  if (!image) return undefined
  const sha = await revisionOf(platform, image, signal)
  // A label may say anything.
  return { image, ...(sha !== undefined && /^[0-9a-f]{7,64}$/.test(sha) && { sha }) }
}

/** Throws only when the registry denies the image: one that is away may matter to no node. */
async function checkInRegistry(
  { platform, signal, log }: StageContext,
  image: Image,
  number: number,
): Promise<void> {
  const found = await lookUpImage(platform, image, signal)
  if (found.is === 'absent') {
    fail({
      code: 'image-missing',
      sentence: `the registry no longer has the image of release ${number}: ${pinned(image)}`,
      hint: 'build it again from its commit: git checkout, then django-rollout release',
    })
  }
  if (found.is !== 'there') log.say(`the registry could not be checked (${found.said}); continuing`)
}
