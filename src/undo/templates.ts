/**
 * The pod templates of versions that ran: what a rollback restores, and how that differs from today. Pure.
 */
import type { Container, PodTemplateSpec } from 'kubernetes-types/core/v1'
import { configHash } from '../kubernetes/configuration.js'
import {
  isWorkload,
  same,
  templateOf,
  workloadId,
  type WorkloadObject,
} from '../kubernetes/objects.js'
import { idOf } from '../kubernetes/workload.js'
import type { Snapshot } from './snapshot.js'

/** The templates as a release wrote them, by `idOf` of the workload. */
export type Templates = Readonly<Record<string, PodTemplateSpec>>

/** Returns whether a value has the shape of templates, as far as they are read before the server validates them. */
export function isTemplates(read: unknown): read is Templates {
  const isContainers = (list: unknown) =>
    Array.isArray(list) && list.every((one) => isObject(one) && typeof one['name'] === 'string')
  return (
    isObject(read) &&
    Object.values(read).every((template) => {
      if (!isObject(template) || !isObject(template['spec'])) return false
      const { containers, initContainers = [] } = template['spec']
      return isContainers(containers) && isContainers(initContainers)
    })
  )
}

/** Returns the templates that a release leaves in the cluster. */
export function templatesOf(snapshot: Snapshot): Templates {
  return templatesIn(
    snapshot.flatMap(({ of, written }) =>
      of === 'workload' && isWorkload(written) ? [written] : [],
    ),
  )
}

/** Returns the templates from before the release. */
export function templatesBefore(snapshot: Snapshot): Templates {
  return templatesIn(
    snapshot.flatMap(({ of, change, object }) =>
      of === 'workload' && change !== 'create' && isWorkload(object) ? [object] : [],
    ),
  )
}

export function templatesIn(workloads: readonly WorkloadObject[]): Templates {
  return Object.fromEntries(
    workloads.map((object) => [idOf(workloadId(object)), templateOf(object)]),
  )
}

/**
 * Returns the template of that release, with the external changes since the last release: what is still as that release
 * wrote it (`released`) goes back to `then`, and everything else stays as it is `now`.
 */
export function broughtBack(
  then: PodTemplateSpec,
  released: PodTemplateSpec,
  now: WorkloadObject,
): PodTemplateSpec {
  const live = templateOf(now)
  const merged = threeWay(then, released, live) as PodTemplateSpec
  return withLabelsOfToday(withVolumes(merged, live), live)
}

/** Adds the volumes that a mount of today needs, though only the last release had them. */
function withVolumes(template: PodTemplateSpec, live: PodTemplateSpec): PodTemplateSpec {
  const { spec } = template
  const all = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])]
  const used = all.flatMap(({ volumeMounts = [], volumeDevices = [] }) =>
    [...volumeMounts, ...volumeDevices].map(({ name }) => name),
  )
  const volumes = spec?.volumes ?? []
  const missing = (live.spec?.volumes ?? []).filter(
    ({ name }) => used.includes(name) && volumes.every((volume) => volume.name !== name),
  )
  return spec && missing.length > 0
    ? { ...template, spec: { ...spec, volumes: [...volumes, ...missing] } }
    : template
}

/**
 * Keeps the labels of today: the Services of today select the pods by them, and Services are not restored. The same
 * for the hash of the configuration, which is today's.
 */
function withLabelsOfToday(template: PodTemplateSpec, live: PodTemplateSpec): PodTemplateSpec {
  const { metadata } = template
  const labels = { ...metadata?.labels, ...live.metadata?.labels }
  const { [configHash]: _, ...others } = metadata?.annotations ?? {}
  const hash = live.metadata?.annotations?.[configHash]
  const annotations = { ...others, ...(hash !== undefined && { [configHash]: hash }) }
  return {
    ...template,
    metadata: {
      ...metadata,
      labels,
      ...((Object.keys(annotations).length > 0 || live.metadata?.annotations) && { annotations }),
    },
  }
}

type Json = Readonly<Record<string, unknown>>

/** Merges three versions of a field. `at`: its name. */
function threeWay(then: unknown, released: unknown, now: unknown, at = ''): unknown {
  if (same(now, released)) return then
  if (same(then, released)) return now
  // A change of a part of it counts for the whole.
  if (wholes.includes(at)) return now
  if (at === 'resources') return resourcesOf(then, released, now)
  if (isObject(then) && isObject(released) && isObject(now)) {
    return withoutNothing(mergedFields(then, released, now, at))
  }
  // A missing list is an empty one.
  const lists = [then ?? [], released ?? [], now ?? []]
  const key = keyFor(lists)
  if (key === undefined) return now
  const [before, base, today] = lists.map((list) => byKey(list as Json[], key))
  const names = new Set([...(before?.keys() ?? []), ...(today?.keys() ?? [])])
  return [...names].flatMap((name) => {
    const item = threeWay(before?.get(name), base?.get(name), today?.get(name), `item of ${at}`)
    return item === undefined ? [] : [item]
  })
}

