/** What has to be done to have an object again as it was. Objects are YAML, as `kubectl get` shows them. */
import { describe, expect, test } from '@jest/globals'
import { parse } from 'yaml'
import type { KubeObject, WorkloadObject } from '../../src/kubernetes/objects.js'
import {
  hasTemplateBack,
  neededByKept,
  titleOf,
  undoOf,
  type Prior,
} from '../../src/rollout/snapshot.js'

const object = (text: string) => parse(text) as KubeObject

const prior = (was: Prior['was'], of: Prior['of'], text: string): Prior => ({
  path: '/x',
  object: object(text),
  written: object(text),
  was,
  of,
})

interface PodTemplate {
  readonly template: { readonly spec: { readonly containers: readonly { image: string }[] } }
}

/** What is to be done. */
function step(before: Prior, live: string | undefined, needed: readonly string[] = []) {
  return undoOf(before, live === undefined ? undefined : object(live), new Set(needed)).do
}

/** What is put back; the test fails when it is another step. */
function put(before: Prior, live: string): KubeObject {
  const undo = undoOf(before, object(live))
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

describe('the step', () => {
  test.each<[Prior['was'], Prior['of'], string, string | undefined, string]>([
    ['absent', 'workload', 'web:old', undefined, 'nothing'],
    ['absent', 'workload', 'web:old', 'web:old', 'delete'],
    ['absent', 'workload', 'web:old', 'web:new', 'delete'],
    ['absent', 'workload', 'database:16', 'database:16', 'delete'],
    ['absent', 'other', 'config:red', undefined, 'nothing'],
    ['absent', 'other', 'config:red', 'config:red', 'delete'],
    ['absent', 'other', 'config:red', 'config:blue', 'delete'],
    ['absent', 'other', 'web:old', 'web:old', 'delete'],
    ['absent', 'other', 'database:16', undefined, 'nothing'],
    ['absent', 'other', 'database:16', 'database:16', 'keep'],
    ['absent', 'other', 'volume:1Gi', 'volume:1Gi', 'keep'],

    ['template', 'workload', 'web:old', undefined, 'ask'],
    ['template', 'workload', 'web:old', 'web:old', 'nothing'],
    ['template', 'workload', 'web:old', 'web:new', 'put'],
    ['template', 'workload', 'database:16', 'database:17', 'put'],

    ['whole', 'workload', 'web:old', undefined, 'ask'],
    ['whole', 'workload', 'web:old', 'web:old', 'nothing'],
    ['whole', 'workload', 'web:old', 'web:new', 'put'],
    ['whole', 'workload', 'database:16', 'database:17', 'put'],
    ['whole', 'other', 'config:red', undefined, 'ask'],
    ['whole', 'other', 'config:red', 'config:red', 'nothing'],
    ['whole', 'other', 'config:red', 'config:blue', 'put'],
    ['whole', 'other', 'web:old', 'web:new', 'put'],
    ['whole', 'other', 'database:16', undefined, 'ask'],
    ['whole', 'other', 'database:16', 'database:16', 'nothing'],
    ['whole', 'other', 'database:16', 'database:17', 'keep'],
    ['whole', 'other', 'volume:1Gi', 'volume:1Gi', 'nothing'],
    ['whole', 'other', 'volume:1Gi', 'volume:2Gi', 'keep'],
  ])('%s %s: %s -> %s: %s', (was, of, before, live, expected) => {
    const now = live === undefined ? undefined : made(live)
    expect(step(prior(was, of, made(before)), now)).toBe(expected)
  })

  test.each([
    [['configmap/shop-config'], 'keep'],
    [['secret/shop-config'], 'delete'],
    [[], 'delete'],
  ])('of a new ConfigMap when a kept database needs %j: %s', (needed, expected) => {
    expect(step(prior('absent', 'other', config('red')), config('red'), needed)).toBe(expected)
  })

  test('what a kept database needs goes back all the same where it was there before', () => {
    const before = prior('whole', 'other', config('red'))
    expect(step(before, config('blue'), ['configmap/shop-config'])).toBe('put')
  })
})

describe('a workload of ours, by what runs in the containers that the release sets:', () => {
  /** `web=old beat=old`: the containers with their images, and an environment where somebody has set one. */
  const shop = (images: string, { env = '', cause = '', kind = 'Deployment' } = {}) => {
    const containers = images.split(' ').map((pair) => {
      const [name, image] = pair.split('=')
      return `{name: ${name}, image: 'shop:${image}'${env}}`
    })
    const template = `{spec: {containers: [${containers.join(', ')}]}}`
    const spec =
      kind === 'CronJob'
        ? `{jobTemplate: {spec: {template: ${template}}}}`
        : `{template: ${template}}`
    return `
apiVersion: ${kind === 'CronJob' ? 'batch/v1' : 'apps/v1'}
kind: ${kind}
metadata: {name: web, uid: u, annotations: {${cause && `kubernetes.io/change-cause: ${cause}`}}}
spec: ${spec}`
  }
  const sets = (names: readonly string[], tag = 'new') => ({
    images: Object.fromEntries(names.map((name) => [name, `shop:${tag}`])),
    cause: 'ours',
  })
  const ofOurs = (was: Prior['was'], images: string, kind = 'Deployment', names = ['web']) => ({
    ...prior(was, 'workload', shop(images, { kind })),
    sets: sets(names),
  })

  describe.each(['Deployment', 'StatefulSet', 'DaemonSet', 'CronJob'])('%s', (kind) => {
    test.each<[Prior['was'], string, string]>([
      ['template', 'web=new', 'put'],
      ['template', 'web=old', 'nothing'],
      ['template', 'web=hotfix', 'theirs'],
      ['template', 'app=hotfix', 'theirs'],
      ['whole', 'web=new', 'put'],
      ['whole', 'web=old', 'nothing'],
      ['whole', 'web=hotfix', 'theirs'],
      ['whole', 'app=hotfix', 'theirs'],
      ['absent', 'web=new', 'delete'],
      ['absent', 'web=old', 'theirs'],
      ['absent', 'web=hotfix', 'theirs'],
      ['absent', 'app=hotfix', 'theirs'],
    ])('%s, and now %s: %s', (was, now, expected) => {
      expect(step(ofOurs(was, 'web=old', kind), shop(now, { kind }))).toBe(expected)
    })
  })

  test.each([
    ['web=new beat=new', 'put'],
    ['web=old beat=old', 'nothing'],
    ['web=new beat=old', 'theirs'],
    ['web=new beat=hotfix', 'theirs'],
    ['web=old beat=hotfix', 'theirs'],
    ['web=new', 'theirs'],
  ])('of two containers: %s: %s', (now, expected) => {
    const before = ofOurs('template', 'web=old beat=old', 'Deployment', ['web', 'beat'])
    expect(step(before, shop(now))).toBe(expected)
  })

  test.each([
    ['web=old', 'nothing'],
    ['web=new beat=new', 'put'],
    ['web=new', 'theirs'],
  ])('of one that the manifest adds: %s: %s', (now, expected) => {
    expect(step(ofOurs('whole', 'web=old', 'Deployment', ['web', 'beat']), shop(now))).toBe(
      expected,
    )
  })

  test("a container that is not of the repository is nobody's business", () => {
    const before = ofOurs('template', 'web=old proxy=1')
    expect(step(before, shop('web=old proxy=2'))).toBe('nothing')
    expect(step(before, shop('web=new proxy=2'))).toBe('put')
  })

  test.each<[Prior['was']]>([['template'], ['whole']])(
    'what runs by its digest is back (%s), and so is what was never changed',
    (was) => {
      const before = { ...ofOurs(was, 'web=old'), ran: { web: 'shop:old@sha256:1' } }
      expect(step(before, shop('web=old@sha256:1'))).toBe('nothing')
      expect(step(before, shop('web=old'))).toBe('nothing')
      expect(step(before, shop('web=old@sha256:2'))).toBe('theirs')
    },
  )

  describe('with an environment that somebody has set meanwhile', () => {
    const env = ', env: [{name: DEBUG, value: "1"}]'

    test.each<[Prior['was'], string, string]>([
      ['template', 'web=old', 'nothing'],
      ['whole', 'web=old', 'nothing'],
      ['template', 'web=new', 'put'],
      ['whole', 'web=new', 'put'],
    ])('%s, and now %s: %s', (was, now, expected) => {
      expect(step(ofOurs(was, 'web=old'), shop(now, { env }))).toBe(expected)
    })

    test.each<[Prior['was'], string]>([
      ['template', 'nothing'],
      ['whole', 'put'],
    ])('where the release sets what ran before (%s): %s', (was, expected) => {
      const before = { ...ofOurs(was, 'web=old'), sets: sets(['web'], 'old') }
      expect(step(before, shop('web=old', { env }))).toBe(expected)
    })

    test('only our change-cause goes back, and not the one that somebody has written', () => {
      const before = {
        ...prior('template', 'workload', shop('web=old', { cause: 'old' })),
        sets: sets(['web']),
      }
      const back = put(before, shop('web=old', { env, cause: 'ours' }))
      expect(back).toEqual(object(shop('web=old', { env, cause: 'old' })))
      expect(step(before, JSON.stringify(back))).toBe('nothing')
      expect(step(before, shop('web=old', { env, cause: 'theirs' }))).toBe('nothing')
    })
  })

  test('a record without what the release sets is put back as a whole', () => {
    const before = prior('template', 'workload', shop('web=old'))
    expect(step(before, shop('web=hotfix'))).toBe('put')
  })

  test('what is created is removed by the uid of the object that was looked at', () => {
    expect(undoOf(ofOurs('absent', 'web=new'), object(shop('web=new')))).toEqual({
      do: 'delete',
      uid: 'u',
    })
  })

  test.each([
    ['web=old', true],
    ['web=old@sha256:1', true],
    ['web=hotfix', false],
  ])('%s: its pods are made as they were: %s', (now, expected) => {
    const before = { ...ofOurs('template', 'web=old'), ran: { web: 'shop:old@sha256:1' } }
    const stands = (more = {}) => object(shop(now, more)) as WorkloadObject
    expect(hasTemplateBack(before, stands())).toBe(expected)
    expect(hasTemplateBack(before, stands({ env: ', env: [{name: DEBUG}]' }))).toBe(false)
  })
})

describe('what the release has made immutable', () => {
  const before = prior('sealed', 'other', config('red'))
  const sealed = `${config('blue').replace('{name', '{uid: u, name')}\nimmutable: true`
  const given = 'uid: u, resourceVersion: "7", creationTimestamp: now, managedFields: []'

  test.each<[string, string | undefined, unknown]>([
    ['is replaced', sealed, { is: 'replace', uid: 'u' }],
    ['is created where it was deleted for that', undefined, { is: 'create' }],
    ['is updated where the release did not get so far', config('blue'), { is: 'update' }],
  ])('%s', (_, live, by) => {
    const undo = undoOf(before, live === undefined ? undefined : object(live))
    expect(undo).toMatchObject({ do: 'put', by, object: { data: { COLOR: 'red' } } })
  })

  test('is nothing where it is as it was', () => {
    expect(step(before, config('red'))).toBe('nothing')
  })

  test('is created without what the server gives', () => {
    const old = config('red').replace('{name: shop-config}', `{name: shop-config, ${given}}`)
    expect(undoOf(prior('sealed', 'other', old), undefined)).toMatchObject({
      object: { ...object(config('red')), metadata: { name: 'shop-config' } },
    })
  })
})

describe('is nothing when only the server or a controller has written', () => {
  test.each([
    ['status', 'status: {observedGeneration: 4, availableReplicas: 2}'],
    ['version', 'metadata: {name: web, uid: u, resourceVersion: "9", generation: 4}'],
    ['managed fields', 'metadata: {name: web, managedFields: [{manager: kubectl-set}]}'],
    [
      'its revision',
      'metadata: {name: web, annotations: {deployment.kubernetes.io/revision: "4"}}',
    ],
  ])('%s', (_, more) => {
    const live = JSON.stringify({ ...object(web('old')), ...object(more) })
    expect(step(prior('whole', 'workload', web('old')), live)).toBe('nothing')
    expect(step(prior('template', 'workload', web('old')), live)).toBe('nothing')
  })

  test('replicas changed by a person', () => {
    const live = web('old').replace('replicas: 2', 'replicas: 5')
    expect(step(prior('whole', 'workload', web('old')), live)).toBe('nothing')
    expect(step(prior('template', 'workload', web('old')), live)).toBe('nothing')
  })
})

describe('a template', () => {
  test('goes back into the live object, and nothing else does', () => {
    const live = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, resourceVersion: "9", labels: {theirs: "1"}, annotations: {theirs: "1"}}
spec:
  replicas: 5
  minReadySeconds: 3
  template: {spec: {containers: [{name: web, image: 'shop:new'}]}}
status: {replicas: 5}`
    expect(put(prior('template', 'workload', web('old')), live)).toEqual(
      object(live.replace('shop:new', 'shop:old')),
    )
  })

  test('goes back as a whole: what was added to it is gone', () => {
    const live = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    metadata: {annotations: {kubectl.kubernetes.io/restartedAt: now}}
    spec: {containers: [{name: web, image: 'shop:new', env: [{name: A, value: b}]}]}`
    expect(put(prior('template', 'workload', web('old')), live).spec).toEqual({
      template: { spec: { containers: [{ name: 'web', image: 'shop:old' }] } },
    })
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
    ['and leaves the annotations of others', '', 'theirs: "1"', { theirs: '1' }],
  ])('goes back, %s', (_, before, live, expected) => {
    const back = put(prior('template', 'workload', caused('old', before)), caused('new', live))
    expect(back.metadata?.annotations).toEqual(expected)
  })

  test('whose cause alone was written has it taken away', () => {
    const before = prior('template', 'workload', web('old'))
    expect(put(before, caused('old', cause('new')))).toEqual(object(caused('old', '')))
    expect(step(before, caused('old', 'theirs: "1"'))).toBe('nothing')
  })

  test.each(['template', 'whole'] as const)('of a CronJob (%s)', (was) => {
    const clean = (image: string, version: string) => `
apiVersion: batch/v1
kind: CronJob
metadata: {name: clean, resourceVersion: "${version}", labels: {}, annotations: {}}
spec:
  schedule: '0 3 * * *'
  jobTemplate: {spec: {backoffLimit: 1, template: {spec: {containers: [{name: c, image: 'shop:${image}'}]}}}}`
    const before = prior(was, 'workload', clean('old', '7'))
    expect(put(before, clean('new', '9'))).toEqual(object(clean('old', '9')))
    expect(step(before, clean('old', '9'))).toBe('nothing')
  })
})

