/**
 * Nodes without machines, as kwok makes them: the cluster's own controllers and scheduler do their work, and this file
 * plays the kubelets. Their taint keeps all pods away that do not tolerate it, so that others may use the cluster too.
 */
import { setInterval } from 'node:timers/promises'
import type { Pod } from 'kubernetes-types/core/v1'
import { call, changesOf } from '../bench/api.js'

const label = 'scale.example.org/fake'
const api = '/api/v1'
const leases = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases'
const nodeCount = 5
const podsPerNode = 500
const renewMs = 10_000
/** How many requests are under way at the same time. */
const width = 8

/** What puts a pod on a fake node. */
export const onFakeNodes = {
  nodeSelector: { [label]: 'yes' },
  tolerations: [{ key: label, operator: 'Exists' }],
} as const

/** What becomes of the container of a pod. */
export type Fate =
  { readonly is: 'ready'; readonly afterMs: number } | { readonly is: 'image-missing' }

/** A pod as the server has it. */
export type Served = Pod & {
  readonly metadata: { readonly name: string; readonly namespace: string; readonly uid: string }
}

export class FakeNodes {
  /** When the last pod was reported Ready, in ms since 1970. */
  lastReadyAt = 0
  readonly #names = Array.from({ length: nodeCount }, (_, nth) => `fake-${nth + 1}`)
  readonly #over = new AbortController()
  readonly #queue = new Queue(width)
  /** By uid: what was done for it. */
  readonly #stages = new Map<string, 'started' | 'ending'>()
  readonly #background: Promise<void>[] = []

  /** @param fateOf what becomes of a pod that is new on a node */
  private constructor(private readonly fateOf: (pod: Pod) => Fate) {}

  /** Adds the nodes to the cluster, and serves their pods until it is stopped. */
  static async start(fateOf: (pod: Pod) => Fate): Promise<FakeNodes> {
    await FakeNodes.remove()
    const nodes = new FakeNodes(fateOf)
    for (const name of nodes.#names) await addNode(name)
    nodes.#background.push(nodes.#renew())
    for (const name of nodes.#names) nodes.#background.push(nodes.#serve(name))
    return nodes
  }

  /** Removes all fake nodes, also those of a test that was killed. The cluster removes their pods. */
  static async remove(): Promise<void> {
    await call('DELETE', `${api}/nodes?labelSelector=${label}`)
  }

  async stop(): Promise<void> {
    this.#over.abort()
    await Promise.all(this.#background)
    await FakeNodes.remove()
  }

  /** Reports that the nodes live: a silent one is taken for dead after 50 s. */
  async #renew(): Promise<void> {
    const { signal } = this.#over
    try {
      for await (const _ of setInterval(renewMs, undefined, { signal })) {
        const patch = { spec: { renewTime: microTime() } }
        for (const name of this.#names) await call('PATCH', `${leases}/${name}`, patch)
      }
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }

  async #serve(node: string): Promise<void> {
    const path = `${api}/pods?fieldSelector=spec.nodeName%3D${node}`
    for await (const { type, object } of changesOf<Served>(path, this.#over.signal)) {
      if (type === 'DELETED') this.#stages.delete(object.metadata.uid)
      else this.#queue.add(() => this.#bring(object))
    }
  }

  async #bring(pod: Served): Promise<void> {
    const { uid, deletionTimestamp } = pod.metadata
    const stage = this.#stages.get(uid)
    if (deletionTimestamp !== undefined) {
      if (stage === 'ending') return
      this.#stages.set(uid, 'ending')
      const message = `Stopping container ${containerOf(pod.spec).name}`
      // A namespace that is being deleted takes no more events.
      await tell(pod, 'Killing', message).catch(() => undefined)
      await call('DELETE', pathOf(pod), { gracePeriodSeconds: 0, preconditions: { uid } })
    } else if (stage === undefined && pod.status?.phase === 'Pending') {
      this.#stages.set(uid, 'started')
      await this.#startUp(pod)
    }
  }

  async #startUp(pod: Served): Promise<void> {
    const fate = this.fateOf(pod)
    const { name, image = '' } = containerOf(pod.spec)
    if (fate.is === 'image-missing') {
      const message = `Back-off pulling image "${image}": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image "${image}": not found`
      await report(pod, { waiting: { reason: 'ImagePullBackOff', message } }, false)
      await tell(pod, 'Failed', `Failed to pull image "${image}": not found`, 'Warning')
      return
    }
    await report(pod, { running: { startedAt: time() } }, false)
    for (const [reason, message] of [
      ['Pulled', `Container image "${image}" already present on machine`],
      ['Created', `Created container: ${name}`],
      ['Started', `Started container ${name}`],
    ] as const)
      await tell(pod, reason, message)
    setTimeout(() => {
      this.#queue.add(async () => {
        if (this.#stages.get(pod.metadata.uid) !== 'started') return
        await report(pod, { running: { startedAt: time() } }, true)
        this.lastReadyAt = Date.now()
      })
    }, fate.afterMs).unref()
  }
}

/** Runs jobs in their order, so many at the same time. */
class Queue {
  readonly #jobs: (() => Promise<void>)[] = []
  #running = 0

