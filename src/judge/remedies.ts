/** Whether anything in the cluster may still remedy a symptom. How long that is waited for is in `RULES`. Pure. */
import type { Event, Pod } from 'kubernetes-types/core/v1'
import { known, type ConfigurationId, type Fact, type FactWanted, type NodeFacts } from './facts.js'
import { isReady } from './objects.js'
import type { ClusterState } from './types.js'

/** `because`: the evidence, as a clause. */
export type Evidence =
  /** Nothing can: all was read that could show it. */
  | { readonly is: 'none'; readonly because: string }
  /** Nothing shows that anything can, but not all could be read. */
  | { readonly is: 'unseen'; readonly because: string }
  | { readonly is: 'some'; readonly because: string }

/** What was missing is there by now, or is looked for: the symptom is what the kubelet saw before. */
export interface Come {
  readonly is: 'come'
  /** `configmap/env`. */
  readonly object: string
  readonly because: string
}

export type Remedy = Evidence | Come

/** What has to be read before it is known, and what is taken for true `meanwhile`. */
export interface Wanted {
  readonly is: 'wanted'
  readonly wanted: readonly FactWanted[]
  readonly meanwhile?: Come
}

const none = (because: string): Evidence => ({ is: 'none', because })
const unseen = (because: string): Evidence => ({ is: 'unseen', because })
const some = (because: string): Evidence => ({ is: 'some', because })

// ConfigMaps and Secrets

/** A ConfigMap, a Secret or a key that is missing, and the others that the pod reads. */
export interface MissingConfiguration {
  /** Both where the kubelet does not say which. */
  readonly kinds: readonly ConfigurationId['kind'][]
  readonly is: 'object' | 'key'
  /** The name, where the kubelet says it. */
  readonly name?: string
  readonly reads: readonly ConfigurationId[]
}

/** How many others are read. */
const mostLooks = 10

/** Operators that create ConfigMaps or Secrets, by their API groups, with the names that people know. */
const makers: readonly (readonly [group: RegExp, name: string])[] = [
  [/(^|\.)external-secrets\.io$|^kubernetes-client\.io$/, 'External Secrets'],
  [/^bitnami\.com$/, 'Sealed Secrets'],
  [/(^|\.)cert-manager\.io$/, 'cert-manager'],
  [/^secrets\.hashicorp\.com$/, 'the Vault Secrets Operator'],
  [/^secrets-store\.csi\.x-k8s\.io$/, 'the Secrets Store CSI driver'],
  [/^isindir\.github\.com$/, 'the SOPS Secrets operator'],
  [/^onepassword\.com$/, 'the 1Password operator'],
  [/^secrets\.(doppler|infisical)\.com$/, 'its Secrets operator'],
  [/(^|\.)toolkit\.fluxcd\.io$/, 'Flux'],
  [/^argoproj\.io$/, 'Argo CD'],
  [/^kyverno\.io$/, 'Kyverno'],
  [/(^|\.)crossplane\.io$/, 'Crossplane'],
]

/**
 * API groups of add-ons that create no ConfigMap or Secret for other pods than their own. The groups of Kubernetes
 * itself have no dot, or end with `.k8s.io`: Kubernetes approves each.
 */
const makeNone =
  /(^|\.)k8s\.io$|^[^.]+$|^(monitoring\.coreos\.com|karpenter\..+|(eventing\.)?keda\.sh|(hub\.)?traefik\.io|traefik\.containo\.us|cilium\.io|metallb\.io|((crd|policy)\.)?projectcalico\.org|operator\.tigera\.io|(elbv2|vpcresources|networking|crd)\.k8s\.(aws|amazonaws\.com)|(metrics\.)?eks\.amazonaws\.com|((internal\.)?autoscaling|auto|networking|warden|node|nodemanagement|hub)\.gke\.io|cloud\.google\.com|monitoring\.googleapis\.com|acn\.azure\.com)$/

/** The service catalog, with an approved group, creates the Secrets of what it binds. */
const createsNone = (group: string) => makeNone.test(group) && group !== 'servicecatalog.k8s.io'

/** Field managers of people and their pipelines: what they create is there before a release, or never. */
const byPeople =
  /^(kubectl($|-)|helm|terraform|hashicorp|pulumi|django-rollout|before-first-apply$|k9s|lens|mozilla|skaffold|tilt|unknown$)/i

/** Kubernetes keeps these in each namespace. */
const ofCluster = ['kube-root-ca.crt', 'openshift-service-ca.crt']