/** Fields whose parts have a meaning only together. */
const wholes: readonly string[] = ['valueFrom', 'seccompProfile', 'appArmorProfile']

/** Fields that exclude each other, or are refused together: all come from one side. */
const exclusive: readonly (readonly string[])[] = [
  ['value', 'valueFrom'],
  ['exec', 'httpGet', 'tcpSocket', 'grpc', 'sleep'],
  ['dnsPolicy', 'dnsConfig'],
  ['hostPID', 'shareProcessNamespace'],
  ['runAsNonRoot', 'runAsUser'],
]

function mergedFields(then: Json, released: Json, now: Json, at: string): Json {
  const names = [...new Set([...Object.keys(then), ...Object.keys(now)])]
  // A volume has one source, whatever kinds there are.
  const sources = names.filter((name) => name !== 'name')
  const groups = at === 'item of volumes' ? [sources] : exclusive
  return Object.fromEntries(
    names.map((name) => {
      const group = groups.find((one) => one.includes(name))
      const isOneSided = group && !isAlike(group, [then, released, now])
      if (!isOneSided) return [name, threeWay(then[name], released[name], now[name], name)]
      const isChangedSince = group.some((one) => !same(now[one], released[one]))
      return [name, (isChangedSince ? now : then)[name]]
    }),
  )
}

/** Returns whether all have set the same of these fields. */
function isAlike(fields: readonly string[], all: readonly Json[]): boolean {
  return fields.every((field) => new Set(all.map((one) => one[field] !== undefined)).size === 1)
}

/** Merges resources. A request above its limit is refused: for each resource both come from one side. */
function resourcesOf(...sides: readonly [unknown, unknown, unknown]): unknown {
  const [then, released, now] = sides.map((side) => (isObject(side) ? side : {})) as [
    ...[Json, Json, Json],
  ]
  const { requests: _requests, limits: _limits, ...others } = mergedFields(then, released, now, '')
  const pairs = [then, released, now].map(pairsOf)
  const names = [...new Set(pairs.flatMap((each) => Object.keys(each)))]
  const both = names.map((name) => {
    const [before, base, today] = pairs.map((each) => each[name])
    return [name, same(today, base) ? before : today] as const
  })
  const of = (kind: 'requests' | 'limits') =>
    both.flatMap(([name, pair]) => (pair?.[kind] === undefined ? [] : [[name, pair[kind]]]))
  const amounts = { requests: of('requests'), limits: of('limits') }
  return {
    ...others,
    ...Object.fromEntries(
      Object.entries(amounts).flatMap(([kind, list]) =>
        list.length === 0 ? [] : [[kind, Object.fromEntries(list) as Json]],
      ),
    ),
  }
}

type Pair = Readonly<Partial<Record<'requests' | 'limits', unknown>>>

function pairsOf({ requests, limits }: Json): Readonly<Record<string, Pair | undefined>> {
  const [requested, most] = [requests, limits].map((one) => (isObject(one) ? one : {})) as [
    Json,
    Json,
  ]
  return Object.fromEntries(
    [...new Set([...Object.keys(requested), ...Object.keys(most)])].map((name) => [
      name,
      withoutNothing({ requests: requested[name], limits: most[name] }),
    ]),
  )
}

function withoutNothing(object: Json): Json {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined))
}

/** The keys by which the server merges a pod's lists: containers, variables, mounts, ports. */
const keys = ['mountPath', 'devicePath', 'name', 'containerPort'] as const

/** Returns the key that is unique for the items of these lists, if there is one. */
function keyFor(lists: readonly unknown[]): (typeof keys)[number] | undefined {
  if (!lists.every((list): list is Json[] => Array.isArray(list) && list.every(isObject))) {
    return undefined
  }
  return keys.find((key) =>
    lists.every((list) => {
      const names = list.map((item) => item[key])
      return names.every((name) => name !== undefined) && new Set(names).size === names.length
    }),
  )
}

