/**
 * What finds pods by their labels and ports (Services, policies, routes), and when a release may write it, so
 * that what selects running pods keeps selecting them. Pure.
 */
import type { PodTemplateSpec, Service, ServicePort } from 'kubernetes-types/core/v1'
import type { LabelSelector } from 'kubernetes-types/meta/v1'
import { isSidecar, keyOf, nameOf, type KubeObject } from './objects.js'
import { askedBefore, aspectsOfPolicy, isIsolated, matches, type Side } from './policies.js'
import { routed, type Services } from './routes.js'

/** The pods of one workload, before the release and after it. */
export interface Pods {
  /** `deployment/web` */
  readonly id: string
  /** A workload of this release: its pods are replaced in the rollout. */
  readonly own: boolean
  /** The template of the pods that run now; none: no pods run. */
  readonly live?: PodTemplateSpec
  /** The template that the release leaves; none: it leaves none. */
  readonly becomes?: PodTemplateSpec
  /** Its old pods stay until a person deletes them (`OnDelete`, a partition). */
  readonly stays?: true
  /** No Service leads to it: pods of Jobs, or of a workload that is scaled to 0. Policies apply to these too. */
  readonly apart?: true
}

/** When an object is written. */
export type When =
  /** Before plan and migration: it finds no pods of ours, or it is a new Service, which takes no pods from another Service. */
  | 'before'
  /** With the rollout, right before its first write. */
  | 'first'
  /** With the rollout, once all new pods are there. */
  | 'last'

export type Placed =
  | {
      readonly when: When
      /** It selects no pod at the end. */
      readonly warning?: string
      /** Pods that are selected now, and not after the release. */
      readonly losses?: readonly string[]
    }
  /** Nothing may be written: `sentence` says what would be lost, `hint` how to do it in two releases. */
  | { readonly when: 'never'; readonly sentence: string; readonly hint: string }

/** One selection of an object: of a Service each port, of a NetworkPolicy its pods and its peers. */
export interface Aspect {
  /** ` port 80`, for sentences. */
  readonly words: string
  readonly labels: (labels: Readonly<Record<string, string>>) => boolean
  /** The port that a pod must have. */
  readonly port?: Pick<ServicePort, 'port' | 'targetPort'>
  /** What the object does when no pod is found: `selects no pod`. Not set: an empty selection is normal. */
  readonly none?: string
  /** Its selectors as they are written: pods leave these only by a change of their labels. */
  readonly asks?: string
  /** No pod was kept out. A pod that is kept out from now on is so on purpose. */
  readonly open?: true
}

export type Aspects = ReadonlyMap<string, Aspect>

interface Kind {
  readonly aspects: (object: KubeObject) => Aspects
  /** Requests fail when it finds no pods: no order of writes may cause that. */
  readonly cuts: boolean
  /** What has found these pods before; else: the aspect of the same key. */
  readonly comparedWith?: typeof askedBefore
}

const finders: Readonly<Record<string, Kind>> = {
  '/Service': { aspects: aspectsOfService, cuts: true },
  'networking.k8s.io/NetworkPolicy': {
    aspects: aspectsOfPolicy,
    cuts: true,
    comparedWith: askedBefore,
  },
  'cilium.io/CiliumNetworkPolicy': { aspects: bySelector('endpointSelector'), cuts: true },
  'policy/PodDisruptionBudget': {
    aspects: bySelector('selector', 'protects no pod'),
    cuts: false,
  },
  'monitoring.coreos.com/PodMonitor': { aspects: bySelector('selector'), cuts: false },
}

/** They name Services: written once the Services have their pods. */
const routes = [
  'networking.k8s.io/Ingress',
  ...['HTTPRoute', 'GRPCRoute', 'TCPRoute', 'TLSRoute'].map(
    (kind) => `gateway.networking.k8s.io/${kind}`,
  ),
  ...['traefik.io', 'traefik.containo.us'].flatMap((group) =>
    ['IngressRoute', 'IngressRouteTCP'].map((kind) => `${group}/${kind}`),
  ),
  'route.openshift.io/Route',
  'projectcontour.io/HTTPProxy',
  'networking.istio.io/DestinationRule',
  'networking.istio.io/VirtualService',
]

