/** The last lines of a container's log, as far as they are to be had. */
import { expect, test } from '@jest/globals'
import { ApiError } from '../../src/kubernetes/api-error.js'
import { fetchLog, logPath } from '../../src/rollout/logs.js'
import { handClock } from '../support/clock.js'
import { clusterOf } from '../support/cluster.js'

const wanted = { pod: 'web-a', container: 'web', previous: false }

test.each([
  [false, '/api/v1/namespaces/shop/pods/web-a/log?container=web&tailLines=200&limitBytes=262144'],
  [
    true,
    '/api/v1/namespaces/shop/pods/web-a/log?container=web&tailLines=200&limitBytes=262144&previous=true',
  ],
])('the path of a log with previous=%s is %s', async (previous, expected) => {
  const paths: string[] = []
  const cluster = clusterOf({
    lines: (path) => {
      paths.push(path)
      return stream([])
    },
  })
  await fetchLog(cluster, handClock(), { ...wanted, previous })
  expect(paths).toEqual([expected])
})

test('the path of a log has no limit when the log is followed', () => {
  expect(logPath(clusterOf({}), 'migrate-x', 'web')).toBe(
    '/api/v1/namespaces/shop/pods/migrate-x/log?container=web',
  )
})

test.each<[string, readonly string[], 'ends' | 'hangs' | Error, number, readonly string[]]>([
  ['a whole log', ['one', 'two'], 'ends', 0, ['one', 'two']],
  ['an empty one', [], 'ends', 0, []],
  ['one that breaks off', ['one'], new Error('aborted'), 0, ['one']],
  ['a pod that is gone', [], new ApiError(404, 'NotFound', 'pods "web-a" not found'), 0, []],
  ['a container that never ran', [], new ApiError(400, 'BadRequest', 'is waiting to start'), 0, []],
  ['a node that stops answering', ['one'], 'hangs', 5000, ['one']],
])('a log is read: %s', async (_, lines, end, ms, expected) => {
  const clock = handClock()
  const cluster = clusterOf({ lines: (_path, signal) => stream(lines, end, signal) })
  let took: number | undefined
  const log = fetchLog(cluster, clock, wanted).finally(() => {
    took = clock.now()
  })
  await clock.pass(60_000)
  expect(await log).toEqual(expected)
  expect(took).toBe(ms)
})

test('reading a log ends when the connection to the cluster is closed', async () => {
  const life = new AbortController()
  const cluster = clusterOf({
    life: life.signal,
    lines: (_path, signal) => stream(['one'], 'hangs', signal),
  })
  const clock = handClock()
  const log = fetchLog(cluster, clock, wanted)
  await clock.pass(10)
  life.abort(new Error('closed'))
  expect(await log).toEqual(['one'])
})

async function* stream(
  lines: readonly string[],
  end: 'ends' | 'hangs' | Error = 'ends',
  signal?: AbortSignal,
): AsyncGenerator<string> {
  yield* lines
  if (end instanceof Error) throw end
  if (end === 'ends') return
  await new Promise((_, reject) => {
    signal?.addEventListener('abort', () => {
      reject(signal.reason as Error)
    })
  })
}
