import { withTimeout } from '../platform/time.js'
import type { Platform } from '../platform/platform.js'
import { gitIn, inFolder, type Git } from './source.js'

/** How one commit relates to another: `unknown` when the checkout lacks the history that shows it. */
export type Lineage = 'older' | 'not-older' | 'unknown'

const fetchTimeoutMs = 30_000

/** A folder of a repository that git may read, and may fetch into until the signal is aborted. */
export interface Checkout {
  readonly platform: Platform
  readonly folder: string
  readonly signal: AbortSignal
}

/**
 * Returns whether `commit` is an ancestor of `other`. A CI's checkout is often shallow, and older than a commit
 * that was pushed since: the missing part is fetched there. The checkout of a person is not changed.
 */
export async function lineageOf(
  checkout: Checkout,
  commit: string,
  other: string,
): Promise<Lineage> {
  const { platform, folder } = checkout
  if (commit === other) return 'not-older'
  const git = gitIn(platform, folder)
  if (!(await has(git, commit))) return 'unknown'
  const known = await compared(git, commit, other)
  if (known !== 'unknown' || platform.env['CI'] !== 'true') return known
  await fetchHistory(checkout, commit, other)
  return compared(git, commit, other)
}

async function has(git: Git, commit: string): Promise<boolean> {
  return (await git(['cat-file', '-e', `${commit}^{commit}`])).code === 0
}

/** Compares by the history in the checkout. A missing path proves something only where no history is cut off. */
async function compared(git: Git, commit: string, other: string): Promise<Lineage> {
  if (!(await has(git, other))) return 'unknown'
  const leads = async (from: string, to: string) =>
    (await git(['merge-base', '--is-ancestor', from, to])).code === 0
  if (await leads(commit, other)) return 'older'
  if (await leads(other, commit)) return 'not-older'
  return (await isWhole(git, other)) ? 'not-older' : 'unknown'
}

/** Returns whether no history is cut off: the first commit of a shallow checkout has parents in git's own object. */
async function isWhole(git: Git, commit: string): Promise<boolean> {
  const first = await git(['rev-list', '--max-parents=0', commit])
  const kept = await git(['cat-file', '--batch'], first.stdout)
  return first.code === 0 && kept.code === 0 && !/^parent [0-9a-f]+$/m.test(kept.stdout)
}

/** Fetches the history of both from `origin`. The caller sees a failure by what is still missing. */
async function fetchHistory(
  { platform, folder, signal }: Checkout,
  commit: string,
  other: string,
): Promise<void> {
  const shallow = await gitIn(platform, folder)(['rev-parse', '--is-shallow-repository'])
  const args = [
    'fetch',
    '--quiet',
    '--no-tags',
    '--no-write-fetch-head',
    '--no-recurse-submodules',
    // Not in a complete checkout: a depth would cut off its history.
    ...(shallow.stdout.trim() === 'true'
      ? ['--depth=200', 'origin', commit, other]
      : ['origin', other]),
  ]
  await withTimeout(platform.clock, fetchTimeoutMs, signal, (late) =>
    platform.processes.stream('git', [...inFolder(platform, folder), ...args], {
      signal: late,
      // No user can type a password here.
      env: { GIT_TERMINAL_PROMPT: '0', GIT_SSH_COMMAND: 'ssh -o BatchMode=yes' },
      onLine: () => undefined,
    }),
  )
}
