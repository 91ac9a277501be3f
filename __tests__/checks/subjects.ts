/** Workloads for checks: as they stand in the cluster, or as a manifest has them. */
import type { Container, Service } from 'kubernetes-types/core/v1'
import { subjectsOf, type Subject } from '../../src/checks/subject.js'
import type { WorkloadObject } from '../../src/kubernetes/objects.js'
import type { WorkloadKind } from '../../src/kubernetes/workload.js'
import type { Target } from '../../src/kubernetes/target.js'

export const kubectl = (args: readonly string[]) => ['kubectl -n shop', ...args].join(' ')

export const gunicorn: Container = {
  name: 'web',
  image: 'shop:1',
  command: ['gunicorn', 'shop.wsgi'],
  ports: [{ name: 'http', containerPort: 8000 }],
}

export const celery = (...args: readonly string[]): Container => ({
  name: 'celery',
  image: 'shop:1',
  command: ['celery', '-A', 'shop', ...args],
})

export interface Drawn {
  readonly kind?: WorkloadKind
  readonly metadata?: object
  readonly spec?: object
  readonly containers?: readonly Container[]
  /** Of the pods. */
  readonly pod?: object
  /** It comes with the release, and stands there as well. */
  readonly fromManifest?: boolean
  /** A Service leads to it. */
  readonly served?: boolean
}

/** A workload `web` whose containers run our image, but for those named `nginx`. */
export function subject(drawn: Drawn = {}, name = 'web'): Subject {
  const { kind = 'Deployment', containers = [gunicorn], fromManifest, served = true } = drawn
  const template = {
    metadata: { labels: { app: name } },
    spec: { ...drawn.pod, containers: [...containers] },
  }
  const spec =
    kind === 'CronJob'
      ? { ...drawn.spec, jobTemplate: { spec: { template } } }
      : { ...drawn.spec, template }
  const object: WorkloadObject = {
    apiVersion: kind === 'CronJob' ? 'batch/v1' : 'apps/v1',
    kind,
    metadata: { name, namespace: 'shop', ...drawn.metadata },
    spec,
  }
  const ours = containers.filter((one) => one.name !== 'nginx')
  const target: Target = {
    id: { kind, name },
    path: `/${name}`,
    uses: ours.map((one) => ({ name: one.name, init: false, image: one.image ?? '' })),
    running: [],
    live: object,
    ...(fromManifest && { manifest: object }),
  }
  const service: Service = { metadata: { name }, spec: { selector: { app: name } } }
  const [found] = subjectsOf([target], served ? [service] : [])
  if (!found) throw new Error('no subject')
  return found
}
