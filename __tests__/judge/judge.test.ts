/** When a release is done, whose pods count, and what is nobody's failure. */
import { describe, expect, test } from '@jest/globals'
import { judge } from '../../src/judge/judge.js'
import { newObservations } from '../../src/judge/observations.js'
import type { Cause } from '../../src/failure/failure.js'
import type { DesiredWorkload, Timeouts, ClusterState } from '../../src/judge/types.js'
import {
  AIM,
  line,
  NEW,
  OLD,
  owner,
  TIMEOUTS,
  pictureOf,
  podOf,
  Rehearsal,
  START,
  template,
} from './scene.js'

const broken = 'Traceback (most recent call last):\n  File "/app/agent.py", line 1\nSyntaxError: x'
const healthy = 'pods: {web-a: }'

describe('a Deployment is done', () => {
  test('after the bake, counted from the moment when its last pod became available', () => {
    const release = new Rehearsal()
    expect(release.verdict(0, 'pods: {}')).toBe('waiting: 0 of 1 ready, waiting for its next pod')
    expect(release.verdict(4, healthy)).toBe('complete')
    expect(release.last?.completeAt).toBe(START + 4000)
    expect(release.last?.requeueAt).toBe(START + 19_000)
    expect(release.verdict(18.9, healthy)).toBe('complete')
    expect(release.verdict(19, healthy)).toBe('done')
  })

  test('at once without a bake', () => {
    const release = new Rehearsal([AIM], { ...TIMEOUTS, bake: 0 })
    expect(release.verdict(4, healthy)).toBe('done')
  })

  test('at once when it is scaled to 0, because there is nothing to watch', () => {
    expect(new Rehearsal().verdict(0, 'replicas: 0\npods: {}')).toBe('done')
  })

  test.each([
    [
      'the controller has not seen our write',
      `${healthy}\nstatus: {observedGeneration: 1}`,
      'its controller',
    ],
    [
      'the watch shows the object from before our write',
      `${healthy}\ngeneration: 1\nimage: ${OLD}`,
      'its controller',
    ],
    ['pods are missing', 'replicas: 3\npods: {web-a: , web-b: }', '2 of 3 ready'],
    [
      'old pods are still there',
      'pods: {web-a: , web-o: {of: old}}',
      '1 of 1 ready, 1 old pod still there',
    ],
    [
      'one is Ready, but not available yet',
      `${healthy}\nstatus: {availableReplicas: 0}`,
      '1 of 1 ready, 0 available',
    ],
    [
      'the counts say so, but a pod does not',
      'pods: {web-a: {ready: false}}\nstatus: {availableReplicas: 1}',
      '0 of 1 ready, waiting for web-a',
    ],
    ['it is paused', `${healthy}\nspec: {paused: true}`, '1 of 1 ready, paused'],
  ])('not while %s', (_, scene, on) => {
    expect(new Rehearsal().verdict(30, scene)).toContain(`waiting: ${on}`)
  })

  test('though old pods terminate for a long time', () => {
    const release = new Rehearsal([AIM], { ...TIMEOUTS, bake: 0 })
    const scene =
      'pods: {web-a: , web-o: {of: old, metadata: {deletionTimestamp: 2026-01-01T12:00:00Z}}}'
    expect(release.verdict(4, scene)).toBe('done')
  })

  test('though a new pod that was scaled away terminates', () => {
    const release = new Rehearsal([AIM], { ...TIMEOUTS, bake: 0 })
    const gone = 'web-b: {ready: false, metadata: {deletionTimestamp: 2026-01-01T12:00:00Z}}'
    expect(release.verdict(4, `pods: {web-a: , ${gone}}`)).toBe('done')
  })

  test('and symptoms that have passed are not reported any more', () => {
    const release = new Rehearsal([AIM], TIMEOUTS, '')
    const ended = 'container: {restartCount: 1, lastState: {terminated: {exitCode: 1}}}'
    const scene = (ready: boolean) =>
      `replicas: 3\npods: {web-a: {ready: true, ${ended}}, web-b: {ready: ${ready}, ${ended}}, web-c: {container: {state: {waiting: {reason: ContainerCreating}}}}}`
    release.look(0, scene(false))
    expect(release.verdict(0, scene(false))).toContain('waiting for web-b (exited with 1)')
    expect(release.verdict(1, scene(true))).toContain('waiting for web-c (its containers')
  })

  test('but not in the moment between two crashes in which all counts are right', () => {
    const release = new Rehearsal([AIM], { ...TIMEOUTS, bake: 0 }, '')
    const crashed = 'pods: {web-a: {container: {state: {terminated: {exitCode: 1}}}}}'
    const again =
      'pods: {web-a: {ready: true, container: {restartCount: 1, lastState: {terminated: {exitCode: 1}}}}}'
    release.look(1, 'pods: {web-a: {container: {}}}')
    release.look(2, crashed)
    expect(release.verdict(3, again)).toMatch(/waiting for web-a .*stay Ready/)
    expect(release.last?.requeueAt).toBe(START + 13_000)
    expect(release.verdict(13, again)).toBe('done')
  })
})

