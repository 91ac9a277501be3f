/**
 * The releases of an application: what ran when, who wanted it, and how it ended. Pure; `archive.ts`
 * keeps it in the cluster.
 */
import { shortTag } from '../kubernetes/image.js'
import type { Result } from '../failure/result.js'
import type { RunningVersion } from '../judge/running-digests.js'

/** A release that took the lock, as it is known when it begins. */
export interface ReleaseStart {
  /** The run (`Holder.id`): an entry of the same run replaces the one before. */
  readonly run: string
  readonly command: 'release' | 'deploy' | 'rollback'
  /** Who started it: `ada`. */
  readonly who: string
  /** Where its run can be looked at. */
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
  /** A rollback: the number of the release whose version it brings back. */
  readonly back?: number
}

/** `found`: what ran though no release of the history had brought it, when the next one came. */
export type Outcome = Result | 'found'

export interface ReleaseEnd extends ReleaseStart {
  readonly result: Outcome
  /** One sentence: why it did not go live. */
  readonly cause?: string
  readonly seconds: number
  /** Migrations that it applied, whether it went live or not. */
  readonly migrations: readonly string[]
}

export interface Entry extends ReleaseEnd {
  /** 1 for the first release of the application; never given twice. */
  readonly number: number
}

/** Oldest first. */
export type History = readonly Entry[]

const mostEntries = 20
/** What a rollback goes back by: so many versions outlive any number of failed releases and of rollbacks. */
const liveKept = 5
const longestCause = 500

/** The history with one more release, and without what is too old. */
export function added(history: History, ended: ReleaseEnd): History {
  const before = history.find(({ run }) => run === ended.run)
  const last = history.at(-1)?.number ?? 0
  // Who recovers a release knows less of it than its own run did.
  const cause = before?.cause ?? ended.cause
  const migrations = ended.migrations.length > 0 ? ended.migrations : (before?.migrations ?? [])
  const entry: Entry = {
    ...ended,
    migrations,
    ...(cause !== undefined && { cause: cause.slice(0, longestCause) }),
    number: before?.number ?? last + 1,
  }
  const all = before ? history.map((one) => (one === before ? entry : one)) : [...history, entry]
  return shortened(all)
}

/**
 * The history with what was found running, where that is not what it takes for live: the version before the
 * first release, or one that somebody has put there since. One that it knows has gone back to its place.
 */
export function withFound(history: History, found: ReleaseEnd): History {
  const live = liveNow(history)
  if (live?.digest === found.digest) return history
  const known = history.findLast((one) => wentLive(one) && one.digest === found.digest)
  return added(history, known ? { ...found, command: 'rollback', back: placeOf(known) } : found)
}

/** The entry of what ran before a release that went live. */
export function foundBefore(
  { run, who, at, image }: Pick<ReleaseStart, 'run' | 'who' | 'at' | 'image'>,
  { tag, digest }: RunningVersion,
): ReleaseEnd {
  return {
    ...{ run: `${run}:before`, command: 'deploy', who, at, image, tag, digest },
    ...{ result: 'found', seconds: 0, migrations: [] },
  }
}

function shortened(history: History): History {
  if (history.length <= mostEntries) return history
  const kept = new Set(lineOf(history).slice(-liveKept))
  const oldest = history.find((entry) => !kept.has(entry))
  return shortened(history.filter((entry) => entry !== oldest))
}

export function wentLive({ result }: Entry): boolean {
  return result === 'deployed' || result === 'found'
}

/** Whether this release went live: a record that still stands of it was only not removed. */
export function hasGoneLive(history: History, { run }: Pick<ReleaseStart, 'run'>): boolean {
  return history.some((entry) => entry.run === run && wentLive(entry))
}

/** The release that went live last. */
export function liveNow(history: History): Entry | undefined {
  return history.findLast(wentLive)
}

/** What a rollback has looked at when it chose its version. */
export interface Chosen {
  readonly history: History
  /** A release that had not ended well then, and is put back before the rollback begins. */
  readonly open?: ReleaseStart
}

/**
 * `record`: the release whose record stands, read before the history: what has gone live in between is not
 * open any more.
 */
export function chosenFrom(history: History, record: ReleaseStart | undefined): Chosen {
  return record && !hasGoneLive(history, record) ? { history, open: record } : { history }
}

/**
 * The release that has gone live since `previous` was chosen, if one has. The one that was open then is none:
 * what was chosen is the version before it.
 */
export function liveSince({ history, open }: Chosen, now: History): Entry | undefined {
  const live = liveNow(now)
  return live?.run === liveNow(history)?.run || live?.run === open?.run ? undefined : live
}

/** Whether the pod templates of two releases differ, besides their images. */
export type Differ = (one: Entry, other: Entry) => boolean

export type Wanted =
  | { readonly is: 'found'; readonly entry: Entry }
  /** It cannot be wanted; `why`: one sentence for people. */
  | { readonly is: 'none'; readonly why: string }
  /** A commit or tag that the history does not have. */
  | { readonly is: 'unknown'; readonly why: string }

/**
 * The release that a rollback wants: `previous`, a number from the history (`12` or `#12`), a tag, or a
 * commit by seven letters of its SHA or more. Only what went live can be wanted. `open`: a release that has
 * not ended well is there still, so what was live last is what is `previous` to it; to a rollback that has
 * not, it is what that one was leaving. `differ`: whether two releases of the same image have run it in other
 * ways.
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
    const why = `"${to}" is a tag, and the number of the release of ${byNumber.tag}: write #${to} for that one`
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
    : { is: 'none', why: 'no release in the history has ever gone live' }
}

/**
 * The versions that led to the one that runs, which is the last: each ran before the next came. A rollback
 * takes the place of the version that it brings back. What it leaves is in the line no more, nor is the same
 * version further back: only a new release, or a person who names it, brings it live again.
 */
function lineOf(history: History, differ: Differ = () => false): History {
  return history.filter(wentLive).reduce<History>((line, entry) => {
    if (entry.command !== 'rollback') return [...line, entry]
    const { back } = entry
    // An image that the history does not have comes in the place of what ran.
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

/** Of a rollback that of the version which it has brought back. */
function placeOf({ back, number }: Entry): number {
  return back ?? number
}

function isOther(one: Entry, other: Entry, differ: Differ): boolean {
  return one.digest !== other.digest || differ(one, other)
}

/** What ran before the version that runs now came. After a rollback it is further back. */
function previous(history: History, differ: Differ): Wanted {
  const line = lineOf(history, differ)
  const now = line.at(-1)
  if (!now) return { is: 'none', why: 'no release is in the history yet' }
  const entry = line.findLast((one) => isOther(one, now, differ))
  if (entry) return { is: 'found', entry }
  const left = history.findLast((one) => wentLive(one) && isOther(one, now, differ))
  const why = `no release before ${shortTag(now.tag)} is in the history`
  return {
    is: 'none',
    why: left
      ? `${why} that nobody has rolled back from; that one comes back by its name: --to ${left.number}`
      : why,
  }
}
