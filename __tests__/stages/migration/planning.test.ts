/** Each plan waits for pods that are ending, the one after a backup as well as the first one. */
import { expect, test } from '@jest/globals'
import type { Pod } from 'kubernetes-types/core/v1'
import type { Plan } from '../../../src/django/plan.js'
import type { MigrationInput } from '../../../src/stages/migration/job.js'
import { Planning } from '../../../src/stages/migration/planning.js'
import type { Migration } from '../../../src/stages/migration/run.js'
import { handClock, settled } from '../../support/clock.js'
import { clusterOf } from '../../support/cluster.js'
import { notebook } from '../../support/journal.js'
import { nothing, standing } from '../../support/live.js'
import { scripted } from '../../support/scripted.js'
import { contextOf } from '../../support/settings.js'
import { columnGone } from '../../support/misfits.js'

const plans = { django: '5.2', python: '3.13', databases: [], runs: true }
const blocked: Plan = {
  ...plans,
  judged: {
    policy: 'block',
    blocked: true,
    versions: [{ names: ['an ending pod of pod/old'], tag: 'old', source: 'kept' }],
    findings: [
      {
        ...columnGone,
        direction: 'running',
        versions: [0],
      },
    ],
    more: 0,
    comments: [],
  },
}
const image = `ghcr.io/acme/shop:old@sha256:${'a'.repeat(64)}`
const ending: Pod = {
  metadata: { name: 'old', deletionTimestamp: '1970-01-01T00:00:30Z' },
  spec: { containers: [{ name: 'web', image }] },
}

test('a plan waits for pods that are ending, however often it is made', async () => {
  const happened: string[] = []
  const live = standing({ ...nothing, pods: new Map([['old', ending]]) })
  const context = contextOf({ ...scripted([]).platform, clock: handClock() }).with({
    cluster: clusterOf({}),
  })
  // Only what is asked of them here.
  const answers = [blocked, plans, blocked, plans]
  const start = () =>
    ({
      plan: () => {
        happened.push('planned')
        return Promise.resolve(answers.shift())
      },
      close: () => {
        happened.push('closed')
        return Promise.resolve()
      },
    }) as unknown as Migration
  const input = { checked: { live } } as unknown as MigrationInput
  const wait = () => {
    happened.push('waited')
    return Promise.resolve()
  }
  const planning = new Planning(context, input, wait, start)
  for (const _ of ['first', 'after a backup']) {
    live.change({ ...nothing, pods: new Map([['old', ending]]) })
    happened.splice(0)
    const planned = planning.plan(notebook())
    await settled()
    expect(happened).toEqual(['waited', 'planned'])
    live.change(nothing)
    expect(await planned).toBe(plans)
    expect(happened).toEqual(['waited', 'planned', 'closed', 'planned'])
  }
})
