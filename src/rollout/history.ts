/**
 * The releases of an application: what ran when, who wanted it, and how it ended. Pure; `archive.ts`
 * keeps it in the cluster.
 */
import type { Result } from '../report/report.js'

/** A release that took the lock, as it is known when it begins. */
export interface Begun {
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
  /** A rollback: the number of the release whose version it brings back. */
  readonly back?: number
}

export interface Ended extends Begun {
  readonly result: Result
  /** One sentence: why it did not go live. */
  readonly cause?: string
  readonly seconds: number
  /** Migrations that it applied, whether it went live or not. */
  readonly migrations: readonly string[]
}

export interface Entry extends Ended {
  /** 1 for the first release of the application; never given twice. */
  readonly number: number
}

/** Oldest first. */
export type History = readonly Entry[]

const mostEntries = 20
/** Versions that went live are what a rollback needs: so many outlive any number of failed releases. */
const liveKept = 5
const longestCause = 500

/** The history with one more release, and without what is too old. */
export function added(history: History, ended: Ended): History {
  const before = history.find(({ run }) => run === ended.run)
  const last = history.at(-1)?.number ?? 0
  // Who settles a release knows less of it than its own run did.
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

function shortened(history: History): History {
  if (history.length <= mostEntries) return history
  const kept = new Set(history.filter(wentLive).slice(-liveKept))
  const oldest = history.find((entry) => !kept.has(entry))
  return shortened(history.filter((entry) => entry !== oldest))
}

export function wentLive({ result }: Entry): boolean {
  return result === 'deployed'
}

/** The release that went live last. */
export function liveNow(history: History): Entry | undefined {
  return history.findLast(wentLive)
}

export type Found =
  | { readonly is: 'found'; readonly entry: Entry }
  /** It cannot be wanted; `why`: one sentence for people. */
  | { readonly is: 'none'; readonly why: string }
  /** A commit or tag that the history does not have. */
  | { readonly is: 'unknown'; readonly why: string }

/**
 * The release that a rollback wants: `previous`, a number from the history, or the beginning of a commit's
 * SHA or of a tag. Only what went live can be wanted.
 */
export function wanted(history: History, to: string): Found {
  if (to === 'previous') return previous(history)
  if (/^\d{1,6}$/.test(to)) return numbered(history, Number(to))
  const versions = history.filter(({ sha = '', tag }) =>
    [sha, tag].some((name) => name.startsWith(to)),
  )
  const live = versions.filter(wentLive)
  const entry = live.at(-1)
  if (entry === undefined) {
    const last = versions.at(-1)
    if (last) {
      return {
        is: 'none',
        why: `release ${last.number} of "${to}" did not go live (${last.result})`,
      }
    }
    const why = `no release in the history has a commit or tag that begins with "${to}"`
    return { is: 'unknown', why }
  }
  const others = live.filter(({ digest }) => digest !== entry.digest)
  if (others.length > 0 && others.some(({ tag }) => tag !== entry.tag)) {
    const tags = [...new Set(live.map(({ tag }) => tag))]
    return { is: 'none', why: `"${to}" may be ${tags.join(' or ')}` }
  }
  return { is: 'found', entry }
}

/**
 * What ran before the version that runs now. A rollback moves back in the history and is no step of its
 * own: after it, `previous` goes on further back, and not to the version that was just left.
 */
function previous(history: History): Found {
  const now = liveNow(history)
  if (!now) return { is: 'none', why: 'no release is in the history yet' }
  const position = now.back ?? now.number
  const entry = history.findLast(
    (one) =>
      wentLive(one) && one.back === undefined && one.number < position && one.digest !== now.digest,
  )
  return entry
    ? { is: 'found', entry }
    : { is: 'none', why: `no release before ${now.tag} is in the history` }
}

function numbered(history: History, number: number): Found {
  const entry = history.find((one) => one.number === number)
  if (!entry) return { is: 'none', why: `release ${number} is not in the history` }
  return wentLive(entry)
    ? { is: 'found', entry }
    : { is: 'none', why: `release ${number} did not go live (${entry.result})` }
}