describe('the line of a workload says what it waits for', () => {
  const creating = 'container: {state: {waiting: {reason: ContainerCreating}}}'
  const pulling = `pods: {web-a: {${creating}}}
events: [{about: web-a, reason: Scheduled}, {about: web-a, reason: Pulling}`
  const begins = 'probe: startup, ready: false, container: {started: false}'
  const answer =
    "events: [{about: web-a, reason: Unhealthy, message: 'Startup probe failed: connect: refused'}]"

  test.each<[string, string, string, string | undefined]>([
    [
      'no pod yet',
      'replicas: 2\npods: {web-a: }',
      '1 of 2 ready, waiting for its next pod',
      undefined,
    ],
    [
      'a container',
      `pods: {web-a: {${creating}}}`,
      'web-a (its containers are being created)',
      undefined,
    ],
    ['an image', `${pulling}]`, 'web-a (its image is being pulled)', undefined],
    [
      'an image that is there',
      `${pulling}, {about: web-a, reason: Pulled}]`,
      'web-a (its containers are being created)',
      undefined,
    ],
    [
      'a slow start',
      `pods: {web-a: {${begins}}}`,
      'web-a (startup probe 14 s of 300 s)',
      undefined,
    ],
    [
      'a start that is over: what its probe said before says nothing any more',
      `pods: {web-a: {${begins.replace('started: false', 'started: true')}}}\n${answer}`,
      'web-a (container web is not ready, 14 s of 600 s)',
      undefined,
    ],
    [
      'a probe that gives no words',
      "pods: {web-a: {ready: false}}\nevents: [{about: web-a, reason: Unhealthy, message: 'Readiness probe failed: '}]",
      'web-a (Readiness probe failed, 14 s of 600 s)',
      undefined,
    ],
    [
      'a fault, before what is only slow',
      `replicas: 2\npods: {web-a: {${begins}}, web-b: {container: {state: {terminated: {exitCode: 1}}}}}`,
      'web-b (exited with 1)',
      'Crash',
    ],
    [
      'a symptom of the workload',
      'pods: {}\nrefused: failed calling webhook',
      '0 of 1 ready: failed calling webhook, 14 s of 60 s',
      'PodNotCreated',
    ],
    [
      'another client that paused it',
      'pods: {}\nspec: {paused: true}',
      '0 of 1 ready, paused',
      'paused',
    ],
    [
      'old pods',
      'pods: {web-a: , web-o: {of: old}, web-p: {of: old}}',
      '1 of 1 ready, 2 old pods still there',
      undefined,
    ],
  ])('when there is "%s"', (_, scene, on, reason) => {
    const release = new Rehearsal()
    release.look(0, scene)
    const verdict = release.look(14, scene).verdicts['deployment/web']
    expect(verdict).toMatchObject({ is: 'waiting', on: expect.stringContaining(on) })
    expect(verdict).toEqual({ ...verdict, ...(reason !== undefined && { reason }) })
    expect('reason' in verdict!).toBe(reason !== undefined)
  })
})

