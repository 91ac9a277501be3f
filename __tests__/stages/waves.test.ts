/** Which workloads a release writes first. */
import { describe, expect, test } from '@jest/globals'
import { decided, webFirst, workersFirst } from '../../src/stages/waves.js'
import type { Judgement, Verdict } from '../../src/judge/types.js'
import { target } from '../support/targets.js'

const web = target('web', ['web'])
const worker = running('worker', ['celery', '-A', 'shop', 'worker'])
const beat = running('beat', ['celery', '-A', 'shop', 'beat'])
const other = running('queue', ['rq', 'worker'])
const clean = target('clean', ['clean'])
const absent = (({ live: _live, ...rest }) => rest)(web)
const chosen = { workload: web.id, template: {}, container: 'web', containers: ['web'] }

function running(name: string, command: string[]) {
  const template = { spec: { containers: [{ name, image: 'ghcr.io/acme/shop:old', command }] } }
  const kind = 'Deployment'
  return target(name, [name], {
    live: { apiVersion: 'apps/v1', kind, metadata: { name }, spec: { template } },
  })
}

const namesOf = (waves: ReturnType<typeof workersFirst>) =>
  waves && [waves.first, waves.rest].map((wave) => wave.map(({ id }) => id.name))

describe('the web goes first', () => {
  test.each([
    ['before all others', { targets: [worker, web], web: chosen }, [['web'], ['worker']]],
    ['not when no web is known', { targets: [worker, web] }, [['worker', 'web'], []]],
    ['not in a first deploy', { targets: [worker, absent], web: chosen }, [['worker', 'web'], []]],
    ['alone', { targets: [web], web: chosen }, [['web'], []]],
  ])('%s', (_, checked, waves) => {
    expect(namesOf(webFirst(checked))).toEqual(waves)
  })

  test.each([
    ['one new pod of it is Ready', { wanted: 3, ready: 1 }, true],
    ['it wants no pod', { wanted: 0, ready: 0 }, true],
    ['no new pod is Ready', { wanted: 3, ready: 0 }, false],
    ['its controller has not seen the new version', { ready: 0 }, false],
  ])('until %s', (_, progress, due) => {
    const { isDue } = webFirst({ targets: [worker, web], web: chosen })
    expect(isDue(judged({ is: 'waiting', on: '' }, progress))).toBe(due)
  })
})

describe('Celery workers go first', () => {
  test.each([
    [
      'before the web, beat and all others',
      { targets: [web, beat, worker, other, clean], web: chosen },
      [['worker'], ['web', 'beat', 'queue', 'clean']],
    ],
    ['where no web is known', { targets: [beat, worker] }, [['worker'], ['beat']]],
    ['not where none runs', { targets: [web, beat, other], web: chosen }, undefined],
    [
      'not where they are in the pods of the web',
      { targets: [worker, beat], web: { ...chosen, workload: worker.id } },
      undefined,
    ],
  ])('%s', (_, checked, waves) => {
    expect(namesOf(workersFirst(checked))).toEqual(waves)
  })

  test.each<[string, Verdict, boolean]>([
    ['old pods of them run', { is: 'waiting', on: '1 of 2 ready' }, false],
    ['all are new', { is: 'complete' }, true],
    ['all are new, and baked', { is: 'done' }, true],
  ])('the rest follows or waits: %s', (_, verdict, due) => {
    const waves = workersFirst({ targets: [web, worker], web: chosen })
    expect(waves?.isDue(judged(verdict, { wanted: 2, ready: 1 }))).toBe(due)
  })
})

const version = 'version 4f2c1d9'

test.each([
  ['nothing differs', [], [], { isWorkersFirst: false }],
  [
    'the new version has tasks of its own',
    ['shop.mail', 'shop.post'],
    [],
    {
      isWorkersFirst: true,
      says: 'workers first: version 4f2c1d9 does not know the tasks shop.mail, shop.post; the web follows when all workers are new',
    },
  ],
  [
    'the new version has dropped tasks',
    [],
    ['shop.mail'],
    {
      isWorkersFirst: false,
      says: 'this version does not know the task shop.mail: such messages that are still in the queue are lost',
    },
  ],
  [
    'a task has a new name',
    ['shop.mail'],
    ['a', 'b', 'c', 'd'],
    {
      isWorkersFirst: false,
      warns:
        'messages to the workers may be lost during the rollout: version 4f2c1d9 does not know the task shop.mail, and this version does not know the tasks a, b, c and 1 more; keep the old tasks for one more release',
    },
  ],
])('the order is decided when %s', (_, added, removed, decision) => {
  expect(decided({ added, removed, version })).toEqual(decision)
})

function judged(verdict: Verdict, progress: { wanted?: number; ready: number }): Judgement {
  return {
    verdicts: { 'deployment/worker': verdict },
    progress: { 'deployment/worker': progress },
    observations: {
      startedAt: 0,
      firstSeen: {},
      exits: {},
      logs: {},
      facts: [],
      completeSince: {},
    },
    logsWanted: [],
    factsWanted: [],
  }
}