/** They name workloads or Services, and disconnect nothing. */
const followers = [
  'autoscaling/HorizontalPodAutoscaler',
  'autoscaling.k8s.io/VerticalPodAutoscaler',
  'keda.sh/ScaledObject',
  'monitoring.coreos.com/ServiceMonitor',
]

const noData = [
  ...Object.keys(finders),
  ...routes,
  ...followers,
  ...['UDPRoute', 'ReferenceGrant'].map((kind) => `gateway.networking.k8s.io/${kind}`),
  ...['projectcalico.org', 'crd.projectcalico.org'].map((group) => `${group}/NetworkPolicy`),
]

/** Returns whether a deletion of this custom kind loses no data. */
export function holdsNoData(object: KubeObject): boolean {
  return noData.includes(kindOf(object))
}

/** Returns group and kind: `networking.k8s.io/Ingress`. */
export function kindOf(object: KubeObject): string {
  return keyOf(object).split('/').slice(0, 2).join('/')
}

/** What else comes with the release, or is there. */
export interface Surroundings {
  readonly services?: Services
  /** Custom resources come with the release, whose controllers may create Services. */
  readonly makes?: boolean
  /** The other objects of the same kind in the manifests, as they are and as they become. */
  readonly beside?: readonly KubeObject[]
}

/**
 * Returns when `after` may be written, which is `before` as the release leaves it; `undefined`: it does not exist
 * yet. Works for an object that the release leaves as it is too: its pods may leave it.
 */
export function placeOf(
  before: KubeObject | undefined,
  after: KubeObject,
  all: readonly Pods[],
  around: Surroundings = {},
): Placed {
  const kind = kindOf(after)
  if (routes.includes(kind)) return placeOfRoute(before, after, around)
  if (followers.includes(kind)) return { when: 'first' }
  const finder = finders[kind]
  if (!finder) return { when: 'before' }
  const isService = kind === '/Service'
  const pods = isService ? all.filter(({ apart }) => !apart) : all
  const old: Aspects = before ? finder.aspects(before) : new Map()
  const now = finder.aspects(after)
  const found = [...old.values(), ...now.values()]
  const isOurs = pods.some(
    ({ own, live, becomes }) =>
      own && found.some(({ labels }) => labels(labelsOf(live)) || labels(labelsOf(becomes))),
  )
  const known = pods.flatMap(({ live, becomes }) => [labelsOf(live), labelsOf(becomes)])
  const isolated = (side: Side) => isIsolated(around.beside ?? [], after, side, known)
  const wasOf = (key: string) =>
    finder.comparedWith ? finder.comparedWith(before, key, isolated) : old.get(key)
  const seen = [...now].map(([key, aspect]) => ({
    aspect,
    ...safely(wasOf(key), aspect, pods),
  }))
  const name = `${(after.kind ?? '').toLowerCase()}/${nameOf(after)}`
  const nobody = seen.find(({ finds, aspect }) => !finds && aspect.none !== undefined)
  const lost = nobody && {
    sentence: `${name} ${nobody.aspect.none} after this release: ${whyNone(nobody.aspect, pods)}`,
    hint: lostHint(nobody.aspect, name, pods),
  }
  if (lost && isService && nobody.loses && isSure(nobody.aspect, pods)) {
    return { when: 'never', ...lost }
  }
  const isReported = lost && (!isService || !before || isOurs)
  const lostNow = lost && !isService && before && nobody.loses ? [warningOf(lost)] : []
  const losses = [...lostNow, ...(lost ? [] : leaving(name, old, now, pods))]
  const place = {
    ...(isReported && { warning: warningOf(lost) }),
    ...(losses.length > 0 && { losses }),
  }
  if (!isOurs) return { when: 'before', ...place }
  if (!before && isService) return { when: 'before', ...place }
  // An object that selects no pod at the end cannot lose one before.
  const decisive = isService ? seen : seen.filter(({ finds }) => finds)
  const first = decisive.every(({ safe }) => safe.includes('first'))
  const last = decisive.every(({ safe }) => safe.includes('last'))
  if (first) return { when: 'first', ...place }
  if (last || !finder.cuts) return { when: 'last', ...place }
  return { when: 'never', ...conflict(name, decisive, pods) }
}