/** Annotations of controllers that copy objects, and have no kinds. */
const copied = /(^|\.)emberstack\.com\/|^replicator\.v1\.mittwald\.de\/|^kubed\.appscode\.com\//

/** Returns whether a ConfigMap or Secret may still be created, or get its key. */
export function makerOf(missing: MissingConfiguration, facts: readonly Fact[]): Evidence | Wanted {
  const { kinds, name, reads } = missing
  const what = kinds.map((kind) => `${kind}s`).join(' or ')
  if (name !== undefined && ofCluster.includes(name)) return some('Kubernetes itself creates it')
  const groups = known(facts, { is: 'groups' })
  if (!groups) return { is: 'wanted', wanted: [{ is: 'groups' }] }
  if (groups.names.is === 'unreadable')
    return unseen(unreadable([{ what: '/apis', ...groups.names }]))
  const operator = groups.names.value.find((group) => !createsNone(group))
  if (operator !== undefined) {
    const named = makers.find(([group]) => group.test(operator))
    const who = named ? named[1] : `an operator (${operator})`
    return some(`${who} is installed, and may create it`)
  }
  const all = reads.filter((one) => kinds.includes(one.kind) && !ofCluster.includes(one.name))
  const likes = all.slice(0, mostLooks).map((one) => ({ is: 'writers', ...one }) as const)
  const found = likes.map((one) => known(facts, one))
  const wanted = likes.filter((_, i) => !found[i])
  if (wanted.length > 0) return { is: 'wanted', wanted }
  const own = found.find((one) => one?.name === name)
  if (missing.is === 'object' && own?.found.is === 'read' && own.found.value.exists) {
    return some(`${idOf(own)} exists by now: the kubelet looks again`)
  }
  for (const one of found) {
    const writer = one && writerOf(one)
    if (one && writer !== undefined) {
      return some(`${idOf(one)} was written by ${writer}, which may create this one too`)
    }
  }
  // The missing one too: only the kubelet would see it come, which looks again when the 3 s are long over.
  const closed = found.flatMap((one) =>
    one?.found.is === 'unreadable' ? [{ what: idOf(one), why: one.found.why }] : [],
  )
  if (closed.length > 0) return unseen(unreadable(closed))
  if (all.length > likes.length) return unseen('the pod reads more than was checked')
  return none(`no controller in this cluster creates ${what}`)
}

/**
 * Returns whether a ConfigMap or Secret has come by the end of its time, since the kubelet looks again only after a
 * while. A key is not looked for.
 */
export function comeMeanwhile(
  { is, kinds, name }: MissingConfiguration,
  facts: readonly Fact[],
): Evidence | Come | Wanted | undefined {
  const [kind, other] = kinds
  if (is !== 'object' || name === undefined || kind === undefined || other) return undefined
  const wanted = { is: 'writers', kind, name, again: true } as const
  const object = idOf(wanted)
  const now = known(facts, wanted)
  if (!now) {
    const meanwhile = { is: 'come', object, because: `${object} is read once more` } as const
    return { is: 'wanted', wanted: [wanted], meanwhile }
  }
  if (now.found.is === 'unreadable') return unseen(unreadable([{ what: object, ...now.found }]))
  return now.found.value.exists
    ? { is: 'come', object, because: `${object} exists by now: the kubelet looks again` }
    : undefined
}

/** Returns the controller that keeps the object, if one does. */
function writerOf({ found }: Extract<Fact, { is: 'writers' }>): string | undefined {
  if (found.is === 'unreadable') return undefined
  const { owners, managers, annotations } = found.value
  const manager = managers.find((name) => !byPeople.test(name))
  return owners[0] ?? manager ?? annotations.find((key) => copied.test(key))
}

function idOf({ kind, name }: ConfigurationId): string {
  return `${kind.toLowerCase()}/${name}`
}

function unreadable(closed: readonly { readonly what: string; readonly why: string }[]): string {
  const whats = closed.map(({ what }) => what).join(' and ')
  const whys = [...new Set(closed.map(({ why }) => why))]
  const right = `; the right to get ${closed.length > 1 ? 'them' : 'it'} would show that`
  return `${whats} cannot be read (${whys.join(', ')}), so something may still create it${whys.includes('Forbidden') ? right : ''}`
}

// Nodes