describe('what ran by a tag that has moved', () => {
  const ran = { web: 'shop:old@sha256:1' }
  const images = ({ spec }: KubeObject) =>
    (spec as PodTemplate).template.spec.containers.map(({ image }) => image)

  describe.each(['template', 'whole'] as const)('%s', (was) => {
    const before: Prior = { ...prior(was, 'workload', web('old')), ran }

    test('comes back by its digest', () => {
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

    test('leaves the other containers as they were', () => {
      const two = (image: string) =>
        web(image).replace('[{name: web', "[{name: proxy, image: 'nginx:1'}, {name: web")
      const after = put({ ...prior(was, 'workload', two('old')), ran }, two('new'))
      expect(images(after)).toEqual(['nginx:1', 'shop:old@sha256:1'])
    })
  })

  test('does not come back by it when only its labels were changed: the pods are the old ones', () => {
    const labelled = web('old').replace('{name: web, uid', '{name: web, labels: {a: new}, uid')
    expect(images(put({ ...prior('whole', 'workload', web('old')), ran }, labelled))).toEqual([
      'shop:old',
    ])
  })
})

test.each<[Prior['was'], string]>([
  ['absent', 'nothing'],
  ['template', 'ask'],
  ['whole', 'ask'],
])('what is being deleted counts as deleted: %s: %s', (was, expected) => {
  const live = web('new').replace('uid: u', 'uid: u, deletionTimestamp: now')
  expect(step(prior(was, 'workload', web('old')), live)).toBe(expected)
})

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
  ])('%s', (_, before, live) => {
    const shell = 'metadata: {name: x, uid: u, resourceVersion: "9", annotations: {}, labels: {}}'
    const back = put(prior('whole', 'other', `${before}\nmetadata: {name: x}`), `${live}\n${shell}`)
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
  ])('%s: %s -> %s', (_, before, live, expected) => {
    const text = (metadata: string) =>
      `apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, ${metadata}}`
    const { metadata } = put(prior('whole', 'workload', text(before)), text(live))
    expect(metadata).toMatchObject(expected)
    expect({ labels: {}, annotations: {}, ...metadata }).toEqual({
      name: 'web',
      labels: {},
      annotations: {},
      ...expected,
    })
  })

  test('is written into the live shell: its version guards the write', () => {
    const before = prior('whole', 'workload', web('old'))
    const live = web('new').replace('"7"', '"9"')
    expect(put(before, live).metadata?.resourceVersion).toBe('9')
  })

  test('keeps the number of replicas that a person or an autoscaler chose meanwhile', () => {
    const live = web('new').replace('replicas: 2', 'replicas: 5')
    expect(put(prior('whole', 'workload', web('old')), live).spec).toEqual({
      replicas: 5,
      template: { spec: { containers: [{ name: 'web', image: 'shop:old' }] } },
    })
  })
})