function warningOf({
  sentence,
  hint,
}: {
  readonly sentence: string
  readonly hint: string
}): string {
  return `${sentence}; ${hint}`
}

/** A route to a missing Service is certainly an error, unless something else may still create the Service. */
function placeOfRoute(
  before: KubeObject | undefined,
  after: KubeObject,
  { services = { live: [], becomes: [] }, makes = false }: Surroundings,
): Placed {
  const route = routed(kindOf(after), before, after, services)
  if (route.is === 'well') return { when: 'last' }
  const { sentence, hint } = route
  if (route.is === 'nowhere' && (makes || !route.breaks)) {
    return { when: 'last', warning: warningOf(route) }
  }
  return { when: 'never', sentence, hint }
}

/** Returns the workloads of the release whose new pods are not found any more by a selector that stays. */
function leaving(
  name: string,
  old: Aspects,
  now: Aspects,
  pods: readonly Pods[],
): readonly string[] {
  return [...now].flatMap(([key, { asks, labels, words }]) => {
    if (asks === undefined || old.get(key)?.asks !== asks) return []
    return pods
      .filter(
        ({ own, live, becomes }) =>
          own && live && becomes && labels(labelsOf(live)) && !labels(labelsOf(becomes)),
      )
      .map(
        ({ id }) =>
          `the new pods of ${id} lack the labels by which ${name} selects the old ones${words}; keep them in the pod template of ${id}, or add the new ones to ${name} first, in an earlier release`,
      )
  })
}

interface Safely {
  readonly safe: readonly ('first' | 'last')[]
  /** Whether it selects pods at the end. */
  readonly finds: boolean
  /** It selects pods of the release now, and none at the end. */
  readonly loses: boolean
  /** Pods that are selected before and after, and in between by no order of writes. */
  readonly torn: readonly Pods[]
}

/**
 * Before the rollout the object as written must select the live pods, after it the object as it is the new ones.
 * Pods that are selected before and after must not be lost in between. When all are others, some are enough.
 */
function safely(was: Aspect | undefined, is: Aspect, pods: readonly Pods[]): Safely {
  const [before, after] = was && sameNumber(was, is) ? [portless(was), portless(is)] : [was, is]
  const all = pods.map((one) => ({
    one,
    oldLive: finds(before, one, 'live'),
    oldNew: finds(before, one, 'becomes'),
    nowLive: finds(after, one, 'live'),
    nowNew: finds(after, one, 'becomes'),
  }))
  const served = all.filter(
    ({ oldLive, nowLive, nowNew }) => oldLive && (nowLive || nowNew || !before?.open),
  )
  const kept = served.filter(({ nowNew }) => nowNew)
  const first =
    kept.length > 0
      ? kept.every(({ nowLive }) => nowLive)
      : all.some(({ nowLive, nowNew }) => nowLive && nowNew)
  const last =
    kept.length > 0
      ? kept.every(({ oldNew, nowLive, one }) => oldNew && (!one.stays || nowLive))
      : served.some(({ oldNew }) => oldNew)
  // No pod is selected now, so none can be lost.
  const free = served.length === 0
  return {
    safe: [
      ...(first || free ? ['first' as const] : []),
      ...(last || free ? ['last' as const] : []),
    ],
    finds: all.some(({ nowNew }) => nowNew),
    loses: served.some(({ one }) => one.own),
    torn: (kept.length > 0 ? kept : served).map(({ one }) => one),
  }
}

/** Returns whether the port number stays: it does not concern this release, whatever the templates declare. */
function sameNumber({ port: one }: Aspect, { port: other }: Aspect): boolean {
  const [was, is] = [one, other].map((port) => port?.targetPort ?? port?.port)
  return typeof is === 'number' && was === is
}

function portless({ port: _, ...aspect }: Aspect): Aspect {
  return aspect
}

function finds(aspect: Aspect | undefined, pods: Pods, at: 'live' | 'becomes'): boolean {
  const template = pods[at]
  if (!aspect || !template || !aspect.labels(labelsOf(template))) return false
  return (
    aspect.port === undefined ||
    hasPort(aspect.port, template, at === 'live' ? pods.becomes : pods.live)
  )
}

