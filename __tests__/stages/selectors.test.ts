import { describe, expect, test } from '@jest/globals'
import type { Service } from 'kubernetes-types/core/v1'
import { parse } from 'yaml'
import type { Change } from '../../src/kubernetes/apply.js'
import { keyOf, type KubeObject } from '../../src/kubernetes/objects.js'
import type { ClusterState } from '../../src/judge/types.js'
import { Failure } from '../../src/failure/failure.js'
import { planOf } from '../../src/stages/selectors.js'

const object = (text: string) => parse(`{${text}}`) as KubeObject
const created = (text: string): Change => {
  const it = object(text)
  return { is: 'create', object: it, becomes: it }
}
const unchanged = (text: string): Change => {
  const it = object(text)
  return { is: 'none', object: it, live: it, becomes: it }
}

const kinds = [
  'deployments',
  'statefulsets',
  'daemonsets',
  'cronjobs',
  'replicasets',
  'jobs',
  'pods',
  'events',
]
/** Of these objects, by the plural of their kinds. */
const pictureOf = (...objects: readonly KubeObject[]) =>
  Object.fromEntries(
    kinds.map((plural) => [
      plural,
      new Map(
        objects
          .filter(({ kind = '' }) => `${kind.toLowerCase()}s` === plural)
          .map((one) => [one.metadata?.name, one]),
      ),
    ]),
  ) as unknown as ClusterState

const service = object(
  'apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}, ports: [{port: 80}]}',
)
const web = object(
  'apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {template: {metadata: {labels: {app: web}}}}',
)
const budget = (app: string) =>
  `apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: a}, spec: {selector: {matchLabels: {app: ${app}}}}`
const ingress = (name: string) =>
  `apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: a}, spec: {defaultBackend: {service: {name: ${name}, port: {number: 80}}}}`

const planned = (
  others: readonly Change[],
  here: readonly KubeObject[],
  jobs: readonly KubeObject[] = [],
) => {
  const clusterState = pictureOf(...here)
  return planOf({
    others,
    own: [],
    targets: [],
    services: [service as Service],
    clusterState,
    jobs,
  })
}

const warningsOf = (
  others: readonly Change[],
  here: readonly KubeObject[] = [web],
  jobs: readonly KubeObject[] = [],
) => planned(others, here, jobs).warnings

describe('a selector without pods is reported', () => {
  const pod = (owner: string) =>
    object(
      `apiVersion: v1, kind: Pod, metadata: {name: p, labels: {app: x}, ownerReferences: [{${owner}, controller: true, apiVersion: v1, uid: a}]}`,
    )
  const set = object(
    'apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: x, ownerReferences: [{kind: Rollout, name: x, controller: true, apiVersion: argoproj.io/v1alpha1, uid: a}]}',
  )
  const idle = object(
    'apiVersion: apps/v1, kind: Deployment, metadata: {name: x}, spec: {replicas: 0, template: {metadata: {labels: {app: x}}}}',
  )
  const job = object(
    'apiVersion: batch/v1, kind: Job, metadata: {name: x}, spec: {template: {metadata: {labels: {app: x}}}}',
  )

  test.each<readonly [string, number, readonly KubeObject[], readonly KubeObject[]]>([
    ['none has the labels', 1, [web], []],
    [
      'a pod without owner',
      0,
      [object('apiVersion: v1, kind: Pod, metadata: {name: p, labels: {app: x}}')],
      [],
    ],
    ['a pod of a Job', 0, [pod('kind: Job, name: x')], []],
    ['a pod of another tool’s ReplicaSet', 0, [pod('kind: ReplicaSet, name: x'), set], []],
    [
      'a pod whose Deployment has other labels by now',
      1,
      [pod('kind: ReplicaSet, name: gone'), web],
      [],
    ],
    ['a workload that is scaled to none', 0, [idle], []],
    ['a Job of this release', 0, [web], [job]],
  ])('when %s: %d times', (_, count, here, jobs) => {
    expect(warningsOf([created(budget('x'))], here, jobs)).toHaveLength(count)
  })

  test('once, and not again when nothing changes', () => {
    expect(warningsOf([unchanged(budget('x'))])).toEqual([])
  })
})

describe('an Ingress', () => {
  const secret = created('apiVersion: v1, kind: Secret, metadata: {name: a}')
  const custom = created('apiVersion: postgresql.cnpg.io/v1, kind: Cluster, metadata: {name: pg}')
  const later = created(
    'apiVersion: v1, kind: Service, metadata: {name: later}, spec: {ports: [{port: 80}]}',
  )

  test.each<readonly [string, readonly Change[], number]>([
    ['to a Service of the cluster', [created(ingress('web'))], 0],
    ['to a Service of the manifests', [created(ingress('later')), later], 0],
    ['to what a custom resource may make', [created(ingress('pg')), custom], 1],
    ['nowhere already', [unchanged(ingress('pg'))], 0],
  ])('is accepted when it leads %s', (_, others, count) => {
    expect(warningsOf(others)).toHaveLength(count)
  })

  test('is refused when it leads to no Service', () => {
    expect(() => warningsOf([created(ingress('pg')), secret])).toThrow(Failure)
  })

  test('is written last', () => {
    const { changes } = planned([created(ingress('web')), secret], [web])
    expect(changes.map(({ object, when }) => [keyOf(object), when])).toEqual([
      ['networking.k8s.io/Ingress/a', 'last'],
      ['/Secret/a', 'before'],
    ])
  })
})
