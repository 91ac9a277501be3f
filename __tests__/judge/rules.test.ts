/** The table of rules, row by row: what is seen, and when it means that the rollout is lost. */
import { describe, expect, test } from '@jest/globals'
import type { Fact as Read } from '../../src/judge/facts.js'
import type { DesiredWorkload, Timeouts } from '../../src/judge/types.js'
import { AIM, NEW, TIMEOUTS, Rehearsal } from './scene.js'

interface Fact {
  readonly name: string
  /** What all crashing containers have in their log. */
  readonly log?: string
  readonly desired?: Partial<DesiredWorkload>
  readonly timeouts?: Partial<Timeouts>
  /** What was read of the cluster. */
  readonly read?: readonly Read[]
  /** Seconds after our write, what is seen then, how the verdict begins (or what it contains). */
  readonly steps: readonly (readonly [number, string, string | RegExp])[]
}

const noCpu = '0/3 nodes are available: 3 Insufficient cpu.'
const oldEnds = 'web-o: {of: old, metadata: {deletionTimestamp: x}}'
const another = 'web-b: {ready: false, container: {state: {waiting: {reason: ContainerCreating}}}}'

function facts(title: string, all: readonly Fact[]) {
  describe(title, () => {
    test.each(all)('$name', ({ log, desired, timeouts, read, steps }) => {
      const limits = { ...TIMEOUTS, ...timeouts }
      const release = new Rehearsal([{ ...AIM, ...desired }], limits, log, read)
      const told = steps.map(([at, scene]) => `${at} s: ${release.verdict(at, scene)}`)
      const expected = steps.map(([at, , verdict]) =>
        expect.stringMatching(
          verdict instanceof RegExp ? verdict : `^${at} s: ${verdict.replace(/[()]/g, '\\$&')}`,
        ),
      )
      expect(told).toEqual(expected)
    })
  })
}

/** A pod whose container waits for a reason. */
const waits = (reason: string, message: string) =>
  `pods: {web-a: {container: {state: {waiting: {reason: ${reason}, message: ${JSON.stringify(message)}}}}}}`

/** A pod whose container has just ended for the nth time. */
const ended = (nth: number, code = 1, more = '') =>
  `pods: {web-a: {container: {restartCount: ${nth - 1}, state: {terminated: {exitCode: ${code}, reason: Error${more}}}}}}`

/** …and waits to be started again. */
const loops = (nth: number, code = 1, reason = 'Error') =>
  `pods: {web-a: {container: {restartCount: ${nth - 1},
     state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: ${code}, reason: ${reason}}}}}}`

/** …and runs again. */
const runsAgain = (ends: number, code = 1) =>
  `pods: {web-a: {container: {restartCount: ${ends}, lastState: {terminated: {exitCode: ${code}, reason: Error}}}}}`

const noOperators: Read = { is: 'groups', names: { is: 'read', value: ['apps', 'batch'] } }
const neverCame: Extract<Read, { is: 'writers' }> = {
  is: 'writers',
  kind: 'ConfigMap',
  name: 'env',
  again: true,
  found: { is: 'read', value: { exists: false, owners: [], managers: [], annotations: [] } },
}
const cameLate: Extract<Read, { is: 'writers' }> = {
  ...neverCame,
  found: { is: 'read', value: { exists: true, owners: [], managers: [], annotations: [] } },
}
const operators: Read = {
  is: 'groups',
  names: { is: 'read', value: ['apps', 'external-secrets.io'] },
}
const forbidden = { is: 'unreadable', why: 'Forbidden' } as const
const nodesByHand: Extract<Read, { is: 'nodes' }> = {
  is: 'nodes',
  version: 'v1.34.4',
  issuer: { is: 'read', value: 'https://kubernetes.default.svc' },
  nodes: { is: 'read', value: [{ provider: '', keys: ['kubernetes.io/hostname'] }] },
  status: { is: 'read', value: false },
}
const noEnv = waits('CreateContainerConfigError', 'configmap "env" not found')
const noKeys = waits('CreateContainerConfigError', 'secret "keys" not found')

const noClaim = '0/3 nodes are available: persistentvolumeclaim "data" not found.'

const long = `registry.example/${'deep/'.repeat(30)}shop:new@sha256:${'0'.repeat(64)}`

const backup = 'backup: {of: old, spec: {nodeName: node-1, restartPolicy: Never}}'

const evicted = 'web-a: {ready: false, status: {phase: Failed, reason: Evicted}}'

const starting = `pods: {web-a: {container: {}}}`