/**
 * Returns whether the pods have a port. A port name is looked up in each pod. A port number need not be declared, so
 * it is missing only where the other version declares it and this one declares others.
 */
function hasPort(
  { port, targetPort = port }: Pick<ServicePort, 'port' | 'targetPort'>,
  template: PodTemplateSpec,
  other: PodTemplateSpec | undefined,
): boolean {
  const [own, others] = [portsOf(template), portsOf(other)]
  if (typeof targetPort === 'string') return own.some(({ name }) => name === targetPort)
  const declares = (ports: typeof own) =>
    ports.some(({ containerPort }) => containerPort === targetPort)
  return own.length === 0 || declares(own) || !declares(others)
}

function portsOf(template: PodTemplateSpec | undefined) {
  const { containers = [], initContainers = [] } = template?.spec ?? {}
  return [...containers, ...initContainers.filter(isSidecar)].flatMap(({ ports = [] }) => ports)
}

function labelsOf(template: PodTemplateSpec | undefined): Readonly<Record<string, string>> {
  return template?.metadata?.labels ?? {}
}

function aspectsOfService(object: KubeObject): Aspects {
  const { selector, ports = [], type } = (object as Service).spec ?? {}
  const entries = Object.entries(selector ?? {})
  if (entries.length === 0 || type === 'ExternalName') return new Map()
  const labels: Aspect['labels'] = (own) => entries.every(([key, value]) => own[key] === value)
  const none = 'would select no pod'
  const words = ` (selector ${entries.map(([key, value]) => `${key}=${value}`).join(',')})`
  if (ports.length === 0) return new Map([['', { words, labels, none }]])
  return new Map(
    ports.map((port) => [
      `${port.protocol ?? 'TCP'} ${port.port}`,
      { words: `, port ${port.port}${words}`, labels, port, none },
    ]),
  )
}

function bySelector(field: 'selector' | 'endpointSelector', none?: string): Kind['aspects'] {
  return ({ spec }) => {
    const selector = (spec as Readonly<Record<string, LabelSelector>> | undefined)?.[field]
    if (!selector) return new Map()
    const labels: Aspect['labels'] = (own) => matches(selector, own)
    const words = ` (its ${field})`
    return new Map([['pods', { words, labels, ...(none !== undefined && { none }) }]])
  }
}

/** Returns whether it is certain that no pod is selected: a container may listen on a number that it does not declare. */
function isSure({ labels, port }: Aspect, pods: readonly Pods[]): boolean {
  const { targetPort } = port ?? {}
  return typeof targetPort === 'string' || !pods.some(({ becomes }) => labels(labelsOf(becomes)))
}

/** Returns why no pod is selected: no labels, or no port of that name. */
function whyNone({ words, labels, port }: Aspect, pods: readonly Pods[]): string {
  const byLabels = pods.filter(({ becomes }) => becomes && labels(labelsOf(becomes)))
  const [one] = byLabels
  if (!one) return `no pod template has the labels that it selects${words}`
  return `no container of ${one.id} has a port ${port?.targetPort ?? port?.port ?? ''}${words}`
}

function lostHint(aspect: Aspect, name: string, pods: readonly Pods[]): string {
  const owner = pods.find(
    ({ own, live, becomes }) =>
      own && (aspect.labels(labelsOf(live)) || aspect.labels(labelsOf(becomes))),
  )
  const of = owner ? ` of ${owner.id}` : ''
  return `add what is missing to the pod template${of}, or correct ${name}. To move it to other labels or ports, release the pods with both first, then ${name}`
}

function conflict(
  name: string,
  seen: readonly (Safely & { readonly aspect: Aspect })[],
  pods: readonly Pods[],
): { readonly sentence: string; readonly hint: string } {
  const torn = seen.find(({ safe }) => safe.length === 0) ?? seen[0]
  const who = torn?.torn.map(({ id }) => id).join(', ') ?? pods.map(({ id }) => id).join(', ')
  return {
    sentence: `${name} changes together with the pods of ${who}, and selects none of them during the rollout: the old ones lack its new labels or ports, the new ones lack its old ones${torn?.aspect.words ?? ''}`,
    hint: `split the change into two releases: first the pod template of ${who} with both the old and the new labels and ports, and ${name} unchanged; then ${name}, and the template without the old ones`,
  }
}
