/** What another release has left, or holds. Pure. */
import { shortTag } from '../kubernetes/image.js'
import { titleOf, type LeaseHolder } from '../state/lease.js'
import { commandLine } from '../options/command-line.js'
import type { Settings } from '../options/table.js'
import { ok, warning, type Finding } from '../report/finding.js'
import { liveNow, type ReleaseStart, type History } from '../state/history.js'

export function releaseFindings(
  settings: Settings,
  keeper: LeaseHolder | undefined,
  open: ReleaseStart | undefined,
  history: History,
): readonly Finding[] {
  const live = liveNow(history)
  return [
    live
      ? ok('release', `release ${live.number} of ${shortTag(live.tag)} by ${titleOf(live)} is live`)
      : ok('release', 'no release of this application is live yet'),
    ...(keeper ? [held(keeper)] : []),
    ...(open ? [left(settings, open)] : []),
    ...unusedOf(history),
  ]
}

/** Returns what the last release has found, as the database was then. */
function unusedOf(history: History): readonly Finding[] {
  const { number = 0, unused = [] } = history.findLast((one) => one.unused !== undefined) ?? {}
  if (unused.length === 0) return []
  const names = unused.join(', ')
  return [ok('release', `no version of the history uses ${names} (as of release ${number})`)]
}

function held({ by, renewed }: LeaseHolder): Finding {
  const since = renewed === undefined ? '' : `, last renewed at ${renewed} by its clock`
  return warning(
    'release',
    `the lock is held by ${by}${since}: a release waits until it is free, at most 30 s after that run ends`,
  )
}

function left(settings: Settings, begun: ReleaseStart): Finding {
  return warning(
    'release',
    `the release of ${shortTag(begun.tag)} by ${titleOf(begun)}, started at ${begun.at}, has not ended; if its run is gone, the next release restores it first`,
    commandLine('recover', settings),
  )
}