describe('a rollout is not failed', () => {
  test('when a person or an HPA asks for more pods during the bake', () => {
    const release = new Rehearsal()
    release.look(4, healthy)
    expect(release.verdict(10, 'replicas: 3\ngeneration: 3\npods: {web-a: }')).toBe(
      'waiting: 1 of 3 ready, waiting for its next pod',
    )
    const scaled = 'replicas: 3\ngeneration: 3\npods: {web-a: , web-b: , web-c: }'
    expect(release.verdict(20, scaled)).toBe('complete')
    expect(release.verdict(35, scaled)).toBe('done')
  })

  test('or its graces restarted, when a person or an HPA asks for more pods', () => {
    const release = new Rehearsal()
    const scene = `pods: {web-a: {container: {state: {waiting: {reason: ErrImagePull, message: 'i/o timeout'}}}}}`
    release.look(0, scene)
    release.look(30, `${scene}\nreplicas: 2\ngeneration: 3\nstatus: {observedGeneration: 2}`)
    expect(release.verdict(60, `${scene}\nreplicas: 2\ngeneration: 3`)).toMatch(
      /^failed image-pull/,
    )
  })

  test('when more pods need time, which begins when they are asked for', () => {
    const release = new Rehearsal([AIM], { ...TIMEOUTS, timeout: 20_000 })
    release.look(0, 'pods: {}')
    release.look(15, healthy)
    expect(release.verdict(29, 'replicas: 2\npods: {web-a: }')).toMatch(/^waiting/)
    expect(release.verdict(48, 'replicas: 2\npods: {web-a: }')).toMatch(/^waiting/)
    expect(release.verdict(49, 'replicas: 2\npods: {web-a: }')).toMatch(/^failed timeout/)
  })

  test('when another client restarts it, and the new template is watched', () => {
    const release = new Rehearsal([AIM], TIMEOUTS, '')
    const restarted = pictureOf(
      'generation: 3\nstatus: {availableReplicas: 1}\npods: {web-a: {container: {restartCount: 5, state: {terminated: {exitCode: 1}}}}}',
      4,
    )
    const web = restarted.deployments.get('web')
    web!.spec!.template.metadata!.annotations = { 'kubectl.kubernetes.io/restartedAt': 'now' }
    expect(release.verdict(4, restarted)).toBe('complete')
  })

  test('by a deadline that passes while the API server is away', () => {
    const release = new Rehearsal([AIM], { ...TIMEOUTS, timeout: 60_000 })
    const pull = `pods: {web-a: {container: {state: {waiting: {reason: ErrImagePull, message: 'i/o timeout'}}}}}`
    release.look(1, pull)
    expect(line(release.look(90, pull, 44))).toMatch(/^waiting/)
    expect(release.last?.requeueAt).toBeUndefined()
    expect(line(release.look(90, pull, 46))).toMatch(/^failed image-pull/)
  })

  test('or done by a bake that ends while the API server is away', () => {
    const release = new Rehearsal()
    release.look(1, healthy)
    expect(line(release.look(60, healthy, 1))).toBe('complete')
    expect(line(release.look(60, healthy, 60))).toBe('done')
  })
})

describe('a workload is superseded', () => {
  test.each([
    [
      'another image',
      `image: registry.example/shop:theirs`,
      'image registry.example/shop:theirs in container web',
    ],
    ['a deletion', 'gone: true', 'its deletion'],
  ])('by %s', (_, scene, by) => {
    expect(new Rehearsal().verdict(4, scene)).toBe(`superseded: ${by}`)
  })

  test('by a writer that is named', () => {
    const clusterState = pictureOf('image: registry.example/shop:theirs', 4)
    clusterState.deployments.get('web')!.metadata!.managedFields = [
      { manager: 'kubectl-set', fieldsV1: fields('f:command') },
      { manager: 'argocd-controller', fieldsV1: fields('f:image') },
    ]
    expect(new Rehearsal().verdict(4, clusterState)).toMatch(
      /in container web, written by argocd-controller$/,
    )
  })

  test('without holding up another workload', () => {
    const desiredWorkloads = [
      AIM,
      { ...AIM, workload: { kind: 'Deployment', name: 'gone' } } as const,
    ]
    const release = new Rehearsal(desiredWorkloads)
    release.look(0, healthy)
    expect(release.verdict(15, healthy)).toBe('done')
    expect(release.verdict(15, healthy, 'deployment/gone')).toBe('superseded: its deletion')
  })

  function fields(owned: string) {
    const container = { 'k:{"name":"web"}': { [owned]: {} } }
    return { 'f:spec': { 'f:template': { 'f:spec': { 'f:containers': container } } } }
  }
})

