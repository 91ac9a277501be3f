/** What does not stand as the end of a run says. */
import { describe, expect, test } from '@jest/globals'
import { parse } from 'yaml'
import type { KubeObject } from '../../src/kubernetes/objects.js'
import { notAsBefore, onAnotherVersion } from '../../src/stages/exceptions.js'
import type { Restored } from '../../src/undo/restore.js'
import type { ClusterState } from '../../src/judge/types.js'
import { nothing } from '../support/live.js'

const typed = (args: readonly string[]) => `kubectl ${args.join(' ')}`
const sha = (letter: string) => `${letter}1`.repeat(20)
const image = { repository: 'ghcr.io/acme/shop', tag: '1.5', digest: 'sha256:5' }
const fresh = 'ghcr.io/acme/shop:1.5@sha256:5'
const old = 'ghcr.io/acme/shop:1.4@sha256:4'

type Yaml = Record<string, unknown>

const plurals: Readonly<Record<string, keyof ClusterState>> = {
  Deployment: 'deployments',
  StatefulSet: 'statefulsets',
  DaemonSet: 'daemonsets',
  CronJob: 'cronjobs',
  ReplicaSet: 'replicasets',
  Job: 'jobs',
  Pod: 'pods',
}
const apis: Readonly<Record<string, string>> = { CronJob: 'batch/v1', Job: 'batch/v1', Pod: 'v1' }

/** `Kind/name [of Kind/name] image; more YAML` a line. */
function pictureOf(lines: readonly string[]): ClusterState {
  const clusterState = Object.fromEntries(
    Object.entries(nothing).map(([key, value]) => [key, value instanceof Map ? new Map() : value]),
  ) as unknown as Record<string, Map<string, unknown>>
  for (const line of lines) {
    const [, kind = '', name = '', of, use, more = ''] =
      /^(\w+)\/(\S+)(?: of (\S+))? (\S+)(?:; (.*))?$/.exec(line) ?? []
    const [ownerKind = '', ownerName = ''] = of?.split('/') ?? []
    const owner = { kind: ownerKind, name: ownerName, uid: `${ownerKind}/${ownerName}` }
    const { metadata, spec, status } = (parse(more) ?? {}) as Record<string, Yaml>
    const containers = (use ?? '')
      .split(',')
      .map((one, i) => ({ name: ['app', 'side'][i], image: one }))
    const pod = { spec: { containers } }
    const own =
      kind === 'Pod'
        ? pod.spec
        : kind === 'CronJob'
          ? { jobTemplate: { spec: { template: pod } } }
          : { template: pod }
    clusterState[plurals[kind] ?? '']?.set(name, {
      apiVersion: apis[kind] ?? 'apps/v1',
      kind,
      metadata: {
        name,
        uid: `${kind}/${name}`,
        ...(of !== undefined && {
          ownerReferences: [{ apiVersion: 'example.com/v1', controller: true, ...owner }],
        }),
        ...metadata,
      },
      spec: { ...own, ...spec },
      status,
    })
  }
  return clusterState as unknown as ClusterState
}