/**
 * What the scheduler says of a node that will refuse the pod as long as neither node nor pod changes. Everything
 * else may pass: a node that is not ready yet or cordoned, a volume that is being made, what later versions say; and
 * `nvidia.com/gpu`, which a plugin reports some time after its node is ready.
 */
const lasting =
  /^(Insufficient [^\s/]+|Too many pods|node\(s\) (didn't match Pod's node affinity\/selector|had (untolerated )?taint \{[^}]*\}|didn't have free ports for the requested pod ports|didn't match pod (anti-)?affinity rules|didn't satisfy existing pods anti-affinity rules|didn't match pod topology spread constraints( \(missing required label\))?|had volume node affinity conflict))$/

/** Taints that the cluster itself sets for a while, or that an autoscaler sets. */
const passingTaint =
  /\{[^}]*(node\.kubernetes\.io\/|cloudprovider|autoscaler|karpenter|not-?ready|uninitialized|unregistered|startup)/i

/** Names of nodes that a cloud or a pool gives: `gke-shop-default-pool-…`, `aks-nodepool1-…-vmss000000`. */
const pooled =
  /^(gke|aks|lke\d+|scw|shoot)-|pool|\.compute\.internal$|\.ec2\.internal$|^i-[0-9a-f]{8,}|-vmss|-md-\d|-asg|autoscal/i

const scalers = /cluster-autoscaler|karpenter/

/** API groups of what adds nodes, and of clouds that do so themselves. */
const scalerGroups: readonly (readonly [group: RegExp, name: string])[] = [
  [/^karpenter\./, 'Karpenter'],
  [/(^|\.)eks\.amazonaws\.com$|(^|\.)k8s\.aws$|^crd\.k8s\.amazonaws\.com$/, 'Amazon EKS'],
  [/(^|\.)gke\.io$|^cloud\.google\.com$/, 'Google GKE'],
  [/(^|\.)azure\.com$/, 'Azure AKS'],
  [/^autoscaling\.x-k8s\.io$/, 'the cluster-autoscaler'],
  [/(^|\.)cluster\.x-k8s\.io$/, 'the Cluster API'],
  [/^(machine|autoscaling)\.openshift\.io$/, 'OpenShift'],
  [/^machine\.sapcloud\.io$|(^|\.)gardener\.cloud$/, 'Gardener'],
  [/^(provisioning|management)\.cattle\.io$/, 'Rancher'],
  [/(^|\.)cast\.ai$|(^|\.)spot\.io$|autoscal(er|ing)\.(?!k8s\.io$)/, 'an autoscaler'],
]

const clouds = /[-+](eks|gke|aliyun|tke|iks|cce|vke|doks)\b/i
const cloudIssuer =
  /\.(amazonaws\.com|googleapis\.com|azure\.com|azmk8s\.io|ondigitalocean\.com|linodelke\.net|scw\.cloud|ovh\.net)(\/|$)/
/** Providers of nodes that a person adds. */
const byHand = /^($|k3s:|rke2:|kind:|minikube:|microk8s:|k0s:|baremetal:)/
const nodeKeys =
  /karpenter|cluster-?autoscaler|eks\.amazonaws|cloud\.google\.com|kubernetes\.azure\.com|node-?pool|node-?group|autoscal/i

/** What the namespace shows of it. Read when it is wanted, and once: there may be thousands of events. */
export interface Nearby {
  /** What shows that nodes are added as they are needed. */
  readonly scaler: () => string | undefined
  /** A pod that makes room: one that runs to an end, or one that takes the place of another once it is Ready. */
  readonly room: () => string | undefined
}

/** @param own the pods of the workloads that are released: what becomes of them is judged elsewhere (`Room`, `Place`). */
export function nearby(clusterState: ClusterState, own: () => readonly Pod[] = () => []): Nearby {
  return { scaler: once(() => scalerIn(clusterState)), room: once(() => roomIn(clusterState, own)) }
}

function once<T>(look: () => T): () => T {
  let seen: { readonly value: T } | undefined
  return () => (seen ??= { value: look() }).value
}

/**
 * Returns whether a pod that fits on no node may still get one: one that is added, or one that gets room.
 *
 * @param message the scheduler's.
 */
