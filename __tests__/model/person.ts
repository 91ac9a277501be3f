/** A person, or another tool, that writes to what a release writes to: at any moment, asking nobody. */
import type { ConfigMap, Service } from 'kubernetes-types/core/v1'
import {
  isWorkload,
  templateOf,
  withTemplate,
  type KubeObject,
  type WorkloadObject,
} from '../../src/kubernetes/objects.js'
import { pathOf, workloadPath } from './places.js'
import { configMap } from './things.js'

export type DeedName = keyof typeof deeds

/** One write. */
export interface Deed {
  readonly path: string
  /** The object afterwards; `undefined`: it is gone; `no`: there is nothing to do. */
  readonly makes: (live: KubeObject | undefined) => KubeObject | undefined | 'no'
  /** What of it is the person's from then on, by a word for it. */
  readonly theirs: Readonly<Record<string, (live: KubeObject) => unknown>>
}

const web = workloadPath('deployment/web')
const worker = workloadPath('cronjob/worker')
const config = pathOf(configMap('config', {}))
const extra = pathOf(configMap('extra', {}))
const front = pathOf({ kind: 'Service', metadata: { name: 'front' } })

const data = (key: string) => (live: KubeObject) => (live as ConfigMap).data?.[key]
const withData = (live: KubeObject | undefined, key: string, value: string) =>
  live ? { ...live, data: { ...(live as ConfigMap).data, [key]: value } } : ('no' as const)

const spec = (key: string) => (live: KubeObject) => (live.spec as Record<string, unknown>)[key]
const withSpec = (live: KubeObject | undefined, key: string, value: unknown) =>
  live ? { ...live, spec: { ...(live.spec as object), [key]: value } } : ('no' as const)

const container = (live: KubeObject) =>
  isWorkload(live) ? templateOf(live).spec?.containers[0] : undefined
const withContainer = (live: KubeObject | undefined, change: object) => {
  if (!live) return 'no' as const
  const template = templateOf(live as WorkloadObject)
  const containers = (template.spec?.containers ?? []).map((one) => ({ ...one, ...change }))
  return withTemplate(live as WorkloadObject, {
    ...template,
    spec: { ...template.spec, containers },
  })
}

export const deeds = {
  'sets the image of web': {
    path: web,
    makes: (live) => withContainer(live, { image: 'ghcr.io/acme/shop:hotfix' }),
    theirs: { image: (live) => container(live)?.image },
  },
  'sets env of web': {
    path: web,
    makes: (live) => withContainer(live, { env: [{ name: 'DEBUG', value: '1' }] }),
    theirs: { env: (live) => container(live)?.env },
  },
  'scales web': {
    path: web,
    makes: (live) => withSpec(live, 'replicas', 3),
    theirs: { replicas: spec('replicas') },
  },
  'suspends worker': {
    path: worker,
    makes: (live) => withSpec(live, 'suspend', true),
    theirs: { suspend: spec('suspend') },
  },
  'changes the key of config': {
    path: config,
    makes: (live) => withData(live, 'A', 'theirs'),
    theirs: { A: data('A') },
  },
  'adds a key to config': {
    path: config,
    makes: (live) => withData(live, 'B', 'theirs'),
    theirs: { B: data('B') },
  },
  'changes extra': {
    path: extra,
    makes: (live) => withData(live, 'A', 'theirs'),
    theirs: { A: data('A') },
  },
  'deletes extra': {
    path: extra,
    makes: (live) => (live ? undefined : 'no'),
    theirs: {},
  },
  'makes extra': {
    path: extra,
    makes: (live) => (live ? 'no' : configMap('extra', { A: 'theirs' })),
    theirs: { uid: (live) => live.metadata?.uid, A: data('A') },
  },
  'annotates front': {
    path: front,
    makes: (live) =>
      live
        ? {
            ...live,
            metadata: {
              ...live.metadata,
              annotations: { ...live.metadata?.annotations, 'acme.com/pool': 'theirs' },
            },
          }
        : 'no',
    theirs: { annotation: (live) => live.metadata?.annotations?.['acme.com/pool'] },
  },
  'changes the port of front': {
    path: front,
    makes: (live) => withSpec(live, 'ports', [{ port: 9000 }]),
    theirs: { ports: (live) => (live as Service).spec?.ports },
  },
} as const satisfies Readonly<Record<string, Deed>>
