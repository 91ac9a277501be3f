/**
 * What may happen to a release, fault by fault: the tests on the real cluster, the recordings for the judge
 * and the benchmark all play these.
 */
import type { CauseCode } from '../../src/failure/failure.js'
import { conditions, containers, ends, exits, waits, type EvaluationContext } from './sights.js'
import type { Place } from './place.js'
import type { Shape } from './workload.js'

/** The images of app/web.py: each misbehaves as its tag says, and `before` and `next` are well. */
export const tags = [
  'before',
  'next',
  'import',
  'licence',
  'database',
  'database-never',
  'memory',
  'unready',
  'after-ready',
  'deadlocked',
  'never',
  'first',
  'first-twice',
  'slow-5',
  'slow-20',
  'slow-40',
] as const

export type Tag = (typeof tags)[number]

export type Options = Readonly<Record<string, string>>

export interface Fault {
  readonly name: string
  /** The tag that is released over `before`; `next` unless told. */
  readonly tag?: Tag | 'no-such-tag'
  /** How the workload stands before, and after. */
  readonly always?: Shape
  /** What a manifest of the release changes in it; without one the release is the image alone. */
  readonly change?: Shape
  /** The nodes ask the registry through a gate. */
  readonly gated?: true
  /** Before the release, when the workload runs well. */
  readonly arrange?: (place: Place) => unknown
  /** From the moment when the rollout begins. */
  readonly meanwhile?: (place: Place) => unknown
  readonly options?: Options
  readonly ends: Ends
}

export type Ends =
  | { readonly is: 'deployed' }
  /** Nothing had changed. */
  | { readonly is: 'failed'; readonly code: CauseCode; readonly sentence: RegExp }
  | {
      readonly is: 'undone'
      readonly code: CauseCode
      readonly sentence: RegExp
      /** What the cluster shows when the rule is first met, and the rule's grace from there, in seconds. */
      readonly sign: EvaluationContext
      readonly grace: number
      /** Options by which the mechanism is tried without the long wait, and the grace then. */
      readonly quick?: { readonly options: Options; readonly grace: number }
    }

const deployed: Ends = { is: 'deployed' }

const never = { httpGet: { path: '/ready', port: 8000 }, periodSeconds: 1 }

/** A volume of the pod that cannot be had. */
const volume = (what: object): Shape => ({
  container: { volumeMounts: [{ name: 'state', mountPath: '/state' }] },
  pod: { volumes: [{ name: 'state', ...what }] },
})

const config = (env: object): Shape => ({ container: { env: [{ name: 'KEY', valueFrom: env }] } })

/** An old pod that finishes its work before it ends. */
const drains = (seconds: number) => ({ terminationGracePeriodSeconds: seconds })
const preStop = (seconds: number) => ({
  lifecycle: { preStop: { exec: { command: ['sleep', String(seconds)] } } },
})

const required = 'requiredDuringSchedulingIgnoredDuringExecution'
const besideNone = {
  labelSelector: { matchLabels: { app: 'web' } },
  topologyKey: 'kubernetes.io/hostname',
}

const secretKey = { secretKeyRef: { name: 'keys', key: 'stripe' } }

