/** The labels of the pod of a Job that is made of the web's template: let in wherever the web is, counted nowhere. Pure. */
import type { NetworkPolicy } from 'kubernetes-types/networking/v1'
import type { LabelSelector } from 'kubernetes-types/meta/v1'
import { matches, policiesThatLose, type Labels } from '../kubernetes/policies.js'

/** Of a Service, a workload or a PodDisruptionBudget: it must not match the Job's pod. */
export interface NamedSelector {
  /** For people: `service/web`. */
  readonly of: string
  /** A Service's plain map goes into `matchLabels`. */
  readonly selector: LabelSelector
  /** Requests come to a pod that is not Ready, too (`publishNotReadyAddresses`). */
  readonly takesUnready?: true
}

export interface Neighbours {
  readonly selectors: readonly NamedSelector[]
  /** Of the namespace; missing: the account may not list them. */
  readonly policies?: readonly NetworkPolicy[]
  /** Of the running pods of others. */
  readonly others: readonly Labels[]
}

export interface PodLabels {
  readonly labels: Labels
  /** The web's labels that the pod has not, or with another value. */
  readonly changed: readonly string[]
  /** What matches the pod nevertheless. */
  readonly matched: readonly NamedSelector[]
  /** Names of policies that let the web pass where they do not let the pod. */
  readonly lost: readonly string[]
  /** Names of policies that would, if nothing matched the pod. */
  readonly wanted: readonly string[]
}

/** The controllers' own: on each pod they say whose it is. */
const ofControllers =
  /^(pod-template-hash|pod-template-generation|controller-revision-hash|controller-uid|job-name)$|^(batch|apps|statefulset)\.kubernetes\.io\//

/** Of more keys not each set is tried, which would last too long: 2⁸ sets, each in two forms, and all. */
const mostKeys = 8

/**
 * Returns the web's labels with the least change that no selector matches, while each policy treats the pod as the web.
 * A label gets another value rather than none: admission may require it. Where both cannot be had, the policies count:
 * a pod that is never Ready gets no requests.
 *
 * @param web of its pods as they run
 */
export function podLabels(template: Labels, own: Labels, web: Labels, near: Neighbours): PodLabels {
  const { policies = [], others } = near
  const kept = Object.entries(template).filter(([key]) => !ofControllers.test(key) && !(key in own))
  const whole = Object.fromEntries(kept)
  const keys = keysToChange(whole, own, near)
  const fixed = Object.fromEntries(kept.filter(([key]) => !keys.includes(key)))
  const selectors = near.selectors.filter(({ selector }) =>
    matches(without(selector, keys), { ...fixed, ...own }),
  )
  const lostBy = policiesThatLose(policies, web, others)
  const choices = variants(whole, keys).map((labels) => {
    const all = { ...labels, ...own }
    const matched = selectors.filter(({ selector }) => matches(selector, all))
    return { labels, matched, lost: lostBy(all) }
  })
  const unready = ({ matched }: Choice) =>
    matched.filter(({ takesUnready }) => takesUnready === true).length
  const best = least(choices, (one) => [unready(one), one.lost.length, one.matched.length])
  const free = least(choices, (one) => [one.matched.length, one.lost.length])
  return {
    ...best,
    changed: keys.filter((key) => best.labels[key] !== whole[key]),
    wanted: best.matched.length > free.matched.length ? free.lost : [],
  }
}

type Choice = Pick<PodLabels, 'labels' | 'matched' | 'lost'>

/**
 * Keys that selectors know the web by, those first that the fewest others have: what the pods of an application have in
 * common is what the policies of other namespaces know them by.
 */
function keysToChange(whole: Labels, own: Labels, { selectors, others }: Neighbours) {
  const all = { ...whole, ...own }
  const mentioned = new Set(
    selectors.flatMap(({ selector }) => (matches(selector, all) ? keysOf(selector) : [])),
  )
  const sharers = (key: string) => others.filter((labels) => labels[key] === whole[key]).length
  return Object.keys(whole)
    .filter((key) => mentioned.has(key))
    .sort((one, other) => sharers(one) - sharers(other) || (one < other ? -1 : 1))
}

function keysOf({ matchLabels = {}, matchExpressions = [] }: LabelSelector): readonly string[] {
  return [...Object.keys(matchLabels), ...matchExpressions.map(({ key }) => key)]
}

function without(
  { matchLabels = {}, matchExpressions = [] }: LabelSelector,
  keys: readonly string[],
): LabelSelector {
  return {
    matchLabels: Object.fromEntries(
      Object.entries(matchLabels).filter(([key]) => !keys.includes(key)),
    ),
    matchExpressions: matchExpressions.filter(({ key }) => !keys.includes(key)),
  }
}

/** Returns the labels with each set of these keys changed, small sets first, by another value before none. */
function variants(whole: Labels, keys: readonly string[]): readonly Labels[] {
  const tried = keys.slice(0, mostKeys)
  const sets = Array.from({ length: 2 ** tried.length }, (_, bits) =>
    tried.filter((_, at) => (bits >> at) % 2 === 1),
  ).sort((one, other) => one.length - other.length)
  if (keys.length > tried.length) sets.push([...keys])
  return sets.flatMap((set) => {
    const rest = Object.entries(whole).filter(([key]) => !set.includes(key))
    const renamed = set.flatMap((key) => renamedValue(key, whole[key]))
    const removed = Object.fromEntries(rest)
    return set.length === 0 ? [removed] : [Object.fromEntries([...rest, ...renamed]), removed]
  })
}

/** A value has at most 63 characters. */
function renamedValue(key: string, value = ''): readonly (readonly [string, string])[] {
  const renamed = value === '' ? 'migrate' : `${value}-migrate`
  return renamed.length > 63 ? [] : [[key, renamed]]
}

/** Returns the first of those with the least score; its first numbers count most. */
function least(choices: readonly Choice[], score: (one: Choice) => readonly number[]): Choice {
  const scored = choices.map((one) => ({ one, by: score(one) }))
  return scored.reduce((best, next) => {
    const at = next.by.findIndex((number, at) => number !== best.by[at])
    return at >= 0 && (next.by[at] ?? 0) < (best.by[at] ?? 0) ? next : best
  }).one
}
