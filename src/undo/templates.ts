/**
 * The pod templates of versions that ran: what a rollback brings back, and how that differs from today. Pure.
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

/** By `idOf` the workload: its template as a release has written it. */
export type Templates = Readonly<Record<string, PodTemplateSpec>>

/** Whether what was read is such templates, as far as they are looked into before the server sees them. */
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

/** Of what a release leaves in the cluster. */
export function templatesOf(snapshot: Snapshot): Templates {
  return templatesIn(
    snapshot.flatMap(({ of, written }) =>
      of === 'workload' && isWorkload(written) ? [written] : [],
    ),
  )
}

/** Of what stood there before. */
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
 * The template of then, with what has been changed by others since the last release: what still stands as
 * that release wrote it (`released`) goes back to `then`, and everything else stays as it is `now`.
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

/** What a person mounts has to be there, though only the last release had it. */
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
 * Services of today find the pods by their labels of today, and Services are not brought back. The same for
 * the hash of the configuration, which is today's.
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

/** `at`: the name of the field. */
function threeWay(then: unknown, released: unknown, now: unknown, at = ''): unknown {
  if (same(now, released)) return then
  if (same(then, released)) return now
  // What a person has changed of it counts as a whole.
  if (wholes.includes(at)) return now
  if (at === 'resources') return resourcesOf(then, released, now)
  if (isObject(then) && isObject(released) && isObject(now)) {
    return withoutNothing(mergedFields(then, released, now, at))
  }
  // A list that is not there is an empty one.
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

/** Fields whose parts mean something together alone. */
const wholes: readonly string[] = ['valueFrom', 'seccompProfile', 'appArmorProfile']

/** Fields of which an object has one, or that are refused beside each other: they come from one side. */
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
      const isTheirs = group.some((one) => !same(now[one], released[one]))
      return [name, (isTheirs ? now : then)[name]]
    }),
  )
}

/** Whether all have chosen the same of these fields. */
function isAlike(fields: readonly string[], all: readonly Json[]): boolean {
  return fields.every((field) => new Set(all.map((one) => one[field] !== undefined)).size === 1)
}

/** A request above its limit is refused: of each resource both come from one side. */
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
  const [asked, most] = [requests, limits].map((one) => (isObject(one) ? one : {})) as [Json, Json]
  return Object.fromEntries(
    [...new Set([...Object.keys(asked), ...Object.keys(most)])].map((name) => [
      name,
      withoutNothing({ requests: asked[name], limits: most[name] }),
    ]),
  )
}

function withoutNothing(object: Json): Json {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined))
}

/** What the server knows the items of a pod's lists by: containers, variables, mounts, ports. */
const keys = ['mountPath', 'devicePath', 'name', 'containerPort'] as const

/** The key by which all items of these lists are told apart, if there is one. */
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
 * How the pods of one template differ from those of another, in words for people, images left out: names
 * alone, since a value may be secret. `web: command, env DEBUG`
 */
export function differences(from: PodTemplateSpec, to: PodTemplateSpec): readonly string[] {
  const { containers: _from, initContainers: _fromInit, ...fromSpec } = from.spec ?? {}
  const { containers: _to, initContainers: _toInit, ...toSpec } = to.spec ?? {}
  const [before, after] = [containersOf(from), containersOf(to)]
  const ofContainers = [...new Set([...before.keys(), ...after.keys()])].flatMap((name) => {
    const [one, other] = [before.get(name), after.get(name)]
    if (!one) return [`${name}: a container of then`]
    if (!other) return [`${name}: a container that it does not have then`]
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

/** They replace the pods, and make no other ones of them. */
const restarts: readonly string[] = [configHash, 'kubectl.kubernetes.io/restartedAt']

/** Whether workloads that both have ran in another way; not known of what was not kept. */
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

/** `command`, `env DEBUG SITE`, `readinessProbe` */
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

/** ConfigMaps and Secrets, and their keys, that the pods of a template need to start. */
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