describe('a StatefulSet', () => {
  const desired: DesiredWorkload = { ...AIM, workload: { kind: 'StatefulSet', name: 'db' } }

  test.each<[string, object, object, Record<string, string>, string]>([
    ['all updated', {}, {}, { 'db-0': 'new', 'db-1': 'new' }, 'done'],
    [
      'one still old',
      {},
      { updatedReplicas: 1 },
      { 'db-0': 'old', 'db-1': 'new' },
      'waiting: 1 of 2 ready, waiting for its next pod',
    ],
    ['one not Ready', {}, {}, { 'db-0': 'new unready', 'db-1': 'new' }, 'waiting: 1 of 2 ready'],
    [
      'a partition leaves the others old, broken or not',
      { updateStrategy: { rollingUpdate: { partition: 1 } } },
      { updatedReplicas: 1, availableReplicas: 0 },
      { 'db-0': 'old unready', 'db-1': 'new' },
      'done',
    ],
    [
      'OnDelete is not waited for',
      { updateStrategy: { type: 'OnDelete' } },
      { updatedReplicas: 0 },
      { 'db-0': 'old', 'db-1': 'old' },
      'done',
    ],
    [
      'not seen by its controller',
      {},
      { observedGeneration: 1 },
      { 'db-0': 'new' },
      'waiting: its controller',
    ],
    ['its pods are refused', {}, { updatedReplicas: 1 }, { 'db-1': 'new' }, 'failed pod-refused'],
  ])('is judged rightly: %s', (_, spec, status, pods, expected) => {
    const clusterState = statefulSet(spec, status, pods)
    const release = new Rehearsal([desired], { ...TIMEOUTS, bake: 0 })
    release.look(0, clusterState)
    expect(release.verdict(5, clusterState, 'statefulset/db')).toContain(expected)
  })

  test('is not failed by a refusal from before our write', () => {
    const clusterState = statefulSet({}, { updatedReplicas: 1 }, { 'db-1': 'new' }, -3600)
    const release = new Rehearsal([desired])
    release.look(0, clusterState)
    expect(release.verdict(5, clusterState, 'statefulset/db')).toMatch(/^waiting/)
  })

  test.each<[string, Record<string, string>]>([
    ['one that was followed by a pod is over', { 'db-1': 'new, made since' }],
    ['a place that is still taken was not refused', { 'db-0': 'old, ending', 'db-1': 'new' }],
  ])('is judged rightly after a refusal during the rollout: %s', (_, pods) => {
    const clusterState = statefulSet({}, { updatedReplicas: 1 }, pods)
    const release = new Rehearsal([desired])
    release.look(0, clusterState)
    expect(release.verdict(5, clusterState, 'statefulset/db')).toMatch(/^waiting/)
  })

  function statefulSet(
    spec: object,
    status: object,
    pods: Record<string, string>,
    refusedAt = 0,
  ): ClusterState {
    const set = {
      metadata: { name: 'db', uid: 'uid-db', generation: 2 },
      spec: { replicas: 2, selector: {}, serviceName: 'db', template: template(NEW), ...spec },
      status: {
        observedGeneration: 2,
        replicas: 2,
        updatedReplicas: 2,
        currentRevision: 'old',
        updateRevision: 'new',
        ...status,
      },
    }
    return {
      ...pictureOf(
        `gone: true
events: [{about: db, reason: FailedCreate, message: denied, at: ${refusedAt}}]`,
        0,
      ),
      statefulsets: new Map([['db', set]]),
      pods: new Map(Object.entries(pods).map(([name, how]) => [name, podOfSet(name, how, 'db')])),
    }
  }
})

describe('a pod that is ending', () => {
  const grace = (seconds: number, uid = 'o') =>
    `web-${uid}: {of: old, metadata: {deletionTimestamp: x, deletionGracePeriodSeconds: ${seconds}}}`
  const recreated = 'spec: {strategy: {type: Recreate}, progressDeadlineSeconds: 600}'
  const short = { ...TIMEOUTS, bake: 0, timeout: 60_000 }

  test('has its own time where the next one waits for it, and is named', () => {
    const release = new Rehearsal([AIM], short)
    const scene = `pods: {${grace(300)}}\n${recreated}`
    expect(release.verdict(0, scene)).toBe(
      'waiting: 0 of 1 ready, waiting for web-o to end (0 s of 300 s)',
    )
    expect(release.verdict(299, scene)).toContain('waiting for web-o to end (299 s of 300 s)')
    expect(release.verdict(301, `pods: {}\n${recreated}`)).toContain('waiting: 0 of 1 ready')
    expect(release.verdict(320, `pods: {web-a: }\n${recreated}`)).toBe('done')
  })

  test('is not waited for any longer when it does not end in its time', () => {
    const release = new Rehearsal([AIM], short)
    const scene = `pods: {${grace(300)}}\n${recreated}`
    expect(release.verdict(0, scene)).toContain('waiting')
    expect(release.verdict(329, scene)).toContain('waiting')
    expect(release.verdict(330, scene)).toMatch(/^failed timeout: .* web-o to end/)
  })

  test('restarts the time of the next pod when it is gone', () => {
    const release = new Rehearsal([AIM], short)
    expect(release.verdict(0, `pods: {${grace(300)}}\n${recreated}`)).toContain('waiting')
    expect(release.verdict(200, `pods: {}\n${recreated}`)).toContain('waiting')
    expect(release.verdict(259, `pods: {}\n${recreated}`)).toContain('waiting')
    expect(release.verdict(260, `pods: {}\n${recreated}`)).toMatch(/^failed timeout/)
  })

  test("keeps the Deployment's own deadline from counting", () => {
    const release = new Rehearsal([AIM], TIMEOUTS)
    const late = `progressing: {reason: ProgressDeadlineExceeded, message: late}\n${recreated}`
    expect(release.verdict(0, `pods: {${grace(900)}}\n${recreated}`)).toContain('waiting')
    expect(release.verdict(601, `pods: {${grace(900)}}\n${late}`)).toContain('waiting')
    expect(release.verdict(890, `pods: {}\n${late}`)).toContain('waiting')
    expect(release.verdict(905, `pods: {}\n${late}`)).toMatch(/^failed progress-deadline/)
  })

  test('holds up no rolling Deployment', () => {
    const release = new Rehearsal([AIM], short)
    const scene = `replicas: 2\npods: {web-a: , ${grace(300)}}`
    expect(release.verdict(0, scene)).toContain('waiting for its next pod')
    expect(release.verdict(60, scene)).toMatch(/^failed timeout/)
  })
})

