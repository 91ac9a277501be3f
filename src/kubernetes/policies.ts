/** The selectors of a NetworkPolicy: of its own pods, and of those that it lets in and out. Pure. */
import type {
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
} from 'kubernetes-types/networking/v1'
import type { LabelSelector } from 'kubernetes-types/meta/v1'
import { nameOf, type KubeObject } from './objects.js'
import type { Aspect, Aspects } from './selectors.js'

export type Labels = Readonly<Record<string, string>>

/** Which pods may connect: all (or pods of other namespaces, which are unknown here), none, or these pods. */
type Passing =
  | { readonly is: 'everybody' }
  | { readonly is: 'nobody' }
  | { readonly is: 'pods'; readonly all: Aspect; readonly rules: Aspects }

interface Rule {
  readonly peers?: readonly NetworkPolicyPeer[] | undefined
  readonly ports?: readonly NetworkPolicyPort[] | undefined
}

const everybody: Aspect = { words: '', labels: () => true, open: true }

/** By keys: the pods that it is about, the peers of each direction, and each port that it names. */
export function aspectsOfPolicy(object: KubeObject): Aspects {
  const subject = subjectOf(object)
  const all = [...sidesOf(object)].flatMap(([side, { passing, rules }]) => [
    ...(passing.is === 'pods' ? [[side, passing.all] as const, ...passing.rules] : []),
    ...portsOf(side, rules, subject),
  ])
  return new Map([['pods', subject], ...all])
}

/**
 * Returns what has decided before about the same pods as the aspect `key` does now. Where the policy did not restrict
 * this, or was not there, everybody passed; unless another one isolates these pods: policies add up, so a new one
 * takes nothing from them.
 */
export function askedBefore(
  before: KubeObject | undefined,
  key: string,
  isolated: (side: Side) => boolean = () => false,
): Aspect | undefined {
  const side = key.startsWith('to') ? 'to' : 'from'
  if (before === undefined) return key === 'pods' || isolated(side) ? undefined : everybody
  const same = aspectsOfPolicy(before).get(key)
  if (same || key === 'pods') return same
  const was = sidesOf(before).get(side)
  if (was === undefined || was.passing.is === 'everybody') return everybody
  if (was.passing.is === 'nobody') return undefined
  return key.includes(' port ') ? everybody : was.passing.all
}

/** Returns whether one of these policies isolates pods in this direction that the other one is about too. */
export function isIsolated(
  by: readonly KubeObject[],
  object: KubeObject,
  side: Side,
  pods: readonly Labels[],
): boolean {
  const own = pods.filter(subjectOf(object).labels)
  return by.some((other) => sidesOf(other).has(side) && own.some(subjectOf(other).labels))
}

/**
 * Returns what names the policies that let the web's pods pass where they do not let a pod with other labels: out of
 * it, or into pods of others. What does not depend on those labels is decided once.
 */
export function policiesThatLose(
  policies: readonly NetworkPolicy[],
  web: Labels,
  others: readonly Labels[],
): (pod: Labels) => readonly string[] {
  const all = policies.map((policy) => {
    const object = policy as KubeObject
    return { name: nameOf(object), subject: subjectOf(object), sides: sidesOf(object) }
  })
  const isolating = all.flatMap(({ name, subject, sides }) => {
    const side = sides.get('to')
    return side ? [{ name, subject, isWebs: subject.labels(web), rules: side.rules }] : []
  })
  // Policies add up, and pods that none is about may connect to all.
  const wasOpen = isolating.every(({ isWebs }) => !isWebs)
  const into = all.flatMap(({ name, subject, sides }) => {
    const rules = (sides.get('from')?.rules ?? []).filter((rule) => admits(rule, web))
    return rules.length > 0 && others.some(subject.labels) ? [{ name, rules }] : []
  })
  return (pod) => {
    const about = isolating.filter(({ subject }) => subject.labels(pod))
    const out = wasOpen
      ? about
      : isolating.filter(
          (one) => about.length > 0 && one.isWebs && one.rules.length > 0 && !about.includes(one),
        )
    const closed = into.filter(({ rules }) => !rules.every((rule) => admits(rule, pod)))
    return [...new Set([...out, ...closed].map(({ name }) => name))]
  }
}

