/**
 * The releases of an application: what ran when, who started it, and how it ended. Pure; `history-store.ts` keeps
 * it in the cluster.
 */
import { shortTag } from '../kubernetes/image.js'
import type { Result } from '../failure/result.js'
import type { RunningVersion } from '../judge/running-digests.js'
import type { Bridge } from '../django/contract.js'
import { joined } from '../judge/desired.js'
import type { KnownStarts } from '../judge/types.js'
import type { Fit } from './fit.js'

/** A release that took the lock, as it is known when it begins. */
export interface ReleaseStart {
  /** The run (`Holder.id`): an entry of the same run replaces the one before. */
  readonly run: string
  readonly command: 'release' | 'deploy' | 'rollback'
  /** Who started it: `ada`. */
  readonly who: string
  /** The page of its run. */
  readonly url?: string
  /** When it began: `2026-01-31T12:00:00.000Z`. */
  readonly at: string
  /** Repository of the image. */
  readonly image: string
  readonly tag: string
  readonly digest: string
  /** The commit, where it is known. */
  readonly sha?: string
  /** Fingerprints of the Jobs of its manifests, which ran before it went live. */
  readonly jobs?: readonly string[]
  /** A rollback: the number of the release whose version it restores. */
  readonly back?: number
}

/** `found`: what ran before a release, though no release of the history had deployed it. */
export type HistoryResult = Result | 'found'

export interface ReleaseEnd extends ReleaseStart {
  readonly result: HistoryResult
  /** One sentence: why it did not go live. */
  readonly cause?: string
  readonly seconds: number
  /** Migrations that it applied, whether it went live or not, and the command `migrate` since. */
  readonly migrations: readonly string[]
  /** Migrations that were reversed for its version, or by its undo, the last one first. */
  readonly reversed?: readonly string[]
  /** The hash of what it needs of the databases (needs.ts), where its plan has reported that. */
  readonly needs?: string
  /** The hash of its tasks, in the same place. */
  readonly tasks?: string
  /** What no version of the history needed when it was released: `shop_order.note`. */
  readonly unused?: readonly string[]
  /** The command that migrates, where it has no values that may be secret: it shows how the image calls Django. */
  readonly migrate?: string
  /** The Job of the backup that was made before its migrations, or before some were reversed. */
  readonly backup?: string
  /** Migrations that are held back when it ends: `shop.0102_note`. Missing where it reported no plan. */
  readonly held?: readonly string[]
  /** What is left in the databases when it ends, by which two versions work with them; missing where it reported no plan. */
  readonly bridges?: readonly Bridge[]
  /** How long its pods took to become Ready, by `idOf` of their workload. */
  readonly starts?: Starts
  /** Whether it fits the schema of today, where that is known: only of a version that went live. */
  readonly fit?: Fit
}

export type Starts = Readonly<Record<string, KnownStarts>>

export interface Entry extends ReleaseEnd {
  /** 1 for the first release of the application; never given twice. */
  readonly number: number
}

/** Oldest first. */
export type History = readonly Entry[]

const mostEntries = 20
/** How many live versions are kept for rollbacks, after any number of failed releases and of rollbacks. */
const liveKept = 5
const longestCause = 500

/** Returns the history with one more release, and without what is too old. */
export function added(history: History, ended: ReleaseEnd): History {
  const before = history.find(({ run }) => run === ended.run)
  const last = history.at(-1)?.number ?? 0
  // A run that recovers a release knows less of it than the release's own run.
  const cause = before?.cause ?? ended.cause
  const migrations = before?.migrations.length ? before.migrations : ended.migrations
  const reversed = ended.reversed ?? before?.reversed
  const known = { ...restored(history, ended), ...before, ...ended }
  const { needs, tasks, migrate } = known
  const held = before?.held ?? known.held
  const bridges = before?.bridges ?? known.bridges
  const isNew = needs !== undefined && ended.back === undefined
  // A version fits the schema that it was released on.
  const fit = known.fit ?? (isNew ? { misfits: [] } : undefined)
  const entry: Entry = {
    ...ended,
    migrations,
    ...(reversed && { reversed }),
    ...(cause !== undefined && { cause: cause.slice(0, longestCause) }),
    ...(needs !== undefined && { needs }),
    ...(tasks !== undefined && { tasks }),
    ...(migrate !== undefined && { migrate }),
    ...(held && { held }),
    ...(bridges && { bridges }),
    ...(fit && isLive(ended) && { fit }),
    number: before?.number ?? last + 1,
  }
  const all = before ? history.map((one) => (one === before ? entry : one)) : [...history, entry]
  return shortened(withoutOldStarts(all))
}

/** Of so many releases that went live the starts are kept: one slow day counts, and a hundred workloads fit. */
const startsKept = 10

function withoutOldStarts(history: History): History {
  const kept = history.filter(({ starts }) => starts).slice(-startsKept)
  return history.map((entry) => {
    if (!entry.starts || kept.includes(entry)) return entry
    const { starts: _, ...rest } = entry
    return rest
  })
}