describe('a DaemonSet', () => {
  const desired: DesiredWorkload = { ...AIM, workload: { kind: 'DaemonSet', name: 'agent' } }

  test.each<[string, object, object, Record<string, string>, string]>([
    ['all updated', {}, {}, { a: 'new', b: 'new' }, 'done'],
    [
      'one to be updated',
      {},
      { updatedNumberScheduled: 1 },
      { a: 'new', b: 'old' },
      'waiting: 1 of 2 ready, waiting for its next pod',
    ],
    [
      'one not available',
      {},
      { numberAvailable: 1 },
      { a: 'new', b: 'new unready' },
      'waiting: 1 of 2 ready',
    ],
    [
      'OnDelete',
      { updateStrategy: { type: 'OnDelete' } },
      { updatedNumberScheduled: 0 },
      {},
      'done',
    ],
  ])('is judged rightly: %s', (_, spec, status, pods, expected) => {
    const release = new Rehearsal([desired], { ...TIMEOUTS, bake: 0 })
    expect(release.verdict(5, daemonSet(spec, status, pods), 'daemonset/agent')).toContain(expected)
  })

  test.each<[string, object, Record<string, string>, string]>([
    ['the nodes that live are done', { updatedNumberScheduled: 1 }, { a: 'new' }, 'done'],
    [
      'a node that lives has the old version',
      { updatedNumberScheduled: 0, numberAvailable: 1 },
      { a: 'old' },
      'waiting: 0 of 1 ready',
    ],
    [
      'the new pod on the dead node says nothing',
      { numberAvailable: 1 },
      { a: 'new', dead: 'new unready' },
      'done',
    ],
    ['the node has come back', { numberAvailable: 2 }, { a: 'new', dead: 'new' }, 'done'],
    [
      'the controller leaves that node out already',
      { desiredNumberScheduled: 1, updatedNumberScheduled: 0, numberMisscheduled: 1 },
      { a: 'old' },
      'waiting: 0 of 1 ready',
    ],
  ])('is judged rightly when a node was dead before: %s', (_, status, pods, expected) => {
    const dead = { ...desired, deadNodes: ['node-dead'] }
    const release = new Rehearsal([dead], { ...TIMEOUTS, bake: 0 })
    const clusterState = daemonSet({}, { numberAvailable: 1, ...status }, pods)
    const pod = clusterState.pods.get('dead')
    if (pod?.spec) pod.spec.nodeName = 'node-dead'
    expect(release.verdict(5, clusterState, 'daemonset/agent')).toContain(expected)
  })

  test('is not failed by a broken pod of the old version, recognized by its image', () => {
    const release = new Rehearsal([desired], TIMEOUTS, broken)
    const clusterState = daemonSet(
      {},
      { updatedNumberScheduled: 1 },
      { a: 'old crashed', b: 'new' },
    )
    expect(release.verdict(5, clusterState, 'daemonset/agent')).toBe(
      'waiting: 1 of 2 ready, waiting for its next pod',
    )
    const ours = daemonSet({}, { updatedNumberScheduled: 1 }, { a: 'new crashed', b: 'old' })
    expect(release.verdict(6, ours, 'daemonset/agent')).toMatch(/^failed crash/)
  })

  test('is judged by its newest generation after another client restarts it', () => {
    const clusterState = daemonSet(
      {},
      { updatedNumberScheduled: 1 },
      { a: 'new crashed', b: 'new' },
    )
    const set = clusterState.daemonsets.get('agent')
    set!.metadata!.annotations = { 'deprecated.daemonset.template.generation': '3' }
    clusterState.pods.get('a')!.metadata!.labels = {
      'pod-template-generation': '2',
      'controller-revision-hash': 'x',
    }
    clusterState.pods.get('b')!.metadata!.labels = {
      'pod-template-generation': '3',
      'controller-revision-hash': 'y',
    }
    const release = new Rehearsal([desired], TIMEOUTS, broken)
    expect(release.verdict(5, clusterState, 'daemonset/agent')).toBe(
      'waiting: 1 of 2 ready, waiting for its next pod',
    )
  })

  function daemonSet(spec: object, status: object, pods: Record<string, string>): ClusterState {
    const set = {
      metadata: { name: 'agent', uid: 'uid-agent', generation: 2 },
      spec: { selector: {}, template: template(NEW), ...spec },
      status: {
        observedGeneration: 2,
        desiredNumberScheduled: 2,
        currentNumberScheduled: 2,
        numberMisscheduled: 0,
        numberReady: 2,
        updatedNumberScheduled: 2,
        numberAvailable: 2,
        ...status,
      },
    }
    return {
      ...pictureOf('gone: true', 0),
      daemonsets: new Map([['agent', set]]),
      pods: new Map(
        Object.entries(pods).map(([name, how]) => [name, podOfSet(name, how, 'agent')]),
      ),
    }
  }
})

