/** What has to be done to have an object again as it was. Objects are YAML, as `kubectl get` shows them. */
import { describe, expect, test } from '@jest/globals'
import { parse } from 'yaml'
import {
  withoutManagedFields,
  type KubeObject,
  type WorkloadObject,
} from '../../src/kubernetes/objects.js'
import { needsOf } from '../../src/undo/needs.js'
import {
  hasTemplateBack,
  neededAfter,
  planned,
  titleOf,
  planRestore,
  withAnswers,
  type ObjectSnapshot,
  type UndoStep,
} from '../../src/undo/snapshot.js'

const object = (text: string) => parse(text) as KubeObject

/** The release leaves it as `written`; without that as it creates it. */
const prior = (
  was: ObjectSnapshot['change'],
  of: ObjectSnapshot['of'],
  text: string,
  written: string = text,
): ObjectSnapshot => ({
  path: '/x',
  object: object(text),
  written: planned(object(written)),
  change: was,
  of,
})

interface PodTemplate {
  readonly template: { readonly spec: { readonly containers: readonly { image: string }[] } }
}

/** What is to be done. */
function step(before: ObjectSnapshot, live: string | undefined, needed: readonly string[] = []) {
  const needs = new Map(needed.map((title) => [title, 'statefulset/db']))
  return planRestore(before, live === undefined ? undefined : object(live), { needs }).do
}

/** What is put back of what the release has left; the test fails when it is another step. */
function put(
  before: Omit<ObjectSnapshot, 'written'>,
  live: string,
  written: string = live,
): KubeObject {
  const undo = planRestore({ ...before, written: planned(object(written)) }, object(live))
  if (undo.do !== 'put') throw new Error(`not put, but: ${undo.do}`)
  return undo.object
}

const web = (image: string, more = '') => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, uid: u, resourceVersion: "7"}
spec:
  replicas: 2
  template: {spec: {containers: [{name: web, image: 'shop:${image}'}]}}
