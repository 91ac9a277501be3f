/** What is read and told of a failure before its pods are gone. */
import { describe, expect, test } from '@jest/globals'
import type { ContainerStatus, Event, Pod } from 'kubernetes-types/core/v1'
import type { Cause } from '../../src/failure/failure.js'
import { logsToRead, warningsOf } from '../../src/judge/evidence.js'
import type { ClusterState } from '../../src/judge/types.js'
import { pictureOf, START } from './scene.js'

const ended = (exitCode: number) => ({ terminated: { exitCode } })

/** How containers may stand. */
const states = {
  ready: { ready: true, state: { running: {} } },
  unready: { state: { running: {} } },
  creating: { state: { waiting: { reason: 'ContainerCreating' } } },
  'not pulled': { state: { waiting: { reason: 'ImagePullBackOff' } } },
  done: { ready: true, state: ended(0) },
  crashed: { state: ended(1) },
  loops: {
    restartCount: 1,
    state: { waiting: { reason: 'CrashLoopBackOff' } },
    lastState: ended(1),
  },
  'ready again': { ready: true, restartCount: 1, state: { running: {} }, lastState: ended(1) },
  'unready again': { restartCount: 1, state: { running: {} }, lastState: ended(137) },
} satisfies Record<string, Partial<ContainerStatus>>

type Containers = Readonly<Record<string, keyof typeof states>>

function pictureWith(containers: Containers, init: Containers = {}): ClusterState {
  const statuses = (all: Containers) =>
    Object.entries(all).map(([name, state]) => {
      const base = { name, image: '', imageID: '', ready: false, restartCount: 0 }
      return { ...base, ...states[state] }
    })
  const pod: Pod = {
    metadata: { name: 'web-a', uid: 'uid-web-a' },
    spec: {
      containers: Object.keys(containers).map((name) => ({ name })),
      initContainers: Object.keys(init).map((name) => ({ name })),
    },
    status: { containerStatuses: statuses(containers), initContainerStatuses: statuses(init) },
  }
  return { ...pictureOf('', 0), pods: new Map([['web-a', pod]]) }
}

const unready: Cause = {
  code: 'not-ready',
  sentence: 'web: runs, but is not Ready',
  workload: 'deployment/web',
  pod: 'web-a',
  container: 'web',
}
const crashed: Cause = {
  ...unready,
  code: 'crash',
  logs: [{ source: 'container web', lines: ['KeyError'] }],
}

describe('the logs to read', () => {
  test.each<[string, Containers, Containers, Cause, readonly string[]]>([
    ['of the one that is not Ready', { web: 'unready' }, {}, unready, ['web']],
    ['not of one that is well', { web: 'unready', nginx: 'ready' }, {}, unready, ['web']],
    [
      'of others that are not Ready, after the one that it is about',
      { nginx: 'unready', web: 'unready' },
      {},
      unready,
      ['web', 'nginx'],
    ],
    [
      'of others that have ended, before they were started again',
      { web: 'unready', nginx: 'ready again', celery: 'loops', flower: 'crashed' },
      {},
      unready,
      ['web', 'nginx, previous', 'celery', 'flower'],
    ],
    [
      'of the one that was killed, and runs again',
      { web: 'unready again' },
      {},
      unready,
      ['web, previous'],
    ],
    ['not what is known already', { web: 'loops', nginx: 'ready' }, {}, crashed, []],
    ['but of the others', { web: 'loops', nginx: 'unready' }, {}, crashed, ['nginx']],
    ['not of one that never ran', { web: 'creating', nginx: 'not pulled' }, {}, unready, []],
    [
      'of an init container that does not end',
      { web: 'creating' },
      { wait: 'unready' },
      { ...unready, code: 'timeout' },
      ['wait'],
    ],
    ['not of one that did its work', { web: 'unready' }, { wait: 'done' }, unready, ['web']],
    [
      'of four at most',
      { a: 'crashed', b: 'crashed', c: 'crashed', d: 'crashed', web: 'unready' },
      {},
      unready,
      ['web', 'a', 'b', 'c'],
    ],
    ['of none where all is well', { web: 'ready' }, {}, { code: 'timeout', sentence: '' }, []],
    ['of none when the pod is gone', { web: 'unready' }, {}, { ...unready, pod: 'web-b' }, []],
  ])('are chosen rightly: %s', (_, containers, init, cause, expected) => {
    const told = logsToRead(pictureWith(containers, init), cause)
    expect(
      told.map(({ container, previous }) => container + (previous ? ', previous' : '')),
    ).toEqual(expected)
  })
})