facts('a failed image pull:', [
  {
    name: 'a missing tag is a failure at once',
    steps: [
      [
        2,
        waits(
          'ErrImagePull',
          'rpc error: code = NotFound desc = registry.example/shop:new: not found',
        ),
        'failed image-not-found: web: image registry.example/shop:new cannot be pulled: ',
      ],
    ],
  },
  {
    name: 'the error is reported, however long the names before it are',
    steps: [
      [
        2,
        waits(
          'ErrImagePull',
          `failed to pull and unpack image "${long}": failed to resolve reference "${long}": pulling from host registry.example failed with status code [manifests sha256:${'0'.repeat(64)}]: 401 Unauthorized`,
        ),
        'failed image-not-found: web: image registry.example/shop:new cannot be pulled: 401 Unauthorized$',
      ],
    ],
  },
  {
    name: 'the back-off of Kubernetes 1.34 contains the error',
    steps: [
      [
        2,
        waits('ImagePullBackOff', 'Back-off pulling image "x": ErrImagePull: manifest unknown'),
        'failed image-not-found',
      ],
    ],
  },
  {
    name: 'the back-off of older versions does not contain the error, but the event does',
    steps: [
      [
        2,
        `${waits('ImagePullBackOff', 'Back-off pulling image "registry.example/shop:new"')}
events: [{about: web-a, reason: Failed, message: 'Failed to pull image "registry.example/shop:new": unauthorized'}]`,
        'failed image-not-found',
      ],
    ],
  },
  {
    name: 'an image whose name says "denied" is judged by the answer, not by its name',
    steps: [[1, waits('ErrImagePull', 'pulling "r.io/access-denied:1": no answer'), 'waiting']],
  },
  {
    name: 'a rate limit is not a refusal',
    steps: [
      [1, waits('ErrImagePull', 'failed to authorize: 429 Too Many Requests: denied'), 'waiting'],
    ],
  },
  {
    name: 'the 60 s go on when the symptom is absent for a moment',
    steps: [
      [5, waits('ErrImagePull', 'i/o timeout'), 'waiting'],
      [30, waits('ContainerCreating', ''), 'waiting'],
      [31, waits('ErrImagePull', 'i/o timeout'), 'waiting'],
      [65, waits('ErrImagePull', 'i/o timeout'), 'failed image-pull'],
    ],
  },
  {
    name: 'an invalid name is a failure at once',
    steps: [[1, waits('InvalidImageName', 'could not parse'), 'failed image-not-found']],
  },
  {
    name: 'a busy registry has 60 s, even when two reasons alternate',
    steps: [
      [5, waits('ErrImagePull', '429 Too Many Requests'), 'waiting: .*0 s of 60 s'],
      [20, waits('ImagePullBackOff', 'Back-off pulling image "x"'), 'waiting: .*15 s of 60 s'],
      [64, waits('ErrImagePull', '503 Service Unavailable'), 'waiting'],
      [65, waits('ImagePullBackOff', 'Back-off pulling image "x"'), 'failed image-pull'],
    ],
  },
  {
    name: 'a registry that comes back in time causes no failure',
    steps: [
      [5, waits('ErrImagePull', 'TLS handshake timeout'), 'waiting'],
      [50, 'pods: {web-a: }', 'complete'],
      [80, 'pods: {web-a: }', 'done'],
    ],
  },
  {
    name: 'a grace that the user set is used',
    timeouts: { grace: { ImagePull: 5000 } },
    steps: [
      [5, waits('ErrImagePull', 'i/o timeout'), 'waiting'],
      [10, waits('ErrImagePull', 'i/o timeout'), 'failed image-pull'],
    ],
  },
])

const moduleMissing = `Traceback (most recent call last):
  File "/app/manage.py", line 8, in <module>
    import shop.celery
  File "/app/shop/celery.py", line 3, in <module>
    from shop.task import app
ModuleNotFoundError: No module named 'shop.task'`

const refused = `Traceback (most recent call last):
  File "/app/shop/worker.py", line 9, in main
    connect()
redis.exceptions.ConnectionError: Error 111 connecting to redis:6379. Connection refused.`

