/**
 * What finds pods by their labels and ports (Services, policies, routes), and when a release may write it, so
 * that what finds running pods goes on finding them. Pure.
 */
import type { NetworkPolicy } from 'kubernetes-types/networking/v1'
import type { PodTemplateSpec, Service, ServicePort } from 'kubernetes-types/core/v1'
import type { LabelSelector } from 'kubernetes-types/meta/v1'
import { keyOf, nameOf, type KubeObject } from './objects.js'

/** The pods of one workload, before the release and after it. */
export interface Pods {
  /** `deployment/web` */
  readonly id: string
  /** A workload of this release: its pods are replaced in the rollout. */
  readonly ours: boolean
  /** The template of the pods that run now; none: there are none. */
  readonly live?: PodTemplateSpec
  /** The template that the release leaves; none: it leaves none. */
  readonly becomes?: PodTemplateSpec
  /** Its old pods stay until somebody deletes them (`OnDelete`, a partition). */
  readonly stays?: true
}

/** When an object is written. */
export type When =
  /** Before plan and migration: it finds no pods of ours, or it is a new Service, which takes nothing from anybody. */
  | 'before'
  /** With the rollout, right before its first write. */
  | 'first'
  /** With the rollout, once all new pods are there. */
  | 'last'

export type Placed =
  | { readonly when: When; readonly warning?: string }
  /** Nothing may be written: `sentence` says what would be lost, `hint` how it goes in two releases. */
  | { readonly when: 'never'; readonly sentence: string; readonly hint: string }

/** One thing by which an object finds pods: of a Service each port, of a NetworkPolicy its subject and its peers. */
interface Aspect {
  /** ` port 80`, for sentences. */
  readonly words: string
  readonly labels: (labels: Readonly<Record<string, string>>) => boolean
  /** The port that a pod must have. */
  readonly port?: ServicePort
}

type Aspects = ReadonlyMap<string, Aspect>

interface Kind {
  readonly aspects: (object: KubeObject) => Aspects
  /** Somebody is cut off when it finds no pods: no order of writes may bring that about. */
  readonly cuts: boolean
}

