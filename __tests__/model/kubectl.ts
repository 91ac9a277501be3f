/** What kubectl sends, as far as a release of CronJobs needs it. */
import type { Finished } from '../../src/world/world.js'
import { cronJobs } from './laws.js'
import type { Answer, Call, Patch } from './server.js'

/** `kubectl set image` and `kubectl annotate`: one unguarded request for each workload, one after the other. */
export async function kubectl(
  args: readonly string[],
  send: (call: Call) => Promise<Answer>,
): Promise<Finished> {
  const body = patchOf(args)
  for (const id of args.filter((arg) => arg.startsWith('cronjob/'))) {
    const path = `${cronJobs}/${id.slice(id.indexOf('/') + 1)}`
    try {
      const { status } = await send({ method: 'PATCH', path, body })
      if (status < 300) continue
      const stderr = 'Error from server (Forbidden): the version is not wanted'
      return { code: 1, stdout: '', stderr }
    } catch {
      const stderr = 'Unable to connect to the server: read: connection reset by peer'
      return { code: 1, stdout: '', stderr }
    }
  }
  return { code: 0, stdout: '', stderr: '' }
}

function patchOf(args: readonly string[]): Patch {
  const pairs = args.filter((arg) => arg.includes('=') && !arg.startsWith('--'))
  const named = pairs.map((pair) => pair.split(/=(.*)/s, 2) as [string, string])
  if (args.includes('annotate')) return { annotations: Object.fromEntries(named) }
  return { image: named[0]?.[1] ?? '' }
}
