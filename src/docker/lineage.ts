import { within } from '../world/deadline.js'
import type { World } from '../world/world.js'
import { gitIn, inFolder } from './source.js'

/** How one commit stands to another: `unknown` when the checkout does not hold enough of the history. */
export type Lineage = 'older' | 'not-older' | 'unknown'

const fetchMs = 30_000

/**
 * Whether `ours` is an ancestor of `theirs`. A CI's checkout is often shallow, and older than a commit that
 * was pushed meanwhile: there, what is missing is fetched. A person's checkout is left as it is.
 */
export async function lineageOf(
  world: World,
  folder: string,
  ours: string,
  theirs: string,
  signal: AbortSignal,
): Promise<Lineage> {
  if (ours === theirs) return 'not-older'
  const git = gitIn(world, folder)
  const has = async (commit: string) =>
    (await git(['cat-file', '-e', `${commit}^{commit}`])).code === 0
  if (!(await has(ours))) return 'unknown'
  if (!(await has(theirs))) {
    if (world.env['CI'] !== 'true') return 'unknown'
    await fetchCommit(world, folder, theirs, signal)
    if (!(await has(theirs))) return 'unknown'
  }
  const { code } = await git(['merge-base', '--is-ancestor', ours, theirs])
  return code === 0 ? 'older' : code === 1 ? 'not-older' : 'unknown'
}

/** Asks `origin` for a commit and what leads to it; that it could not be had is seen by its absence. */
async function fetchCommit(
  world: World,
  folder: string,
  commit: string,
  signal: AbortSignal,
): Promise<void> {
  const shallow = await gitIn(world, folder)(['rev-parse', '--is-shallow-repository'])
  const args = [
    ...['fetch', '--quiet', '--no-tags', '--no-write-fetch-head', '--no-recurse-submodules'],
    // Never of a complete checkout: that would cut off its history.
    ...(shallow.stdout.trim() === 'true' ? ['--depth=200'] : []),
    ...['origin', commit],
  ]
  await within(world.clock, fetchMs, signal, (late) =>
    world.processes.stream('git', [...inFolder(world, folder), ...args], {
      signal: late,
      // Nobody is there to be asked for a password.
      env: { GIT_TERMINAL_PROMPT: '0', GIT_SSH_COMMAND: 'ssh -o BatchMode=yes' },
      onLine: () => undefined,
    }),
  )
}