facts('a crash:', [
  {
    name: 'a permanent error is a failure at the first exit',
    log: moduleMissing,
    steps: [
      [
        3,
        ended(1),
        "failed crash: web: ModuleNotFoundError: No module named 'shop.task' (shop/celery.py:3)$",
      ],
    ],
  },
  {
    name: 'a permanent error is a failure even when the container runs again before its log has come',
    log: moduleMissing,
    steps: [[3, runsAgain(1), 'failed crash']],
  },
  {
    name: 'without a log the cause is unknown, and the second exit is a failure',
    log: '',
    steps: [
      [3, ended(1), 'waiting'],
      [5, runsAgain(1), 'waiting'],
      [6, ended(2), 'failed crash: web: exited with 1$'],
    ],
  },
  {
    name: 'CrashLoopBackOff counts as the second exit',
    log: 'boot\nfatal: no licence',
    steps: [[3, loops(1), 'failed crash: web: exited with 1: fatal: no licence']],
  },
  {
    name: 'a transient error is a failure after the third exit and 60 s',
    log: refused,
    steps: [
      [3, ended(1), 'waiting'],
      [8, loops(2), 'waiting'],
      [30, loops(3), 'waiting: .*27 s of 60 s'],
      [62, loops(3), 'waiting'],
      [63, loops(3), 'failed crash: web: ConnectionError: Error 111'],
    ],
  },
  {
    name: 'a transient error is no failure while the container tries again',
    log: refused,
    steps: [
      [3, ended(1), 'waiting'],
      [30, ended(3), 'waiting'],
      [70, runsAgain(3), 'waiting'],
      [72, ended(4), 'failed crash'],
    ],
  },
  {
    name: 'a transient error is no failure after 60 s with two exits',
    log: refused,
    steps: [
      [3, ended(1), 'waiting'],
      [90, ended(2), 'waiting'],
    ],
  },
  {
    name: 'exit 127 is permanent whatever the log says',
    log: refused,
    steps: [[3, ended(1, 127), 'failed crash: web: ConnectionError']],
  },
  {
    name: 'with another Ready pod even a permanent error has at least 60 s',
    log: moduleMissing,
    steps: [
      [3, withHealthy(loops(2)), 'waiting'],
      [62, withHealthy(loops(4)), 'waiting'],
      [63, withHealthy(loops(4)), 'failed crash'],
    ],
  },
  {
    name: 'a Ready pod of the old version gives no extra time',
    log: moduleMissing,
    steps: [[3, withHealthy(loops(2), 'old'), 'failed crash']],
  },
  {
    name: 'a grace that the user set counts instead of those 60 s',
    log: moduleMissing,
    timeouts: { grace: { Crash: 5000 } },
    steps: [
      [3, withHealthy(loops(2)), 'waiting'],
      [8, withHealthy(loops(2)), 'failed crash'],
    ],
  },
  {
    name: 'in an undo a shorter grace fails nothing sooner',
    log: moduleMissing,
    timeouts: { grace: { Crash: 5000 }, graces: 'lengthen' },
    steps: [
      [3, withHealthy(loops(2)), 'waiting'],
      [62, withHealthy(loops(2)), 'waiting'],
      [63, withHealthy(loops(2)), 'failed crash'],
    ],
  },
  {
    name: 'in an undo a longer grace counts too',
    log: moduleMissing,
    timeouts: { grace: { Crash: 90_000 }, graces: 'lengthen' },
    steps: [
      [3, withHealthy(loops(2)), 'waiting'],
      [92, withHealthy(loops(2)), 'waiting'],
      [93, withHealthy(loops(2)), 'failed crash'],
    ],
  },
  {
    name: 'in a first deploy each error has at least 60 s',
    log: moduleMissing,
    desired: { first: true },
    steps: [
      [3, loops(2), 'waiting'],
      [63, loops(4), 'failed crash'],
    ],
  },
  {
    name: 'a process that exits with 0, but should keep running, is a failure',
    log: 'all done',
    steps: [
      [3, ended(1, 0), 'waiting'],
      [5, loops(2, 0), 'failed crash: web: exited with code 0'],
    ],
  },
  {
    name: 'an init container is judged too',
    log: 'OperationalError',
    steps: [
      [3, initEnded(1), 'waiting'],
      [9, initEnded(2), 'failed init-crash: web (container wait): OperationalError'],
    ],
  },
  {
    name: 'an init container that succeeded after an error is no symptom',
    log: '',
    steps: [
      [3, initEnded(1), 'waiting'],
      [
        9,
        'pods: {web-a: {ready: true, init: {restartCount: 1, state: {terminated: {exitCode: 0}}, lastState: {terminated: {exitCode: 3}}}}}',
        'complete',
      ],
    ],
  },
  {
    name: 'a pod of the old version that crashes is not our failure',
    log: moduleMissing,
    steps: [
      [
        3,
        `pods: {web-o: {of: old, container: {restartCount: 9, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 1}}}}}`,
        'waiting: 0 of 1 ready',
      ],
    ],
  },
  {
    name: 'a pod that is being deleted does not count',
    log: moduleMissing,
    steps: [
      [
        3,
        ended(2).replace(
          'web-a: {',
          'web-a: {metadata: {deletionTimestamp: 2026-01-01T12:00:00Z}, ',
        ),
        'waiting',
      ],
    ],
  },
  {
    name: 'an evicted pod is not a failure',
    log: '',
    steps: [
      [
        3,
        'pods: {web-a: {ready: false, status: {phase: Failed, reason: Evicted}, container: {state: {terminated: {exitCode: 137, reason: Error}}}}}',
        'waiting',
      ],
      [
        9,
        `pods: {web-a: {ready: false, status: {phase: Failed, reason: Evicted}, container: {restartCount: 3, state: {terminated: {exitCode: 137}}}}, web-b: }
status: {replicas: 1, updatedReplicas: 1}`,
        'complete',
      ],
    ],
  },
  {
    name: 'a pod of a node that was cut off is not a failure',
    log: '',
    steps: [
      [3, ended(2, 137).replace('Error', 'ContainerStatusUnknown'), 'waiting'],
      [
        4,
        `pods: {web-a: {conditions: [{type: DisruptionTarget, status: 'True'}], container: {restartCount: 2, state: {terminated: {exitCode: 143}}}}}`,
        'waiting',
      ],
    ],
  },
  {
    name: 'a liveness probe that kills the container is reported',
    log: 'serving',
    steps: [
      [
        40,
        `${loops(2, 137)}
events:
  - {about: web-a, reason: Unhealthy, message: 'Liveness probe failed: HTTP probe failed with statuscode: 500'}
  - {about: web-a, reason: Killing, message: 'Container web failed liveness probe, will be restarted'}`,
        'failed crash: web: killed by its probe: Liveness probe failed: HTTP',
      ],
    ],
  },
  {
    name: 'out of memory is tolerated once, but not twice',
    log: '',
    steps: [
      [3, ended(1, 137).replace('reason: Error', 'reason: OOMKilled'), 'waiting'],
      [9, loops(2, 137, 'OOMKilled'), 'failed out-of-memory: web: killed again for using more'],
    ],
  },
])

