/** Everything back and verified, while other people go on with their work. */
import { describe, expect, test } from '@jest/globals'
import type { Deployment } from 'kubernetes-types/apps/v1'
import type { KubeObject } from '../../src/kubernetes/objects.js'
import type { ObjectSnapshot } from '../../src/undo/snapshot.js'
import type { WriteProgresses } from '../../src/judge/types.js'
import { undo } from '../../src/stages/undo.js'
import { memoryCluster, type Memory, type Trouble } from '../support/cluster.js'
import { notebook } from '../support/journal.js'
import { nothing } from '../support/live.js'
import { scripted } from '../support/scripted.js'
import { contextOf } from '../support/settings.js'

/** A Deployment that runs this image; `available`: what its controller says. */
function deployment(name: string, image: string, available = true, env?: string): KubeObject {
  const variables = env === undefined ? {} : { env: [{ name: env, value: '1' }] }
  const containers = [{ name: 'app', image: `shop:${image}`, ...variables }]
  const counts = { replicas: 1, updatedReplicas: 1, availableReplicas: available ? 1 : 0 }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: { replicas: 1, template: { spec: { containers } } },
    ...{ status: counts },
  }
}

const priorOf = (name: string): ObjectSnapshot => ({
  path: `/${name}`,
  object: deployment(name, 'old'),
  written: deployment(name, 'new'),
  change: 'set-image',
  of: 'workload',
})

/** What became of each, in words; or why it is stuck. */
async function undone(
  memory: Memory,
  noted?: (courses: WriteProgresses) => void,
  isUnfit = false,
): Promise<string> {
  const { platform } = scripted([])
  const live = {
    clusterState: () => {
      const all = [...memory.objects.values()].map(
        (object) => [object.metadata?.name ?? '', object as Deployment] as const,
      )
      return { ...nothing, deployments: new Map(all), confirmedAt: platform.clock.now() }
    },
    onChange: () => () => undefined,
  }
  const snapshot = [priorOf('web'), priorOf('worker')]
  const timeouts = { timeout: 60_000, grace: {} }
  const context = contextOf(platform).with({ log: notebook(), cluster: memory.cluster })
  return undo(context, { live, snapshot, timeouts, isUnfit }, noted).then(
    (restored) => restored.map(({ prior, did }) => `${prior.path} ${did}`).join(', '),
    (error: unknown) => (error as Error).message,
  )
}

const images = ({ objects }: Memory) =>
  [...objects.values()].map((object) => /shop:\w+/.exec(JSON.stringify(object.spec))?.[0]).join(' ')

const ours = { '/web': deployment('web', 'new'), '/worker': deployment('worker', 'new') }

describe('while the old version comes back, another client', () => {
  /** Right before the last write of the undo, when the web is back already. */
  const meanwhile = (theirs: (memory: Memory) => void): Record<string, Trouble[]> => ({
    'PUT /worker': [theirs],
  })

  test.each<[string, Record<string, Trouble[]>, string, string]>([
    ['does nothing', {}, '/web put, /worker put', 'shop:old shop:old'],
    [
      'sets another image',
      meanwhile((memory) => {
        memory.write('/web', deployment('web', 'hotfix'))
      }),
      '/web external, /worker put',
      'shop:hotfix shop:old',
    ],
    [
      'sets the image of the release again',
      meanwhile((memory) => {
        memory.write('/web', deployment('web', 'new'))
      }),
      '/web put, /worker put',
      'shop:old shop:old',
    ],
    [
      'deletes one',
      meanwhile(({ objects }) => objects.delete('/web')),
      'deployment/web was deleted by another client during the release. All other workloads are as before',
      'shop:old',
    ],
  ])('%s', async (_, troubles, expected, current) => {
    const memory = memoryCluster(ours, troubles)
    expect(await undone(memory)).toBe(expected)
    expect(images(memory)).toBe(current)
  })
})

describe('a workload that does not become ready', () => {
  test.each([
    ['is waited for', 'old', undefined, /^the previous version does not become Ready: web/],
    [
      'is not waited for when another client has set its image',
      'hotfix',
      undefined,
      /^\/web external/,
    ],
    [
      'is not waited for when another client has changed its template',
      'old',
      'NOTE',
      /^\/web nothing/,
    ],
  ])('%s', async (_, image, env, expected) => {
    const web = deployment('web', image, false, env)
    expect(await undone(memoryCluster({ ...ours, '/web': web }))).toMatch(expected)
  })
})

test('pods that the schema breaks are restored, and not waited for until they are Ready', async () => {
  const broken = { '/web': deployment('web', 'new', false), '/worker': deployment('worker', 'new') }
  const memory = memoryCluster(broken)
  expect(await undone(memory, undefined, true)).toBe('/web put, /worker put')
  expect(images(memory)).toBe('shop:old shop:old')
})

test('the progress of each workload is recorded, without a start time where nothing was written', async () => {
  let last: WriteProgresses = {}
  const memory = memoryCluster({ ...ours, '/worker': deployment('worker', 'old') })
  expect(await undone(memory, (courses) => (last = courses))).toBe('/web put, /worker nothing')
  expect(last).toEqual({
    'deployment/web': {
      ...{ wanted: 1, ready: 0 },
      ...{ startedAt: expect.any(Number), completeAt: expect.any(Number) },
    },
    'deployment/worker': { wanted: 1, ready: 0, completeAt: expect.any(Number) },
  })
})
