/**
 * Small worlds for the judge. A scene is YAML: one Deployment `web` with an old and a new ReplicaSet, its
 * pods in the words of Kubernetes, and events. What a case does not say is healthy.
 */
import type { Event, Pod } from 'kubernetes-types/core/v1'
import { parse } from 'yaml'
import { judge } from '../../src/judge/judge.js'
import type { Fact } from '../../src/judge/facts.js'
import { newObservations, withLog } from '../../src/judge/observations.js'
import { diagnose } from '../../src/judge/diagnose.js'
import type {
  DesiredWorkload,
  Judgement,
  Observations,
  Timeouts,
  ClusterState,
} from '../../src/judge/types.js'

export const START = Date.parse('2026-01-01T12:00:00Z')
export const OLD = 'registry.example/shop:old'
export const NEW = 'registry.example/shop:new'

type Json = Record<string, unknown>

interface PodScene {
  /** Which ReplicaSet it is of. */
  of?: 'old' | 'new'
  ready?: boolean
  /** Merged into the status of its container `web`. */
  container?: Json
  /** The same for its init container `wait`. */
  init?: Json
  probe?: 'readiness' | 'startup'
  metadata?: Json
  spec?: Json
  status?: Json
  conditions?: Json[]
}

interface Scene {
  replicas?: number
  image?: string
  /** Merged into the Deployment. */
  spec?: Json
  status?: Json
  generation?: number
  progressing?: Json
  /** ReplicaFailure's message on the new ReplicaSet. */
  refused?: string
  gone?: boolean
  pods?: Record<string, PodScene | null>
  events?: {
    about: string
    reason: string
    message?: string
    at?: number
    type?: string
    container?: string
    count?: number
  }[]
}

/** A picture from a scene; `at` in seconds after our write. */
export function pictureOf(text: string, at: number): ClusterState {
  const scene = (parse(text) ?? {}) as Scene
  const replicas = scene.replicas ?? 1
  const image = scene.image ?? NEW
  const pods = Object.entries(scene.pods ?? {}).map(([name, pod]) => podOf(name, pod ?? {}))
  const fresh = pods.filter(
    (pod) =>
      pod.metadata?.ownerReferences?.[0]?.uid === 'uid-new' && !pod.metadata.deletionTimestamp,
  )
  const ready = fresh.filter((pod) => isReady(pod)).length
  const generation = scene.generation ?? 2
  const deployment = {
    metadata: { name: 'web', uid: 'uid-web', generation },
    spec: {
      replicas,
      selector,
      template: template(image),
      progressDeadlineSeconds: 600,
      ...scene.spec,
    },
    status: {
      observedGeneration: generation,
      replicas: pods.filter((pod) => !pod.metadata?.deletionTimestamp).length,
      updatedReplicas: fresh.length,
      availableReplicas: ready,
      conditions: scene.progressing
        ? [{ type: 'Progressing', status: 'False', ...scene.progressing }]
        : [],
      ...scene.status,
    },
  }
  const sets = [
    replicaSet('old', template(OLD)),
    {
      ...replicaSet('new', template(image)),
      status: {
        replicas: fresh.length,
        conditions:
          scene.refused === undefined
            ? []
            : [
                {
                  type: 'ReplicaFailure',
                  status: 'True',
                  reason: 'FailedCreate',
                  message: scene.refused,
                },
              ],
      },
    },
  ]
  const events = (scene.events ?? []).map((event, index) => eventOf(event, index, at))
  return {
    deployments: new Map(scene.gone === true ? [] : [['web', deployment]]),
    statefulsets: new Map(),
    daemonsets: new Map(),
    cronjobs: new Map(),
    replicasets: new Map(sets.map((set) => [set.metadata.name, set])),
    jobs: new Map(),
    pods: new Map(pods.map((pod) => [pod.metadata?.name ?? '', pod])),
    events: new Map(events.map((event) => [event.metadata.name ?? '', event])),
    confirmedAt: START + at * 1000,
  }
}

const selector = { matchLabels: { app: 'web' } }

export function template(image: string) {
  return {
    metadata: { labels: { app: 'web' } },
    spec: { containers: [{ name: 'web', image }] },
  }
}

function replicaSet(name: string, { metadata, spec }: ReturnType<typeof template>) {
  return {
    metadata: {
      name: `web-${name}`,
      uid: `uid-${name}`,
      creationTimestamp: '2026-01-01T00:00:00Z',
      ownerReferences: [owner('Deployment', 'web', 'uid-web')],
    },
    spec: {
      selector,
      template: { metadata: { labels: { ...metadata.labels, 'pod-template-hash': name } }, spec },
    },
  }
}

export function owner(kind: string, name: string, uid: string) {
  return { apiVersion: 'apps/v1', kind, name, uid, controller: true }
}

const probe = { httpGet: { port: 8000 }, periodSeconds: 10 }
const probes = { readiness: probe, startup: { ...probe, failureThreshold: 30 } }