facts('an exit after the pod was Ready:', [
  {
    name: 'the second one is a failure, even of a transient error',
    log: refused,
    steps: [
      [3, 'pods: {web-a: {probe: readiness}}', 'complete'],
      [9, probed(ended(1)), 'waiting'],
      [12, probed(runsAgain(1)), 'waiting'],
      [14, probed(ended(2)), 'failed crash-after-ready: web: was Ready, then crashed twice'],
    ],
  },
  {
    name: 'exits before the pod was Ready are not counted',
    log: refused,
    steps: [
      [3, probed(ended(1)), 'waiting'],
      [9, probed(runsAgain(1)).replace('{probe', '{ready: true, probe'), 'waiting'],
      [14, probed(ended(2)), 'waiting'],
    ],
  },
  {
    name: 'after one exit and a recovery the bake restarts',
    log: '',
    steps: [
      [3, 'pods: {web-a: {probe: readiness}}', 'complete'],
      [9, probed(ended(1)), 'waiting: 0 of 1 ready'],
      [20, probed(runsAgain(1)).replace('{probe', '{ready: true, probe'), 'waiting: .*stay Ready'],
      [29, probed(runsAgain(1)).replace('{probe', '{ready: true, probe'), 'waiting: .*stay Ready'],
      [30, probed(runsAgain(1)).replace('{probe', '{ready: true, probe'), 'complete'],
      [44, probed(runsAgain(1)).replace('{probe', '{ready: true, probe'), 'complete'],
      [45, probed(runsAgain(1)).replace('{probe', '{ready: true, probe'), 'done'],
    ],
  },
  {
    name: 'restarts of long ago do not count',
    log: '',
    steps: [
      [1, runsAgain(7).replace('{container', '{ready: true, container'), 'complete'],
      [16, runsAgain(7).replace('{container', '{ready: true, container'), 'done'],
    ],
  },
])

facts('start and configuration:', [
  {
    name: 'a command that is not found is a failure at once (containerd: StartError)',
    steps: [
      [
        1,
        loops(1, 128, 'StartError').replace(
          'reason: StartError',
          `reason: StartError, message: 'exec: "gunicron": executable file not found in $PATH'`,
        ),
        'failed cannot-start: web: cannot be started: exec: "gunicron"',
      ],
    ],
  },
  {
    name: 'a command that is not found is a failure at once (RunContainerError)',
    steps: [[1, waits('RunContainerError', 'executable file not found'), 'failed cannot-start']],
  },
  {
    name: 'a busy runtime has 120 s',
    steps: [
      [1, waits('CreateContainerError', 'context deadline exceeded'), 'waiting'],
      [121, waits('CreateContainerError', 'context deadline exceeded'), 'failed cannot-start'],
    ],
  },
  {
    name: 'a ConfigMap that is created within 20 s causes no failure',
    steps: [
      [1, waits('CreateContainerConfigError', 'configmap "env" not found'), 'waiting'],
      [20, waits('CreateContainerConfigError', 'configmap "env" not found'), 'waiting'],
      [21, 'pods: {web-a: }', 'complete'],
    ],
  },
  {
    name: 'a ConfigMap that is not created is a failure',
    steps: [
      [1, waits('CreateContainerConfigError', 'configmap "env" not found'), 'waiting'],
      [
        21,
        waits('CreateContainerConfigError', 'configmap "env" not found'),
        'failed config-missing: web: its configuration is missing: configmap "env" not found',
      ],
    ],
  },
  {
    name: 'a missing ConfigMap is a failure after 3 s where nothing creates ConfigMaps',
    read: [noOperators, neverCame],
    steps: [
      [1, noEnv, 'waiting: .*configmap "env" not found, 0 s of 3 s: no controller'],
      [3, noEnv, 'waiting'],
      [4, noEnv, 'failed config-missing: web: .* configmap "env" not found$'],
    ],
  },
  {
    name: 'a missing ConfigMap has 20 s where an operator may create it',
    read: [operators, neverCame],
    steps: [
      [1, noEnv, 'waiting: .* 0 s of 20 s: External Secrets is installed'],
      [20, noEnv, 'waiting'],
      [21, noEnv, 'failed config-missing'],
    ],
  },
  {
    name: 'what has come when that time is over has the time of one more look of the kubelet',
    read: [operators, cameLate],
    steps: [
      [1, noEnv, 'waiting'],
      [21, noEnv, 'waiting: .* 20 s of 40 s: configmap/env exists by now: the kubelet looks again'],
      [40, noEnv, 'waiting'],
      [41, noEnv, 'failed config-missing'],
    ],
  },
  {
    name: 'the same where the user has set the time',
    read: [cameLate],
    timeouts: { grace: { ConfigMissing: 10_000 } },
    steps: [
      [1, noEnv, 'waiting'],
      [11, noEnv, 'waiting: .* 10 s of 30 s: configmap/env exists by now: the kubelet looks again'],
      [31, noEnv, 'failed config-missing'],
    ],
  },
  {
    name: 'what is missing after that has its own time',
    read: [operators, cameLate, { ...cameLate, kind: 'Secret', name: 'keys' }],
    steps: [
      [1, noEnv, 'waiting'],
      [21, noEnv, 'waiting: .* configmap/env exists by now'],
      [31, noKeys, 'waiting: .* 30 s of 50 s: secret/keys exists by now'],
      [50, noKeys, 'waiting'],
      [51, noKeys, 'failed config-missing'],
    ],
  },
  {
    name: 'a volume is tried again after as long as it was tried so far',
    read: [operators, cameLate],
    timeouts: { grace: { ConfigMissing: 60_000 } },
    steps: [
      [1, mount('configmap "env" not found'), 'waiting'],
      [61, mount('configmap "env" not found'), 'waiting: .* 60 s of 125 s: configmap/env exists'],
      [126, mount('configmap "env" not found'), 'failed config-missing'],
    ],
  },
  {
    name: 'it is read once more before it is a failure',
    read: [operators],
    steps: [
      [1, noEnv, 'waiting'],
      [21, noEnv, 'waiting: .* 20 s of 40 s: configmap/env is read once more'],
    ],
  },
  {
    name: 'the time that the user has set counts, whatever creates ConfigMaps',
    read: [noOperators, neverCame],
    timeouts: { grace: { ConfigMissing: 10_000 } },
    steps: [
      [1, noEnv, 'waiting: .* 0 s of 10 s)'],
      [10, noEnv, 'waiting'],
      [11, noEnv, 'failed config-missing'],
    ],
  },
  {
    name: 'an undo has 20 s, whatever creates ConfigMaps',
    read: [noOperators],
    timeouts: { grace: { ConfigMissing: 10_000 }, graces: 'lengthen' },
    steps: [
      [1, noEnv, 'waiting'],
      [20, noEnv, 'waiting'],
      [21, noEnv, 'failed config-missing'],
    ],
  },
  {
    name: 'a missing ConfigMap of a volume is a failure',
    steps: [
      [1, mount('configmap "env" not found'), 'waiting'],
      [21, mount('configmap "env" not found'), 'failed config-missing'],
    ],
  },
  {
    name: '"failed to sync cache" is never a failure',
    steps: [
      [
        1,
        waits('CreateContainerConfigError', 'failed to sync configmap cache: timed out'),
        'waiting',
      ],
      [
        99,
        waits('CreateContainerConfigError', 'failed to sync configmap cache: timed out'),
        'waiting',
      ],
    ],
  },
  {
    name: 'an image that runs as root without permission is a failure',
    steps: [
      [
        1,
        waits(
          'CreateContainerConfigError',
          'container has runAsNonRoot and image will run as root',
        ),
        'failed cannot-start',
      ],
    ],
  },
  {
    name: 'a volume has 120 s',
    steps: [
      [1, mount('MountVolume.SetUp failed: rpc error'), 'waiting'],
      [120, mount('MountVolume.SetUp failed: rpc error'), 'waiting'],
      [121, mount('MountVolume.SetUp failed: rpc error'), 'failed cannot-start: web: a volume'],
    ],
  },
  {
    name: 'a volume that is attached at last causes no failure',
    steps: [
      [1, mount('rpc error'), 'waiting'],
      [130, mount('rpc error').replace(/\]$/, ', {about: web-a, reason: Pulling}]'), 'waiting'],
    ],
  },
])

