/** What a workload is to become, seen from what it was before. */
import { describe, expect, test } from '@jest/globals'
import type { Pod } from 'kubernetes-types/core/v1'
import { parse } from 'yaml'
import type { WorkloadObject } from '../../src/kubernetes/objects.js'
import { desiredBack, desiredOf, startsOf } from '../../src/judge/desired.js'
import type { ClusterState, KnownStarts } from '../../src/judge/types.js'
import { nothing } from '../support/live.js'
import { owner } from './scene.js'

const id = { kind: 'Deployment', name: 'web' } as const
const images = { web: 'shop:new' }

const workload = (text: string) => parse(text) as WorkloadObject

const now = workload(
  '{kind: Deployment, metadata: {uid: uid-web, generation: 7}, spec: {template: {}}}',
)
const before = (conditions = '') =>
  workload(
    `{kind: Deployment, metadata: {uid: uid-web, generation: 6}, spec: {template: {}}, status: {conditions: [${conditions}]}}`,
  )

interface Start {
  /** Seconds after 12:00 at which its containers started; with `!` one that had restarted. */
  readonly started: readonly (number | string)[]
  /** When it became Ready; none: it is not. */
  readonly ready?: number
  readonly of?: { readonly kind: string; readonly uid: string }
}

const at = (second: number) =>
  new Date(Date.parse('2026-01-01T12:00:00Z') + second * 1000).toISOString()

function pod({ started, ready, of = { kind: 'ReplicaSet', uid: 'uid-old' } }: Start): Pod {
  return {
    metadata: { ownerReferences: [owner(of.kind, 'x', of.uid)] },
    status: {
      conditions: [
        { type: 'Initialized', status: 'True', lastTransitionTime: at(500) },
        {
          type: 'Ready',
          status: ready === undefined ? 'False' : 'True',
          lastTransitionTime: at(ready ?? 900),
        },
      ],
      containerStatuses: started.map((start, index) => ({
        name: `c${index}`,
        image: '',
        imageID: '',
        ready: true,
        restartCount: String(start).startsWith('!') ? 1 : 0,
        state: { running: { startedAt: at(Number(String(start).replace('!', ''))) } },
      })),
    },
  }
}

describe('the time that the slowest pod took from start to Ready', () => {
  test.each<[string, readonly Start[], number | undefined]>([
    ['no pods', [], undefined],
    ['one pod', [{ started: [0], ready: 4 }], 5000],
    [
      'the slowest of them',
      [
        { started: [0], ready: 4 },
        { started: [10], ready: 19 },
        { started: [0], ready: 1 },
      ],
      10000,
    ],
    ['from the start of its last container', [{ started: [0, 30, 20], ready: 34 }], 5000],
    ['Ready within the second of its start', [{ started: [4], ready: 4 }], 1000],
    ['Ready before its start, by the clocks of two machines', [{ started: [4], ready: 3 }], 1000],
    ['one that is not Ready does not count', [{ started: [0] }], undefined],
    ['…beside one that is', [{ started: [0] }, { started: [0], ready: 4 }], 5000],
    ['one that has restarted says nothing', [{ started: ['!0'], ready: 4 }], undefined],
    [
      '…nor when only one of its containers has',
      [{ started: [0, '!3600'], ready: 3610 }],
      undefined,
    ],
    ['one without a running container', [{ started: [], ready: 4 }], undefined],
  ])('is right for "%s"', (_, pods, expected) => {
    expect(startsOf(pods.map(pod))?.slowest).toBe(expected)
  })
})

/** Pods by name, and the ReplicaSets `uid-old` of `web` and `uid-theirs` of another Deployment. */
function pictureOf(...pods: readonly Start[]): ClusterState {
  const set = (uid: string, of: string) => ({
    metadata: { uid, ownerReferences: [owner('Deployment', 'x', of)] },
  })
  return {
    ...nothing,
    replicasets: new Map([
      ['old', set('uid-old', 'uid-web')],
      ['theirs', set('uid-theirs', 'uid-other')],
    ]),
    pods: new Map(pods.map((start, index) => [`pod-${index}`, pod(start)])),
  }
}