export function nodeFor(
  message: string,
  { scaler, room }: Nearby,
  facts: readonly Fact[],
): Evidence | Wanted {
  const passes = passingReason(message)
  if (passes !== undefined) return some(`this may pass: ${passes}`)
  const sign = scaler()
  if (sign !== undefined) return some(sign)
  const ending = /Insufficient|Too many pods|free ports/.test(message) ? room() : undefined
  if (ending !== undefined) return some(ending)
  const [groups, nodes] = [known(facts, { is: 'groups' }), known(facts, { is: 'nodes' })]
  if (!groups || !nodes) {
    const wanted: readonly FactWanted[] = [
      ...(groups ? [] : [{ is: 'groups' } as const]),
      ...(nodes ? [] : [{ is: 'nodes' } as const]),
    ]
    return { is: 'wanted', wanted }
  }
  const names = groups.names.is === 'read' ? groups.names.value : []
  const named = scalerGroups.find(([group]) => names.some((name) => group.test(name)))
  if (named) return some(`${named[1]} may add a node`)
  return nodesOf(nodes, groups.names)
}

function nodesOf(
  { version, issuer, nodes, status }: NodeFacts,
  groups: { readonly is: 'read' | 'unreadable' },
): Evidence {
  if (status.is === 'read' && status.value) return some('a cluster-autoscaler may add a node')
  const cloud =
    clouds.exec(version)?.[0] ?? (issuer.is === 'read' && cloudIssuer.exec(issuer.value))
  if (cloud) return some('its cloud may add a node')
  const pool = nodes.is === 'read' ? nodes.value.find(isPooled) : undefined
  if (pool) return some(`its nodes are of a pool (${pool.provider || pool.keys.find(isNodeKey)})`)
  return nodes.is === 'read' && groups.is === 'read'
    ? none('the cluster has no autoscaler, and no pod is ending')
    : unseen('no autoscaler has answered for the pod, and no pod is ending')
}

const isNodeKey = (key: string) => nodeKeys.test(key)

function isPooled({ provider, keys }: { provider: string; keys: readonly string[] }): boolean {
  return !byHand.test(provider) || keys.some(isNodeKey)
}

/** Returns what the scheduler names that may pass; `undefined` when nothing may. */
function passingReason(message: string): string | undefined {
  const [, words] = /nodes are available: (.*?)(\. |\.?$)/.exec(message) ?? []
  if (words === undefined) return message
  const reasons = words.split(/, (?=\d+ )/).map((one) => one.replace(/^\d+ /, ''))
  return reasons.find((one) => !lasting.test(one) || passingTaint.test(one))
}

/** Returns what in the namespace shows that nodes are added. */
function scalerIn({ events, pods }: ClusterState): string | undefined {
  if ([...events.values()].some(isOfScaler)) {
    return 'an autoscaler writes events in this namespace'
  }
  const node = [...pods.values()].find(({ spec }) => pooled.test(spec?.nodeName ?? ''))
  return node && `nodes like ${node.spec?.nodeName} are of a pool`
}

function isOfScaler({ reason = '', source, reportingComponent = '' }: Event): boolean {
  return (
    /^(NotTriggerScaleUp|TriggeredScaleUp|Nominated)$/.test(reason) ||
    scalers.test(source?.component ?? '') ||
    scalers.test(reportingComponent)
  )
}

// Quotas

/** Returns whether a pod of the namespace ends, and makes room in its quota. */
export function roomBy({ room }: Nearby): Evidence {
  const ending = room()
  return ending === undefined ? none('no pod of the namespace is about to end') : some(ending)
}

function roomIn({ pods }: ClusterState, own: () => readonly Pod[]): string | undefined {
  const holding = [...pods.values()].filter(holdsRoom)
  const job = holding.find(({ spec }) => isOfJob(spec?.restartPolicy))
  if (job) return `pod ${job.metadata?.name} makes room when it ends`
  const released = new Set(own())
  const starting = holding.find((pod) => !released.has(pod) && isStarting(pod))
  return (
    starting && `pod ${starting.metadata?.name} is starting, after which one that it replaces ends`
  )
}

function holdsRoom({ metadata, spec, status }: Pod): boolean {
  return (
    spec?.nodeName !== undefined &&
    status?.phase !== 'Succeeded' &&
    status?.phase !== 'Failed' &&
    metadata?.deletionTimestamp === undefined
  )
}

function isOfJob(restartPolicy: string | undefined): boolean {
  return restartPolicy === 'Never' || restartPolicy === 'OnFailure'
}

/** Another application of the namespace may be released, too. What restarts comes to no end by itself. */
function isStarting(pod: Pod): boolean {
  const { containerStatuses = [] } = pod.status ?? {}
  return !isReady(pod) && containerStatuses.every(({ restartCount }) => restartCount === 0)
}