describe('after the undo there is nothing to do', () => {
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

  test.each<[Prior['was'], string, string, Record<string, string>]>([
    ['template', 'web:old', 'web:new', { 'deployment.kubernetes.io/revision': '5' }],
    ['whole', 'web:old', 'web:new', { 'deployment.kubernetes.io/revision': '5' }],
    ['whole', 'config:red', 'config:blue', {}],
    ['template', 'agent:1', 'agent:2', { 'deprecated.daemonset.template.generation': '3' }],
    ['whole', 'agent:1', 'agent:2', { 'deprecated.daemonset.template.generation': '3' }],
  ])('%s: %s -> %s', (was, before, live, counted) => {
    const then = prior(was, 'workload', made(before))
    expect(undoOf(then, written(put(then, made(live)), counted))).toEqual({ do: 'nothing' })
  })
})

describe('what a kept database needs', () => {
  const of = (podSpec: string, kind = 'StatefulSet', role: Prior['of'] = 'other') =>
    prior(
      'absent',
      role,
      `{apiVersion: apps/v1, kind: ${kind}, metadata: {name: db}, spec: {template: {spec: {${podSpec}}}}}`,
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
      'containers: [], volumes: [{name: v, secret: {secretName: keys}}, {name: w, configMap: {name: conf}}, {name: x, emptyDir: {}}]',
      ['configmap/conf', 'secret/keys'],
    ],
    [
      'projected volumes',
      'containers: [], volumes: [{name: v, projected: {sources: [{secret: {name: keys}}, {configMap: {name: conf}}, {serviceAccountToken: {path: t}}]}}]',
      ['configmap/conf', 'secret/keys'],
    ],
    ['pull secrets', 'containers: [], imagePullSecrets: [{name: pull}]', ['secret/pull']],
    ['service account', 'containers: [], serviceAccountName: db', ['serviceaccount/db']],
    ['nothing', 'containers: [{name: db}]', []],
  ])('%s', (_, podSpec, expected) => {
    expect([...neededByKept([of(podSpec)])].sort()).toEqual([...expected].sort())
  })

  test('its Service', () => {
    const text = database('16').replace('spec: {', 'spec: {serviceName: db-service, ')
    expect([...neededByKept([prior('whole', 'other', text)])]).toEqual(['service/db-service'])
  })

  const names = 'containers: [{name: x, envFrom: [{secretRef: {name: keys}}]}]'
  test.each([
    ['a database of the manifests', of(names), ['secret/keys']],
    ['a StatefulSet of ours, which is removed', of(names, 'StatefulSet', 'workload'), []],
    ['a Deployment, which is removed', of(names, 'Deployment'), []],
    ['a volume, which has no pods', prior('absent', 'other', volume('1Gi')), []],
  ])('counts only for %s', (_, only, expected) => {
    expect([...neededByKept([only])]).toEqual(expected)
  })
})

test('a title names kind and object', () => {
  expect(titleOf(object(config('red')))).toBe('configmap/shop-config')
})