describe('the report of other versions after a release', () => {
  const targets = ['deployment/web', 'statefulset/queue', 'daemonset/agent', 'cronjob/tick']
  const told = (lines: readonly string[], before = [old], released = image) =>
    onAnotherVersion(pictureOf(lines), { image: released, targets, before }, typed).map(
      ({ message, fix = '-', pods }) => [message, fix, ...(pods === undefined ? [] : [pods])],
    )

  test.each<[string, readonly string[], unknown]>([
    [
      'nothing of a complete workload',
      [
        `Deployment/web ${fresh}`,
        `ReplicaSet/web-1 of Deployment/web ${fresh}`,
        `Pod/web-1-a of ReplicaSet/web-1 ${fresh}`,
      ],
      [],
    ],
    [
      'nothing of pods that a Deployment is about to end',
      [
        `Deployment/web ${fresh}`,
        `ReplicaSet/web-0 of Deployment/web ${old}`,
        `Pod/web-0-a of ReplicaSet/web-0 ${old}`,
      ],
      [],
    ],
    [
      'OnDelete',
      [
        `StatefulSet/queue ${fresh}; spec: { updateStrategy: { type: OnDelete } }`,
        `Pod/queue-0 of StatefulSet/queue ${old}`,
        `Pod/queue-1 of StatefulSet/queue ${old}`,
        `Pod/queue-2 of StatefulSet/queue ${fresh}`,
      ],
      [
        [
          'statefulset/queue: 2 pods still run 1.4, because updateStrategy: OnDelete changes a pod only when it is deleted',
          'kubectl delete pod queue-0 queue-1',
          2,
        ],
      ],
    ],
    [
      'OnDelete of a DaemonSet, whose pod is about to end',
      [
        `DaemonSet/agent ${fresh}; spec: { updateStrategy: { type: OnDelete } }`,
        `Pod/agent-a of DaemonSet/agent ${old}; metadata: { deletionTimestamp: now }`,
      ],
      [],
    ],
    [
      'a partition',
      [
        `StatefulSet/queue ${fresh}; spec: { updateStrategy: { rollingUpdate: { partition: 1 } } }`,
        `Pod/queue-0 of StatefulSet/queue ${old}`,
        `Pod/queue-1 of StatefulSet/queue ${fresh}`,
      ],
      [
        [
          'statefulset/queue: 1 pod still runs 1.4, because its partition is 1',
          'kubectl patch statefulset/queue --patch {"spec":{"updateStrategy":{"rollingUpdate":{"partition":0}}}}',
          1,
        ],
      ],
    ],
    [
      'a pod without owner',
      [`Pod/shell ${old}`, `Pod/done ${old}; status: { phase: Succeeded }`],
      [
        [
          'pod/shell still runs 1.4: no workload recreates it',
          `kubectl set image pod/shell app=${fresh}`,
        ],
      ],
    ],
    [
      'no pod whose tag is another, and whose image is the very one',
      [
        'Pod/shell ghcr.io/acme/shop:latest; status: { containerStatuses: [{ name: app, imageID: "docker-pullable://ghcr.io/acme/shop@sha256:5" }] }',
        'Pod/new ghcr.io/acme/shop:1.5',
        'Pod/other ghcr.io/acme/blog:1.4',
      ],
      [],
    ],
    [
      'an unknown kind, by its pods',
      [
        `ReplicaSet/api-1 of Rollout/api ${old}`,
        `Pod/api-1-a of ReplicaSet/api-1 ${old}`,
        `Pod/api-1-b of ReplicaSet/api-1 ${old}`,
        `Pod/db-1 of Cluster/db ${old}`,
      ],
      [
        [
          'rollout/api (example.com/v1) still runs 1.4 in 2 pods: a release changes no objects of this kind',
          '-',
        ],
        [
          'cluster/db (example.com/v1) still runs 1.4 in 1 pod: a release changes no objects of this kind',
          '-',
        ],
      ],
    ],
    [
      'Jobs that go on',
      [
        `Job/import ${old}`,
        `Job/tick-1 of CronJob/tick ${old}`,
        `Pod/tick-1-a of Job/tick-1 ${old}`,
        `Job/over ${old}; status: { conditions: [{ type: Complete, status: "True" }] }`,
        `Job/waits ${old}; spec: { suspend: true }`,
        `Job/ours ${old}; metadata: { labels: { django-rollout/job: migrate } }`,
        `Job/fresh ${fresh}`,
      ],
      [
        [
          'job/import keeps running 1.4: the template of a Job is immutable',
          'kubectl delete job import',
        ],
        [
          'job/tick-1, started before by cronjob/tick, keeps running 1.4: the template of a Job is immutable',
          'kubectl delete job tick-1',
        ],
      ],
    ],
    [
      'a workload that is left out',
      [
        `Deployment/legacy ${old}; metadata: { annotations: { django-rollout/ignore: "true" } }`,
        `ReplicaSet/legacy-1 of Deployment/legacy ${old}`,
        `Pod/legacy-1-a of ReplicaSet/legacy-1 ${old}`,
        `CronJob/idle ${fresh}; metadata: { annotations: { django-rollout/ignore: "true" } }`,
      ],
      [
        [
          'deployment/legacy stays on 1.4: it is excluded by its annotation django-rollout/ignore',
          'kubectl annotate deployment/legacy django-rollout/ignore-',
        ],
      ],
    ],
    [
      'a workload that was created during the release',
      [`Deployment/new ${old}`],
      [['deployment/new runs 1.4: it was created during the release', '-']],
    ],
    [
      'another image with the tag of the version before, which is no commit',
      [`Deployment/web ${fresh},ghcr.io/acme/proxy:1.4`, 'Deployment/cdn ghcr.io/acme/assets:1.4'],
      [],
    ],
    [
      'static files of our own name with the tag of the version before',
      ['Deployment/cdn other.example/shop-static:1.4'],
      [
        [
          'deployment/cdn, container app stays on shop-static:1.4, which has the tag of the previous version',
          'kubectl set image deployment/cdn app=other.example/shop-static:1.5',
        ],
      ],
    ],
  ])('lists %s', (_, lines, expected) => {
    expect(told(lines)).toEqual(expected)
  })

  test.each([
    ...['latest', 'main', 'prod'].map((tag) => `shop-static:${tag}`),
    ...['v1', '20240101', '1234567', 'facade0x', 'abc1'].map((tag) => `assets:${tag}`),
  ])('lists no other images such as %s, whose tag is no commit', (image) => {
    const before = [`ghcr.io/acme/shop:${image.replace(/^.*:/, '')}`]
    expect(told([`Deployment/cdn ghcr.io/acme/${image}`], before)).toEqual([])
  })

  test('lists static files by their commit, wherever they are, and no version that stays', () => {
    const lines = [`Deployment/cdn other.example/files:static-${sha('a')}`]
    const before = [`ghcr.io/acme/shop:${sha('a')}@sha256:4`]
    const next = { ...image, tag: sha('b') }
    expect(told(lines, before, next)).toEqual([
      [
        expect.stringMatching(/^deployment\/cdn, container app stays on files:static-a1a1/),
        `kubectl set image deployment/cdn app=other.example/files:static-${sha('b')}`,
      ],
    ])
    expect(told(lines, before, { ...image, tag: sha('a') })).toEqual([])
  })
})

