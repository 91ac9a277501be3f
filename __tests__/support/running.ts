/** Workloads of the image with pods that run some digest: `web: {image: shop:latest, pods: [a, a, b]}`. */
import type { Pod } from 'kubernetes-types/core/v1'
import { parse } from 'yaml'
import type { WorkloadObject } from '../../src/kubernetes/objects.js'
import type { WorkloadKind } from '../../src/kubernetes/workload.js'
import type { ClusterState } from '../../src/judge/types.js'
import { nothing } from './live.js'

interface Running {
  readonly kind?: WorkloadKind
  readonly image: string
  /** Of an init container besides. */
  readonly init?: string
  /** What each pod tells as its image: a letter stands for a digest of the repository. */
  readonly pods?: readonly string[]
  /** The pods are of an older template. */
  readonly old?: true
  /** The pods are Ready there. */
  readonly node?: string
}

/** `a`: `sha256:aaa…` */
export const digest = (letter: string) => `sha256:${letter.repeat(64)}`

const imageId = (told: string) => (told.length === 1 ? `ghcr.io/acme/shop@${digest(told)}` : told)

export function running(text: string): {
  readonly clusterState: ClusterState
  readonly workloads: readonly WorkloadObject[]
} {
  const all = Object.entries(parse(text) as Record<string, Running>)
  const workloads = all.map(([name, { kind = 'StatefulSet', image, init }]) => {
    const spec = {
      containers: [{ name: 'app', image }],
      ...(init !== undefined && { initContainers: [{ name: 'init', image: init }] }),
    }
    return {
      apiVersion: kind === 'CronJob' ? 'batch/v1' : 'apps/v1',
      kind,
      metadata: { name, uid: name, generation: 1 },
      spec:
        kind === 'CronJob'
          ? { jobTemplate: { spec: { template: { spec } } } }
          : { template: { spec } },
      status: { observedGeneration: 1, updateRevision: 'new' },
    } as WorkloadObject
  })
  const pods = all.flatMap(([name, { pods = [], old, node }]) =>
    pods.map((told, index): [string, Pod] => {
      const status = { image: '', imageID: imageId(told), ready: true, restartCount: 0 }
      const owner = {
        apiVersion: 'apps/v1',
        kind: 'StatefulSet',
        name,
        uid: name,
        controller: true,
      }
      return [
        `${name}-${index}`,
        {
          metadata: {
            name: `${name}-${index}`,
            labels: { 'controller-revision-hash': old ? 'old' : 'new' },
            ownerReferences: [owner],
          },
          ...(node !== undefined && { spec: { nodeName: node, containers: [] } }),
          status: {
            ...(node !== undefined && { conditions: [{ type: 'Ready', status: 'True' }] }),
            containerStatuses: [{ name: 'app', ...status }],
            initContainerStatuses: [{ name: 'init', ...status }],
          },
        },
      ]
    }),
  )
  const of = (kind: WorkloadKind) =>
    new Map(
      workloads.flatMap((one) => (one.kind === kind ? [[one.metadata?.name ?? '', one]] : [])) as [
        string,
        never,
      ][],
    )
  return {
    workloads,
    clusterState: {
      ...nothing,
      statefulsets: of('StatefulSet'),
      cronjobs: of('CronJob'),
      pods: new Map(pods),
    },
  }
}
