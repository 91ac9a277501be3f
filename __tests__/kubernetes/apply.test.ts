import { describe, expect, test } from '@jest/globals'
import { parse } from 'yaml'
import { apply, liveOf, planApply } from '../../src/kubernetes/apply.js'
import type { Cluster } from '../../src/kubernetes/cluster.js'
import { keyOf, lastApplied, type KubeObject } from '../../src/kubernetes/objects.js'
import type { Finished } from '../../src/platform/platform.js'
import { causeOf } from '../support/cause.js'
import { handClock } from '../support/clock.js'
import { clusterOf, memoryCluster, type Trouble } from '../support/cluster.js'

const never = new AbortController().signal
const clock = handClock()

const object = (text: string) => parse(text) as KubeObject
const config = (name: string, x: string, more = '') =>
  object(`{apiVersion: v1, kind: ConfigMap, metadata: {name: ${name}, ${more}}, data: {x: "${x}"}}`)

/** A cluster whose kubectl answers once; the calls are kept. */
function answering(answer: Partial<Finished>) {
  const calls: { args: string; input: unknown }[] = []
  const cluster: Cluster = clusterOf({
    kubectl: (args, { input } = {}) => {
      calls.push({ args: args.join(' '), input: JSON.parse(input ?? 'null') })
      return Promise.resolve({ code: 0, stdout: '', stderr: '', ...answer })
    },
  })
  return { cluster, calls }
}

const list = (...items: KubeObject[]) => ({ apiVersion: 'v1', kind: 'List', items })

test('an apply without objects sends no request', async () => {
  const nobody = clusterOf({})
  expect(await liveOf(nobody, [])).toEqual([])
  expect(await planApply(nobody, [], [])).toEqual([])
  await apply(nobody, clock, [], never)
})

describe('the objects that exist are read', () => {
  const a = config('a', '1')
  const b = config('b', '1')

  test.each([
    ['nothing', '', []],
    ['a line end', '\n', []],
    ['one object', JSON.stringify(a), [a]],
    ['a List', JSON.stringify(list(a, b)), [a, b]],
    ['an empty List', JSON.stringify(list()), []],
  ])('when kubectl prints %s', async (_, stdout, live) => {
    const { cluster, calls } = answering({ stdout })
    expect(await liveOf(cluster, [a, b])).toEqual(live)
    expect(calls).toEqual([{ args: 'get -f - --ignore-not-found -o json', input: list(a, b) }])
  })

  test('when the cluster does not have the kind', async () => {
    const stderr =
      'error: resource mapping not found for name: "a" namespace: "" from "STDIN": no matches for kind "Foo" in version "v1"\nensure CRDs are installed first\n'
    expect(await causeOf(liveOf(answering({ code: 1, stderr }).cluster, [a]))).toMatchObject({
      code: 'manifest-invalid',
      sentence:
        'the cluster refuses the manifests: resource mapping not found for name: "a" namespace: "" from "STDIN": no matches for kind "Foo" in version "v1"',
    })
  })
})