${more}`

const config = (color: string) => `
apiVersion: v1
kind: ConfigMap
metadata: {name: shop-config}
data: {COLOR: ${color}}`

const database = (image: string) => `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec: {template: {spec: {containers: [{name: db, image: 'postgres:${image}'}]}}}`

/** The server counts the templates of a DaemonSet, in an annotation. */
const agent = (version: string) => `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, annotations: {deprecated.daemonset.template.generation: "${version}"}}
spec: {template: {spec: {containers: [{name: agent, image: 'shop:${version}'}]}}}`

const volume = (size: string) => `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: media}
spec: {resources: {requests: {storage: ${size}}}}`

/** `web:old` */
function made(name: string): string {
  const [what, version = ''] = name.split(':')
  const makers: Record<string, (version: string) => string> = {
    web,
    config,
    database,
    volume,
    agent,
  }
  return makers[what ?? '']!(version)
}

describe('the step of the undo', () => {
  /** What the release makes of each. */
  const newer: Record<string, string> = {
    ...{ web: 'new', config: 'blue', database: '17', volume: '2Gi' },
  }

  test.each<[ObjectSnapshot['change'], ObjectSnapshot['of'], string, string | undefined, string]>([
    ['create', 'workload', 'web:old', undefined, 'nothing'],
    ['create', 'workload', 'web:old', 'web:old', 'delete'],
    ['create', 'workload', 'web:old', 'web:hotfix', 'external'],
    ['create', 'workload', 'database:16', 'database:16', 'delete'],
    ['create', 'other', 'config:red', undefined, 'nothing'],
    ['create', 'other', 'config:red', 'config:red', 'delete'],
    ['create', 'other', 'config:red', 'config:external', 'external'],
    ['create', 'other', 'web:old', 'web:old', 'delete'],
    ['create', 'other', 'database:16', undefined, 'nothing'],
    ['create', 'other', 'database:16', 'database:16', 'keep'],
    ['create', 'other', 'volume:1Gi', 'volume:1Gi', 'keep'],

    ['set-image', 'workload', 'web:old', undefined, 'ask'],
    ['set-image', 'workload', 'web:old', 'web:old', 'nothing'],
    ['set-image', 'workload', 'web:old', 'web:new', 'put'],
    ['set-image', 'workload', 'web:old', 'web:hotfix', 'external'],
    ['set-image', 'workload', 'database:16', 'database:17', 'put'],

    ['apply', 'workload', 'web:old', undefined, 'ask'],
    ['apply', 'workload', 'web:old', 'web:old', 'nothing'],
    ['apply', 'workload', 'web:old', 'web:new', 'put'],
    ['apply', 'workload', 'web:old', 'web:hotfix', 'external'],
    ['apply', 'workload', 'database:16', 'database:17', 'put'],
    ['apply', 'other', 'config:red', undefined, 'ask'],
    ['apply', 'other', 'config:red', 'config:red', 'nothing'],
    ['apply', 'other', 'config:red', 'config:blue', 'put'],
    ['apply', 'other', 'config:red', 'config:external', 'external'],
    ['apply', 'other', 'web:old', 'web:new', 'put'],
    ['apply', 'other', 'database:16', undefined, 'ask'],
    ['apply', 'other', 'database:16', 'database:16', 'nothing'],
    ['apply', 'other', 'database:16', 'database:17', 'put'],
    ['apply', 'other', 'volume:1Gi', 'volume:1Gi', 'nothing'],
    ['apply', 'other', 'volume:1Gi', 'volume:2Gi', 'keep'],
    ['apply', 'other', 'volume:1Gi', 'volume:5Gi', 'external'],
  ])('is right for %s %s: from %s to %s: %s', (was, of, before, live, expected) => {
    const now = live === undefined ? undefined : made(live)
    const [kind = ''] = before.split(':')
    const written = was === 'create' ? before : `${kind}:${newer[kind]}`
    expect(step(prior(was, of, made(before), made(written)), now)).toBe(expected)
  })

  test('for a database whose new pod has been Ready is to keep it', () => {
    const before = prior('apply', 'other', database('16'), database('17'))
    expect(planRestore(before, object(database('17')), { tookOver: true })).toEqual({
      do: 'keep',
      why: 'it holds data',
    })
    expect(planRestore(before, object(database('16')), { tookOver: true }).do).toBe('nothing')
  })

  test.each([
    ['create', [], 'delete'],
    ['create', ['secret/shop-config'], 'delete'],
    ['create', ['configmap/shop-config'], 'keep'],
    ['apply', ['configmap/shop-config'], 'keep'],
    ['apply', [], 'put'],
  ] as const)('for a ConfigMap (%s) is right when %j is needed: %s', (was, needed, expected) => {
    const [before, written] = was === 'create' ? ['blue', 'blue'] : ['red', 'blue']
    const what = prior(was, 'other', config(before), config(written))
    expect(step(what, config('blue'), needed)).toBe(expected)
    if (was === 'apply') expect(step(what, config('red'), needed)).toBe('nothing')
  })

  test.each([
    ['postgresql.cnpg.io/v1', 'Cluster', 'keep'],
    ['snapshot.storage.k8s.io/v1', 'VolumeSnapshot', 'keep'],
    ['gateway.networking.k8s.io/v1', 'HTTPRoute', 'delete'],
    ['gateway.networking.k8s.io/v1', 'Gateway', 'keep'],
    ['traefik.io/v1alpha1', 'IngressRoute', 'delete'],
    ['networking.istio.io/v1', 'VirtualService', 'delete'],
    ['keda.sh/v1alpha1', 'ScaledObject', 'delete'],
    ['monitoring.coreos.com/v1', 'ServiceMonitor', 'delete'],
    ['monitoring.coreos.com/v1', 'PodMonitor', 'delete'],
    ['monitoring.coreos.com/v1', 'Prometheus', 'keep'],
    ['cilium.io/v2', 'CiliumNetworkPolicy', 'delete'],
    ['projectcalico.org/v3', 'NetworkPolicy', 'delete'],
    ['networking.k8s.io/v1', 'Ingress', 'delete'],
    ['v1', 'Service', 'delete'],
    ['batch/v1', 'CronJob', 'delete'],
  ])('for a new %s %s is "%s"', (apiVersion, kind, expected) => {
    const text = JSON.stringify({ apiVersion, kind, metadata: { name: 'x' }, spec: { size: 1 } })
    expect(step(prior('create', 'other', text), text)).toBe(expected)
  })
})

describe('an object that the release has created', () => {
  const created = (uid?: string): ObjectSnapshot => {
    const before = prior('create', 'other', config('red'))
    return uid === undefined
      ? before
      : { ...before, written: { ...before.written, metadata: { name: 'shop-config', uid } } }
  }
  const live = (uid: string, color = 'red', more = '') =>
    config(color).replace('{name', `{uid: ${uid}, ${more} name`)

  test.each<[string, string | undefined, string, UndoStep['do']]>([
    ['is the one of its uid', 'u', live('u'), 'delete'],
    ['has another uid', 'u', live('v'), 'external'],
    ['has another uid and content', 'u', live('v', 'blue'), 'external'],
    ['has been changed', 'u', live('u', 'blue'), 'external'],
    ['has a label of a controller', 'u', live('u', 'red', 'labels: {a: b},'), 'delete'],
    ['has its content, and no answer has come', undefined, live('v'), 'delete'],
    ['has another content, and no answer has come', undefined, live('v', 'blue'), 'external'],
  ])('is judged rightly when it %s: %s and %s: %s', (_, uid, now, expected) => {
    expect(step(created(uid), now)).toBe(expected)
  })

  test('is deleted by its uid', () => {
    expect(planRestore(created(), object(live('v')))).toEqual({ do: 'delete', uid: 'v' })
  })

  test('may have received its address from the server', () => {
    const service = (spec: string) =>
      `{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {a: b}, ${spec}}}`
    const planned = prior(
      'create',
      'other',
      service('clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1], ports: [{port: 80, nodePort: 30001}]'),
    )
    const given =
      'clusterIP: 10.0.0.2, clusterIPs: [10.0.0.2], ports: [{port: 80, nodePort: 30002}]'
    expect(step(planned, service(given))).toBe('delete')
    expect(step(planned, service(given.replace('port: 80,', 'port: 81,')))).toBe('external')
  })
})

describe('a Job that the release has created', () => {
  const job = (drawn: string, image = 'shop:1', more = '') => `