/** Returns the starts of all releases. */
export function startsIn(history: History): Starts {
  const byId = Map.groupBy(
    history.flatMap(({ starts = {} }) => Object.entries(starts)),
    ([id]) => id,
  )
  return Object.fromEntries(
    [...byId].flatMap(([id, all]) => {
      const known = joined(...all.map(([, starts]) => starts))
      return known ? [[id, known]] : []
    }),
  )
}

/** Returns what is known of the version that a rollback restores. */
function restored(
  history: History,
  { back, digest }: ReleaseEnd,
): Pick<ReleaseEnd, 'needs' | 'tasks' | 'migrate' | 'fit'> {
  if (back === undefined) return {}
  const same = history.findLast((one) => placeOf(one) === back && one.digest === digest)
  if (!same) return {}
  const { needs, tasks, migrate, fit } = same
  return {
    ...(needs !== undefined && { needs }),
    ...(tasks !== undefined && { tasks }),
    ...(migrate !== undefined && { migrate }),
    ...(fit && { fit }),
  }
}

/**
 * Returns the history with what was found running, if that differs from its live version: the version before the
 * first release, or one that was deployed by hand since. A known version counts as a rollback to it.
 */
export function withFound(history: History, found: ReleaseEnd): History {
  const live = liveNow(history)
  if (live?.digest === found.digest) return history
  const known = history.findLast((one) => wentLive(one) && one.digest === found.digest)
  return added(history, known ? { ...found, command: 'rollback', back: placeOf(known) } : found)
}

/** Returns the entry of what ran before a release that went live. */
export function foundBefore(
  { run, who, at, image }: Pick<ReleaseStart, 'run' | 'who' | 'at' | 'image'>,
  { tag, digest }: RunningVersion,
): ReleaseEnd {
  return {
    run: `${run}:before`,
    command: 'deploy',
    who,
    at,
    image,
    tag,
    digest,
    result: 'found',
    seconds: 0,
    migrations: [],
  }
}

function shortened(history: History): History {
  if (history.length <= mostEntries) return history
  const kept = new Set(lineOf(history).slice(-liveKept))
  const oldest = history.find((entry) => !kept.has(entry))
  return shortened(history.filter((entry) => entry !== oldest))
}

/** Returns what the last plan has left in the databases. */
export function openBridges(history: History): readonly Bridge[] {
  return history.findLast(({ bridges }) => bridges !== undefined)?.bridges ?? []
}

/** Returns the migrations that are held back since the last plan, those of other branches included. */
export function openHeld(history: History): readonly string[] {
  return history.findLast(({ held }) => held !== undefined)?.held ?? []
}

/** Returns when the last release ended, in seconds since 1970; nothing where it did not go live, or is not known. */
export function lastEnded(history: History): number | undefined {
  const last = history.at(-1)
  return last?.result === 'deployed' ? Date.parse(last.at) / 1000 + last.seconds : undefined
}

/** Returns when the last version that went live was the only one, where a release of this history made it so. */
export function aloneSince(history: History, digest: string): string | undefined {
  const live = history.filter(isLive)
  const others = live.findLastIndex((entry) => entry.digest !== digest)
  const first = live[others + 1]
  if (first?.result !== 'deployed') return undefined
  return new Date(Date.parse(first.at) + first.seconds * 1000).toISOString()
}

export function wentLive(entry: Entry): boolean {
  return isLive(entry)
}

function isLive({ result }: Pick<ReleaseEnd, 'result'>): boolean {
  return result === 'deployed' || result === 'found'
}

/** Returns the migrations that were applied since a release that went live, or since the one that it restored. */
export function appliedSince(history: History, release: Entry): readonly string[] {
  // Its code is that of the release that first deployed it.
  const first = placeOf(release)
  return history
    .filter(({ number }) => number > first)
    .reduce<readonly string[]>((applied, { migrations, reversed = [] }) => {
      const all = [...applied.filter((one) => !migrations.includes(one)), ...migrations]
      return all.filter((one) => !reversed.includes(one))
    }, [])
}

/** Returns whether this release went live: an open record of it was only not removed. */
export function hasGoneLive(history: History, { run }: Pick<ReleaseStart, 'run'>): boolean {
  return history.some((entry) => entry.run === run && wentLive(entry))
}

/** Returns the release that went live last. */
export function liveNow(history: History): Entry | undefined {
  return history.findLast(wentLive)
}

/** What a rollback had read when it chose its version. */
export interface Chosen {
  readonly history: History
  /** A release that was unfinished then, and is recovered before the rollback begins. */
  readonly open?: ReleaseStart
}

/**
 * Returns what a rollback chooses from. `record`: the release of the open record, read before the history: what has
 * gone live in between is not open any more.
 */
export function chosenFrom(history: History, record: ReleaseStart | undefined): Chosen {
  return record && !hasGoneLive(history, record) ? { history, open: record } : { history }
}

/**
 * Returns the release that has gone live since `previous` was chosen, if any. The one that was open then does not
 * count: the version before it was chosen.
 */