describe('a CronJob', () => {
  const desired: DesiredWorkload = { ...AIM, workload: { kind: 'CronJob', name: 'clean' } }

  test.each([
    [NEW, 'done'],
    [OLD, `superseded: image ${OLD} in container web`],
  ])('is judged by its image alone: %s', (image, expected) => {
    const jobTemplate = { spec: { template: template(image) } }
    const job = { metadata: { generation: 2 }, spec: { schedule: '* * * * *', jobTemplate } }
    const clusterState = { ...pictureOf('gone: true', 0), cronjobs: new Map([['clean', job]]) }
    expect(new Rehearsal([desired]).verdict(0, clusterState, 'cronjob/clean')).toBe(expected)
  })
})

describe('several workloads', () => {
  test('have one bake, which begins with the last of them', () => {
    const cron: DesiredWorkload = { ...AIM, workload: { kind: 'CronJob', name: 'clean' } }
    const release = new Rehearsal([AIM, cron])
    const withCron = (scene: string, at: number): ClusterState => ({
      ...pictureOf(scene, at),
      cronjobs: new Map([
        [
          'clean',
          {
            metadata: { generation: 2 },
            spec: { schedule: '', jobTemplate: { spec: { template: template(NEW) } } },
          },
        ],
      ]),
    })
    release.look(1, withCron('pods: {}', 1))
    expect(line(release.last!, 'cronjob/clean')).toBe('complete')
    release.look(5, withCron(healthy, 5))
    expect(line(release.last!, 'cronjob/clean')).toBe('complete')
    release.look(20, withCron(healthy, 20))
    expect(line(release.last!, 'cronjob/clean')).toBe('done')
    expect(line(release.last!)).toBe('done')
  })
})