apiVersion: batch/v1
kind: Job
metadata: {name: seed, labels: {batch.kubernetes.io/controller-uid: ${drawn}, job-name: seed}}
spec:
  selector: {matchLabels: {batch.kubernetes.io/controller-uid: ${drawn}}}
  template:
    metadata: {labels: {batch.kubernetes.io/controller-uid: ${drawn}, controller-uid: ${drawn}, job-name: seed${more}}}
    spec: {containers: [{name: seed, image: '${image}'}]}`
  const tried = prior('create', 'other', job('tried'))

  test.each([
    ['by another uid', job('made'), 'delete'],
    ['with another image', job('made', 'shop:2'), 'external'],
    ['with a label more', job('made', 'shop:1', ', a: b'), 'delete'],
  ])(
    'is recognized after a retry in which the server has chosen another uid: %s',
    (_, live, expected) => {
      expect(step(tried, live)).toBe(expected)
    },
  )
})

describe('an object that the release has changed, field by field', () => {
  const secret = (data: string, metadata = '') => `
apiVersion: v1
kind: Secret
metadata: {name: keys, uid: u, ${metadata}}
data: {${data}}`
  const applied = (what: string) =>
    `annotations: {kubectl.kubernetes.io/last-applied-configuration: ${what}}`
  const before = prior(
    'apply',
    'other',
    secret('P: old, KEPT: k', applied('old')),
    secret('P: new, Q: new, KEPT: k', applied('new')),
  )
  const decided = (live: string) => planRestore(before, object(live))

  test('is restored when it is as written, with its last-applied note', () => {
    expect(put(before, secret('P: new, Q: new, KEPT: k', applied('new')))).toEqual(
      object(secret('P: old, KEPT: k', applied('old'))),
    )
  })

  test('is restored in its own fields alone, and changes of others stay and are reported', () => {
    const live = secret('P: new, Q: new, KEPT: external, R: external', applied('new'))
    expect(decided(live)).toMatchObject({
      do: 'put',
      object: object(secret('P: old, KEPT: external, R: external', applied('old'))),
      but: ['data.KEPT', 'data.R'],
    })
  })

  test.each([
    ['neither', 'P: rotated, Q: new, KEPT: k', applied('new'), 'has another data.P'],
    ['the one and the other', 'P: old, Q: new, KEPT: k', applied('new'), 'has another data.P'],
    ['taken away', 'P: new, KEPT: k', applied('new'), 'was applied again'],
    ['applied by others', 'P: new, Q: new, KEPT: k', applied('external'), 'was applied again'],
  ])('is left alone when its value is %s', (_, data, metadata) => {
    expect(decided(secret(data, metadata)).do).toBe('external')
  })

  test('is reported without any value', () => {
    expect(decided(secret('P: rotated, Q: new, KEPT: k', applied('new')))).toEqual({
      do: 'external',
      words: 'has another data.P',
    })
  })

  test.each([
    ['"{\\"a\\":\\"<\\"}"', '"{\\"a\\":\\"\\\\u003c\\"}"', 'put'],
    ['"{\\"a\\":1}"', '"{ \\"a\\": 1 }"', 'put'],
    ['"{\\"a\\":1}"', '"{\\"a\\":2}"', 'external'],
    ['no JSON', 'no other JSON', 'external'],
  ])('has its last-applied note compared as JSON: %s and %s: %s', (planned, now, expected) => {
    const data = 'P: new, Q: new, KEPT: k'
    const [old, written] = [secret('P: old, KEPT: k'), secret(data, applied(planned))]
    const noted = prior('apply', 'other', old, written)
    expect(step(noted, secret(data, applied(now)))).toBe(expected)
    if (expected === 'put') {
      const back = put(noted, secret(data, applied(now)), written)
      expect(back.metadata?.annotations).toEqual({})
    }
  })

  test('needs no step when it is as before, even with fields that others have applied', () => {
    expect(decided(secret('P: old, KEPT: external', applied('external')))).toEqual({
      do: 'nothing',
    })
  })

  test('is another object when it was deleted and created again', () => {
    const other = (data: string) => secret(data).replace('uid: u', 'uid: v')
    expect(decided(other('P: new, Q: new, KEPT: k'))).toEqual({
      do: 'external',
      words: 'is another object',
    })
    expect(decided(other('P: old, KEPT: k'))).toEqual({ do: 'nothing' })
  })
})

describe('a workload', () => {
  interface How {
    readonly more?: string
    readonly cause?: string
    readonly kind?: string
    readonly spec?: string
  }
  /** `web=old beat=old`: the containers with their images. */
  const shop = (
    images: string,
    { more = '', cause = '', kind = 'Deployment', spec = '' }: How = {},
  ) => {
    const containers = images.split(' ').map((pair) => {
      const [name, image] = pair.split('=')
      return `{name: ${name}, image: 'shop:${image}'${more}}`
    })
    const template = `{spec: {containers: [${containers.join(', ')}]}}`
    const inside =
      kind === 'CronJob' ? `jobTemplate: {spec: {template: ${template}}}` : `template: ${template}`
    return `