facts('pods that are not created:', [
  {
    name: 'a refusal is a failure after 5 s',
    steps: [
      [1, `refused: 'pods "web-x" is forbidden: violates PodSecurity'`, 'waiting: .*forbidden'],
      [6, `refused: 'pods "web-x" is forbidden: violates PodSecurity'`, 'failed pod-refused'],
    ],
  },
  {
    name: 'a webhook that does not respond is a failure after 60 s',
    steps: [
      [1, `refused: 'Internal error: failed calling webhook "x": denied by timeout'`, 'waiting'],
      [59, `refused: 'Internal error: failed calling webhook "x": denied by timeout'`, 'waiting'],
      [
        61,
        `refused: 'Internal error: failed calling webhook "x": denied by timeout'`,
        'failed pod-refused',
      ],
    ],
  },
  {
    name: 'a full quota is a failure after 5 s in which no pod ended or became Ready',
    steps: [
      [1, quota('old-1: {of: old}, old-2: {of: old}'), 'waiting: .* 0 s of 5 s: no pod of the'],
      [5, quota('old-1: {of: old}'), 'waiting'],
      [9, quota('old-1: {of: old}'), 'waiting'],
      [10, quota('old-1: {of: old}'), 'failed quota'],
    ],
  },
  {
    name: 'a full quota is a failure after 30 s beside a pod of a Job, which ends by itself',
    steps: [
      [1, quota(backup), 'waiting: .* 0 s of 30 s: pod backup makes room when it ends'],
      [30, quota(backup), 'waiting'],
      [31, quota(backup), 'failed quota'],
    ],
  },
  {
    name: 'a full quota waits for a pod that is ending and gives its share back',
    steps: [
      [1, quota('old-1: {of: old, metadata: {deletionTimestamp: x}}', 1), 'waiting'],
      [90, quota('old-1: {of: old, metadata: {deletionTimestamp: x}}', 2), 'waiting'],
      [91, quota('', 2), 'waiting'],
      [94, quota('', 3), 'waiting'],
      [96, quota('', 3), 'failed quota'],
    ],
  },
  {
    name: 'a full quota waits for our pod that is not Ready yet and will let an old one end',
    steps: [
      [1, quota('old-1: {of: old}, web-a: {container: {ready: false}}', 1), 'waiting'],
      [55, quota('old-1: {of: old}, web-a: {container: {ready: false}}', 2), 'waiting'],
      [56, quota('old-1: {of: old}, web-a: ', 2), 'waiting'],
    ],
  },
  {
    name: 'a full quota does not wait for a pod of the old version that is not Ready',
    steps: [
      [1, quota('old-1: {of: old, ready: false}', 1), 'waiting'],
      [6, quota('old-1: {of: old, ready: false}', 2), 'failed quota'],
    ],
  },
  {
    name: 'a full quota waits for a starting pod of another application: one that it replaces will end',
    steps: [
      [
        1,
        quota('x: {metadata: {ownerReferences: []}, ready: false, spec: {nodeName: n}}', 1),
        'waiting',
      ],
      [
        29,
        quota('x: {metadata: {ownerReferences: []}, ready: false, spec: {nodeName: n}}', 2),
        'waiting',
      ],
    ],
  },
  {
    name: 'a full quota waits for an ending pod of another workload too',
    steps: [
      [1, quota('x: {metadata: {ownerReferences: [], deletionTimestamp: x}}', 1), 'waiting'],
      [60, quota('x: {metadata: {ownerReferences: [], deletionTimestamp: x}}', 2), 'waiting'],
    ],
  },
  {
    name: 'a full quota does not wait for an evicted pod',
    steps: [
      [1, quota(evicted, 1), 'waiting'],
      [4, quota(evicted, 2), 'waiting'],
      [6, quota(evicted, 2), 'failed quota'],
    ],
  },
  {
    name: 'a full quota is not judged by a refusal from before a pod ended',
    steps: [
      [1, quota('old-1: {of: old}, old-2: {of: old}', 1), 'waiting'],
      [29, quota('old-1: {of: old}', 1), 'waiting'],
      [90, quota('old-1: {of: old}', 1), 'waiting'],
      [91, quota('old-1: {of: old}, web-a: ', 1), 'waiting'],
      [92, quota('old-1: {of: old}, web-a: ', 2), 'waiting'],
      [121, quota('old-1: {of: old}, web-a: ', 3), 'failed quota'],
    ],
  },
  {
    name: 'no node with room is a failure after 120 s',
    steps: [
      [1, unschedulable(), 'waiting: 0 of 1 ready, waiting for web-a (0/3 nodes'],
      [120, unschedulable(), 'waiting'],
      [121, unschedulable(), 'failed unschedulable'],
    ],
  },
  {
    name: 'no node with room is a failure after 10 s where the cluster has no autoscaler',
    read: [noOperators, nodesByHand],
    steps: [
      [1, unschedulable(), 'waiting: .* 0 s of 10 s: the cluster has no autoscaler'],
      [10, unschedulable(), 'waiting'],
      [11, unschedulable(), 'failed unschedulable'],
    ],
  },
  {
    name: 'no node with room is a failure when no autoscaler has answered, and nodes cannot be read',
    read: [noOperators, { ...nodesByHand, nodes: forbidden, status: forbidden }],
    steps: [
      [1, unschedulable(), 'waiting'],
      [12.4, unschedulable(), 'waiting'],
      [12.5, unschedulable(), 'failed unschedulable'],
    ],
  },
  {
    name: 'the autoscaler extends the wait to the deadline also where nodes cannot be read',
    read: [noOperators, { ...nodesByHand, nodes: forbidden, status: forbidden }],
    steps: [
      [1, unschedulable(), 'waiting'],
      [12, unschedulable('TriggeredScaleUp'), 'waiting'],
      [500, unschedulable('TriggeredScaleUp'), 'waiting'],
    ],
  },
  {
    name: 'no node with room waits for a pod that is ending, where the cluster has no autoscaler too',
    read: [noOperators, nodesByHand],
    steps: [
      [1, unschedulable(undefined, noCpu, oldEnds), 'waiting'],
      [60, unschedulable(undefined, noCpu, oldEnds), 'waiting'],
      [61, unschedulable(), 'waiting'],
      [72, unschedulable(), 'waiting'],
      [73, unschedulable(), 'failed unschedulable'],
    ],
  },
  {
    name: 'a missing volume is reported, whatever node it is on',
    steps: [
      [1, unschedulable(undefined, noClaim), 'waiting'],
      [
        121,
        unschedulable(undefined, noClaim),
        `failed cannot-start: web: a volume cannot be mounted: ${noClaim}`,
      ],
    ],
  },
  {
    name: 'no node with room is a failure at once when the autoscaler adds none',
    steps: [[1, unschedulable('NotTriggerScaleUp'), 'failed unschedulable']],
  },
  {
    name: 'no node with room waits for the next try of the scheduler when an old pod is ending',
    steps: [
      [1, unschedulable('NotTriggerScaleUp', noCpu, oldEnds), 'waiting'],
      [90, unschedulable('NotTriggerScaleUp', noCpu, oldEnds), 'waiting'],
      [91, unschedulable('NotTriggerScaleUp'), 'waiting'],
      [102, unschedulable('NotTriggerScaleUp'), 'waiting'],
      [103, unschedulable('NotTriggerScaleUp'), 'failed unschedulable'],
    ],
  },
  {
    name: 'no node with room is no failure when an old pod that is ending has made room',
    timeouts: { bake: 0 },
    steps: [
      [1, unschedulable(undefined, noCpu, oldEnds), 'waiting'],
      [121, unschedulable(undefined, noCpu, oldEnds), 'waiting'],
      [160, 'pods: {web-a: }', 'done'],
    ],
  },
  {
    name: 'no node with room waits for our starting pod, after which an old one ends',
    steps: [
      [1, unschedulable('NotTriggerScaleUp', noCpu, another), 'waiting'],
      [60, unschedulable('NotTriggerScaleUp', noCpu, another), 'waiting'],
    ],
  },
  {
    name: 'an ending pod that never ends extends the wait to the deadline only',
    steps: [
      [1, unschedulable('NotTriggerScaleUp', noCpu, oldEnds), 'waiting'],
      [600, unschedulable('NotTriggerScaleUp', noCpu, oldEnds), 'waiting'],
      [601, unschedulable('NotTriggerScaleUp', noCpu, oldEnds), 'failed unschedulable'],
    ],
  },
  {
    name: 'the autoscaler extends the wait to the deadline when it adds a node',
    steps: [
      [1, unschedulable('TriggeredScaleUp'), 'waiting'],
      [500, unschedulable('TriggeredScaleUp'), 'waiting'],
      [601, unschedulable('TriggeredScaleUp'), 'failed unschedulable'],
    ],
  },
])