/** By its labels. Peers of a namespaceSelector may be of this namespace. */
function admits({ peers = [] }: Rule, labels: Labels): boolean {
  return peers.some(({ podSelector }) => podSelector && matches(podSelector, labels))
}

function subjectOf(object: KubeObject): Aspect {
  const { podSelector = {} } = (object as NetworkPolicy).spec ?? {}
  return {
    words: ' (its podSelector)',
    labels: (own) => matches(podSelector, own),
    none: 'selects no pod',
    asks: JSON.stringify(podSelector),
  }
}

export type Side = 'from' | 'to'

function sidesOf(
  object: KubeObject,
): ReadonlyMap<Side, { readonly passing: Passing; readonly rules: readonly Rule[] }> {
  const { ingress, egress, policyTypes } = (object as NetworkPolicy).spec ?? {}
  const types = policyTypes ?? ['Ingress', ...(egress ? ['Egress'] : [])]
  const into = (ingress ?? []).map(({ from, ports }) => ({ peers: from, ports }))
  const outOf = (egress ?? []).map(({ to, ports }) => ({ peers: to, ports }))
  return new Map([
    ...(types.includes('Ingress') ? [sideOf('from', into)] : []),
    ...(types.includes('Egress') ? [sideOf('to', outOf)] : []),
  ])
}

function sideOf(side: Side, rules: readonly Rule[]) {
  return [side, { passing: passingOf(side, rules), rules }] as const
}

function passingOf(side: Side, rules: readonly Rule[]): Passing {
  if (rules.length === 0) return { is: 'nobody' }
  const selectors = rules.map(selectorsOf)
  if (!selectors.every((one) => one !== undefined)) return { is: 'everybody' }
  const words = side === 'from' ? ' (its ingress)' : ' (its egress)'
  const none = side === 'from' ? 'admits no pod' : 'allows no pod as a destination'
  const byPorts = Map.groupBy(rules, ({ ports }) => JSON.stringify(ports ?? []))
  const each = [...byPorts].map(([ports, some]) => {
    const wanted = some.flatMap((rule) => selectorsOf(rule) ?? [])
    const numbers = (some[0]?.ports ?? []).map(({ port }) => port ?? 'any')
    const on = numbers.length === 0 ? '' : `, port ${numbers.join(', ')}`
    const rule = { ...anyOf(wanted, `${words.slice(0, -1)}${on})`), asks: JSON.stringify(wanted) }
    return [`${side} ${ports}`, rule] as const
  })
  return { is: 'pods', all: { ...anyOf(selectors.flat(), words), none }, rules: new Map(each) }
}

/** Selectors of pods of this namespace; `undefined`: others pass too. */
function selectorsOf({ peers = [] }: Rule): readonly LabelSelector[] | undefined {
  const all = peers.map(({ podSelector, namespaceSelector }) =>
    namespaceSelector ? undefined : podSelector,
  )
  return all.length > 0 && all.every((one) => one !== undefined) ? all : undefined
}

function anyOf(selectors: readonly LabelSelector[], words: string): Aspect {
  return { words, labels: (own: Labels) => selectors.some((one) => matches(one, own)) }
}

/** A port by name is looked up in the pod that is reached: the policy's own, or the destination. */
function portsOf(side: Side, rules: readonly Rule[], subject: Aspect) {
  return rules.flatMap((rule) => {
    const destinations = selectorsOf(rule)
    const at = side === 'from' ? subject : destinations && anyOf(destinations, '')
    return (rule.ports ?? []).flatMap(({ port }) => {
      // In other namespaces nothing is known of the pods.
      if (typeof port !== 'string' || !at) return []
      const words = ` (a port of its ${side === 'from' ? 'ingress' : 'egress'})`
      const aspect = { words, labels: at.labels, none: `opens no port ${port}` }
      return [[`${side} port ${port}`, { ...aspect, port: { port: 0, targetPort: port } }] as const]
    })
  })
}

/** Whether a selector of Kubernetes' newer kinds matches; an empty one matches all. */
export function matches(
  { matchLabels = {}, matchExpressions = [] }: LabelSelector,
  own: Labels,
): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => own[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = own[key]
      switch (operator) {
        case 'In':
          return value !== undefined && values.includes(value)
        case 'NotIn':
          return value === undefined || !values.includes(value)
        case 'Exists':
          return value !== undefined
        default:
          return value === undefined
      }
    })
  )
}