describe('a desired workload', () => {
  test('is the first when the workload did not exist before', () => {
    expect(
      desiredOf(
        { workload: id, images, now, before: undefined },
        pictureOf({ started: [0], ready: 4 }),
      ),
    ).toEqual({
      workload: id,
      images,
      generation: 7,
      first: true,
    })
  })

  test('is not the first when the workload has no pods or conditions', () => {
    expect(desiredOf({ workload: id, images, now, before: before() }, nothing)).toEqual({
      workload: id,
      images,
      generation: 7,
      first: false,
    })
  })

  test.each<[string, Start[], number | undefined]>([
    ['pods of its ReplicaSets', [{ started: [0], ready: 4 }], 5000],
    [
      'pods that it owns directly (a StatefulSet, a DaemonSet)',
      [{ started: [0], ready: 5, of: { kind: 'StatefulSet', uid: 'uid-web' } }],
      6000,
    ],
    [
      'no pods of others',
      [
        { started: [0], ready: 9, of: { kind: 'ReplicaSet', uid: 'uid-theirs' } },
        { started: [0], ready: 4 },
      ],
      5000,
    ],
    [
      'only pods of others',
      [{ started: [0], ready: 9, of: { kind: 'ReplicaSet', uid: 'uid-theirs' } }],
      undefined,
    ],
  ])('knows what was Ready before: %s', (_, pods, expected) => {
    expect(
      desiredOf({ workload: id, images, now, before: before() }, pictureOf(...pods)).starts
        ?.slowest,
    ).toBe(expected)
  })

  const probed = (path: string) =>
    `{spec: {containers: [{name: web, readinessProbe: {httpGet: {path: ${path}}}}]}}`
  const withProbe = (path: string) =>
    workload(`{kind: Deployment, metadata: {uid: uid-web}, spec: {template: ${probed(path)}}}`)

  test.each<[string, string, KnownStarts | undefined, KnownStarts]>([
    ['those that run', '/ready', undefined, { slowest: 5000, count: 1 }],
    [
      'those of the history too',
      '/ready',
      { slowest: 9000, count: 4 },
      { slowest: 9000, count: 4 },
    ],
    ['each once', '/ready', { slowest: 2000, count: 1 }, { slowest: 5000, count: 1 }],
    ['none by another probe', '/new', { slowest: 9000, count: 4 }, { slowest: 9000, count: 0 }],
  ])('counts the starts that are known: %s', (_, path, known, expected) => {
    const container = { name: 'web', readinessProbe: {} }
    const running = { ...pod({ started: [0], ready: 4 }), spec: { containers: [container] } }
    const seen = { ...pictureOf(), pods: new Map([['a', running]]) }
    const written = {
      workload: id,
      images,
      now: withProbe(path),
      before: withProbe('/ready'),
      known,
    }
    expect(desiredOf(written, seen).starts).toEqual(expected)
  })

  test.each([
    ['name: web', 1],
    ['name: web, image: other', 1],
    ['name: web, resources: {limits: {cpu: 100m}}', 0],
    ['name: web, args: [--preload]', 0],
    ['name: web, command: [gunicorn]', 0],
    ['name: web, startupProbe: {exec: {command: [ready]}}', 0],
  ])('counts no starts of a template that starts otherwise: %s', (container, count) => {
    const spec = { containers: [{ name: 'web', readinessProbe: {} }] }
    const seen = {
      ...pictureOf(),
      pods: new Map([['a', { ...pod({ started: [0], ready: 4 }), spec }]]),
    }
    const templated = (one: string) =>
      workload(
        `{kind: Deployment, metadata: {uid: uid-web}, spec: {template: {spec: {containers: [{${one}}]}}}}`,
      )
    const written = {
      workload: id,
      images,
      now: templated(container),
      before: templated('name: web'),
    }
    expect(desiredOf(written, seen).starts).toMatchObject({ count })
  })

  test.each([
    ['{type: Progressing, status: "False", lastTransitionTime: noon}', 'noon'],
    ['{type: Progressing, status: "True", lastTransitionTime: noon}', undefined],
    ['{type: Available, status: "False", lastTransitionTime: noon}', undefined],
    [
      '{type: Available, status: "True", lastTransitionTime: one}, {type: Progressing, status: "False", lastTransitionTime: two}',
      'two',
    ],
  ])('knows a failure to progress from before: %s', (conditions, expected) => {
    expect(
      desiredOf({ workload: id, images, now, before: before(conditions) }, nothing)
        .staleProgressing,
    ).toBe(expected)
  })
})

describe('the desired state of an undo', () => {
  const container = (name: string, image: string) => `{name: ${name}, image: '${image}'}`
  const podSpec = `{spec: {initContainers: [${container('wait', 'shop:old')}], containers: [${container('web', 'shop:old')}, ${container('proxy', 'nginx:1')}]}}`

  test.each([
    ['Deployment', `{template: ${podSpec}}`],
    ['CronJob', `{jobTemplate: {spec: {template: ${podSpec}}}}`],
  ])('is all images that the %s had before', (kind, spec) => {
    const prior = workload(`{kind: ${kind}, metadata: {generation: 6}, spec: ${spec}}`)
    expect(desiredBack(id, prior, now, nothing)).toEqual({
      workload: id,
      images: { wait: 'shop:old', web: 'shop:old', proxy: 'nginx:1' },
      generation: 7,
      first: false,
    })
  })

  test('ignores how fast the withdrawn version was', () => {
    const clusterState = pictureOf({ started: [0], ready: 4 })
    expect(
      desiredOf({ workload: id, images, now, before: before() }, clusterState).starts?.slowest,
    ).toBe(5000)
    expect(desiredBack(id, before(), before(), clusterState).starts).toBeUndefined()
  })

  test('ignores a failure to progress of the withdrawn version', () => {
    const failed = before('{type: Progressing, status: "False", lastTransitionTime: noon}')
    expect(desiredBack(id, before(), failed, nothing).staleProgressing).toBe('noon')
  })
})