export function podOf(name: string, scene: PodScene): Pod {
  const of = scene.of ?? 'new'
  const ready = scene.ready ?? (scene.container === undefined && scene.init === undefined)
  const container = {
    name: 'web',
    ...(scene.probe && { [`${scene.probe}Probe`]: probes[scene.probe] }),
    image: of === 'new' ? NEW : OLD,
  }
  const status = (own: Json | undefined, name: string) => ({
    name,
    image: '',
    imageID: '',
    ready,
    restartCount: 0,
    state: { running: { startedAt: '2026-01-01T12:00:00Z' } },
    ...own,
  })
  return {
    metadata: {
      name,
      uid: `uid-${name}`,
      ownerReferences: [owner('ReplicaSet', `web-${of}`, `uid-${of}`)],
      ...scene.metadata,
    },
    spec: {
      ...(scene.conditions?.every(({ type }) => type !== 'PodScheduled') !== false && {
        nodeName: 'node-1',
      }),
      containers: [container],
      ...(scene.init && { initContainers: [{ name: 'wait', image: container.image }] }),
      ...scene.spec,
    },
    status: {
      phase: 'Running',
      conditions: [
        { type: 'Ready', status: ready ? 'True' : 'False' },
        ...((scene.conditions ?? []) as { type: string; status: string }[]),
      ],
      ...(scene.init && { initContainerStatuses: [status(scene.init, 'wait')] }),
      containerStatuses: [status(scene.container, 'web')],
      ...scene.status,
    },
  }
}

function isReady(pod: Pod): boolean {
  return (
    pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ??
    false
  )
}

function eventOf(
  {
    about,
    at: when,
    reason,
    message,
    type,
    container,
    count,
  }: NonNullable<Scene['events']>[number],
  index: number,
  at: number,
): Event {
  return {
    metadata: { name: `event-${index}`, resourceVersion: String(index + 1 + (count ?? 0)) },
    involvedObject: {
      name: about,
      uid: `uid-${about}`,
      ...(container !== undefined && { fieldPath: `spec.containers{${container}}` }),
    },
    ...(type !== undefined && { type }),
    reason,
    message: message ?? '',
    lastTimestamp: new Date(START + (when ?? at) * 1000).toISOString(),
  }
}

export const AIM: DesiredWorkload = {
  workload: { kind: 'Deployment', name: 'web' },
  images: { web: NEW },
  generation: 2,
  first: false,
}

export const TIMEOUTS: Timeouts = { timeout: 600_000, bake: 15_000, grace: {} }

/** A release that is looked at again and again, as the watch loop does. */
export class Rehearsal {
  observations: Observations = newObservations(START)
  last: Judgement | undefined

  constructor(
    readonly desiredWorkloads: readonly DesiredWorkload[] = [AIM],
    readonly timeouts: Timeouts = TIMEOUTS,
    /** What every crashing container has in its log. */
    readonly log?: string,
    /** What was read of the cluster before: nothing else ever is. */
    facts: readonly Fact[] = [],
  ) {
    this.observations = { ...this.observations, facts }
  }

  /** Looks at a scene (YAML) or a picture, `at` seconds after our write; logs that are wanted come at once. */
  look(at: number, scene: string | ClusterState, confirmed = at): Judgement {
    const clusterState = {
      ...(typeof scene === 'string' ? pictureOf(scene, at) : scene),
      confirmedAt: START + confirmed * 1000,
    }
    const now = START + at * 1000
    let judgement = judge(this.desiredWorkloads, {
      clusterState,
      timeouts: this.timeouts,
      observations: this.observations,
      now,
    })
    this.observations = judgement.observations
    if (this.log !== undefined && judgement.logsWanted.length > 0) {
      const lines = this.log.split('\n')
      for (const wanted of judgement.logsWanted) {
        this.observations = withLog(this.observations, wanted, diagnose(lines, inRepo))
      }
      judgement = judge(this.desiredWorkloads, {
        clusterState,
        timeouts: this.timeouts,
        observations: this.observations,
        now,
      })
      this.observations = judgement.observations
    }
    this.last = judgement
    return judgement
  }

  /** The verdict as a line: `failed crash: web: …`. */
  verdict(at: number, scene: string | ClusterState, id = 'deployment/web'): string {
    return line(this.look(at, scene), id)
  }
}

export function line({ verdicts }: Judgement, id = 'deployment/web'): string {
  const verdict = verdicts[id]
  switch (verdict?.is) {
    case undefined:
      return 'none'
    case 'waiting':
      return `waiting: ${verdict.on}`
    case 'complete':
    case 'done':
      return verdict.is
    case 'failed':
      return `failed ${verdict.cause.code}: ${verdict.cause.sentence}`
    case 'superseded':
      return `superseded: ${verdict.by}`
  }
}

/** The repository of all scenes is what lies in /app of their images. */
export function inRepo(file: string): string | undefined {
  return file.startsWith('/app/') ? file.slice('/app/'.length) : undefined
}