describe('the changes of an apply', () => {
  const server = 'uid: u, resourceVersion: "7", creationTimestamp: t'

  test.each([
    ['is not there', config('a', '1'), undefined, config('a', '1'), 'create'],
    ['is the same', config('a', '1'), config('a', '1', server), config('a', '1', server), 'none'],
    [
      'has another value',
      config('a', '2'),
      config('a', '1', server),
      config('a', '2', server),
      'change',
    ],
    [
      'has a new label',
      config('a', '1', 'labels: {b: c}'),
      config('a', '1'),
      config('a', '1', 'labels: {b: c}'),
      'change',
    ],
    [
      'has only notes of kubectl added',
      config('a', '1'),
      config('a', '1'),
      config('a', '1', 'annotations: {kubectl.kubernetes.io/last-applied-configuration: x}'),
      'none',
    ],
    [
      'is a Secret, of which the server keeps another form',
      object('{kind: Secret, metadata: {name: a}, stringData: {k: v}}'),
      object('{kind: Secret, metadata: {name: a}, data: {k: dg==}}'),
      object('{kind: Secret, metadata: {name: a}, data: {k: dg==}}'),
      'none',
    ],
    [
      'is not shown by the dry run',
      config('a', '1'),
      config('a', '1'),
      config('other', '1'),
      'change',
    ],
  ])('are right for an object that %s: %s', async (_, manifest, live, after, is) => {
    const { cluster, calls } = answering({ stdout: JSON.stringify(after) })
    expect(await planApply(cluster, [manifest], live ? [live] : [])).toEqual([
      { is, object: manifest, ...(live && { live }), becomes: expect.anything() },
    ])
    expect(calls).toEqual([{ args: 'apply --dry-run=server -f - -o json', input: list(manifest) }])
  })

  test('are reported for each object, in the order of the manifests', async () => {
    const [a, b, c] = [config('a', '1'), config('b', '1'), config('c', '1')] as const
    const { cluster } = answering({ stdout: JSON.stringify(list(c, b, a)) })
    const changes = await planApply(cluster, [a, b, c], [c, config('b', '0')])
    expect(changes.map(({ is, object: { metadata } }) => `${metadata?.name} ${is}`)).toEqual([
      'a create',
      'b change',
      'c none',
    ])
  })

  test('are told apart for kinds of two groups with one name', async () => {
    const ours = object('{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: a}}')
    const theirs = object('{apiVersion: example.com/v1, kind: Ingress, metadata: {name: a}}')
    const { cluster } = answering({ stdout: JSON.stringify(list(ours, theirs)) })
    const changes = await planApply(cluster, [ours, theirs], [theirs])
    expect(changes.map(({ is }) => is)).toEqual(['create', 'none'])
  })

  test('are told apart for two versions of one group', () => {
    const one = object('{apiVersion: autoscaling/v1, kind: HPA, metadata: {name: a}}')
    const two = object('{apiVersion: autoscaling/v2, kind: HPA, metadata: {name: a}}')
    expect(keyOf(one)).toBe(keyOf(two))
  })

  test('ignore a number of replicas that an autoscaler has set', async () => {
    const web = (replicas: number) =>
      object(
        `{apiVersion: apps/v1, kind: Deployment, metadata: {name: w}, spec: {replicas: ${replicas}}}`,
      )
    // It scales between the look and the dry run.
    const { cluster, calls } = answering({ stdout: JSON.stringify(web(8)) })
    expect(await planApply(cluster, [web(1)], [web(7)])).toMatchObject([{ is: 'none' }])
    expect(calls).toMatchObject([{ input: list({ ...web(7), spec: {} }) }])
  })

  test('include the removal of replicas that an earlier apply has noted', async () => {
    const noted = (spec: string, note: string) => ({
      ...object(`{apiVersion: apps/v1, kind: Deployment, spec: {${spec}}}`),
      metadata: { name: 'w', annotations: { [lastApplied]: note } },
    })
    const live = noted('replicas: 7', '{"spec":{"replicas":1}}')
    const shown = noted('replicas: 7', '{"spec":{"replicas":7}}')
    const { cluster, calls } = answering({ stdout: JSON.stringify(shown) })
    const bare = object('{apiVersion: apps/v1, kind: Deployment, metadata: {name: w}, spec: {}}')
    expect(await planApply(cluster, [bare], [live])).toMatchObject([
      { is: 'none', becomes: noted('replicas: 7', '{"spec":{}}\n') },
    ])
    expect(calls).toMatchObject([{ input: list({ ...bare, spec: { replicas: 7 } }) }])
  })
})

// As kubectl 1.28 to 1.34 write them.
describe('a refusal is reported in the server’s words', () => {
  test.each([
    [
      'Error from server (BadRequest): error when creating "STDIN": Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field "spec.replica"\n',
      'error when creating "STDIN": Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field "spec.replica"',
    ],
    [
      'Warning: resource configmaps/a is missing the annotation\nThe ConfigMap "A" is invalid: metadata.name: Invalid value: "A": a lowercase name\n',
      'The ConfigMap "A" is invalid: metadata.name: Invalid value: "A": a lowercase name',
    ],
    [
      'The Service "web" is invalid: \n* spec.ports[0].port: Invalid value: 0: must be between 1 and 65535\n* spec.type: Unsupported value: "Foo"\n',
      'The Service "web" is invalid: spec.ports[0].port: Invalid value: 0: must be between 1 and 65535; spec.type: Unsupported value: "Foo"',
    ],
    [
      'E1121 13:00:00.000000   12 memcache.go:287] "Unhandled Error" err="couldn\'t get resource list for metrics.k8s.io/v1beta1"\nerror: the namespace from the provided object "x" does not match\n',
      'the namespace from the provided object "x" does not match',
    ],
    [
      'Error from server (Forbidden): error when creating "STDIN": configmaps is forbidden: exceeded quota\nError from server (Forbidden): another\n',
      'error when creating "STDIN": configmaps is forbidden: exceeded quota',
    ],
    ['Warning: only this\n', 'Warning: only this'],
    ['', 'no reason given'],
  ])('when kubectl prints %j', async (stderr, words) => {
    const { cluster } = answering({ code: 1, stderr })
    expect(await causeOf(planApply(cluster, [config('a', '1')], []))).toMatchObject({
      code: 'manifest-invalid',
      sentence: `the cluster refuses the manifests: ${words}`,
      hint: 'to check them: kubectl apply --dry-run=server -f …',
    })
    expect(await causeOf(apply(cluster, clock, [config('a', '1')], never))).toEqual({
      code: 'apply-failed',
      sentence: `kubectl apply: ${words}`,
    })
  })
})

