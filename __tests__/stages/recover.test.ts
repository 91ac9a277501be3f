/** A migration whose run was killed is ended by whoever has the lock next. */
import { expect, test } from '@jest/globals'
import type { Job } from 'kubernetes-types/batch/v1'
import { ApiError } from '../../src/kubernetes/api-error.js'
import { causeOf } from '../../src/commands/causes.js'
import { lockAndRecover } from '../../src/commands/lock.js'
import type { Run } from '../../src/commands/run.js'
import { endMigrations } from '../../src/stages/recover.js'
import type { PreflightResult } from '../../src/stages/preflight.js'
import { memoryCluster } from '../support/cluster.js'
import { notebook } from '../support/journal.js'
import { standing } from '../support/live.js'
import { scripted } from '../support/scripted.js'
import { contextOf } from '../support/settings.js'

const job = (name: string, app: string, condition?: string): Job => ({
  metadata: { name, labels: { 'django-rollout/app': app } },
  status: condition === undefined ? {} : { conditions: [{ type: condition, status: 'True' }] },
})

test.each<[string, Job, boolean]>([
  ['still runs', job('left', 'shop'), true],
  ['is complete', job('done', 'shop', 'Complete'), false],
  ['has failed', job('failed', 'shop', 'Failed'), false],
  ['only begins to fail', job('failing', 'shop', 'FailureTarget'), true],
  ['is of another application', job('other', 'blog'), false],
])('recover handles a migration Job that %s', async (_, left, isEnded) => {
  const memory = memoryCluster({})
  const cluster = { ...memory.cluster, get: <T>() => Promise.resolve({ items: [left] } as T) }
  const stageLog = notebook()
  const context = contextOf(scripted([]).platform).with({ log: stageLog, cluster })
  const finalLines: (() => Promise<void>)[] = []
  const run = { resources: { add: (close: () => Promise<void>) => finalLines.push(close) } }
  const checked = { live: standing() }

  await lockAndRecover(run as unknown as Run, context, checked as unknown as PreflightResult)
  await Promise.all(finalLines.map((close) => close()))

  const name = left.metadata?.name ?? ''
  const path = `/apis/batch/v1/namespaces/shop/jobs/${name}`
  const line = `job/${name} was left unfinished: stopping it`
  expect(memory.asked.filter((request) => request.startsWith('DELETE'))).toEqual(
    isEnded ? [`DELETE ${path} 200`] : [],
  )
  expect(stageLog.lines).toEqual(isEnded ? [line] : [])
})

test('a Job that cannot be ended is reported as left open, even after a cancellation', async () => {
  const refused = new ApiError(403, 'Forbidden', 'jobs.batch is forbidden')
  const cluster = {
    ...memoryCluster({}).cluster,
    get: <T>() => Promise.resolve({ items: [job('left', 'shop')] } as T),
    remove: () => Promise.reject(refused),
  }
  const context = contextOf(scripted([]).platform).with({ log: notebook(), cluster })
  const ending = endMigrations(context, standing())
  const error = await ending.catch((one: unknown) => one)
  expect(causeOf(error, AbortSignal.abort())).toEqual({
    code: 'restore-failed',
    sentence: 'job/left was left unfinished, and stopping it failed: jobs.batch is forbidden',
  })
})