describe('the judge', () => {
  const crashed =
    'pods: {web-a: {container: {restartCount: 1, state: {terminated: {exitCode: 1}}}, ready: false}}'

  test('gives the same answer to the same question, and changes nothing', () => {
    const observations = Object.freeze({ ...newObservations(START) })
    const clusterState = pictureOf(crashed, 3)
    const before = JSON.stringify([...clusterState.pods])
    const input = { clusterState, timeouts: TIMEOUTS, observations, now: START + 3000 }
    const one = judge([AIM], input)
    expect(judge([AIM], input)).toEqual(one)
    expect(observations).toEqual(newObservations(START))
    expect(JSON.stringify([...clusterState.pods])).toBe(before)
  })

  test('asks for the log of the run that ended, and waits 5 s for it', () => {
    const release = new Rehearsal()
    expect(line(release.look(3, crashed))).toMatch(/^waiting/)
    expect(release.last?.logsWanted).toEqual([
      { pod: 'web-a', podUid: 'uid-web-a', container: 'web', previous: false, exit: 2 },
    ])
    expect(release.last?.requeueAt).toBe(START + 8000)
    expect(line(release.look(7.9, crashed))).toMatch(/^waiting/)
    expect(line(release.look(8, crashed))).toBe('failed crash: web: exited with 1')
  })

  test('asks for the log before the present one when the container runs again', () => {
    const release = new Rehearsal()
    release.look(
      3,
      'pods: {web-a: {container: {restartCount: 1, lastState: {terminated: {exitCode: 1}}}}}',
    )
    expect(release.last?.logsWanted).toMatchObject([{ previous: true, exit: 1 }])
  })

  test('reads no more than five logs at a time', () => {
    const pods = 'a b c d e f g h'
      .split(' ')
      .map((name) => `web-${name}: {container: {state: {terminated: {exitCode: 1}}}}`)
    const release = new Rehearsal()
    release.look(3, `replicas: 8\npods: {${pods.join(', ')}}`)
    expect(release.last?.logsWanted).toHaveLength(5)
  })

  test('gives the cause with its place, its log and what to do', () => {
    const log =
      'Traceback (most recent call last):\n  File "/app/shop/wsgi.py", line 2, in <module>\nNameError: x'
    const release = new Rehearsal([AIM], TIMEOUTS, log)
    expect(release.look(3, crashed).verdicts['deployment/web']).toEqual({
      is: 'failed',
      cause: {
        code: 'crash',
        sentence: 'web: NameError: x (shop/wsgi.py:2)',
        hint: expect.stringContaining('fix the code'),
        workload: 'deployment/web',
        pod: 'web-a',
        container: 'web',
        logs: [{ source: 'container web', lines: log.split('\n') }],
        annotations: [
          {
            file: 'shop/wsgi.py',
            line: 2,
            title: 'crash',
            message: 'NameError: x (shop/wsgi.py:2)',
          },
        ],
      },
    })
  })

  test.each<[string, string, Partial<Timeouts>, Partial<Cause>]>([
    [
      'a probe is named by its request, with the number of its port',
      `pods: {web-a: {container: {ready: false}, spec: {containers: [{name: web, ports: [{name: http, containerPort: 8000}],
         readinessProbe: {httpGet: {path: /healthz, port: http}}}]}}}
events: [{about: web-a, reason: Unhealthy, message: 'Readiness probe failed: HTTP probe failed with statuscode: 404'}]`,
      { grace: { NotReady: 0 } },
      { hint: expect.stringContaining('no page for GET /healthz on port 8000') as never },
    ],
    [
      'a pull secret by its name',
      `pods: {web-a: {container: {state: {waiting: {reason: ErrImagePull, message: unauthorized}}},
         spec: {containers: [{name: web}], imagePullSecrets: [{name: regcred}]}}}`,
      {},
      { hint: expect.stringContaining('(regcred)') as never },
    ],
    [
      'the clock of the Deployment: what its pod needs',
      `pods: {web-a: {container: {state: {waiting: {reason: ErrImagePull, message: 429 Too Many Requests}}}}}
progressing: {reason: ProgressDeadlineExceeded, lastTransitionTime: 2026-01-01T12:00:30Z}`,
      {},
      {
        code: 'progress-deadline',
        pod: 'web-a',
        container: 'web',
        hint: expect.stringContaining('limits the rate of requests') as never,
      },
    ],
    [
      'the same without a symptom: the pod that is late',
      `pods: {web-a: {ready: false, status: {containerStatuses: []}}}
progressing: {reason: ProgressDeadlineExceeded, lastTransitionTime: 2026-01-01T12:00:30Z}`,
      {},
      {
        code: 'progress-deadline',
        pod: 'web-a',
        hint: expect.stringContaining('progressDeadlineSeconds') as never,
      },
    ],
    [
      'the end of all waiting: the pod that is late',
      'pods: {web-a: {ready: false, status: {containerStatuses: []}}}',
      { timeout: 0 },
      { code: 'timeout', pod: 'web-a', hint: expect.stringContaining('"timeout"') as never },
    ],
  ])('says the place and gives a hint: %s', (_, scene, timeouts, cause) => {
    const release = new Rehearsal([AIM], { ...TIMEOUTS, ...timeouts })
    expect(release.look(3, scene).verdicts['deployment/web']).toMatchObject({ is: 'failed', cause })
  })

  test('names the container where a pod has several', () => {
    const release = new Rehearsal()
    const scene = `pods: {web-a: {container: {state: {waiting: {reason: InvalidImageName}}},
      spec: {containers: [{name: web, image: "x y"}, {name: nginx}]}}}`
    expect(release.verdict(3, scene)).toContain('web (container web): image x y cannot be pulled')
  })

  test('counts our Ready pods', () => {
    const release = new Rehearsal()
    const judgement = release.look(
      3,
      'replicas: 3\npods: {web-a: , web-b: {container: {}}, web-o: {of: old}}',
    )
    expect(judgement.progress).toEqual({ 'deployment/web': { wanted: 3, ready: 1 } })
  })

  test('takes the oldest ReplicaSet of the same template, whatever the order of its keys', () => {
    const clusterState = pictureOf('pods: {web-a: }', 3)
    const set = clusterState.replicasets.get('web-new')!
    const { containers } = set.spec!.template!.spec!
    const reversed = containers.map(({ image, name }) => ({ image: image!, name, env: [] }))
    set.spec!.template!.spec = { containers: reversed }
    const twin = structuredClone(set)
    twin.metadata = {
      ...twin.metadata,
      name: 'web-twin',
      uid: 'uid-twin',
      creationTimestamp: '2026-01-01T10:00:00Z',
    }
    const replicasets = new Map([['web-twin', twin], ...clusterState.replicasets])
    expect(
      new Rehearsal().look(3, { ...clusterState, replicasets }).progress['deployment/web']?.ready,
    ).toBe(1)
  })
})

