import { describe, expect, test } from '@jest/globals'
import type { ContainerPort } from 'kubernetes-types/core/v1'
import { parse } from 'yaml'
import type { KubeObject } from '../../src/kubernetes/objects.js'
import { placeOf, type Pods } from '../../src/kubernetes/selectors.js'

const pod = (text: string) => {
  const [labels = '', ports = ''] = text.split(' | ')
  return {
    metadata: { labels: parse(`{${labels}}`) as Record<string, string> },
    spec: { containers: [{ name: 'web', ports: parse(`[${ports}]`) as ContainerPort[] }] },
  }
}
/** `app: web -> app: web, tier: front | {name: http, containerPort: 80}` */
function pods(text: string): Pods {
  const [id = '', rest = ''] = text.split(/ = /)
  const [live = '', becomes = live] = rest.split(' -> ')
  return {
    id: id.replace(/[!?]/g, ''),
    ours: !id.includes('?'),
    ...(live !== 'none' && { live: pod(live) }),
    becomes: pod(becomes),
    ...(id.includes('!') && { stays: true }),
  }
}
const service = (text: string): KubeObject => {
  const [selector = '', ports = '{port: 80}'] = text.split(' | ')
  return parse(
    `{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {${selector}}, ports: [${ports}]}}`,
  ) as KubeObject
}

describe('a Service', () => {
  const http = '{port: 80, targetPort: http}'
  const named = '{name: http, containerPort: 8000}'
  test.each([
    [
      'of no pods of ours',
      'app: db',
      'app: db, a: b',
      ['db? = app: db', 'web = app: web'],
      'before',
    ],
    ['that is new', 'none', 'app: web', ['web = none -> app: web'], 'before'],
    ['that finds the same', 'app: web', 'app: web', ['web = app: web'], 'first'],
    [
      'that finds more',
      'app: web, v: a',
      'app: web',
      ['web = app: web, v: a -> app: web'],
      'first',
    ],
    [
      'of new labels beside the old',
      'app: web',
      'app: web, tier: front',
      ['web = app: web -> app: web, tier: front'],
      'last',
    ],
    [
      'of other labels, which both have',
      'app: web',
      'tier: front',
      ['web = app: web -> app: web, tier: front'],
      'last',
    ],
    [
      'of labels that only the old and only the new have',
      'v: a',
      'v: b',
      ['web = v: a -> v: b'],
      'never',
    ],
    [
      'of two workloads, one of which would be lost',
      'app: x',
      'tier: front',
      ['api = app: x, tier: front', 'web = app: x -> app: x, tier: front'],
      'last',
    ],
    ['that goes to another workload', 'app: a', 'app: b', ['a = app: a', 'b = app: b'], 'first'],
    [
      'that goes to a new workload',
      'app: a',
      'app: b',
      ['a = app: a', 'b = none -> app: b'],
      'last',
    ],
    [
      'that comes from another tool’s pods',
      'app: old',
      'app: web',
      ['old? = app: old', 'web = none -> app: web'],
      'last',
    ],
    [
      'whose pods stay until they are deleted',
      'app: web',
      'tier: front',
      ['web! = app: web -> app: web, tier: front'],
      'never',
    ],
    ['without pods now', 'app: web', 'tier: front', ['web = none -> tier: front'], 'first'],
    ['that would find nobody', 'app: web', 'app: wbe', ['web = app: web'], 'never'],
    ['whose pods leave it', 'app: web', 'app: web', ['web = app: web -> app: wbe'], 'never'],
    [
      'by a port of both',
      `app: web | ${http}`,
      `app: web | ${http}`,
      [`web = app: web | ${named}`],
      'first',
    ],
    [
      'by a named port that goes',
      `app: web | ${http}`,
      `app: web | ${http}`,
      [`web = app: web | ${named} -> app: web`],
      'never',
    ],
    [
      'by a named port that has come',
      'app: web',
      `app: web | ${http}`,
      [`web = app: web -> app: web | ${named}`],
      'last',
    ],
    [
      'by another named port',
      `app: web | ${http}`,
      'app: web | {port: 80, targetPort: web}',
      [`web = app: web | ${named} -> app: web | {name: web, containerPort: 8000}`],
      'never',
    ],
    [
      'by another number',
      'app: web | {port: 80, targetPort: 8000}',
      'app: web | {port: 80, targetPort: 9000}',
      ['web = app: web | {containerPort: 8000} -> app: web | {containerPort: 9000}'],
      'never',
    ],
    [
      'by a number that no template says',
      'app: web | {port: 80, targetPort: 8000}',
      'app: web | {port: 80, targetPort: 9000}',
      ['web = app: web'],
      'first',
    ],
    [
      'by a number that is declared no more',
      'app: web | {port: 80, targetPort: 8000}',
      'app: web | {port: 80, targetPort: 8000}',
      ['web = app: web | {containerPort: 8000} -> app: web | {containerPort: 9090}'],
      'first',
    ],
    [
      'with a port more',
      'app: web',
      'app: web | {port: 80}, {port: 9090, targetPort: metrics}',
      ['web = app: web -> app: web | {name: metrics, containerPort: 9090}'],
      'first',
    ],
  ])('%s: %s, then %s', (_, before, after, all, when) => {
    const old = before === 'none' ? undefined : service(before)
    expect(placeOf(old, service(after), all.map(pods)).when).toBe(when)
  })

  test('that would lose its pods is told with two releases', () => {
    expect(
      placeOf(service('v: a'), service('v: b'), [pods('deployment/web = v: a -> v: b')]),
    ).toEqual({
      when: 'never',
      sentence:
        'service/web changes together with the pods of deployment/web, and finds none of them in between: the old ones lack what it asks for from now on, the new ones what it asked for before, port 80 (selector v=b)',
      hint: 'make it two releases: first the pod template of deployment/web with the old labels and ports beside the new ones, and service/web as it is; then service/web, and the template without the old ones',
    })
  })

  test('that finds nobody, and found nobody before, is a warning', () => {
    expect(placeOf(undefined, service('app: wbe'), [pods('web = app: web')])).toEqual({
      when: 'before',
      warning:
        'service/web would lead to no pod after this release: no pod template has the labels that it selects, port 80 (selector app=wbe)',
    })
  })
})

