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
    id: id.replace(/[!?~]/g, ''),
    own: !id.includes('?'),
    ...(live !== 'none' && { live: pod(live) }),
    becomes: pod(becomes),
    ...(id.includes('!') && { stays: true }),
    ...(id.includes('~') && { apart: true }),
  }
}
const service = (text: string): KubeObject => {
  const [selector = '', ports = '{port: 80}'] = text.split(' | ')
  return parse(
    `{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {${selector}}, ports: [${ports}]}}`,
  ) as KubeObject
}

describe('the selector of a Service', () => {
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
    ['that would select no pods', 'app: web', 'app: wbe', ['web = app: web'], 'never'],
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
  ])('%s is judged rightly: %s, then %s', (_, before, after, all, when) => {
    const old = before === 'none' ? undefined : service(before)
    expect(placeOf(old, service(after), all.map(pods)).when).toBe(when)
  })

  test('that would lose its pods is refused with the advice to use two releases', () => {
    expect(
      placeOf(service('v: a'), service('v: b'), [pods('deployment/web = v: a -> v: b')]),
    ).toEqual({
      when: 'never',
      sentence:
        'service/web changes together with the pods of deployment/web, and selects none of them during the rollout: the old ones lack its new labels or ports, the new ones lack its old ones, port 80 (selector v=b)',
      hint: 'split the change into two releases: first the pod template of deployment/web with both the old and the new labels and ports, and service/web unchanged; then service/web, and the template without the old ones',
    })
  })

  test('that finds no pods, and found none before, is a warning', () => {
    expect(placeOf(undefined, service('app: wbe'), [pods('web = app: web')])).toEqual({
      when: 'before',
      warning:
        'service/web would select no pod after this release: no pod template has the labels that it selects, port 80 (selector app=wbe); add what is missing to the pod template, or correct service/web. To move it to other labels or ports, release the pods with both first, then service/web',
    })
  })
})

describe('the order of other kinds', () => {
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
  ])('is right for %s', (_, before, after, when) => {
    expect(placeOf(before, after, [both]).when).toBe(when)
  })
})