describe('the report of other versions after an undo', () => {
  /** Of workloads that were on 1.4, and for a while on 1.5. */
  const told = (
    lines: readonly string[],
    restored: Readonly<Record<string, readonly [Restored['did'], string]>>,
  ) => {
    const all = Object.entries(restored).map(([id, [did, more]]): Restored => {
      const objectOf = (use: string) => {
        const [kind = '', name = ''] = id.split('/')
        const clusterState = pictureOf([`${id} ${use}; ${more}`]) as unknown as Record<
          string,
          Map<string, KubeObject>
        >
        return clusterState[plurals[kind] ?? '']?.get(name) ?? {}
      }
      const prior = { path: id, object: objectOf(old), written: objectOf(fresh) }
      return { prior: { ...prior, change: 'set-image', of: 'workload' }, did }
    })
    return notAsBefore(pictureOf(lines), all, typed).map(({ object, is, message, fix = '-' }) => [
      object,
      is,
      message,
      fix,
    ])
  }
  const well = 'status: { availableReplicas: 1 }'

  test.each<[string, readonly string[], Parameters<typeof told>[1], unknown]>([
    [
      'nothing of a complete workload',
      [
        `Deployment/web ${old}; ${well}`,
        `CronJob/tick ${old}`,
        `Job/tick-1 of CronJob/tick ${old}`,
      ],
      { 'Deployment/web': ['put', well], 'CronJob/tick': ['put', ''] },
      [],
    ],
    [
      'a Job that the CronJob has started since',
      [
        `Job/tick-1 of CronJob/tick ${fresh}`,
        `Job/tick-0 of CronJob/tick ${fresh}; status: { conditions: [{ type: Failed, status: "True" }] }`,
      ],
      { 'CronJob/tick': ['put', ''] },
      [
        [
          'job/tick-1',
          'withdrawn',
          'job/tick-1, started by cronjob/tick, keeps running the withdrawn 1.5',
          'kubectl delete job tick-1',
        ],
      ],
    ],
    [
      'a pod that another client has deleted since, and OnDelete has created again',
      [
        `StatefulSet/queue ${old}; { spec: { updateStrategy: { type: OnDelete } }, ${well} }`,
        `Pod/queue-0 of StatefulSet/queue ${fresh}`,
        `Pod/queue-1 of StatefulSet/queue ${old}`,
      ],
      { 'StatefulSet/queue': ['put', well] },
      [
        [
          'statefulset/queue',
          'withdrawn',
          'statefulset/queue: 1 pod keeps running the withdrawn version, because updateStrategy: OnDelete changes a pod only when it is deleted',
          'kubectl delete pod queue-0',
        ],
      ],
    ],
    [
      'what was not well before, and pods that a rolling Deployment keeps for it',
      [
        `Deployment/web ${old}; { spec: { replicas: 3 }, status: { availableReplicas: 2 } }`,
        `ReplicaSet/web-2 of Deployment/web ${fresh}`,
        `Pod/web-2-a of ReplicaSet/web-2 ${fresh}`,
      ],
      { 'Deployment/web': ['put', '{ spec: { replicas: 3 }, status: { availableReplicas: 1 } }'] },
      [
        [
          'deployment/web',
          'withdrawn',
          'deployment/web: 1 pod keeps running the withdrawn version, because too few pods of the previous version are Ready, as before the release',
          '-',
        ],
        [
          'deployment/web',
          'unwell',
          'deployment/web was already unhealthy before the release, and is unhealthy: 2 of 3 pods available',
          '-',
        ],
      ],
    ],
    [
      'what was not restored',
      [
        `StatefulSet/db postgres:17; { spec: { replicas: 1 }, status: {} }`,
        `Deployment/api ghcr.io/acme/shop:hotfix; ${well}`,
      ],
      { 'StatefulSet/db': ['keep', well], 'Deployment/api': ['external', well] },
      [
        [
          'statefulset/db',
          'unwell',
          'statefulset/db was not restored, and is unhealthy: 0 of 1 pods available',
          '-',
        ],
      ],
    ],
  ])('lists %s', (_, lines, restored, expected) => {
    expect(told(lines, restored)).toEqual(expected)
  })
})
