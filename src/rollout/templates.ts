/**
 * The pod templates of versions that ran: what a rollback brings back, and how that differs from today. Pure.
 */
import type { Container, PodTemplateSpec } from 'kubernetes-types/core/v1'
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
  return Object.fromEntries(
    snapshot.flatMap(({ of, written }) =>
      of === 'workload' && isWorkload(written)
        ? [[idOf(workloadId(written)), templateOf(written)] as const]
        : [],
    ),
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
  return withLabelsOfToday(merged, live)
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

/** Of the configuration that pods have read (docs/architecture.md). */
const configHash = 'django-rollout/config-hash'

type Json = Readonly<Record<string, unknown>>

function threeWay(then: unknown, released: unknown, now: unknown): unknown {
  if (same(now, released)) return then
  if (same(then, released)) return now
  if (isObject(then) && isObject(released) && isObject(now)) {
    const keys = new Set([...Object.keys(then), ...Object.keys(now)])
    const entries = [...keys].map((key) => [key, threeWay(then[key], released[key], now[key])])
    return Object.fromEntries(entries.filter(([, value]) => value !== undefined))
  }
  // A list that is not there is an empty one.
  const lists = [then ?? [], released ?? [], now ?? []]
  const key = keyFor(lists)
  if (key === undefined) return now
  const [before, base, today] = lists.map((list) => byKey(list as Json[], key))
  const names = new Set([...(before?.keys() ?? []), ...(today?.keys() ?? [])])
  return [...names].flatMap((name) => {
    const item = threeWay(before?.get(name), base?.get(name), today?.get(name))
    return item === undefined ? [] : [item]
  })
}

/** What the server knows the items of a pod's lists by: containers, variables, mounts, ports. */
const keys = ['name', 'mountPath', 'containerPort'] as const

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