describe('a NetworkPolicy or a budget', () => {
  const named = '{name: http, containerPort: 8000}'
  const object = (text: string) => {
    const kinds: Readonly<Record<string, string>> = {
      policy: 'apiVersion: networking.k8s.io/v1, kind: NetworkPolicy',
      budget: 'apiVersion: policy/v1, kind: PodDisruptionBudget',
    }
    const [, kind = '', spec = ''] = /^(\w+): \{(.*)$/.exec(text) ?? []
    return parse(`{${kinds[kind]}, metadata: {name: a}, spec: {${spec}}`) as KubeObject
  }
  const of = (labels: string) => `podSelector: {matchLabels: {${labels}}}`
  const into = (labels: string, ports = '') =>
    `policy: {${of('app: db')}, ingress: [{from: [{${of(labels)}}]${ports && `, ports: [${ports}]`}}]}`
  const onPort = (port: string) =>
    `policy: {${of('app: web')}, ingress: [{ports: [{port: ${port}}]}]}`
  const db = 'statefulset/db? = app: db | {name: sql, containerPort: 5432}'
  const web = `deployment/web = app: web | ${named}`
  const relabelled = 'deployment/web = app: web -> app: web, tier: front'
  const left = 'deployment/web = app: web, v: a -> app: web, v: b'

  test.each([
    ['alone', [], 'last'],
    ['beside one that shuts all pods off', ['policy: {podSelector: {}}'], 'first'],
    [
      'beside one of the other direction',
      ['policy: {podSelector: {}, policyTypes: [Egress]}'],
      'last',
    ],
    ['beside one of other pods', [`policy: {${of('app: cache')}}`], 'last'],
  ])('is written at the right time when it is new and lets new pods in, %s', (_, beside, when) => {
    const all = [db, relabelled].map(pods)
    const place = placeOf(undefined, object(into('tier: front')), all, {
      beside: beside.map(object),
    })
    expect(place.when).toBe(when)
  })

  // Each row: before (`none`: it is new; `same`: as after), after, pods, when, and what is told.
  test.each<readonly [string, string, string, readonly string[], string, RegExp | undefined]>([
    ['of the database', 'none', into('app: web'), [db, web], 'first', undefined],
    ['default deny', 'none', 'policy: {podSelector: {}}', [db, web], 'first', undefined],
    // The database is served already, and nobody who is connected loses anything.
    [
      'of the database, for pods that come',
      'none',
      into('app: web'),
      ['statefulset/db? = app: db', 'deployment/web = none -> app: web'],
      'first',
      undefined,
    ],
    [
      'default deny of both',
      'none',
      'policy: {podSelector: {}, policyTypes: [Ingress, Egress]}',
      [web],
      'first',
      undefined,
    ],
    [
      'deny all where some passed',
      into('app: web'),
      `policy: {${of('app: db')}, ingress: []}`,
      [db, web],
      'first',
      undefined,
    ],
    [
      'that lets all in',
      'none',
      `policy: {${of('app: web')}, ingress: [{}]}`,
      [web],
      'first',
      undefined,
    ],
    [
      'of other namespaces',
      'none',
      `policy: {${of('app: web')}, ingress: [{from: [{namespaceSelector: {}, ${of('app: proxy')}}]}]}`,
      [web],
      'first',
      undefined,
    ],
    [
      'of addresses or pods',
      'none',
      `policy: {${of('app: web')}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}, {${of('app: proxy')}}]}]}`,
      [web],
      'first',
      undefined,
    ],
    [
      'of all pods here',
      'none',
      `policy: {${of('app: web')}, ingress: [{from: [{podSelector: {}}]}]}`,
      [web],
      'first',
      undefined,
    ],
    [
      'by an expression',
      'none',
      `policy: {${of('app: db')}, ingress: [{from: [{podSelector: {matchExpressions: [{key: app, operator: In, values: [web, worker]}]}}]}]}`,
      [db, web],
      'first',
      undefined,
    ],
    [
      'by what a pod has not',
      'none',
      `policy: {podSelector: {matchExpressions: [{key: tier, operator: DoesNotExist}]}}`,
      [web],
      'first',
      undefined,
    ],
    [
      'of pods of a CronJob',
      'none',
      `policy: {${of('app: nightly')}}`,
      ['cronjob/nightly~ = app: nightly'],
      'first',
      undefined,
    ],
    [
      'of what is scaled to none',
      'none',
      `policy: {${of('app: idle')}}`,
      ['deployment/idle?~ = app: idle', web],
      'before',
      undefined,
    ],
    [
      'of a rule for no pods beside others',
      'none',
      `policy: {${of('app: db')}, ingress: [{from: [{${of('app: web')}}], ports: [{port: 5432}]}, {from: [{${of('app: metrics')}}], ports: [{port: 9187}]}]}`,
      [db, web],
      'first',
      undefined,
    ],
    [
      'egress without its type',
      'none',
      `policy: {${of('app: web')}, policyTypes: [Ingress], egress: [{to: [{${of('app: gone')}}]}]}`,
      [web],
      'first',
      undefined,
    ],

    [
      'of no pod',
      'none',
      `policy: {${of('app: wbe')}}`,
      [web],
      'before',
      /^networkpolicy\/a selects no pod after this release: no pod template has the labels that it selects \(its podSelector\); add what is missing to the pod template, or correct networkpolicy\/a\. To move it/,
    ],
    [
      'that admits no pods',
      'none',
      into('app: wbe'),
      [db, web],
      'before',
      /^networkpolicy\/a admits no pod after this release: .*\(its ingress\); /,
    ],
    [
      'that no longer admits any pods',
      into('app: web'),
      into('app: wbe'),
      [db, web],
      'first',
      /admits no pod/,
    ],
    [
      'that allows no destination',
      'none',
      `policy: {${of('app: web')}, policyTypes: [Egress], egress: [{to: [{${of('app: pg')}}]}]}`,
      [db, web],
      'first',
      /allows no pod as a destination/,
    ],
    [
      'whose pods leave it',
      'same',
      into('v: a'),
      [db, left],
      'first',
      /admits no pod .* or correct networkpolicy/,
    ],
    [
      'whose pods leave a rule of it',
      'same',
      `policy: {${of('app: db')}, ingress: [{from: [{${of('v: a')}}], ports: [{port: 5432}]}, {from: [{${of('app: web')}}], ports: [{port: 9187}]}]}`,
      [db, left],
      'first',
      /^the new pods of deployment\/web lack the labels by which networkpolicy\/a selects the old ones \(its ingress, port 5432/,
    ],
    [
      'of which one of two workloads leaves',
      'same',
      `policy: {${of('v: a')}}`,
      [left, 'deployment/api = v: a'],
      'first',
      /new pods of deployment\/web lack/,
    ],
    [
      'that lets in what the old pods lack',
      'none',
      into('tier: front'),
      [db, relabelled],
      'last',
      undefined,
    ],
    [
      'that lets in what the old pods lack, once all',
      `policy: {${of('app: db')}, ingress: [{}]}`,
      into('tier: front'),
      [db, relabelled],
      'last',
      undefined,
    ],
    ['of a port that pods have', 'none', onPort('http'), [web], 'first', undefined],
    ['of a number', 'none', onPort('9000'), [web], 'first', undefined],
    [
      'of a port that only new pods have',
      'none',
      onPort('http'),
      [`deployment/web = app: web -> app: web | ${named}`],
      'last',
      undefined,
    ],
    [
      'of a port that was a number',
      onPort('8000'),
      onPort('http'),
      [`deployment/web = app: web -> app: web | ${named}`],
      'last',
      undefined,
    ],
    [
      'of a port that no pod has',
      'none',
      onPort('web'),
      [web],
      'first',
      /opens no port web after this release: no container of deployment\/web has a port web/,
    ],
    [
      'of a port that pods lose',
      'same',
      onPort('http'),
      [`deployment/web = app: web | ${named} -> app: web`],
      'first',
      /opens no port http/,
    ],
    [
      'of a port of the database',
      'none',
      `policy: {${of('app: web')}, policyTypes: [Egress], egress: [{to: [{${of('app: db')}}], ports: [{port: sql}]}]}`,
      [db, web],
      'first',
      undefined,
    ],
    [
      'of a port of others',
      'none',
      `policy: {${of('app: web')}, policyTypes: [Egress], egress: [{ports: [{port: dns}]}]}`,
      [web],
      'first',
      undefined,
    ],
    [
      'of labels that only old and only new pods have',
      into('v: a'),
      into('v: b'),
      [db, left],
      'never',
      undefined,
    ],

    ['budget', 'none', 'budget: {selector: {matchLabels: {app: web}}}', [web], 'first', undefined],
    ['budget of all', 'none', 'budget: {selector: {}}', [web], 'first', undefined],
    ['budget without selector', 'none', 'budget: {minAvailable: 1}', [web], 'before', undefined],
    [
      'budget of another tool’s pods',
      'none',
      'budget: {selector: {matchLabels: {app: db}}}',
      [db, web],
      'before',
      undefined,
    ],
    [
      'budget of no pod',
      'none',
      'budget: {selector: {matchLabels: {app: wbe}}}',
      [web],
      'before',
      /^poddisruptionbudget\/a protects no pod after this release: /,
    ],
    [
      'budget whose pods leave it',
      'same',
      'budget: {selector: {matchLabels: {v: a}}}',
      [left],
      'first',
      /protects no pod/,
    ],
    [
      'budget that moves with its pods',
      'budget: {selector: {matchLabels: {v: a}}}',
      'budget: {selector: {matchLabels: {v: b}}}',
      [left],
      'last',
      undefined,
    ],
  ])('is judged rightly: %s: %s, then %s', (_, before, after, all, when, says) => {
    const now = object(after)
    const old = before === 'none' ? undefined : before === 'same' ? now : object(before)
    const placed = placeOf(old, now, all.map(pods))
    const { warning, losses = [] } = placed.when === 'never' ? {} : placed
    expect(placed.when).toBe(when)
    const told = before === 'same' ? losses : [warning, ...losses].slice(0, 1)
    if (says) expect(told).toEqual([expect.stringMatching(says)])
    else expect([warning, ...losses]).toEqual([undefined])
  })
})
