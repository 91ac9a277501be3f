/** What stands in a namespace, as far as a release may change it; and what may not be left there. */
import { liveNow, type Entry } from '../../src/state/history.js'
import { kubectlJson } from '../e2e/stack.js'
import type { GoodTag } from './plan.js'

/** By `kind/name`: the whole spec, the data of a ConfigMap or a Secret, spec and annotations of a Service. */
export type State = Readonly<Record<string, unknown>>

export interface Seen {
  readonly state: State
  /** The tag that the store's template names. */
  readonly running: string
  /** What is not as it should be when nothing is under way: sentences. */
  readonly leftovers: readonly string[]
  /** What may mend itself in a minute: pods on their way, a Job to be counted, the lock of a killed run. */
  readonly pending: readonly string[]
}

interface Item {
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly generation?: number
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
    readonly ownerReferences?: readonly unknown[]
  }
  readonly spec?: Spec
  readonly data?: Readonly<Record<string, string>>
  readonly status?: Status
}

interface Status {
  readonly phase?: string
  readonly observedGeneration?: number
  readonly conditions?: readonly { readonly type: string; readonly status: string }[]
  readonly [count: string]: unknown
}

interface Spec {
  readonly replicas?: number
  readonly holderIdentity?: string
  readonly renewTime?: string
  readonly leaseDurationSeconds?: number
  readonly template?: {
    readonly spec: { readonly containers: readonly { readonly image: string }[] }
  }
}

const record = 'django-rollout-shop'
const workloads = ['Deployment', 'StatefulSet', 'DaemonSet', 'CronJob']
const kinds =
  'deployments,statefulsets,daemonsets,cronjobs,configmaps,services,secrets,leases,jobs,pods'

export async function look(namespace: string): Promise<Seen> {
  const { items } = await kubectlJson<{ readonly items: readonly Item[] }>(
    ...['-n', namespace, 'get', kinds],
  )
  const isHistory = ({ kind, metadata: { name } }: Item) => kind === 'ConfigMap' && name === record
  const own = items.filter((item) => item.metadata.name !== 'kube-root-ca.crt' && !isHistory(item))
  const stateOf = ({ kind, metadata, spec, data }: Item) => [
    `${kind.toLowerCase()}/${metadata.name}`,
    kind === 'Service' ? { spec, annotations: annotationsOf(metadata) } : (spec ?? data ?? {}),
  ]
  const counts = [...workloads, 'ConfigMap', 'Secret', 'Service']
  // Of what nobody sets by hand here.
  const store = own.find(({ kind }) => kind === 'StatefulSet')
  const image = store?.spec?.template?.spec.containers[0]?.image ?? ''
  const running = /:([^:@/]+)(@|$)/.exec(image)?.[1] ?? ''
  return {
    state: Object.fromEntries(
      own
        .filter(({ kind, metadata }) => counts.includes(kind) && metadata.name !== record)
        .map(stateOf),
    ) as State,
    running,
    leftovers: [...own.flatMap(leftover), ...items.filter(isHistory).flatMap(historyLies(running))],
    pending: own.flatMap((item) => [...notComplete(item), ...held(item)]),
  }
}

function annotationsOf({ annotations = {} }: Item['metadata']): unknown {
  const { 'kubectl.kubernetes.io/last-applied-configuration': _, ...others } = annotations
  return others
}

/** A Lease that nobody renews is free when its time is over, whoever it names. */
function held({ kind, metadata: { name }, spec = {} }: Item): readonly string[] {
  const { holderIdentity: holder, renewTime = '', leaseDurationSeconds = 0 } = spec
  const isOver = Date.now() > Date.parse(renewTime) + leaseDurationSeconds * 1000
  return kind === 'Lease' && holder && !isOver ? [`lease/${name} is held by ${holder}`] : []
}

/** A Job that is over is kept for people to look at; the pod of one may not run any more. */
function leftover({ kind, metadata: { name, labels = {} }, status }: Item): readonly string[] {
  switch (kind) {
    case 'Secret':
      return name === record ? [`secret/${name} is there`] : []
    case 'Pod': {
      const runs = labels['job-name'] && ['Pending', 'Running'].includes(status?.phase ?? '')
      return runs ? [`pod/${name} of a Job still runs`] : []
    }
    default:
      return []
  }
}

/** The history names as live what runs. */
function historyLies(running: string): (item: Item) => readonly string[] {
  return ({ data = {} }) => {
    const entries = Object.values(data).map((text) => JSON.parse(text) as Entry)
    const live = liveNow(entries.sort((one, other) => one.number - other.number))
    return live?.tag === running ? [] : [`the history says that ${live?.tag ?? 'nothing'} is live`]
  }
}

function notComplete(item: Item): readonly string[] {
  if (isComplete(item)) return []
  return [`${item.kind.toLowerCase()}/${item.metadata.name} is not complete`]
}

function isComplete({ kind, metadata, spec, status = {} }: Item): boolean {
  const { replicas = 1 } = spec ?? {}
  const counts = (...names: readonly string[]) => names.map((name) => status[name] ?? 0)
  const seen = status.observedGeneration === metadata.generation
  switch (kind) {
    case 'Job':
      return (status.conditions ?? []).some(
        (one) => ['Complete', 'Failed'].includes(one.type) && one.status === 'True',
      )
    case 'Deployment':
      return (
        seen &&
        counts('replicas', 'updatedReplicas', 'availableReplicas').every((n) => n === replicas)
      )
    case 'StatefulSet':
      return seen && counts('updatedReplicas', 'availableReplicas').every((n) => n === replicas)
    case 'DaemonSet': {
      const wanted = status['desiredNumberScheduled'] ?? 0
      return seen && counts('updatedNumberScheduled', 'numberAvailable').every((n) => n === wanted)
    }
    default:
      return true
  }
}

/** The good versions that come after the one that runs, the nearest first. */
export function nextOf(running: string, tags: readonly GoodTag[]): readonly GoodTag[] {
  const at = tags.findIndex((tag) => tag === running) + 1
  return [...tags.slice(at), ...tags.slice(0, at)].filter((tag) => tag !== running)
}