const unready = (more = '') =>
  `pods: {web-a: {container: {ready: false, started: true}, probe: readiness}}
events: [{about: web-a, reason: Unhealthy, message: 'Readiness probe failed: HTTP probe failed with statuscode: 503'}]
${more}`
const slowProbe = `spec: {containers: [{name: web, image: '${NEW}',
  readinessProbe: {httpGet: {port: 8000}, initialDelaySeconds: 60, periodSeconds: 30}}]}`
const quickProbe = slowProbe.replace(
  'initialDelaySeconds: 60, periodSeconds: 30',
  'periodSeconds: 2',
)
const manyTries = slowProbe.replace(
  'initialDelaySeconds: 60, periodSeconds: 30',
  'failureThreshold: 10, periodSeconds: 5',
)
const inStartup = 'pods: {web-a: {container: {ready: false, started: false}, probe: startup}}'

facts('a pod that is not Ready:', [
  {
    name: 'it has five times the time of the old version',
    desired: { starts: { slowest: 20_000, count: 1 } },
    steps: [
      [2, unready(), 'waiting: .*statuscode: 503, 0 s of 100 s'],
      [101, unready(), 'waiting'],
      [
        102,
        unready(),
        'failed not-ready: web: runs, but is not Ready: Readiness probe failed: HTTP',
      ],
    ],
  },
  {
    name: 'it has at least 15 s where three starts are known',
    desired: { starts: { slowest: 2000, count: 3 } },
    steps: [
      [
        2,
        unready().replace('probe: readiness', quickProbe),
        'waiting: .*503, 0 s of 15 s: 3 starts are known, the slowest took 2 s',
      ],
      [16, unready().replace('probe: readiness', quickProbe), 'waiting'],
      [17, unready().replace('probe: readiness', quickProbe), 'failed not-ready'],
    ],
  },
  {
    name: 'it has five times the slowest start, however fast the others were',
    desired: { starts: { slowest: 12_000, count: 30 } },
    steps: [
      [2, unready(), 'waiting'],
      [61, unready(), 'waiting'],
      [62, unready(), 'failed not-ready'],
    ],
  },
  {
    name: 'its readiness probe has as many tries as it allows itself',
    desired: { starts: { slowest: 2000, count: 3 } },
    steps: [
      [2, unready().replace('probe: readiness', manyTries), 'waiting: .* 0 s of 50 s: the new'],
      [51, unready().replace('probe: readiness', manyTries), 'waiting'],
      [52, unready().replace('probe: readiness', manyTries), 'failed not-ready'],
    ],
  },
  {
    name: 'it has at least 60 s where fewer are known',
    desired: { starts: { slowest: 4000, count: 1 } },
    steps: [
      [2, unready(), 'waiting'],
      [61, unready(), 'waiting'],
      [62, unready(), 'failed not-ready'],
    ],
  },
  {
    name: 'it has at most the time until the deadline',
    desired: { starts: { slowest: 300_000, count: 1 } },
    steps: [
      [2, unready('spec: {progressDeadlineSeconds: 90}'), 'waiting'],
      [92, unready('spec: {progressDeadlineSeconds: 90}'), 'failed not-ready'],
    ],
  },
  {
    name: 'it has the grace of NotReady when that is set',
    desired: { starts: { slowest: 300_000, count: 1 } },
    timeouts: { grace: { NotReady: 10_000 } },
    steps: [
      [2, unready(), 'waiting'],
      [12, unready(), 'failed not-ready'],
    ],
  },
  {
    name: 'in an undo it has the time until the deadline, even when the grace of NotReady is shorter',
    timeouts: { grace: { NotReady: 10_000 }, graces: 'lengthen' },
    steps: [
      [2, unready('spec: {progressDeadlineSeconds: 90}'), 'waiting'],
      [91, unready('spec: {progressDeadlineSeconds: 90}'), 'waiting'],
      [92, unready('spec: {progressDeadlineSeconds: 90}'), 'failed not-ready'],
    ],
  },
  {
    name: 'in an undo it has the grace of NotReady when that is longer',
    timeouts: { grace: { NotReady: 120_000 }, graces: 'lengthen' },
    steps: [
      [2, unready('spec: {progressDeadlineSeconds: 90}'), 'waiting'],
      [121, unready('spec: {progressDeadlineSeconds: 90}'), 'waiting'],
      [122, unready('spec: {progressDeadlineSeconds: 90}'), 'failed not-ready'],
    ],
  },
  {
    name: 'it is no failure before the readiness probe of the new version has run three times',
    desired: { starts: { slowest: 4000, count: 1 } },
    steps: [
      [2, unready().replace('probe: readiness', slowProbe), 'waiting: .*0 s of 150 s'],
      [151, unready().replace('probe: readiness', slowProbe), 'waiting'],
      [152, unready().replace('probe: readiness', slowProbe), 'failed not-ready'],
    ],
  },
  {
    name: 'the time that the user has set begins with the first readiness probe',
    timeouts: { grace: { NotReady: 10_000 } },
    steps: [
      [2, unready().replace('probe: readiness', slowProbe), 'waiting'],
      [71, unready().replace('probe: readiness', slowProbe), 'waiting'],
      [72, unready().replace('probe: readiness', slowProbe), 'failed not-ready'],
    ],
  },
  {
    name: 'it is no failure before its startupProbe gives up (300 s)',
    timeouts: { grace: { NotReady: 10_000 } },
    steps: [
      [2, inStartup, 'waiting: 0 of 1 ready, waiting for web-a (startup probe 0 s of 300 s)'],
      [301, inStartup, 'waiting'],
      [302, inStartup, 'failed not-ready'],
    ],
  },
  {
    name: 'the time to be Ready begins when the startupProbe has succeeded',
    timeouts: { grace: { NotReady: 10_000 } },
    steps: [
      [2, inStartup, 'waiting'],
      [200, unready(), 'waiting: .*0 s of 10 s'],
      [209, unready(), 'waiting'],
      [210, unready(), 'failed not-ready'],
    ],
  },
  {
    name: 'a slow start that succeeds is no failure',
    desired: { starts: { slowest: 4000, count: 1 } },
    steps: [
      [2, inStartup, 'waiting'],
      [200, inStartup, 'waiting'],
      [201, 'pods: {web-a: }', 'complete'],
    ],
  },
  {
    name: 'the reported probe result is that of its own container',
    timeouts: { grace: { NotReady: 1000 } },
    steps: [
      [2, beside('nginx'), 'waiting'],
      [3, beside('nginx'), 'failed not-ready: web (container web): .* container web is not ready'],
      [4, beside('web'), 'failed not-ready: web (container web): .* no upstream'],
    ],
  },
  {
    name: 'the last error in the output of a probe command is reported',
    timeouts: { grace: { NotReady: 1000 } },
    steps: [
      [2, unready(), 'waiting'],
      [
        3,
        unready().replace(
          /'Readiness.*'/,
          '"Readiness probe failed: Traceback (most recent call last):\\n  File x\\n    y\\nOSError: no cache\\n"',
        ),
        'failed not-ready: web: runs, but is not Ready: Readiness probe failed: OSError: no cache$',
      ],
    ],
  },
  {
    name: 'a readiness gate is named',
    steps: [
      [
        2,
        `pods: {web-a: {ready: false, container: {ready: true}, spec: {readinessGates: [{conditionType: lb/healthy}]}}}`,
        'waiting: .*readiness gate lb/healthy is not met',
      ],
    ],
  },
])

