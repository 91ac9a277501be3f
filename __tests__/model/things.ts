/** What stands in the model's cluster, and what a version of it is. */
import type { KubeObject } from '../../src/kubernetes/objects.js'
import { namespace } from './places.js'

export const repository = 'ghcr.io/acme/shop'

export function imageOf(version: number): string {
  return `${repository}:v${version}@sha256:${version}`
}

function templateOf(version: number) {
  return { spec: { containers: [{ name: 'app', image: imageOf(version) }] } }
}

/** A workload whose rollout is over when its template is written. */
export function cronJob(name: string, version: number): KubeObject {
  return {
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    metadata: { name, namespace, uid: name, generation: 1 },
    spec: { schedule: '@daily', jobTemplate: { spec: { template: templateOf(version) } } },
  }
}

/** The same, by a controller that is done at once. */
export function deployment(name: string, version: number): KubeObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace, uid: name, generation: 1 },
    spec: { replicas: 1, template: templateOf(version) },
  }
}

export function configMap(name: string, data: Readonly<Record<string, string>>): KubeObject {
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data }
  return object
}

/** What a release may bring beside its image. */
export type Thing = 'config' | 'extra' | 'front'

/** The manifest that a version has of it: the first one has no `extra`. */
export function manifestOf(thing: Thing, version: number): KubeObject | undefined {
  if (thing === 'extra' && version === 1) return undefined
  if (thing !== 'front') return configMap(thing, { A: `v${version}` })
  const ports = [{ port: 80, targetPort: 8000 + version }]
  return { apiVersion: 'v1', kind: 'Service', metadata: { name: thing }, spec: { ports } }
}

/** The version that an object of the manifests has, by what the release says of it. */
export function versionOfThing(object: KubeObject): string {
  const { data, spec } = object as {
    readonly data?: { readonly A?: string }
    readonly spec?: { readonly ports?: readonly { readonly targetPort?: number }[] }
  }
  const { targetPort = 0 } = spec?.ports?.[0] ?? {}
  return data?.A ?? `v${targetPort - 8000}`
}
