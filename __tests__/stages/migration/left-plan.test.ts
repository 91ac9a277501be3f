/** The plan of a run that was killed before it kept it. */
import { expect, test } from '@jest/globals'
import type { Job } from 'kubernetes-types/batch/v1'
import { leftPlan } from '../../../src/stages/migration/left-plan.js'
import { clusterOf } from '../../support/cluster.js'
import { nothing, standing } from '../../support/live.js'
import { scripted } from '../../support/scripted.js'
import { contextOf } from '../../support/settings.js'

const marker = 'MARK42'
const plan = { django: '5.2', python: '3.13', databases: [], runs: true }
const printed = `${marker}${JSON.stringify(plan)}${marker}`
const env = [{ name: 'DJANGO_ROLLOUT_SPEC', value: JSON.stringify({ marker }) }]
const job: Job = {
  metadata: { name: 'shop-migrate', annotations: { 'django-rollout/run': 'run-0' } },
  spec: { template: { spec: { containers: [{ name: 'proxy' }, { name: 'web', env }] } } },
}
const pod = { metadata: { labels: { 'job-name': 'shop-migrate' } } }
const live = standing({
  ...nothing,
  jobs: new Map([['shop-migrate', job]]),
  pods: new Map([['shop-migrate-1', pod]]),
})

/** Each answer is for one request: lines, or an error. */
async function read(
  answers: readonly (readonly string[] | Error)[],
  { run = 'run-0', isOver = false } = {},
) {
  const asked: string[] = []
  const { platform } = scripted([])
  const clock = { ...platform.clock, sleep: () => Promise.resolve() }
  const cluster = clusterOf({
    // eslint-disable-next-line @typescript-eslint/require-await -- as the server's answer
    async *lines(path: string) {
      const answer = answers[asked.push(path) - 1]
      if (answer === undefined || answer instanceof Error) throw answer ?? new Error('none')
      yield* answer
    },
  })
  const context = contextOf({ ...platform, clock }).with({ cluster })
  const ended = isOver ? AbortSignal.abort() : new AbortController().signal
  return { plan: await leftPlan(context, live, run, ended), asked }
}

test('the log is read until the plan comes, from a container that is yet to start', async () => {
  const seen = await read([new Error('it is waiting to start'), ['a line', printed]])
  expect(seen.plan).toMatchObject({ django: '5.2', runs: true })
  const path = '/api/v1/namespaces/shop/pods/shop-migrate-1/log?container=web&follow=true'
  expect(seen.asked).toEqual([path, path])
})

test.each([
  ['a log that ends without one', [['a line']], {}, 1],
  ['a pod that is gone', [new Error('not found')], { isOver: true }, 1],
  ['the Job of another run', [], { run: 'run-1' }, 0],
] as const)('there is no plan in %s', async (_, answers, how, requests) => {
  const seen = await read(answers, how)
  expect(seen.plan).toBeUndefined()
  expect(seen.asked).toHaveLength(requests)
})