/** A pod of a StatefulSet or DaemonSet: `new`, `old`, with `unready` or `crashed`. */
function podOfSet(name: string, how: string, set: string) {
  const of = how.startsWith('old') ? 'old' : 'new'
  return podOf(name, {
    of,
    ready: !/unready|crashed/.test(how),
    ...(how.includes('crashed') && { container: { state: { terminated: { exitCode: 1 } } } }),
    metadata: {
      labels: { 'controller-revision-hash': of },
      ownerReferences: [owner('Set', set, `uid-${set}`)],
      ...(how.includes('made since') && {
        creationTimestamp: new Date(START + 1000).toISOString(),
      }),
      ...(how.includes('ending') && { deletionTimestamp: new Date(START).toISOString() }),
    },
  })
}

describe('an undo of a workload that was incomplete before', () => {
  const crashed =
    '{container: {restartCount: 1, lastState: {terminated: {exitCode: 1}}, state: {waiting: {reason: CrashLoopBackOff}}}}'
  const three = (...pods: readonly string[]) =>
    `replicas: 3\npods: {${pods.map((pod, i) => `web-${i}: ${pod}`).join(', ')}}`
  const looks = (available: number, at: number, ...scenes: readonly string[]) => {
    const release = new Rehearsal([{ ...AIM, available }], { ...TIMEOUTS, bake: 0 }, broken)
    return scenes.map((scene, i) => release.verdict(at + i * 60, scene)).at(-1)
  }
  const old = '{of: old}'
  const unready = '{of: old, ready: false}'

  test.each<[string, number, readonly string[], string]>([
    ['as many are well as then', 2, [three('', '', crashed)], 'done'],
    [
      'fewer than then, and one more is lost than then',
      2,
      [three('', crashed, crashed), three('', crashed, crashed)],
      'failed crash: web: SyntaxError: x (agent.py:1)',
    ],
    [
      'fewer than then, and they may still come',
      2,
      [three('', '{ready: false}', crashed)],
      'waiting: 1 of 3 ready (2 before the release), waiting for web-2 (exited with 1, 0 s of 60 s)',
    ],
    ['none were', 0, [three(crashed, crashed, crashed)], 'done'],
    [
      'pods of the withdrawn version are ending, since enough others are Ready',
      2,
      [`${three('', '', crashed, old)}\nspec: {strategy: {rollingUpdate: {maxUnavailable: 1}}}`],
      'waiting: 2 of 3 ready (2 before the release), waiting for web-2 (exited with 1, 0 s of 60 s)',
    ],
    [
      'those that are not Ready go first',
      2,
      [
        `${three('', '', crashed, unready)}\nspec: {strategy: {rollingUpdate: {maxUnavailable: 34%}}}`,
      ],
      'waiting: 2 of 3 ready (2 before the release), waiting for web-2 (exited with 1, 0 s of 60 s)',
    ],
    ['Kubernetes keeps them while too few are Ready', 2, [three('', '', crashed, old)], 'done'],
    [
      'whatever they are themselves',
      0,
      [`replicas: 1\npods: {web-0: ${crashed}, web-1: ${unready}}`],
      'done',
    ],
    ['fewer are wanted now', 2, ['replicas: 1\npods: {web-a: }'], 'done'],
  ])('is judged rightly: %s', (_, available, scenes, verdict) => {
    expect(looks(available, 5, ...scenes)).toBe(verdict)
  })

  test('fails when a workload does not come back in its time', () => {
    const release = new Rehearsal([{ ...AIM, available: 2 }], { ...TIMEOUTS, bake: 0 })
    const scene = three('', '{ready: false}', '{ready: false}')
    release.look(0, scene)
    expect(release.verdict(700, scene)).toMatch(/^failed (timeout|not-ready)/)
  })
})