apiVersion: ${kind === 'CronJob' ? 'batch/v1' : 'apps/v1'}
kind: ${kind}
metadata: {name: web, uid: u, annotations: {${cause && `kubernetes.io/change-cause: ${cause}`}}}
spec: {${spec}${inside}}`
  }
  const of = (
    was: ObjectSnapshot['change'],
    before: string,
    written: string,
    how: How = {},
    then: How = how,
  ) => prior(was, 'workload', shop(before, how), shop(written, then))

  describe.each(['Deployment', 'StatefulSet', 'DaemonSet', 'CronJob'])('of the kind %s', (kind) => {
    test.each<[ObjectSnapshot['change'], string, string]>([
      ['set-image', 'web=new', 'put'],
      ['set-image', 'web=old', 'nothing'],
      ['set-image', 'web=hotfix', 'external'],
      ['set-image', 'app=hotfix', 'external'],
      ['apply', 'web=new', 'put'],
      ['apply', 'web=old', 'nothing'],
      ['apply', 'web=hotfix', 'external'],
      ['apply', 'app=hotfix', 'external'],
      ['create', 'web=new', 'delete'],
      ['create', 'web=old', 'external'],
      ['create', 'web=hotfix', 'external'],
      ['create', 'app=hotfix', 'external'],
    ])('is judged rightly after %s when it has %s: %s', (was, now, expected) => {
      const before = was === 'create' ? 'web=new' : 'web=old'
      expect(step(of(was, before, 'web=new', { kind }), shop(now, { kind }))).toBe(expected)
    })
  })

  test.each([
    ['web=new beat=new', 'put'],
    ['web=old beat=old', 'nothing'],
    ['web=new beat=old', 'external'],
    ['web=new beat=hotfix', 'external'],
    ['web=old beat=hotfix', 'external'],
    ['web=new', 'external'],
  ])('of two containers is judged rightly: %s: %s', (now, expected) => {
    expect(step(of('set-image', 'web=old beat=old', 'web=new beat=new'), shop(now))).toBe(expected)
  })

  test('whose image of another container has changed is a version of another client too', () => {
    const before = of('set-image', 'web=old proxy=1', 'web=new proxy=1')
    expect(step(before, shop('web=old proxy=2'))).toBe('nothing')
    expect(step(before, shop('web=new proxy=2'))).toBe('external')
  })

  test.each([
    ['an environment', ', env: [{name: DEBUG, value: "1"}]'],
    ['a command', ', command: [sleep, infinity]'],
    ['resources', ', resources: {limits: {memory: 2Gi}}'],
  ])('is a version of another client with %s that was set since', (_, more) => {
    for (const was of ['set-image', 'apply'] as const) {
      const before = of(was, 'web=old', 'web=new')
      expect(step(before, shop('web=new', { more }))).toBe('external')
      // Our write has not happened: nothing of it is ours.
      expect(step(before, shop('web=old', { more }))).toBe('nothing')
    }
  })

  test.each([
    ['web=old', ', command: [new]', 'external'],
    ['web=old', ', command: [hotfix]', 'nothing'],
    ['web=old', ', command: [old]', 'nothing'],
    ['web=new', ', command: [new]', 'put'],
    ['web=new', ', command: [old]', 'external'],
  ])(
    'whose image and command the release changes is judged rightly: %s%s: %s',
    (now, more, expected) => {
      const how = (command: string) => ({ more: `, command: [${command}]` })
      const before = of('apply', 'web=old', 'web=new', how('old'), how('new'))
      expect(step(before, shop(now, { more }))).toBe(expected)
    },
  )

  test('whose template the release does not change needs no step, whatever it is', () => {
    const before = of('apply', 'web=old', 'web=old')
    expect(step(before, shop('web=hotfix'))).toBe('nothing')
  })

  test.each([
    [', env: [{name: STAKATER_CONF, value: "1"}]', 'put'],
    [', env: []', 'put'],
    [', resources: {}', 'put'],
  ])(
    'that was only restarted, or has an equal template, is no other version: %s',
    (more, expected) => {
      expect(step(of('set-image', 'web=old', 'web=new'), shop('web=new', { more }))).toBe(expected)
    },
  )

  test('that was restarted is restored, and stays restarted', () => {
    const restarted = (image: string) => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    metadata: {annotations: {kubectl.kubernetes.io/restartedAt: now}}
    spec: {containers: [{name: web, image: 'shop:${image}'}]}`
    const before = of('set-image', 'web=old', 'web=new')
    expect(put(before, restarted('new'), shop('web=new'))).toMatchObject(object(restarted('old')))
    expect(step(before, restarted('old'))).toBe('nothing')
  })

  test.each<[ObjectSnapshot['change']]>([['set-image'], ['apply']])(
    'that runs by its digest counts as restored (%s), and so does one that was never changed',
    (was) => {
      const before = { ...of(was, 'web=old', 'web=new'), ran: { web: 'shop:old@sha256:1' } }
      expect(step(before, shop('web=old@sha256:1'))).toBe('nothing')
      expect(step(before, shop('web=old'))).toBe('nothing')
      expect(step(before, shop('web=old@sha256:2'))).toBe('external')
    },
  )

  test('gets back our change-cause, but keeps one that a user has written', () => {
    const before = of('set-image', 'web=old', 'web=new', { cause: 'old' }, { cause: 'ours' })
    const back = put(before, shop('web=old', { cause: 'ours' }), shop('web=new', { cause: 'ours' }))
    expect(back).toEqual(object(shop('web=old', { cause: 'old' })))
    expect(step(before, JSON.stringify(back))).toBe('nothing')
    expect(step(before, shop('web=old', { cause: 'external' }))).toBe('nothing')
  })

  test('gets back its template even if another client has changed another field since', () => {
    const before = of(
      'apply',
      'web=old',
      'web=new',
      { spec: 'minReadySeconds: 1, ' },
      { spec: 'minReadySeconds: 2, ' },
    )
    const undo = planRestore(before, object(shop('web=new', { spec: 'minReadySeconds: 3, ' })))
    expect(undo).toEqual({
      do: 'put',
      object: object(shop('web=old', { spec: 'minReadySeconds: 3, ' })),
      by: { is: 'update' },
      external: 'has another spec.minReadySeconds',
    })
  })

  test.each([
    ['web=hotfix', {}, 'runs shop:hotfix'],
    ['web=new', { more: ', command: [sleep]' }, 'has another pod template'],
  ])('of another client is reported with its difference: %s %j: %s', (now, how, words) => {
    expect(planRestore(of('set-image', 'web=old', 'web=new'), object(shop(now, how)))).toEqual({
      do: 'external',
      words,
    })
  })

  test.each([
    ['web=old', true],
    ['web=old@sha256:1', true],
    ['web=hotfix', false],
  ])('with %s creates its pods as they were: %s', (now, expected) => {
    const before = { ...of('set-image', 'web=old', 'web=new'), ran: { web: 'shop:old@sha256:1' } }
    const current = (how: How = {}) => object(shop(now, how)) as WorkloadObject
    expect(hasTemplateBack(before, current())).toBe(expected)
    expect(hasTemplateBack(before, current({ more: ', env: [{name: DEBUG}]' }))).toBe(false)
  })
})