function byKey(list: readonly Json[], key: string): ReadonlyMap<unknown, Json> {
  return new Map(list.map((item) => [item[key], item]))
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Describes how the pods of one template differ from those of another, without images: names alone, since a value
 * may be secret. `web: command, env DEBUG`
 */
export function differences(from: PodTemplateSpec, to: PodTemplateSpec): readonly string[] {
  const { containers: _from, initContainers: _fromInit, ...fromSpec } = from.spec ?? {}
  const { containers: _to, initContainers: _toInit, ...toSpec } = to.spec ?? {}
  const [before, after] = [containersOf(from), containersOf(to)]
  const ofContainers = [...new Set([...before.keys(), ...after.keys()])].flatMap((name) => {
    const [one, other] = [before.get(name), after.get(name)]
    if (!one) return [`${name}: a container of that release`]
    if (!other) return [`${name}: a container that is not in that release`]
    const parts = changedParts(withoutImage(one), withoutImage(other))
    return parts.length === 0 ? [] : [`${name}: ${parts.join(', ')}`]
  })
  const annotations = ({ metadata }: PodTemplateSpec) => ({
    annotations: Object.fromEntries(
      Object.entries(metadata?.annotations ?? {}).filter(([name]) => !restarts.includes(name)),
    ),
  })
  const others = [
    ...changedParts(fromSpec, toSpec),
    ...changedParts(annotations(from), annotations(to)),
  ]
  return [...ofContainers, ...(others.length === 0 ? [] : [`pod: ${others.join(', ')}`])]
}

/** Annotations that replace the pods, and make no other version. */
const restarts: readonly string[] = [configHash, 'kubectl.kubernetes.io/restartedAt']

/** Returns whether a workload of both differs; a template that was not kept counts as equal. */
export function templatesDiffer(one: Templates = {}, other: Templates = {}): boolean {
  return Object.entries(one).some(([id, template]) => {
    const its = other[id]
    return its !== undefined && differences(template, its).length > 0
  })
}

function containersOf({ spec }: PodTemplateSpec): ReadonlyMap<string, Container> {
  const all = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])]
  return new Map(all.map((container) => [container.name, container]))
}

function withoutImage({ image: _, ...container }: Container): object {
  return container
}

/** Returns the parts that differ: `command`, `env DEBUG SITE`, `readinessProbe`. */
function changedParts(from: object, to: object): readonly string[] {
  const [one, other] = [from as Json, to as Json]
  const changed = [...new Set([...Object.keys(one), ...Object.keys(other)])].filter(
    (key) => !same(one[key], other[key]),
  )
  return changed.sort().map((key) => {
    const names = changedNames(one[key], other[key])
    return names.length === 0 ? key : `${key} ${names.join(' ')}`
  })
}

function changedNames(one: unknown, other: unknown): readonly string[] {
  if (keyFor([one ?? [], other ?? []]) !== 'name') return []
  const [from, to] = [byKey((one ?? []) as Json[], 'name'), byKey((other ?? []) as Json[], 'name')]
  return [...new Set([...from.keys(), ...to.keys()])]
    .filter((name) => !same(from.get(name), to.get(name)))
    .map(String)
}

/** An object that a pod cannot start without. */
export interface Needed {
  readonly kind: 'ConfigMap' | 'Secret'
  readonly name: string
  readonly keys: readonly string[]
}

/** Returns the ConfigMaps and Secrets, with their keys, that the pods of a template need to start. */
export function neededBy({ spec }: PodTemplateSpec): readonly Needed[] {
  const containers = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])]
  const volumes = spec?.volumes ?? []
  const sources = volumes.flatMap(({ projected }) => projected?.sources ?? [])
  const paths = (items: readonly { readonly key: string }[] = []) => items.map(({ key }) => key)
  const needed = [
    ...containers.flatMap(({ env = [] }) =>
      env.flatMap(({ valueFrom }) => [
        need('ConfigMap', valueFrom?.configMapKeyRef, [valueFrom?.configMapKeyRef?.key ?? '']),
        need('Secret', valueFrom?.secretKeyRef, [valueFrom?.secretKeyRef?.key ?? '']),
      ]),
    ),
    ...containers.flatMap(({ envFrom = [] }) =>
      envFrom.flatMap(({ configMapRef, secretRef }) => [
        need('ConfigMap', configMapRef, []),
        need('Secret', secretRef, []),
      ]),
    ),
    ...[...volumes, ...sources].flatMap(({ configMap }) =>
      need('ConfigMap', configMap, paths(configMap?.items)),
    ),
    ...volumes.flatMap(({ secret }) =>
      need('Secret', secret && { ...secret, name: secret.secretName ?? '' }, paths(secret?.items)),
    ),
    ...sources.flatMap(({ secret }) => need('Secret', secret, paths(secret?.items))),
  ].flat()
  const titles = new Set(needed.map(({ kind, name }) => `${kind}/${name}`))
  return [...titles].map((title) => {
    const all = needed.filter(({ kind, name }) => `${kind}/${name}` === title)
    const [{ kind, name } = { kind: 'Secret', name: '' } as const] = all
    return { kind, name, keys: [...new Set(all.flatMap((one) => one.keys))] }
  })
}

function need(
  kind: Needed['kind'],
  from: { readonly name?: string; readonly optional?: boolean } | undefined,
  keys: readonly string[],
): readonly Needed[] {
  return from?.name === undefined || from.optional ? [] : [{ kind, name: from.name, keys }]
}
