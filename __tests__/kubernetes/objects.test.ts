/** What objects mean to a release. Objects are YAML, as `kubectl get` shows them. */
import { describe, expect, test } from '@jest/globals'
import { parse } from 'yaml'
import {
  decided,
  isIgnored,
  isWorkload,
  same,
  takesPart,
  templateOf,
  usesOf,
  withImage,
  withTemplate,
  workloadId,
  type KubeObject,
  type WorkloadObject,
} from '../../src/kubernetes/objects.js'
import { idOf } from '../../src/kubernetes/workload.js'

const object = (text: string) => parse(text) as KubeObject
const workload = (text: string) => parse(text) as WorkloadObject

const template = `{spec: {
  initContainers: [{name: wait, image: busybox}, {name: check, image: 'shop:1'}],
  containers: [{name: web, image: 'shop:1'}, {name: proxy, image: nginx}]}}`
const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {replicas: 2, template: ${template}}`
const cronJob = `
apiVersion: batch/v1
kind: CronJob
metadata: {name: expire}
spec: {schedule: '* * * * *', jobTemplate: {metadata: {labels: {a: b}}, spec: {backoffLimit: 1, template: ${template}}}}`
const isShop = (image: string) => image.startsWith('shop')

test.each([
  ['{apiVersion: apps/v1, kind: Deployment, spec: {}}', true],
  ['{apiVersion: apps/v1, kind: StatefulSet, spec: {}}', true],
  ['{apiVersion: apps/v1, kind: DaemonSet, spec: {}}', true],
  ['{apiVersion: batch/v1, kind: CronJob, spec: {}}', true],
  ['{apiVersion: batch/v1, kind: Job, spec: {}}', false],
  ['{apiVersion: v1, kind: Pod, spec: {}}', false],
  ['{apiVersion: example.com/v1, kind: Deployment, spec: {}}', false],
  ['{apiVersion: apps/v1, kind: Deployment}', false],
  ['{apiVersion: apps/v1, kind: Deployment, spec: }', false],
  ['{}', false],
])('%s is a workload: %s', (text, is) => {
  expect(isWorkload(object(text))).toBe(is)
})

test.each([
  [deployment, 'deployment/web'],
  [cronJob, 'cronjob/expire'],
])('%s is named %s', (text, id) => {
  expect(idOf(workloadId(workload(text)))).toBe(id)
})

describe.each([
  ['a Deployment', deployment],
  ['a CronJob', cronJob],
])('the pod template of %s', (_, text) => {
  test('is found', () => {
    expect(templateOf(workload(text))).toEqual(parse(template))
  })

  test('is replaced, and the other fields stay', () => {
    const other = { metadata: { labels: { app: 'web' } } }
    const put = withTemplate(workload(text), other)
    expect(templateOf(put)).toEqual(other)
    expect(withTemplate(put, parse(template) as object)).toEqual(parse(text))
  })

  test('is empty where there is none', () => {
    const { kind, apiVersion } = object(text)
    expect(templateOf(workload(`{apiVersion: ${apiVersion}, kind: ${kind}, spec: {}}`))).toEqual({})
  })
})

test('the containers that run our image are found, init containers too', () => {
  expect(usesOf(templateOf(workload(deployment)), isShop)).toEqual([
    { name: 'check', init: true, image: 'shop:1' },
    { name: 'web', init: false, image: 'shop:1' },
  ])
  expect(usesOf({}, isShop)).toEqual([])
})

test.each([
  [
    'all of ours and no others',
    template,
    `{spec: {
      initContainers: [{name: wait, image: busybox}, {name: check, image: 'shop:2'}],
      containers: [{name: web, image: 'shop:2'}, {name: proxy, image: nginx}]}}`,
  ],
  ['no list that was not there', '{spec: {containers: []}}', '{spec: {containers: []}}'],
  ['nothing without a spec', '{metadata: {labels: {}}}', '{metadata: {labels: {}}}'],
  [
    'no container without an image',
    '{spec: {containers: [{name: web}]}}',
    '{spec: {containers: [{name: web}]}}',
  ],
])('a new image changes %s', (_, before, after) => {
  const given = parse(before) as object
  expect(withImage(given, isShop, 'shop:2')).toEqual(parse(after))
  expect(given).toEqual(parse(before))
})

describe('a live workload takes part as expected', () => {
  test.each([
    ['one that runs the image', '', true],
    ['one that is ignored', '{django-rollout/ignore: "true"}', false],
    ['one that is not ignored', '{django-rollout/ignore: "false"}', true],
  ])('when it is %s, with the annotations %s', (_, annotations, takes) => {
    const metadata = { name: 'web', annotations: parse(annotations) as Record<string, string> }
    const live = { ...workload(deployment), metadata }
    expect(takesPart(live, 'docker.io/library/shop')).toBe(takes)
    expect(isIgnored(live)).toBe(annotations.includes('"true"'))
  })

  test('but never when it is of another registry', () => {
    expect(takesPart(workload(deployment), 'ghcr.io/acme/shop')).toBe(false)
  })
})

describe('two objects are compared by the fields that people decide', () => {
  test.each([
    ['the same', '{data: {a: b}}', '{data: {a: b}}', true],
    ['another value', '{data: {a: b}}', '{data: {a: c}}', false],
    ['the status', '{status: {replicas: 1}}', '{}', true],
    ['another version', '{metadata: {resourceVersion: "1", uid: a}}', '{}', true],
    [
      'the last writer',
      '{metadata: {annotations: {kubectl.kubernetes.io/last-applied-configuration: x}}}',
      '{}',
      true,
    ],
    ['an annotation', '{metadata: {annotations: {a: b}}}', '{}', false],
    ['a label', '{metadata: {labels: {a: b}}}', '{}', false],
    ['no labels', '{metadata: {labels: {}}}', '{}', true],
    ['another name', '{metadata: {name: a}}', '{metadata: {name: b}}', false],
  ])('with the change "%s" of %s and %s: %s', (_, one, other, are) => {
    const read = (text: string) => decided(object(text))
    expect(same(read(one), read(other))).toBe(are)
  })
})

test.each<[unknown, unknown, boolean]>([
  [1, 1, true],
  [1, '1', false],
  [null, null, true],
  [null, {}, false],
  [null, undefined, false],
  [[], {}, false],
  [[1, 2], [1, 2], true],
  [[1, 2], [2, 1], false],
  [[1], [1, 2], false],
  [{ a: 1, b: 2 }, { b: 2, a: 1 }, true],
  [{ a: 1 }, { a: 1, b: undefined }, true],
  [{ a: 1, b: undefined }, { a: 1 }, true],
  [{ a: undefined }, { b: 1 }, false],
  [{ a: 1 }, { b: 1 }, false],
  [{ a: { b: [{ c: 1 }] } }, { a: { b: [{ c: 1 }] } }, true],
  [{ a: { b: [{ c: 1 }] } }, { a: { b: [{ c: 2 }] } }, false],
])('%j and %j are the same: %s', (a, b, are) => {
  expect(same(a, b)).toBe(are)
  expect(same(b, a)).toBe(are)
})