  constructor(private readonly width: number) {}

  add(job: () => Promise<void>): void {
    this.#jobs.push(job)
    this.#next()
  }

  #next(): void {
    if (this.#running >= this.width) return
    const job = this.#jobs.shift()
    if (!job) return
    this.#running += 1
    job()
      .catch((error: unknown) => {
        // A pod may be gone before its turn.
        if (!String(error).includes(': 404 ')) console.error(error)
      })
      .finally(() => {
        this.#running -= 1
        this.#next()
      })
  }
}

async function addNode(name: string): Promise<void> {
  const taints = [{ key: label, value: 'yes', effect: 'NoSchedule' }]
  const metadata = { name, labels: { [label]: 'yes', 'kubernetes.io/hostname': name } }
  const node = { apiVersion: 'v1', kind: 'Node', metadata, spec: { taints } }
  const { metadata: made } = await call<{ metadata: { uid: string } }>('POST', `${api}/nodes`, node)
  const size = { cpu: '1k', memory: '1Ti', pods: String(podsPerNode) }
  const conditions = [
    condition('Ready', true),
    ...['MemoryPressure', 'DiskPressure', 'PIDPressure', 'NetworkUnavailable'].map((type) =>
      condition(type, false),
    ),
  ]
  // Nothing listens there: who wants a log is refused at once.
  const daemonEndpoints = { kubeletEndpoint: { Port: 9 } }
  const addresses = [{ type: 'InternalIP', address: '127.0.0.1' }]
  const status = { capacity: size, allocatable: size, conditions, addresses, daemonEndpoints }
  await call('PATCH', `${api}/nodes/${name}/status`, { status })
  await call('DELETE', `${leases}/${name}`).catch(() => undefined)
  await call('POST', leases, {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name, ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name, uid: made.uid }] },
    spec: { holderIdentity: name, leaseDurationSeconds: 40, renewTime: microTime() },
  })
}

/** Reports the state of the one container, and of the pod. */
function report(
  { metadata, spec, status }: Served,
  state: object,
  ready: boolean,
): Promise<unknown> {
  const { name, image = '' } = containerOf(spec)
  const digest = /^([^:@]+(?::\d+)?[^:@]*)(?::[^@]*)?@(.*)$/.exec(image)
  const isRunning = 'running' in state
  const containerStatus = {
    name,
    image,
    imageID: isRunning && digest ? `${digest[1] ?? ''}@${digest[2] ?? ''}` : '',
    ready,
    started: ready,
    restartCount: 0,
    state,
    ...(isRunning && { containerID: `containerd://${metadata.uid}` }),
  }
  return call('PATCH', `${pathOf({ metadata })}/status`, {
    metadata: { uid: metadata.uid },
    status: {
      phase: isRunning ? 'Running' : 'Pending',
      startTime: status?.startTime ?? time(),
      hostIP: '127.0.0.1',
      podIP: '127.0.0.1',
      podIPs: [{ ip: '127.0.0.1' }],
      conditions: [
        condition('PodScheduled', true),
        condition('PodReadyToStartContainers', true),
        condition('Initialized', true),
        condition('ContainersReady', ready),
        condition('Ready', ready),
      ],
      containerStatuses: [containerStatus],
    },
  }).catch(ifGone)
}

/** A pod may be deleted in this moment. */
function ifGone(error: unknown): void {
  if (!/ (404|409) /.test(String(error))) throw error
}

let told = 0

/** Creates an event about a pod, as its kubelet does. */
export function tell(
  { metadata: { name, namespace, uid }, spec }: Served,
  reason: string,
  message: string,
  type: 'Normal' | 'Warning' = 'Normal',
): Promise<unknown> {
  const at = time()
  told += 1
  return call('POST', `${api}/namespaces/${namespace}/events`, {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: `${name}.${Date.now().toString(16)}${told.toString(16)}`, namespace },
    involvedObject: {
      apiVersion: 'v1',
      kind: 'Pod',
      name,
      namespace,
      uid,
      fieldPath: `spec.containers{${containerOf(spec).name}}`,
    },
    reason,
    message,
    type,
    source: { component: 'kubelet', host: spec?.nodeName },
    reportingComponent: 'kubelet',
    reportingInstance: spec?.nodeName,
    firstTimestamp: at,
    lastTimestamp: at,
    count: 1,
  })
}

function containerOf(spec: Pod['spec']) {
  return spec?.containers[0] ?? { name: '' }
}

function pathOf({ metadata: { name, namespace } }: Pick<Served, 'metadata'>): string {
  return `${api}/namespaces/${namespace}/pods/${name}`
}

function condition(type: string, holds: boolean) {
  const [lastTransitionTime, status] = [time(), holds ? 'True' : 'False']
  return { type, status, lastTransitionTime, reason: 'Fake', message: '' }
}

function time(): string {
  return `${new Date().toISOString().slice(0, 19)}Z`
}

function microTime(): string {
  return new Date().toISOString().replace('Z', '000Z')
}
