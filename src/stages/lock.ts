/** One release at a time: the lock of the application in its namespace. */
import type { HeldLease } from '../state/held-lease.js'
import { acquireLease, type Holder } from '../state/lease.js'
import { nameFor, twoOfOneName } from '../kubernetes/managed.js'
import { fail } from '../failure/failure.js'
import { address } from '../state/record-schema.js'
import type { Platform } from '../platform/platform.js'
import type { ClusterContext } from './context.js'

/** A run renews its lock three times in this time; after so long without a renewal, the run is gone. */
const lastsMs = 30_000

const longestName = 100

/** Returns the identity of this run for other runs that wait for the lock. Each run has a new id, unless one is given. */
export async function holderOf(
  platform: Platform,
  id: string = crypto.randomUUID(),
): Promise<Holder> {
  const { env } = platform
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: repository, GITHUB_RUN_ID: run } = env
  const url =
    server && repository && run
      ? `${server}/${repository}/actions/runs/${run}`
      : env['CI_JOB_URL'] || env['BUILD_URL']
  // A different id would make the record of this run unreadable.
  return { id, who: await starterOf(platform), ...(url && address.test(url) && { url }) }
}

/** Returns who started this run: as the CI or the login names them, else as git does, else the account that runs it. */
async function starterOf({ env, processes }: Platform): Promise<string> {
  const named = env['GITHUB_ACTOR'] || env['GITLAB_USER_LOGIN'] || env['USER'] || env['LOGNAME']
  if (named) return named
  const { code, stdout } = await processes.run('git', ['config', '--get', 'user.name'])
  const [first = ''] = stdout.trim().split('\n')
  return (code === 0 && first.slice(0, longestName)) || processes.account()
}

/** Takes the lock; throws a Failure `locked` that names the holder when the wait is over. */
export async function lock(context: ClusterContext): Promise<HeldLease> {
  const { platform, settings, app, holder, signal, cluster, log } = context
  let loggedHolder: string | undefined
  const taking = await acquireLease(
    { cluster, clock: platform.clock },
    {
      name: nameFor(app),
      holder: { ...holder, image: settings.image },
      lastsMs,
      waitMs: settings['lock-wait'],
    },
    signal,
    (by) => {
      if (loggedHolder !== by) log.say(`another release is in progress: ${by}`)
      loggedHolder = by
      log.waiting(`waiting for the release of ${by}`)
    },
  )
  if (taking.is === 'taken') return taking.lease
  if (taking.is === 'foreign') {
    const what = `the release by ${taking.by}, which is in progress,`
    const other = { image: taking.image, what, so: 'or wait until that release has ended' }
    return twoOfOneName(cluster, app, other, settings.image)
  }
  return fail({
    code: 'locked',
    sentence: `another release of ${app} is under way in ${cluster.namespace}: ${taking.by}`,
    hint: 'wait for it, or raise "lock-wait"',
  })
}