interface Told {
  readonly reason: string
  readonly message: string
  readonly type?: string
  readonly count?: number
  /** Seconds after our write. */
  readonly at?: number
  readonly about?: string
}

/** `web-a`: a pod of `web`, with a claim `media`, beside which everything is well. */
function warnings(cause: Cause, told: readonly Told[]): readonly string[] {
  const clusterState = pictureOf(
    'pods: {web-a: {spec: {volumes: [{name: media, persistentVolumeClaim: {claimName: media}}]}}}',
    0,
  )
  const events = told.map(
    ({ reason, message, type = 'Warning', count = 1, at = 5, about = 'Pod/web-a' }, index) => {
      const [kind = '', name = ''] = about.split('/')
      const event: Event = {
        metadata: { name: `event-${index}` },
        involvedObject: { kind, name, uid: `uid-${name.replace(/^web-new$/, 'new')}` },
        reason,
        message,
        type,
        count,
        lastTimestamp: new Date(START + at * 1000).toISOString(),
      }
      return [event.metadata.name ?? '', event] as const
    },
  )
  return warningsOf({ ...clusterState, events: new Map(events) }, cause, START)
}

const about = (code: Cause['code'], sentence: string): Cause => ({ ...unready, code, sentence })
const answered = (words: string) =>
  about('not-ready', `web: runs, but is not Ready: Readiness probe failed: ${words}`)