/** A pod with nginx beside it, and the answer to a probe of one of the two. */
function beside(container: string): string {
  return `pods: {web-a: {ready: false, spec: {containers: [{name: web}, {name: nginx}]}, status: {containerStatuses: [
    {name: web, ready: false, state: {running: {}}}, {name: nginx, ready: false, state: {running: {}}}]}}}
events: [{about: web-a, container: ${container}, reason: Unhealthy, message: 'Readiness probe failed: no upstream'}]`
}

const outOfTime = (at: string, pods = starting) =>
  `${pods}
progressing: {status: 'False', reason: ProgressDeadlineExceeded, lastTransitionTime: ${at}, message: 'has timed out progressing.'}`

facts('the progress deadline of the Deployment:', [
  {
    name: 'it is a failure at once when it passes after our write, with the symptom of a pod',
    steps: [
      [
        1,
        outOfTime('2026-01-01T12:00:30Z', unready()),
        'failed progress-deadline: web: made no progress within progressDeadlineSeconds: has timed out progressing.; web-a: Readiness probe',
      ],
    ],
  },
  {
    name: 'it does not count when it belongs to the rollout before',
    desired: { staleProgressing: '2026-01-01T11:00:00Z' },
    steps: [[1, outOfTime("'2026-01-01T11:00:00Z'"), 'waiting']],
  },
  {
    name: 'it does not count before the controller has seen our write',
    steps: [
      [
        1,
        `${outOfTime('2026-01-01T11:00:00Z')}\nstatus: {observedGeneration: 1}`,
        'waiting: its controller',
      ],
    ],
  },
  {
    name: 'it does not count while a pod is inside its startupProbe',
    steps: [
      [1, inStartup, 'waiting'],
      [200, outOfTime('2026-01-01T12:00:30Z', inStartup), 'waiting'],
      [301, outOfTime('2026-01-01T12:00:30Z', inStartup), 'failed'],
    ],
  },
])