export const faults: readonly Fault[] = [
  // The image
  {
    name: 'bad-tag',
    tag: 'no-such-tag',
    ends: { is: 'failed', code: 'image-missing', sentence: /no-such-tag/ },
  },
  {
    name: 'bad-tag-beside',
    // Not ours, so only the nodes ask for it.
    change: {
      pod: { initContainers: [{ name: 'wait', image: 'IMAGE-BESIDE:no-such-tag' }] },
    },
    ends: {
      is: 'undone',
      code: 'image-not-found',
      sentence: /^web \(container wait\): image \S+:no-such-tag cannot be pulled: not found/,
      sign: waits('ErrImagePull', 'ImagePullBackOff'),
      grace: 0,
    },
  },
  {
    name: 'registry-away',
    gated: true,
    arrange: ({ gate }) => {
      gate.set('away')
    },
    ends: {
      is: 'undone',
      code: 'image-pull',
      sentence: /^web: image \S+:next could not be pulled: .*503/,
      sign: waits('ErrImagePull', 'ImagePullBackOff'),
      grace: 60,
      quick: { options: { grace: 'ImagePull=4s' }, grace: 4 },
    },
  },
  {
    name: 'registry-away-for-a-moment',
    gated: true,
    arrange: ({ gate }) => {
      gate.set('away')
    },
    meanwhile: async ({ gate, sleep }) => {
      await sleep(6)
      gate.set('open')
    },
    ends: deployed,
  },
  {
    name: 'private-image',
    gated: true,
    // The machine that releases has a login, and the nodes have none.
    arrange: ({ gate }) => {
      gate.set('private')
    },
    options: { 'registry-username': 'ada', 'registry-password': 'difference-engine' },
    ends: {
      is: 'undone',
      code: 'image-not-found',
      sentence:
        /^web: image \S+:next cannot be pulled: .*(unauthorized|authorization failed|no basic auth)/i,
      sign: waits('ErrImagePull', 'ImagePullBackOff'),
      grace: 0,
    },
  },

  // The process
  {
    name: 'crash-at-import',
    tag: 'import',
    ends: {
      is: 'undone',
      code: 'crash',
      sentence: /^web: ModuleNotFoundError: No module named 'a_package_that_nobody_installed'/,
      sign: exits(1),
      grace: 0,
    },
  },
  {
    name: 'crash-loop',
    tag: 'licence',
    ends: {
      is: 'undone',
      code: 'crash',
      sentence: /^web: exited with 1: the licence has expired$/,
      sign: exits(2),
      grace: 0,
    },
  },
  {
    // Counts as available whenever it runs: other tools end green here.
    name: 'crash-without-a-probe',
    tag: 'licence',
    always: { container: { readinessProbe: null } },
    options: { bake: '90s' },
    ends: {
      is: 'undone',
      code: 'crash',
      sentence: /^web: exited with 1: the licence has expired$/,
      sign: exits(2),
      grace: 0,
    },
  },
  {
    name: 'crash-after-ready',
    tag: 'after-ready',
    options: { bake: '90s' },
    ends: {
      is: 'undone',
      code: 'crash-after-ready',
      sentence: /^web: was Ready, then crashed twice: exited with 1$/,
      sign: exits(2),
      grace: 0,
    },
  },
  {
    name: 'database-never',
    tag: 'database-never',
    ends: {
      is: 'undone',
      code: 'crash',
      sentence: /^web: ConnectionRefusedError: \[Errno 111\] Connection refused/,
      // From the first end on; but not before the third, which the kubelet has come about half a minute later.
      sign: exits(1),
      grace: 60,
      quick: { options: { grace: 'Crash=1s' }, grace: 1 },
    },
  },
  { name: 'database-late', tag: 'database', ends: deployed },
  {
    name: 'init-container',
    change: {
      pod: {
        initContainers: [
          {
            name: 'setup',
            image: 'IMAGE',
            command: ['python', '-c', 'import sys; sys.exit("no such queue")'],
          },
        ],
      },
    },
    ends: {
      is: 'undone',
      code: 'init-crash',
      sentence: /^web \(container setup\): exited with 1: no such queue$/,
      sign: exits(2),
      grace: 0,
    },
  },
  {
    name: 'command-not-found',
    change: { container: { command: ['gunicron', 'shop.wsgi'] } },
    ends: {
      is: 'undone',
      code: 'cannot-start',
      sentence: /^web: cannot be started: .*"gunicron": executable file not found/,
      sign: (object) => exits(1)(object) || waits('RunContainerError')(object),
      grace: 0,
    },
  },
  {
    name: 'out-of-memory',
    tag: 'memory',
    ends: {
      is: 'undone',
      code: 'out-of-memory',
      sentence: /^web: killed again for using more memory than its limit$/,
      sign: exits(2),
      grace: 0,
    },
  },

  // What it needs
  {
    name: 'configmap-missing',
    change: { container: { envFrom: [{ configMapRef: { name: 'not-there' } }] } },
    ends: {
      is: 'undone',
      code: 'config-missing',
      sentence: /^web: its configuration is missing: configmap "not-there" not found$/,
      sign: waits('CreateContainerConfigError'),
      // Nothing on the stack creates ConfigMaps or Secrets.
      grace: 3,
    },
  },
  {
    name: 'configmap-of-a-volume-missing',
    change: volume({ configMap: { name: 'not-there' } }),
    ends: {
      is: 'undone',
      code: 'config-missing',
      sentence: /^web: its configuration is missing: .*configmap "not-there" not found$/,
      // The kubelet tells it by events only, a moment after the pod has got its node.
      sign: conditions('PodScheduled', 'True'),
      // Nothing on the stack creates ConfigMaps or Secrets.
      grace: 3,
    },
  },
  {
    name: 'secret-key-missing',
    arrange: ({ kubectl }) => kubectl('create', 'secret', 'generic', 'keys', '--from-literal=a=b'),
    change: config(secretKey),
    ends: {
      is: 'undone',
      code: 'config-missing',
      sentence: /^web: its configuration is missing: couldn't find key stripe in Secret \S+keys$/,
      sign: waits('CreateContainerConfigError'),
      // Nothing on the stack creates ConfigMaps or Secrets.
      grace: 3,
    },
  },
  {
    name: 'secret-10-s-late',
    change: config(secretKey),
    // By a person: nothing in the cluster shows that it will come. long/remedies.test.ts has one by a controller.
    // When they are over, it is there: it has the time of one more look of the kubelet.
    options: { grace: 'ConfigMissing=20s' },
    meanwhile: async ({ kubectl, sleep }) => {
      await sleep(10)
      await kubectl('create', 'secret', 'generic', 'keys', '--from-literal=stripe=b')
    },
    ends: deployed,
  },
  {
    name: 'volume-claim-missing',
    change: volume({ persistentVolumeClaim: { claimName: 'not-there' } }),
    ends: {
      is: 'undone',
      code: 'cannot-start',
      sentence: /^web: a volume cannot be mounted: .*persistentvolumeclaim "not-there" not found/,
      sign: conditions('PodScheduled', 'False'),
      grace: 120,
      quick: { options: { grace: 'Volume=4s' }, grace: 4 },
    },
  },
  {
    name: 'volume-not-mountable',
    change: volume({ hostPath: { path: '/there/is/no/such/folder', type: 'Directory' } }),
    ends: {
      is: 'undone',
      code: 'cannot-start',
      sentence: /^web: a volume cannot be mounted: .*hostPath type check failed/,
      // The kubelet tells it by events only, a moment after the pod has got its node.
      sign: conditions('PodScheduled', 'True'),
      grace: 120,
      quick: { options: { grace: 'Volume=4s' }, grace: 4 },
    },
  },

  // The cluster
  {
    name: 'quota-full',
    arrange: ({ kubectl }) => kubectl('create', 'quota', 'small', '--hard=pods=1'),
    ends: {
      is: 'undone',
      code: 'quota',
      sentence: /^web: the namespace's quota has no room for its pods: .*exceeded quota: small/,
      sign: conditions('ReplicaFailure', 'True'),
      // No pod of a Job runs beside it.
      grace: 5,
    },
  },
  {
    name: 'quota-that-old-pods-free',
    always: {
      replicas: 2,
      spec: { strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } } },
    },
    arrange: ({ kubectl }) => kubectl('create', 'quota', 'small', '--hard=pods=2'),
    ends: deployed,
  },
  {
    name: 'admission',
    arrange: (place) => place.forbidPods('next', 'images have to be signed'),
    ends: {
      is: 'undone',
      code: 'pod-refused',
      sentence: /^web: the cluster refuses its pods: .*images have to be signed/,
      sign: conditions('ReplicaFailure', 'True'),
      grace: 5,
      quick: { options: { grace: 'PodRefused=2s' }, grace: 2 },
    },
  },
  {
    name: 'webhook-away',
    arrange: (place) => place.webhookAway(),
    ends: {
      is: 'undone',
      code: 'pod-refused',
      sentence: /^web: its pods could not be created: .*failed calling webhook/,
      sign: conditions('ReplicaFailure', 'True'),
      grace: 60,
      quick: { options: { grace: 'PodNotCreated=4s' }, grace: 4 },
    },
  },
  {
    name: 'autoscaler-adds-no-node',
    change: { pod: { nodeSelector: { disk: 'quick' } } },
    // There is no autoscaler on a cluster of one node: what it would say is said for it.
    meanwhile: (place) => place.tellOfUnscheduled('NotTriggerScaleUp', 'no node group fits'),
    ends: {
      is: 'undone',
      code: 'unschedulable',
      sentence: /^web: no node fits, and the autoscaler adds none: .*no node group fits/,
      sign: ({ kind, reason }) => kind === 'Event' && reason === 'NotTriggerScaleUp',
      grace: 0,
    },
  },
  {
    name: 'no-node-by-selector',
    change: { pod: { nodeSelector: { disk: 'quick' } } },
    ends: {
      is: 'undone',
      code: 'unschedulable',
      sentence: /^web: no node fits: .*didn't match Pod's node affinity\/selector/,
      sign: conditions('PodScheduled', 'False'),
      // No autoscaler shows itself, and the least account may not read nodes.
      grace: 11.5,
      quick: { options: { grace: 'Unschedulable=4s' }, grace: 4 },
    },
  },
  {
    name: 'no-node-by-cpu',
    change: { container: { resources: { requests: { cpu: '4000' } } } },
    ends: {
      is: 'undone',
      code: 'unschedulable',
      sentence: /^web: no node fits: .*Insufficient cpu/,
      sign: conditions('PodScheduled', 'False'),
      // No autoscaler shows itself, and the least account may not read nodes.
      grace: 11.5,
      quick: { options: { grace: 'Unschedulable=4s' }, grace: 4 },
    },
  },
  {
    name: 'no-node-until-the-old-pod-has-ended',
    always: {
      spec: { strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } } },
      pod: { ...drains(30), affinity: { podAntiAffinity: { [required]: [besideNone] } } },
      container: preStop(8),
    },
    options: { grace: 'Unschedulable=2s' },
    ends: deployed,
  },

  // Readiness
  {
    name: 'never-ready',
    tag: 'unready',
    // Three pods that have started: their times are known.
    always: { replicas: 3 },
    ends: {
      is: 'undone',
      code: 'not-ready',
      sentence:
        /^web: runs, but is not Ready: Readiness probe failed: HTTP probe failed with statuscode: 503$/,
      sign: containers(({ state }) => state?.running !== undefined),
      // Learned: the old version was Ready within three seconds.
      grace: 15,
    },
  },
  {
    name: 'never-started',
    tag: 'never',
    change: { container: { startupProbe: { ...never, failureThreshold: 5 } } },
    ends: {
      is: 'undone',
      code: 'crash',
      sentence: /^web: killed by its probe: Startup probe failed: .*connection refused/,
      sign: ends(2),
      grace: 0,
    },
  },
  {
    name: 'killed-for-liveness',
    tag: 'deadlocked',
    options: { bake: '90s' },
    change: {
      container: {
        livenessProbe: { httpGet: { path: '/alive', port: 8000 }, periodSeconds: 1 },
      },
    },
    ends: {
      is: 'undone',
      code: 'crash-after-ready',
      sentence:
        /^web: was Ready, then crashed twice: killed by its probe: Liveness .* (503|connection refused|exceeded.*)$/,
      sign: ends(2),
      grace: 0,
    },
  },
  {
    name: 'progress-deadline',
    tag: 'never',
    always: { spec: { progressDeadlineSeconds: 15 } },
    options: { grace: 'NotReady=120s' },
    ends: {
      is: 'undone',
      code: 'progress-deadline',
      sentence:
        /^web: made no progress within progressDeadlineSeconds: .*; web-\S+: .*(refused|not ready)/,
      sign: conditions('Progressing', 'False'),
      grace: 0,
    },
  },
  { name: 'slow-start', tag: 'slow-40', ends: deployed },
  {
    name: 'late-first-probe',
    change: { container: { readinessProbe: { ...never, initialDelaySeconds: 12 } } },
    options: { grace: 'NotReady=8s' },
    ends: deployed,
  },
  {
    name: 'old-pod-drains',
    always: { kind: 'StatefulSet', pod: drains(60), container: preStop(25) },
    options: { timeout: '20s' },
    ends: deployed,
  },
  {
    name: 'slow-start-by-startup-probe',
    tag: 'slow-20',
    change: { container: { startupProbe: { ...never, failureThreshold: 60 } } },
    // A startupProbe is given all the time that it allows.
    options: { grace: 'NotReady=5s' },
    ends: deployed,
  },

  // Several pods, other versions, other people
  {
    name: 'one-bad-pod',
    tag: 'first',
    always: { kind: 'StatefulSet', replicas: 2 },
    ends: {
      is: 'undone',
      code: 'crash',
      sentence: /^web: exited with 1: the cache of this pod is broken$/,
      sign: exits(1),
      // Another pod of the new version is Ready: one bad node must not undo fifty pods.
      grace: 60,
      quick: { options: { grace: 'Crash=4s' }, grace: 4 },
    },
  },
  {
    name: 'one-bad-pod-that-recovers',
    tag: 'first-twice',
    always: { kind: 'StatefulSet', replicas: 2 },
    ends: deployed,
  },
  {
    name: 'old-version-broken',
    arrange: async (place) => {
      await place.setImage('import')
      await place.until(exits(2))
    },
    ends: deployed,
  },
  {
    name: 'condition-of-an-earlier-rollout',
    always: { spec: { progressDeadlineSeconds: 5 } },
    arrange: async ({ setImage, kubectl }) => {
      await setImage('never')
      await kubectl('wait', 'deployment/web', '--for=condition=Progressing=false', '--timeout=60s')
      // Not a time that a busy machine could miss; the condition stays.
      const patient = JSON.stringify({ spec: { progressDeadlineSeconds: 600 } })
      await kubectl('patch', 'deployment', 'web', '--patch', patient)
    },
    ends: deployed,
  },
  {
    name: 'scaled-and-evicted',
    tag: 'slow-20',
    always: {
      replicas: 2,
      spec: { strategy: { rollingUpdate: { maxSurge: '100%', maxUnavailable: 0 } } },
      container: { startupProbe: { ...never, failureThreshold: 90 } },
    },
    arrange: (place) => place.autoscale(2),
    meanwhile: async (place) => {
      await place.autoscale(3)
      await place.evictNewPod()
    },
    ends: deployed,
  },
  {
    name: 'paused',
    arrange: ({ kubectl }) => kubectl('rollout', 'pause', 'deployment/web'),
    ends: { is: 'failed', code: 'workload-unfit', sentence: /deployment\/web is paused/ },
  },
]