describe('the cluster events', () => {
  const missing = about(
    'config-missing',
    'web: its configuration is missing: configmap "a" not found',
  )
  const { pod: _, ...refused } = about(
    'quota',
    `web: the namespace's quota has no room for its pods: pods "web-new-x1" is forbidden: exceeded quota: small, requested: pods=1`,
  )
  test.each<[string, Cause, readonly Told[], readonly string[]]>([
    ['none', missing, [], []],
    [
      'that add to the sentence',
      about('timeout', 'web: not done after 600 s'),
      [{ reason: 'FailedMount', message: 'MountVolume.SetUp failed for volume "v" : rpc error' }],
      ['FailedMount: MountVolume.SetUp failed for volume "v" : rpc error'],
    ],
    [
      'the same but for numbers are one, with how often, in the newest words',
      about('timeout', 'web: not done'),
      [
        { reason: 'FailedMount', message: 'no disk after 10s', count: 2, at: 5 },
        { reason: 'FailedMount', message: 'no disk after 20s', count: 3, at: 9 },
      ],
      ['FailedMount (5 times): no disk after 20s'],
    ],
    [
      'names and answers in them are no numbers',
      about('timeout', 'web: not done'),
      [
        { reason: 'Failed', message: 'Error: secret "v1" not found' },
        { reason: 'Failed', message: 'Error: secret "v2" not found' },
        { reason: 'Unhealthy', message: 'Readiness probe failed: statuscode: 500' },
        { reason: 'Unhealthy', message: 'Readiness probe failed: statuscode: 503' },
      ],
      [
        'Failed: secret "v1" not found',
        'Failed: secret "v2" not found',
        'Unhealthy: Readiness probe failed: statuscode: 500',
        'Unhealthy: Readiness probe failed: statuscode: 503',
      ],
    ],
    [
      'the oldest first, and eight at most',
      about('timeout', 'web: not done'),
      'abcdefghij'
        .split('')
        .map((letter, i) => ({ reason: letter, message: `no ${letter}`, at: 20 - i })),
      'hgfedcba'.split('').map((letter) => `${letter}: no ${letter}`),
    ],
    [
      'not what the sentence says',
      missing,
      [{ reason: 'Failed', message: 'Error: configmap "a" not found', count: 7 }],
      [],
    ],
    [
      'nor what it says of another pod that could not be made',
      refused,
      [
        {
          reason: 'FailedCreate',
          about: 'ReplicaSet/web-new',
          message:
            '(combined from similar events): Error creating: pods "web-new-y2" is forbidden: exceeded quota: small, requested: pods=1',
        },
      ],
      [],
    ],
    [
      'nor how a pull failed',
      about('image-not-found', 'web: image registry.example/shop:new cannot be pulled: not found'),
      [
        {
          reason: 'Failed',
          message:
            'Failed to pull image "registry.example/shop:new": rpc error: code = NotFound desc = failed to pull and unpack image "registry.example/shop:new": failed to resolve reference "registry.example/shop:new": registry.example/shop:new: not found',
        },
        { reason: 'Failed', message: 'Error: ErrImagePull' },
        { reason: 'Failed', message: 'Error: ImagePullBackOff' },
      ],
      [],
    ],
    [
      'but that the pull secret is not there',
      about('image-not-found', 'web: image registry.example/shop:new cannot be pulled: denied'),
      [
        {
          reason: 'FailedToRetrieveImagePullSecret',
          message: 'Unable to retrieve some image pull secrets (regcred)',
        },
      ],
      ['FailedToRetrieveImagePullSecret: Unable to retrieve some image pull secrets (regcred)'],
    ],
    [
      'not that it is tried again later',
      about('crash', 'web: exited with 3'),
      [
        {
          reason: 'BackOff',
          message: 'Back-off restarting failed container web in pod web-a_shop(uid)',
        },
      ],
      [],
    ],
    [
      'not a failed probe of a crashed container',
      about('crash', 'web: exited with 3'),
      [{ reason: 'Unhealthy', message: 'Readiness probe failed: context deadline exceeded' }],
      [],
    ],
    [
      'not the response of the probe again, nor a refused connection at first',
      answered('HTTP probe failed with statuscode: 503'),
      [
        {
          reason: 'Unhealthy',
          message:
            'Readiness probe failed: Get "http://10.1.2.3:80/": dial tcp: connection refused',
        },
        {
          reason: 'Unhealthy',
          message: 'Readiness probe failed: HTTP probe failed with statuscode: 503',
          count: 30,
        },
      ],
      [],
    ],
    [
      'no event of the type Normal, except a missing volume',
      about('unschedulable', 'web: no node fits: unbound claims'),
      [
        { reason: 'Scheduled', message: 'assigned', type: 'Normal' },
        {
          reason: 'FailedBinding',
          message: 'no storage class is set',
          type: 'Normal',
          about: 'PersistentVolumeClaim/media',
        },
        {
          reason: 'ProvisioningFailed',
          message: 'not mine',
          about: 'PersistentVolumeClaim/other',
        },
      ],
      ['persistentvolumeclaim/media: FailedBinding: no storage class is set'],
    ],
    [
      'of the controller where there is no pod, and not of others',
      refused,
      [
        { reason: 'FailedCreate', message: 'Error creating: timeout', about: 'ReplicaSet/web-new' },
        { reason: 'FailedCreate', message: 'Error creating: no', about: 'ReplicaSet/web-old' },
        { reason: 'Failed', message: 'not asked for' },
      ],
      ['replicaset/web-new: FailedCreate: timeout'],
    ],
    [
      'not from before our write; clocks may differ by half a minute',
      about('timeout', 'web: not done'),
      [
        { reason: 'FailedMount', message: 'old', at: -31 },
        { reason: 'FailedMount', message: 'new', at: -29 },
      ],
      ['FailedMount: new'],
    ],
    [
      'on one line',
      about('timeout', 'web: not done'),
      [{ reason: 'Unhealthy', message: 'Liveness probe failed: one\n  two\n::error::three' }],
      ['Unhealthy: Liveness probe failed: one two ::error::three'],
    ],
  ])('are chosen rightly: %s', (_, cause, told, expected) => {
    expect(warnings(cause, told)).toEqual(expected)
  })
})