facts('the deadline of the rollout:', [
  {
    name: 'its message says what was waited for',
    timeouts: { timeout: 60_000 },
    steps: [
      [0, 'pods: {}', 'waiting: 0 of 1 ready'],
      [60, 'pods: {}', 'failed timeout: web: not done after 60 s: 0 of 1 ready'],
    ],
  },
])

function withHealthy(scene: string, of = 'new'): string {
  return `replicas: 2\n${scene.replace('{web-a', `{web-h: {of: ${of}}, web-a`)}`
}

function initEnded(nth: number): string {
  return `pods: {web-a: {init: {restartCount: ${nth - 1}, state: {terminated: {exitCode: 3}}}, container: {state: {waiting: {reason: PodInitializing}}}}}`
}

function probed(scene: string): string {
  return scene.replace('{container', '{probe: readiness, container')
}

function mount(message: string): string {
  return `${waits('ContainerCreating', '')}
events: [{about: web-a, reason: FailedMount, message: '${message}'}]`
}

/** @param tries how often the controller has tried in vain, where events tell it. */
function quota(pods: string, tries?: number): string {
  const refused = 'pods "web-x" is forbidden: exceeded quota: cpu'
  const event = `{about: new, reason: FailedCreate, message: '${refused}', count: ${tries ?? 0}}`
  return `refused: '${refused}'\npods: {${pods}}\nevents: [${tries === undefined ? '' : event}]`
}

/** @param beside another pod of the namespace. */
function unschedulable(event?: string, message = noCpu, beside = ''): string {
  return `pods: {${beside === '' ? '' : `${beside}, `}web-a: {ready: false, status: {phase: Pending, containerStatuses: []}, conditions: [
  {type: PodScheduled, status: 'False', reason: Unschedulable, message: '${message}'}]}}
events: [${event === undefined ? '' : `{about: web-a, reason: ${event}}`}]`
}