export function liveSince({ history, open }: Chosen, now: History): Entry | undefined {
  const live = liveNow(now)
  return live?.run === liveNow(history)?.run || live?.run === open?.run ? undefined : live
}

/** Returns whether the pod templates of two releases differ, besides their images. */
export type Differ = (one: Entry, other: Entry) => boolean

export type Wanted =
  | { readonly is: 'found'; readonly entry: Entry }
  /** It cannot be restored; `why`: one sentence for people. */
  | { readonly is: 'none'; readonly why: string }
  /** A commit or tag that the history does not have. */
  | { readonly is: 'unknown'; readonly why: string }

/**
 * Returns the release that a rollback restores: `previous`, a number from the history (`12` or `#12`), a tag, or a
 * commit by seven or more characters of its SHA. Only a release that went live is returned. `open`: an unfinished
 * release; `previous` is then what was live last. For an unfinished rollback, `previous` is as seen from the version
 * that it was replacing. `differ`: whether two releases of the same image ran it in different ways.
 */
export function wanted(
  history: History,
  to: string,
  open: Pick<ReleaseStart, 'command'> | undefined,
  differ: Differ = () => false,
): Wanted {
  if (to === 'previous') {
    return open && open.command !== 'rollback' ? lastLive(history) : previous(history, differ)
  }
  const named = history.filter(({ sha, tag }) => isNamed(to, sha, tag))
  // Several builds of a commit have its SHA, and the first one of them has it as its tag.
  const byTag = named.filter(({ tag }) => tag === to)
  const versions = byTag.some(wentLive) ? byTag : named
  const [, number] = /^#?(\d{1,6})$/.exec(to) ?? []
  const byNumber = history.find((one) => one.number === Number(number))
  if (byNumber && (to.startsWith('#') || versions.length === 0)) return alive(byNumber)
  if (byNumber && versions.some((one) => one.digest !== byNumber.digest)) {
    const why = `"${to}" is both a tag and the number of the release of ${byNumber.tag}: write #${to} for the release`
    return { is: 'none', why }
  }
  const live = versions.filter(wentLive)
  const entry = live.at(-1)
  if (entry === undefined) {
    const last = versions.at(-1)
    if (last) return alive(last)
    return number === undefined
      ? { is: 'unknown', why: `no release in the history has the commit or tag "${to}"` }
      : { is: 'unknown', why: `release ${number} is not in the history` }
  }
  const tags = [...new Set(live.map(({ tag }) => tag))]
  return tags.length > 1
    ? { is: 'none', why: `"${to}" may be ${tags.join(' or ')}` }
    : { is: 'found', entry }
}

function isNamed(to: string, sha: string | undefined, tag: string): boolean {
  if (tag === to || sha === to || shortTag(tag) === to) return true
  if (!/^[0-9a-f]{7,40}$/.test(to)) return false
  return [sha ?? '', tag].some((name) => /^[0-9a-f]{40}/.test(name) && name.startsWith(to))
}

function alive(entry: Entry): Wanted {
  if (wentLive(entry)) return { is: 'found', entry }
  const { number, tag, result } = entry
  return { is: 'none', why: `release ${number} (${shortTag(tag)}) did not go live: ${result}` }
}

function lastLive(history: History): Wanted {
  const entry = liveNow(history)
  return entry
    ? { is: 'found', entry }
    : { is: 'none', why: 'no release in the history ever went live' }
}

/**
 * Returns the versions that led to the current one, which is the last: each ran before the next. A rollback takes
 * the place of the version that it restores. The version that it replaced is removed from the line, also further
 * back: only a new release, or a rollback that names it, makes it live again.
 */
function lineOf(history: History, differ: Differ = () => false): History {
  return history.filter(wentLive).reduce<History>((line, entry) => {
    if (entry.command !== 'rollback') return [...line, entry]
    const { back } = entry
    // An image that the history lacks takes the place of what ran.
    const left = line.filter((one) =>
      back === undefined ? one === line.at(-1) : placeOf(one) > back,
    )
    const before = line.filter(
      (one) =>
        !left.includes(one) &&
        placeOf(one) !== back &&
        left.every((other) => isOther(one, other, differ)),
    )
    return [...before, entry]
  }, [])
}

/** Returns the place of an entry; for a rollback that of the version which it restored. */
function placeOf({ back, number }: Entry): number {
  return back ?? number
}

function isOther(one: Entry, other: Entry, differ: Differ): boolean {
  return one.digest !== other.digest || differ(one, other)
}

/** Returns what ran before the current version. After a rollback it is further back. */
function previous(history: History, differ: Differ): Wanted {
  const line = lineOf(history, differ)
  const now = line.at(-1)
  if (!now) return lastLive(history)
  const entry = line.findLast((one) => isOther(one, now, differ))
  if (entry) return { is: 'found', entry }
  const left = history.findLast((one) => wentLive(one) && isOther(one, now, differ))
  const why = `no release before ${shortTag(now.tag)} is in the history`
  return {
    is: 'none',
    why: left
      ? `${why} that was not rolled back from. To restore that one, name it: --to ${left.number}`
      : why,
  }
}