describe('other kinds', () => {
  const both = pods('web = app: web -> app: web, tier: front')
  const policy = (spec: string) =>
    parse(
      `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: a}, spec: {${spec}}}`,
    ) as KubeObject
  const object = (apiVersion: string, kind: string, spec = '') =>
    parse(
      `{apiVersion: ${apiVersion}, kind: ${kind}, metadata: {name: a}, spec: {${spec}}}`,
    ) as KubeObject
  const from = (labels: string) =>
    policy(
      `podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {${labels}}}}]}]`,
    )
  const front = 'selector: {matchLabels: {tier: front}}'
  const web = 'selector: {matchExpressions: [{key: app, operator: In, values: [web]}]}'

  test.each([
    ['a policy of a database', from('app: other'), from('app: another'), 'before'],
    ['a policy that lets the new pods in', from('app: web'), from('tier: front'), 'last'],
    ['a policy that lets more in', from('app: web, v: a'), from('app: web'), 'first'],
    ['a new policy', undefined, policy('podSelector: {matchLabels: {app: web}}'), 'first'],
    [
      'a budget',
      object('policy/v1', 'PodDisruptionBudget', web),
      object('policy/v1', 'PodDisruptionBudget', front),
      'last',
    ],
    ['an Ingress', undefined, object('networking.k8s.io/v1', 'Ingress'), 'last'],
    ['a route', undefined, object('gateway.networking.k8s.io/v1', 'HTTPRoute'), 'last'],
    ['an autoscaler', undefined, object('autoscaling/v2', 'HorizontalPodAutoscaler'), 'first'],
    ['a ConfigMap', undefined, object('v1', 'ConfigMap'), 'before'],
    ['a foreign Service', undefined, object('serving.knative.dev/v1', 'Service'), 'before'],
  ])('%s', (_, before, after, when) => {
    expect(placeOf(before, after, [both]).when).toBe(when)
  })
})
