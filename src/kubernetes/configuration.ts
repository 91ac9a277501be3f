/**
 * Configuration that a pod reads once, when its containers start: by `env`, by `envFrom`, or as a file by
 * `subPath`. Volumes without a subPath follow their object by themselves. Pure.
 */
import type {
  Container,
  EnvVar,
  KeyToPath,
  PodTemplateSpec,
  Volume,
} from 'kubernetes-types/core/v1'
import {
  isWorkload,
  templateOf,
  withTemplate,
  type KubeObject,
  type WorkloadObject,
} from './objects.js'

/** One container reads one object. */
export interface ConfigurationRead {
  readonly kind: 'ConfigMap' | 'Secret'
  readonly name: string
  readonly container: string
  readonly keys: 'all' | readonly string[]
}

/** Returns everything that the pods of a template read at their start. */
export function readsOf({ spec }: PodTemplateSpec): readonly ConfigurationRead[] {
  const containers = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])]
  return containers.flatMap((container) => [
    ...(container.env ?? []).flatMap((one) => readByVariable(one, container.name)),
    ...readByEnvFrom(container),
    ...readAsFiles(container, spec?.volumes ?? []),
  ])
}

/** Returns the ConfigMaps and Secrets that pods of this spec name anywhere, each once. */
export function readsOfSpec(
  spec: PodTemplateSpec['spec'],
): readonly Pick<ConfigurationRead, 'kind' | 'name'>[] {
  const asFiles = (spec?.volumes ?? []).flatMap(({ configMap, secret, projected }) => [
    ...read('ConfigMap', configMap?.name, '', 'all'),
    ...read('Secret', secret?.secretName, '', 'all'),
    ...(projected?.sources ?? []).flatMap((source) => [
      ...read('ConfigMap', source.configMap?.name, '', 'all'),
      ...read('Secret', source.secret?.name, '', 'all'),
    ]),
  ])
  const all = [...readsOf(spec ? { spec } : {}), ...asFiles]
  const byId = new Map(all.map(({ kind, name }) => [`${kind}/${name}`, { kind, name }]))
  return [...byId.values()]
}

function readByVariable({ valueFrom }: EnvVar, container: string): readonly ConfigurationRead[] {
  const { configMapKeyRef: map, secretKeyRef: secret } = valueFrom ?? {}
  return [
    ...(map ? read('ConfigMap', map.name, container, [map.key]) : []),
    ...(secret ? read('Secret', secret.name, container, [secret.key]) : []),
  ]
}

function readByEnvFrom({ name, envFrom = [] }: Container): readonly ConfigurationRead[] {
  return envFrom.flatMap(({ configMapRef, secretRef }) => [
    ...read('ConfigMap', configMapRef?.name, name, 'all'),
    ...read('Secret', secretRef?.name, name, 'all'),
  ])
}

function readAsFiles(
  { name, volumeMounts = [] }: Container,
  volumes: readonly Volume[],
): readonly ConfigurationRead[] {
  return volumeMounts.flatMap(({ name: of, subPath, subPathExpr }) => {
    if (!subPath && !subPathExpr) return []
    const volume = volumes.find((one) => one.name === of)
    const keys = (items: readonly KeyToPath[] | undefined) =>
      subPath ? keysAt(subPath, items) : ('all' as const)
    const { configMap, secret, projected } = volume ?? {}
    return [
      ...(configMap ? read('ConfigMap', configMap.name, name, keys(configMap.items)) : []),
      ...(secret ? read('Secret', secret.secretName, name, keys(secret.items)) : []),
      ...(projected?.sources ?? []).flatMap((source) => [
        ...read('ConfigMap', source.configMap?.name, name, keys(source.configMap?.items)),
        ...read('Secret', source.secret?.name, name, keys(source.secret?.items)),
      ]),
    ]
  })
}

/** The keys whose files are at a path of the volume, or below it. */
function keysAt(path: string, items: readonly KeyToPath[] | undefined): readonly string[] {
  const clean = path.replace(/^\.\//, '').replace(/\/+$/, '')
  if (!items || items.length === 0) return [clean]
  return items
    .filter((item) => item.path === clean || item.path.startsWith(`${clean}/`))
    .map(({ key }) => key)
}

function read(
  kind: ConfigurationRead['kind'],
  name: string | undefined,
  container: string,
  keys: ConfigurationRead['keys'],
): readonly ConfigurationRead[] {
  return name ? [{ kind, name, container, keys }] : []
}

/** Returns whether this is the object that is read. */
export function isReadBy(object: KubeObject, { kind, name }: ConfigurationRead): boolean {
  return object.apiVersion === 'v1' && object.kind === kind && object.metadata?.name === name
}

/** Returns whether a container that starts now reads something else than one that started before. */
export function readsDifferently(
  { keys }: ConfigurationRead,
  before: KubeObject | undefined,
  after: KubeObject,
): boolean {
  const [old, now] = [contentOf(before), contentOf(after)]
  const all = keys === 'all' ? new Set([...Object.keys(old), ...Object.keys(now)]) : keys
  return [...all].some((key) => old[key] !== now[key])
}

/** The values by their keys; texts of a Secret's `stringData` as the server keeps them. */
function contentOf(object: KubeObject | undefined): Readonly<Record<string, string>> {
  const { data, binaryData, stringData } = (object ?? {}) as Readonly<
    Record<'data' | 'binaryData' | 'stringData', Readonly<Record<string, string>> | undefined>
  >
  const encoded = Object.entries(stringData ?? {}).map(
    ([key, text]) => [key, Buffer.from(text).toString('base64')] as const,
  )
  return { ...binaryData, ...data, ...Object.fromEntries(encoded) }
}

/** On the pod template: another value replaces the pods. */
export const configHash = 'django-rollout/config-hash'

export function configHashOf(object: KubeObject | undefined): string | undefined {
  if (!object || !isWorkload(object)) return undefined
  return templateOf(object).metadata?.annotations?.[configHash]
}

/** Returns the workload with this hash in its pod template; `undefined`: as it is. */
export function withConfigHash(object: WorkloadObject, hash: string | undefined): WorkloadObject {
  if (hash === undefined) return object
  const template = templateOf(object)
  const annotations = { ...template.metadata?.annotations, [configHash]: hash }
  return withTemplate(object, { ...template, metadata: { ...template.metadata, annotations } })
}