describe('an object that the release has made immutable', () => {
  const before = prior(
    'make-immutable',
    'other',
    config('red'),
    `${config('blue')}\nimmutable: true`,
  )
  const sealed = `${config('blue').replace('{name', '{uid: u, name')}\nimmutable: true`
  const given = 'uid: u, resourceVersion: "7", creationTimestamp: now, managedFields: []'

  test.each<[string, string | undefined, unknown]>([
    ['is replaced', sealed, { is: 'replace', uid: 'u' }],
    ['is created where it was deleted for that', undefined, { is: 'create' }],
  ])('%s', (_, live, by) => {
    const undo = planRestore(before, live === undefined ? undefined : object(live))
    expect(undo).toMatchObject({ do: 'put', by, object: { data: { COLOR: 'red' } } })
  })

  test('needs no step where it is as it was', () => {
    expect(step(before, config('red'))).toBe('nothing')
  })

  test('is created without the fields that the server sets', () => {
    const old = config('red').replace('{name: shop-config}', `{name: shop-config, ${given}}`)
    expect(planRestore(prior('make-immutable', 'other', old), undefined)).toMatchObject({
      object: { ...object(config('red')), metadata: { name: 'shop-config' } },
    })
  })
})

describe('no step is needed when only the server or a controller has written', () => {
  test.each([
    ['status', 'status: {observedGeneration: 4, availableReplicas: 2}'],
    ['version', 'metadata: {name: web, uid: u, resourceVersion: "9", generation: 4}'],
    ['managed fields', 'metadata: {name: web, managedFields: [{manager: kubectl-set}]}'],
    ['revision', 'metadata: {name: web, annotations: {deployment.kubernetes.io/revision: "4"}}'],
  ])('the %s', (_, more) => {
    const live = JSON.stringify({ ...object(web('old')), ...object(more) })
    expect(step(prior('apply', 'workload', web('old'), web('new')), live)).toBe('nothing')
    expect(step(prior('set-image', 'workload', web('old'), web('new')), live)).toBe('nothing')
  })

  test('or when a user has changed the number of replicas', () => {
    const live = web('old').replace('replicas: 2', 'replicas: 5')
    expect(step(prior('apply', 'workload', web('old'), web('new')), live)).toBe('nothing')
    expect(step(prior('set-image', 'workload', web('old'), web('new')), live)).toBe('nothing')
  })
})