test('a refused change of the template of a Job is reported with a hint', async () => {
  const stderr =
    'The Job "seed" is invalid: spec.template: Invalid value: core.PodTemplateSpec{Spec:core.PodSpec{}}: field is immutable\n'
  const { cluster } = answering({ code: 1, stderr })
  const here = { ...cluster, commandLine: (args: readonly string[]) => `kubectl ${args.join(' ')}` }
  expect(await causeOf(planApply(here, [config('a', '1')], []))).toEqual({
    code: 'manifest-invalid',
    sentence: 'Job "seed" already exists, and its manifest has changed: a Job is immutable',
    hint: 'rename it, or delete the old one before the release: kubectl delete job seed',
  })
})

test('all objects go through one kubectl', async () => {
  const both = list(config('a', '1'), config('b', '1'))
  const { cluster, calls } = answering({ stdout: JSON.stringify(both) })
  expect(await apply(cluster, clock, [config('a', '1'), config('b', '1')], never)).toEqual(
    both.items,
  )
  expect(calls).toEqual([
    { args: 'apply -f - -o json', input: list(config('a', '1'), config('b', '1')) },
  ])
})

describe('the number of replicas', () => {
  const path = '/apis/apps/v1/namespaces/shop/deployments/web'
  const web = (spec: string, annotation?: string): KubeObject => ({
    ...object(`{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {${spec}}}`),
    ...(annotation !== undefined && {
      metadata: { name: 'web', annotations: { [lastApplied]: annotation } },
    }),
  })
  const noted = (replicas: number) => `{"spec":{"replicas":${replicas}}}`

  const applied = async (
    manifest: KubeObject,
    live: KubeObject | undefined,
    troubles: Readonly<Record<string, readonly Trouble[]>> = {},
  ) => {
    const memory = memoryCluster(live ? { [path]: live } : {}, troubles)
    const inputs: unknown[] = []
    const cluster: Cluster = {
      ...memory.cluster,
      kubectl: (_, { input } = {}) => {
        inputs.push(JSON.parse(input ?? 'null'))
        return Promise.resolve({ code: 0, stdout: '', stderr: '' })
      },
    }
    const work = apply(cluster, clock, [manifest], never)
    await clock.pass(2_000)
    await work
    return { inputs, memory, note: memory.objects.get(path)?.metadata?.annotations?.[lastApplied] }
  }

  test('is that of the manifest for a workload that is created', async () => {
    const { inputs } = await applied(web('replicas: 2'), undefined)
    expect(inputs).toEqual([list(web('replicas: 2'))])
  })

  test.each(['', 'replicas: 2'])('is removed from {%s} over a live workload', async (spec) => {
    const { inputs, memory } = await applied(web(spec), web('replicas: 7'))
    expect(inputs).toEqual([list(web(''))])
    expect(memory.asked).toEqual([`GET ${path} 200`])
  })

  test('is removed from the last-applied note first, because kubectl would delete the field', async () => {
    const { inputs, note } = await applied(web(''), web('replicas: 7', noted(3)))
    expect({ inputs, note }).toEqual({ inputs: [list(web(''))], note: '{"spec":{}}\n' })
  })

  test('is not overwritten when an autoscaler changes it at that moment', async () => {
    const scale: Trouble = ({ write }) => {
      write(path, web('replicas: 9', noted(3)))
    }
    const { memory } = await applied(web(''), web('replicas: 7', noted(3)), {
      [`PUT ${path}`]: [scale],
    })
    expect(memory.asked.filter((one) => one.startsWith('PUT'))).toEqual([
      `PUT ${path} 409`,
      `PUT ${path} 200`,
    ])
    expect(memory.objects.get(path)?.spec).toEqual({ replicas: 9 })
  })

  test('is that of the manifest for a workload that is deleted at that moment', async () => {
    const remove: Trouble = ({ objects }) => {
      objects.delete(path)
    }
    const { inputs } = await applied(web('replicas: 2'), web('replicas: 7', noted(3)), {
      [`PUT ${path}`]: [remove],
    })
    expect(inputs).toEqual([list(web('replicas: 2'))])
  })
})
