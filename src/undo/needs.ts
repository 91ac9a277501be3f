/**
 * The objects that are named by those that an undo leaves as they are: a workload that keeps its new template
 * keeps its configuration, its passwords and its Service. Pure.
 */
import { isWorkload, nameOf, templateOf, type KubeObject } from '../kubernetes/objects.js'

/** The object that needs another, by the title of what it needs: `configmap/db-conf` by `statefulset/db`. */
export type Needs = ReadonlyMap<string, string>

/** Returns what the objects in `left` name among the others of the snapshot. */
export function needsOf(left: readonly KubeObject[], others: readonly KubeObject[]): Needs {
  const needs = new Map<string, string>()
  const add = (title: string, by: string) => {
    if (!needs.has(title)) needs.set(title, by)
  }
  for (const object of left) {
    const names = isWorkload(object) ? namedByWorkload(object) : namedAnywhere(object, others)
    for (const title of names) add(title, titleOf(object))
  }
  // The rights of an account are useless without their binding, and that without its role.
  for (const object of others) {
    const by = boundFor(object, needs)
    if (by === undefined) continue
    add(titleOf(object), by)
    add(roleOf(object), by)
  }
  return needs
}

/** Returns kind and name: `configmap/shop-config`. */
export function titleOf(object: KubeObject): string {
  return `${(object.kind ?? '').toLowerCase()}/${nameOf(object)}`
}

function namedByWorkload(object: KubeObject): readonly string[] {
  if (!isWorkload(object)) return []
  const { serviceName } = object.spec as { serviceName?: string }
  const { spec } = templateOf(object)
  const containers = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])]
  const volumes = spec?.volumes ?? []
  const projected = volumes.flatMap((volume) => volume.projected?.sources ?? [])
  const from = containers.flatMap(({ envFrom = [] }) => envFrom)
  const values = containers.flatMap(({ env = [] }) => env.map(({ valueFrom }) => valueFrom))
  return [
    ...titled('configmap', [
      ...from.map(({ configMapRef }) => configMapRef?.name),
      ...values.map((value) => value?.configMapKeyRef?.name),
      ...volumes.map(({ configMap }) => configMap?.name),
      ...projected.map(({ configMap }) => configMap?.name),
    ]),
    ...titled('secret', [
      ...from.map(({ secretRef }) => secretRef?.name),
      ...values.map((value) => value?.secretKeyRef?.name),
      ...volumes.map(({ secret }) => secret?.secretName),
      ...volumes.map(({ csi }) => csi?.nodePublishSecretRef?.name),
      ...volumes.map(({ azureFile }) => azureFile?.secretName),
      ...projected.map(({ secret }) => secret?.name),
      ...(spec?.imagePullSecrets ?? []).map(({ name }) => name),
    ]),
    ...titled(
      'persistentvolumeclaim',
      volumes.map(({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName),
    ),
    ...titled('service', [serviceName]),
    ...titled('serviceaccount', [spec?.serviceAccountName]),
  ]
}

/** Returns what an object of an unknown kind may name: any of its texts may be a name. */
function namedAnywhere({ spec }: KubeObject, others: readonly KubeObject[]): readonly string[] {
  const texts = new Set(textsIn(spec))
  return others.filter((other) => texts.has(nameOf(other))).map(titleOf)
}

function textsIn(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value]
  if (typeof value !== 'object' || value === null) return []
  return Object.values(value).flatMap(textsIn)
}

interface Binding extends KubeObject {
  readonly roleRef?: { readonly kind?: string; readonly name?: string }
  readonly subjects?: readonly { readonly kind?: string; readonly name?: string }[]
}

function boundFor(object: KubeObject, needs: Needs): string | undefined {
  if (object.kind !== 'RoleBinding') return undefined
  const { subjects = [] } = object as Binding
  const accounts = subjects.filter(({ kind }) => kind === 'ServiceAccount')
  return accounts
    .map(({ name = '' }) => needs.get(`serviceaccount/${name}`))
    .find((by) => by !== undefined)
}

function roleOf(object: KubeObject): string {
  const { roleRef } = object as Binding
  return `${(roleRef?.kind ?? '').toLowerCase()}/${roleRef?.name ?? ''}`
}

function titled(kind: string, names: readonly (string | undefined)[]): readonly string[] {
  return names.flatMap((name) => (name === undefined ? [] : [`${kind}/${name}`]))
}