describe('a template', () => {
  test('is restored into the live object, and no other field is', () => {
    const live = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, resourceVersion: "9", labels: {external: "1"}, annotations: {external: "1"}}
spec:
  replicas: 5
  minReadySeconds: 3
  template: {spec: {containers: [{name: web, image: 'shop:new'}]}}
status: {replicas: 5}`
    expect(put(prior('set-image', 'workload', web('old')), live, web('new'))).toEqual(
      object(live.replace('shop:new', 'shop:old')),
    )
  })

  const caused = (image: string, annotations: string) =>
    web(image).replace('{name: web, uid', `{name: web, annotations: {${annotations}}, uid`)
  const cause = (value: string) => `kubernetes.io/change-cause: ${value}`

  test.each([
    ['with its cause', cause('old'), cause('new'), { 'kubernetes.io/change-cause': 'old' }],
    ['without the cause that it did not have', '', cause('new'), {}],
    [
      'with the cause that it has still',
      cause('old'),
      cause('old'),
      { 'kubernetes.io/change-cause': 'old' },
    ],
    ['and leaves the annotations of others', '', 'external: "1"', { external: '1' }],
  ])('is restored %s', (_, before, live, expected) => {
    const written = caused('new', live.startsWith('external') ? before : live)
    const back = put(
      prior('set-image', 'workload', caused('old', before)),
      caused('new', live),
      written,
    )
    expect(back.metadata?.annotations).toEqual(expected)
  })

  test('is restored without its change-cause when only that was written', () => {
    const before = prior('set-image', 'workload', web('old'), caused('new', cause('new')))
    expect(put(before, caused('old', cause('new')), caused('new', cause('new')))).toEqual(
      object(caused('old', '')),
    )
    expect(step(before, caused('old', 'external: "1"'))).toBe('nothing')
  })

  test.each(['set-image', 'apply'] as const)('of a CronJob is restored (%s)', (was) => {
    const clean = (image: string, version: string) => `
apiVersion: batch/v1
kind: CronJob
metadata: {name: clean, resourceVersion: "${version}", labels: {}, annotations: {}}
spec:
  schedule: '0 3 * * *'
  jobTemplate: {spec: {backoffLimit: 1, template: {spec: {containers: [{name: c, image: 'shop:${image}'}]}}}}`
    const before = prior(was, 'workload', clean('old', '7'), clean('new', '7'))
    expect(put(before, clean('new', '9'))).toEqual(object(clean('old', '9')))
    expect(step(before, clean('old', '9'))).toBe('nothing')
  })
})

describe('a version that ran by a tag that has moved', () => {
  const ran = { web: 'shop:old@sha256:1' }
  const images = ({ spec }: KubeObject) =>
    (spec as PodTemplate).template.spec.containers.map(({ image }) => image)

  describe.each(['set-image', 'apply'] as const)('and was changed by %s', (was) => {
    const before: ObjectSnapshot = { ...prior(was, 'workload', web('old'), web('new')), ran }

    test('is restored by its digest', () => {
      expect(images(put(before, web('new')))).toEqual(['shop:old@sha256:1'])
    })

    test.each([
      ['was not changed', web('old')],
      ['is back already', web('old@sha256:1')],
      [
        'is back already, in another number',
        web('old@sha256:1').replace('replicas: 2', 'replicas: 5'),
      ],
    ])('is left alone where it %s', (_, live) => {
      expect(step(before, live)).toBe('nothing')
    })

    test('is restored without changing the other containers', () => {
      const two = (image: string) =>
        web(image).replace('[{name: web', "[{name: proxy, image: 'nginx:1'}, {name: web")
      const after = put({ ...prior(was, 'workload', two('old')), ran }, two('new'))
      expect(images(after)).toEqual(['nginx:1', 'shop:old@sha256:1'])
    })
  })

  test('is not restored by its digest when only its labels were changed, because the pods are the old ones', () => {
    const labelled = web('old').replace('{name: web, uid', '{name: web, labels: {a: new}, uid')
    expect(images(put({ ...prior('apply', 'workload', web('old')), ran }, labelled))).toEqual([
      'shop:old',
    ])
  })
})

test.each<[ObjectSnapshot['change'], string]>([
  ['create', 'nothing'],
  ['set-image', 'ask'],
  ['apply', 'ask'],
])(
  'an object that is being deleted counts as deleted: after %s the step is "%s"',
  (was, expected) => {
    const live = web('new').replace('uid: u', 'uid: u, deletionTimestamp: now')
    expect(step(prior(was, 'workload', web('old'), web('new')), live)).toBe(expected)
  },
)

describe('a whole object', () => {
  test.each([
    [
      'ConfigMap: keys that were changed, added and taken away',
      'kind: ConfigMap\ndata: {A: old, GONE: "1"}\nbinaryData: {logo: b2xk}',
      'kind: ConfigMap\ndata: {A: new, ADDED: "1"}\nbinaryData: {logo: bmV3, more: eA==}',
    ],
    [
      'ConfigMap: binaryData that was not there',
      'kind: ConfigMap\ndata: {A: old}',
      'kind: ConfigMap\ndata: {A: old}\nbinaryData: {logo: bmV3}',
    ],
    ['ConfigMap: data that was not there', 'kind: ConfigMap', 'kind: ConfigMap\ndata: {A: new}'],
    [
      'Secret',
      'kind: Secret\ntype: Opaque\ndata: {PASSWORD: b2xk}',
      'kind: Secret\ntype: Opaque\ndata: {PASSWORD: bmV3}',
    ],
    [
      'Service, with the address that the cluster gave it',
      'kind: Service\nspec: {clusterIP: 10.0.0.7, clusterIPs: [10.0.0.7], ports: [{port: 80}]}',
      'kind: Service\nspec: {clusterIP: 10.0.0.7, clusterIPs: [10.0.0.7], ports: [{port: 8080}]}',
    ],
    [
      'ServiceAccount',
      'kind: ServiceAccount\nimagePullSecrets: [{name: old}]',
      'kind: ServiceAccount\nimagePullSecrets: [{name: new}]',
    ],
  ])('is restored: %s', (_, before, live) => {
    const shell = 'metadata: {name: x, uid: u, resourceVersion: "9", annotations: {}, labels: {}}'
    const back = put(prior('apply', 'other', `${before}\nmetadata: {name: x}`), `${live}\n${shell}`)
    expect(back).toEqual(object(`${before}\n${shell}`))
  })

  test.each([
    ['changed', 'labels: {a: old}', 'labels: {a: new}', { labels: { a: 'old' } }],
    ['added', 'labels: {a: old}', 'labels: {a: old, b: new}', { labels: { a: 'old' } }],
    ['added where there was none', '', 'labels: {b: new}', { labels: {} }],
    ['taken away', 'labels: {a: old}', '', { labels: { a: 'old' } }],
    ['changed', 'annotations: {a: old}', 'annotations: {a: new}', { annotations: { a: 'old' } }],
    ['added where there was none', '', 'annotations: {b: new}', { annotations: {} }],
    ['taken away', 'annotations: {a: old}', '', { annotations: { a: 'old' } }],
    [
      'what kubectl applied last',
      'annotations: {kubectl.kubernetes.io/last-applied-configuration: old}',
      'annotations: {kubectl.kubernetes.io/last-applied-configuration: new}',
      { annotations: { 'kubectl.kubernetes.io/last-applied-configuration': 'old' } },
    ],
    [
      'what a controller counts, as it is now',
      'annotations: {a: old, deployment.kubernetes.io/revision: "3"}',
      'annotations: {a: new, deployment.kubernetes.io/revision: "4"}',
      { annotations: { a: 'old', 'deployment.kubernetes.io/revision': '4' } },
    ],
    [
      'what a controller counted, but not any more',
      'annotations: {a: old, deployment.kubernetes.io/revision: "3"}',
      'annotations: {a: new}',
      { annotations: { a: 'old' } },
    ],
  ])('is restored in its metadata: %s: from %s to %s', (_, before, live, expected) => {
    const text = (metadata: string) =>
      `apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, ${metadata}}`
    const { metadata } = put(prior('apply', 'workload', text(before)), text(live))
    expect({ labels: {}, annotations: {}, ...metadata }).toEqual({
      name: 'web',
      labels: {},
      annotations: {},
      ...expected,
    })
  })

  test('is written into the live object, whose version guards the write', () => {
    const before = prior('apply', 'workload', web('old'))
    const live = web('new').replace('"7"', '"9"')
    expect(put(before, live).metadata?.resourceVersion).toBe('9')
  })

  test('keeps the number of replicas that a user or an autoscaler chose meanwhile', () => {
    const live = web('new').replace('replicas: 2', 'replicas: 5')
    expect(put(prior('apply', 'workload', web('old')), live, web('new')).spec).toEqual({
      replicas: 5,
      template: { spec: { containers: [{ name: 'web', image: 'shop:old' }] } },
    })
  })
})

describe('no step is left after the undo', () => {
  /** What the server makes of a write: it counts, and answers with a status. */
  const written = (undone: KubeObject, counted: Record<string, string>): KubeObject => ({
    ...undone,
    metadata: {
      ...undone.metadata,
      resourceVersion: '100',
      generation: 9,
      annotations: { ...undone.metadata?.annotations, ...counted },
    },
    ...{ status: { observedGeneration: 9 } },
  })

  test.each<[ObjectSnapshot['change'], string, string, Record<string, string>]>([
    ['set-image', 'web:old', 'web:new', { 'deployment.kubernetes.io/revision': '5' }],
    ['apply', 'web:old', 'web:new', { 'deployment.kubernetes.io/revision': '5' }],
    ['apply', 'config:red', 'config:blue', {}],
    ['set-image', 'agent:1', 'agent:2', { 'deprecated.daemonset.template.generation': '3' }],
    ['apply', 'agent:1', 'agent:2', { 'deprecated.daemonset.template.generation': '3' }],
  ])('of %s from %s to %s', (was, before, live, counted) => {
    const then = prior(was, 'workload', made(before), made(live))
    expect(planRestore(then, written(put(then, made(live)), counted))).toEqual({ do: 'nothing' })
  })
})

describe('an object that is left alone needs', () => {
  const of = (podSpec: string, more = '') =>
    object(
      `{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db}, spec: {${more}template: {spec: {${podSpec}}}}}`,
    )

  test.each<[string, string, readonly string[]]>([
    [
      'env',
      'containers: [{name: db, env: [{name: A, valueFrom: {secretKeyRef: {name: keys, key: a}}}, {name: B, valueFrom: {configMapKeyRef: {name: conf, key: b}}}, {name: C, value: c}]}]',
      ['configmap/conf', 'secret/keys'],
    ],
    [
      'envFrom',
      'containers: [{name: db, envFrom: [{secretRef: {name: keys}}, {configMapRef: {name: conf}}]}]',
      ['configmap/conf', 'secret/keys'],
    ],
    [
      'init containers',
      'initContainers: [{name: i, envFrom: [{secretRef: {name: keys}}]}], containers: [{name: db}]',
      ['secret/keys'],
    ],
    [
      'volumes',
      'containers: [], volumes: [{name: v, secret: {secretName: keys}}, {name: w, configMap: {name: conf}}, {name: x, emptyDir: {}}, {name: y, persistentVolumeClaim: {claimName: media}}]',
      ['configmap/conf', 'persistentvolumeclaim/media', 'secret/keys'],
    ],
    [
      'projected volumes',
      'containers: [], volumes: [{name: v, projected: {sources: [{secret: {name: keys}}, {configMap: {name: conf}}, {serviceAccountToken: {path: t}}]}}]',
      ['configmap/conf', 'secret/keys'],
    ],
    ['pull secrets', 'containers: [], imagePullSecrets: [{name: pull}]', ['secret/pull']],
    ['service account', 'containers: [], serviceAccountName: db', ['serviceaccount/db']],
    ['nothing', 'containers: [{name: db}]', []],
  ])('the objects that its pods name: %s', (_, podSpec, expected) => {
    expect([...needsOf([of(podSpec)], [])].map(([title]) => title).sort()).toEqual(
      [...expected].sort(),
    )
  })

  test('its Service, and the reason names the object', () => {
    expect([...needsOf([of('containers: []', 'serviceName: data, ')], [])]).toEqual([
      ['service/data', 'statefulset/db'],
    ])
  })

  test('the rights of its account', () => {
    const binding = object(
      '{kind: RoleBinding, metadata: {name: b}, roleRef: {kind: Role, name: r}, subjects: [{kind: ServiceAccount, name: db}]}',
    )
    const left = of('containers: [], serviceAccountName: db')
    expect([...needsOf([left], [binding]).keys()].sort()).toEqual([
      ...['role/r', 'rolebinding/b', 'serviceaccount/db'],
    ])
  })

  test('all that a resource of an unknown kind names', () => {
    const cluster = object(
      '{apiVersion: postgresql.cnpg.io/v1, kind: Cluster, metadata: {name: pg}, spec: {bootstrap: {secret: {name: keys}}}}',
    )
    const others = ['keys', 'other'].map((name) =>
      object(`{kind: Secret, metadata: {name: ${name}}}`),
    )
    expect([...needsOf([cluster], others)]).toEqual([['secret/keys', 'cluster/pg']])
  })

  const naming = (image: string, name: string) =>
    web(image).replace(
      `'shop:${image}'`,
      `'shop:${image}', envFrom: [{configMapRef: {name: ${name}}}]`,
    )
  test.each<[string, string, UndoStep['do'], readonly string[]]>([
    ['that is restored: what it named before goes back too', naming('new', 'b'), 'put', []],
    ['as it was', naming('old', 'a'), 'nothing', []],
    ['of another client', naming('hotfix', 'b'), 'external', ['configmap/b']],
    [
      'that another client has changed before its turn',
      naming('old', 'c'),
      'nothing',
      ['configmap/c'],
    ],
  ])(
    'the objects that a workload names, in the case of a workload %s',
    (_, live, expected, needed) => {
      const before = prior('set-image', 'workload', naming('old', 'a'), naming('new', 'b'))
      const undo = planRestore(before, object(live))
      expect(undo.do).toBe(expected)
      const looked = { prior: before, live: object(live), step: undo }
      expect([...neededAfter([looked]).keys()]).toEqual(needed)
    },
  )
})

describe('the record of an object', () => {
  const given = {
    uid: 'u',
    resourceVersion: '7',
    generation: 3,
    creationTimestamp: 'now',
    managedFields: [],
  }
  const answer = {
    ...object(config('red')),
    metadata: { name: 'shop-config', labels: { a: 'b' }, ...given },
    ...{ status: { phase: 'x' } },
  }

  test('has only the fields that people decide when the write is planned', () => {
    expect(planned(answer)).toEqual({
      ...object(config('red')),
      metadata: { name: 'shop-config', labels: { a: 'b' } },
    })
  })

  test('has the uid when the server has answered', () => {
    const before = prior('create', 'other', config('red'))
    const [after] = withAnswers([before], [answer])
    expect(after?.written.metadata).toEqual({ name: 'shop-config', labels: { a: 'b' }, uid: 'u' })
    expect(withAnswers([before], [])).toEqual([before])
  })

  test('does not have the earlier changes of other clients when the server has answered', () => {
    const data = (text: string) =>
      `{apiVersion: v1, kind: ConfigMap, metadata: {name: x, uid: u}, data: {${text}}}`
    const before = prior('apply', 'other', data('A: old, B: b'), data('A: new, B: b'))
    const [after] = withAnswers([before], [object(data('A: new, B: external, C: external'))])
    expect(after?.written).toEqual(object(data('A: new, B: b')))
    expect(
      planRestore(after ?? before, object(data('A: new, B: external, C: external'))),
    ).toMatchObject({
      do: 'put',
      object: object(data('A: old, B: external, C: external')),
    })
  })

  describe('has the pod template when the server has answered', () => {
    const web = (generation: number, container: string, labels = '{}') =>
      `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, generation: ${generation}}, spec: {template: {metadata: {labels: ${labels}}, spec: {containers: [{name: web, ${container}}]}}}}`
    const after = (planned: string, answer: string) => {
      const before = prior('set-image', 'workload', web(4, 'image: "shop:1"'), planned)
      const [known] = withAnswers([before], [object(answer)])
      return known?.written.spec
    }
    const sent = web(5, 'image: "shop:2"')

    test.each([
      ['as it was sent', sent, sent, sent],
      [
        'as admission has changed it, when no client has written in between',
        sent,
        web(5, 'image: "mirror/shop:2"', '{team: a}'),
        web(5, 'image: "mirror/shop:2"', '{team: a}'),
      ],
      [
        'without what another client wrote in between',
        sent,
        web(6, 'image: "shop:2", env: [{name: DEBUG}]', '{external: b}'),
        sent,
      ],
      [
        'with what admission changes each time, although another client wrote in between',
        web(5, 'image: "shop:2", env: [{name: AT, value: one}]', '{at: one}'),
        web(6, 'image: "shop:2", env: [{name: AT, value: two}, {name: DEBUG}]', '{at: two, b: c}'),
        web(5, 'image: "shop:2", env: [{name: AT, value: two}, {name: DEBUG}]', '{at: two}'),
      ],
    ])('%s', (_, planned, answer, expected) => {
      expect(after(planned, answer)).toEqual(object(expected).spec)
    })
  })

  test('has the address that the server gave', () => {
    const service = (spec: string) =>
      `{apiVersion: v1, kind: Service, metadata: {name: web, uid: u}, spec: {${spec}}}`
    const before = prior(
      'apply',
      'other',
      service('type: ClusterIP, ports: [{port: 80}]'),
      service('type: NodePort, ports: [{port: 80, nodePort: 30001}]'),
    )
    const answer = object(service('type: NodePort, ports: [{port: 80, nodePort: 30002}]'))
    const [after] = withAnswers([before], [answer])
    expect(after?.written).toEqual(answer)
  })

  test('has all fields of before except the managed fields', () => {
    const { managedFields: _, ...metadata } = answer.metadata
    expect(withoutManagedFields(answer)).toEqual({ ...answer, metadata })
  })
})

test('the title of an object has its kind and name', () => {
  expect(titleOf(object(config('red')))).toBe('configmap/shop-config')
})