const finders: Readonly<Record<string, Kind>> = {
  '/Service': { aspects: aspectsOfService, cuts: true },
  'networking.k8s.io/NetworkPolicy': { aspects: aspectsOfPolicy, cuts: true },
  'cilium.io/CiliumNetworkPolicy': { aspects: bySelector('endpointSelector'), cuts: true },
  'policy/PodDisruptionBudget': { aspects: bySelector('selector'), cuts: false },
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

/** They name workloads, or Services, and take nothing from them. */
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

/** A custom kind that takes nothing along when it goes. */
export function holdsNoData(object: KubeObject): boolean {
  return noData.includes(kindOf(object))
}

/** `networking.k8s.io/Ingress` */
function kindOf(object: KubeObject): string {
  return keyOf(object).split('/').slice(0, 2).join('/')
}

/**
 * When `after` may be written, which is `before` as the release leaves it; `undefined`: it is not there yet.
 * Asked of an object that the release leaves as it is too: its pods may leave it.
 */
export function placeOf(
  before: KubeObject | undefined,
  after: KubeObject,
  pods: readonly Pods[],
): Placed {
  const kind = kindOf(after)
  if (routes.includes(kind)) return { when: 'last' }
  if (followers.includes(kind)) return { when: 'first' }
  const finder = finders[kind]
  if (!finder) return { when: 'before' }
  const old: Aspects = before ? finder.aspects(before) : new Map()
  const now = finder.aspects(after)
  const found = [...old.values(), ...now.values()]
  const isOurs = pods.some(
    ({ ours, live, becomes }) =>
      ours && found.some(({ labels }) => labels(labelsOf(live)) || labels(labelsOf(becomes))),
  )
  const seen = [...now].map(([key, aspect]) => ({ aspect, ...safely(old.get(key), aspect, pods) }))
  const nobody = seen.find(({ finds }) => !finds)
  const name = `${(after.kind ?? '').toLowerCase()}/${nameOf(after)}`
  const lost = nobody && {
    sentence: `${name} would lead to no pod after this release: ${whyNone(nobody.aspect, pods)}`,
    hint: lostHint(nobody.aspect, name, pods),
  }
  if (lost && kind === '/Service' && nobody.loses && isSure(nobody.aspect, pods)) {
    return { when: 'never', ...lost }
  }
  const warning = lost && kind === '/Service' && (!before || isOurs) ? lost.sentence : undefined
  const told = warning === undefined ? {} : { warning }
  if (!isOurs) return { when: 'before', ...told }
  if (!before) return { when: kind === '/Service' ? 'before' : 'first', ...told }
  const first = seen.every(({ safe }) => safe.includes('first'))
  const last = seen.every(({ safe }) => safe.includes('last'))
  if (first) return { when: 'first', ...told }
  if (last || !finder.cuts) return { when: 'last', ...told }
  return { when: 'never', ...conflict(name, seen, pods) }
}

interface Safely {
  readonly safe: readonly ('first' | 'last')[]
  /** Whether it finds pods at the end. */
  readonly finds: boolean
  /** It finds pods of ours now, and none at the end. */
  readonly loses: boolean
  /** Pods that are found before and after, and by no order in between. */
  readonly torn: readonly Pods[]
}

/**
 * Before the rollout the live pods must be found by what is written, after it the new ones by what stands. Pods
 * that are found before and after are not to be lost in between; when all are others, some of them are enough.
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
  const served = all.filter(({ oldLive }) => oldLive)
  const kept = served.filter(({ nowNew }) => nowNew)
  const first =
    kept.length > 0
      ? kept.every(({ nowLive }) => nowLive)
      : all.some(({ nowLive, nowNew }) => nowLive && nowNew)
  const last =
    kept.length > 0
      ? kept.every(({ oldNew, nowLive, one }) => oldNew && (!one.stays || nowLive))
      : served.some(({ oldNew }) => oldNew)
  // Nobody is found now: there is nothing to lose.
  const free = served.length === 0
  return {
    safe: [
      ...(first || free ? ['first' as const] : []),
      ...(last || free ? ['last' as const] : []),
    ],
    finds: all.some(({ nowNew }) => nowNew),
    loses: served.some(({ one }) => one.ours),
    torn: (kept.length > 0 ? kept : served).map(({ one }) => one),
  }
}

/** A number that stays is no question of this release, whatever the templates declare. */
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
 * A port by name is looked up in each pod. One by number needs no word in the template, so it is missing only
 * where the other version declares it and this one declares others.
 */
function hasPort(
  { port, targetPort = port }: ServicePort,
  template: PodTemplateSpec,
  other: PodTemplateSpec | undefined,
): boolean {
  const [own, theirs] = [portsOf(template), portsOf(other)]
  if (typeof targetPort === 'string') return own.some(({ name }) => name === targetPort)
  const declares = (ports: typeof own) =>
    ports.some(({ containerPort }) => containerPort === targetPort)
  return own.length === 0 || declares(own) || !declares(theirs)
}

function portsOf(template: PodTemplateSpec | undefined) {
  const { containers = [], initContainers = [] } = template?.spec ?? {}
  const sidecars = initContainers.filter(
    (one) => (one as { readonly restartPolicy?: string }).restartPolicy === 'Always',
  )
  return [...containers, ...sidecars].flatMap(({ ports = [] }) => ports)
}

function labelsOf(template: PodTemplateSpec | undefined): Readonly<Record<string, string>> {
  return template?.metadata?.labels ?? {}
}

function aspectsOfService(object: KubeObject): Aspects {
  const { selector, ports = [], type } = (object as Service).spec ?? {}
  const entries = Object.entries(selector ?? {})
  if (entries.length === 0 || type === 'ExternalName') return new Map()
  const labels: Aspect['labels'] = (own) => entries.every(([key, value]) => own[key] === value)
  const words = ` (selector ${entries.map(([key, value]) => `${key}=${value}`).join(',')})`
  if (ports.length === 0) return new Map([['', { words, labels }]])
  return new Map(
    ports.map((port) => [
      `${port.protocol ?? 'TCP'} ${port.port}`,
      { words: `, port ${port.port}${words}`, labels, port },
    ]),
  )
}

function aspectsOfPolicy(object: KubeObject): Aspects {
  const { podSelector, ingress = [], egress = [] } = (object as NetworkPolicy).spec ?? {}
  const peers = [
    ['from', ingress.map(({ from }) => from)] as const,
    ['to', egress.map(({ to }) => to)] as const,
  ].flatMap(([key, rules]) => {
    const all = rules.flatMap((rule) => rule ?? [{}])
    // A rule for everybody, or for pods of other namespaces, keeps nobody of ours out.
    const selectors = all.map((peer) =>
      peer.podSelector && !peer.namespaceSelector ? peer.podSelector : undefined,
    )
    if (all.length === 0 || !selectors.every((one) => one !== undefined)) return []
    const labels: Aspect['labels'] = (own) => selectors.some((one) => matches(one, own))
    return [[key, { words: ` (its pods "${key}")`, labels }] as const]
  })
  const subject: Aspect['labels'] = (own) => matches(podSelector, own)
  return new Map([['pods', { words: ' (its podSelector)', labels: subject }], ...peers])
}

function bySelector(field: 'selector' | 'endpointSelector'): Kind['aspects'] {
  return ({ spec }) => {
    const selector = (spec as Readonly<Record<string, LabelSelector>> | undefined)?.[field]
    if (!selector) return new Map()
    const labels: Aspect['labels'] = (own) => matches(selector, own)
    return new Map([['pods', { words: ` (its ${field})`, labels }]])
  }
}

function matches(
  { matchLabels = {}, matchExpressions = [] }: LabelSelector = {},
  own: Readonly<Record<string, string>>,
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

/** A container may listen on a port by number that it does not declare. */
function isSure({ labels, port }: Aspect, pods: readonly Pods[]): boolean {
  const { targetPort } = port ?? {}
  return typeof targetPort === 'string' || !pods.some(({ becomes }) => labels(labelsOf(becomes)))
}

/** Why nobody is found: no labels, or no port of that name. */
function whyNone({ words, labels, port }: Aspect, pods: readonly Pods[]): string {
  const byLabels = pods.filter(({ becomes }) => becomes && labels(labelsOf(becomes)))
  const [one] = byLabels
  if (!one) return `no pod template has the labels that it selects${words}`
  return `no container of ${one.id} has a port ${port?.targetPort ?? port?.port ?? ''}${words}`
}

function lostHint(aspect: Aspect, name: string, pods: readonly Pods[]): string {
  const ours = pods.find(
    ({ ours, live, becomes }) =>
      ours && (aspect.labels(labelsOf(live)) || aspect.labels(labelsOf(becomes))),
  )
  const of = ours ? ` of ${ours.id}` : ''
  return `add what is missing to the pod template${of}, or correct ${name}; to move it to other labels or ports, release the pods with the old and the new ones first, then ${name}`
}

function conflict(
  name: string,
  seen: readonly (Safely & { readonly aspect: Aspect })[],
  pods: readonly Pods[],
): { readonly sentence: string; readonly hint: string } {
  const torn = seen.find(({ safe }) => safe.length === 0) ?? seen[0]
  const who = torn?.torn.map(({ id }) => id).join(', ') ?? pods.map(({ id }) => id).join(', ')
  return {
    sentence: `${name} changes together with the pods of ${who}, and finds none of them in between: the old ones lack what it asks for from now on, the new ones what it asked for before${torn?.aspect.words ?? ''}`,
    hint: `make it two releases: first the pod template of ${who} with the old labels and ports beside the new ones, and ${name} as it is; then ${name}, and the template without the old ones`,
  }
}
