/** The labels of a migration's pod: no selector matches it, and each policy treats it as the web. */
import { describe, expect, test } from '@jest/globals'
import type { NetworkPolicySpec } from 'kubernetes-types/networking/v1'
import { podLabels, type NamedSelector, type Neighbours } from '../../src/django/pod-labels.js'

type Labels = Readonly<Record<string, string>>

const own = { 'django-rollout/app': 'shop', 'app.kubernetes.io/managed-by': 'django-rollout' }
const by = (of: string, matchLabels: Labels): NamedSelector => ({ of, selector: { matchLabels } })
const policy = (name: string, spec: NetworkPolicySpec) => ({ metadata: { name }, spec })
const pods = (matchLabels: Labels) => ({ podSelector: { matchLabels } })

function chosen(template: Labels, near: Partial<Neighbours>) {
  const found = podLabels(template, own, template, {
    selectors: [],
    policies: [],
    others: [],
    ...near,
  })
  const { labels, matched, lost, wanted } = found
  return { labels, matched: matched.map(({ of }) => of), lost, wanted }
}
const free = { matched: [], lost: [], wanted: [] }

describe('without policies', () => {
  test.each<[string, Labels, readonly NamedSelector[], readonly Labels[], Labels]>([
    ['nothing selects it', { app: 'web', team: 'a' }, [], [], { app: 'web', team: 'a' }],
    [
      'a Service selects it',
      { app: 'web', team: 'a' },
      [by('s', { app: 'web' })],
      [],
      { app: 'web-migrate', team: 'a' },
    ],
    ['another one is selected', { app: 'web' }, [by('s', { app: 'worker' })], [], { app: 'web' }],
    [
      'one label is enough for two selectors',
      { app: 'shop', tier: 'front', name: 'web' },
      [by('s', { app: 'shop', tier: 'front' }), by('d', { tier: 'front', name: 'web' })],
      [],
      { app: 'shop', tier: 'front-migrate', name: 'web' },
    ],
    [
      'two are needed',
      { app: 'shop', name: 'web' },
      [by('s', { app: 'shop' }), by('d', { name: 'web' })],
      [],
      { app: 'shop-migrate', name: 'web-migrate' },
    ],
    [
      'the label that all of the application have stays',
      { 'a/part-of': 'shop', component: 'web' },
      [by('s', { 'a/part-of': 'shop', component: 'web' })],
      [{ 'a/part-of': 'shop', component: 'worker' }],
      { 'a/part-of': 'shop', component: 'web-migrate' },
    ],
    [
      'whoever has that label is selected',
      { app: 'web', 'in-mesh': 'yes' },
      [{ of: 'b', selector: { matchExpressions: [{ key: 'in-mesh', operator: 'Exists' }] } }],
      [],
      { app: 'web' },
    ],
    [
      'the other value is selected, too',
      { app: 'web' },
      [by('s', { app: 'web' }), by('mine', { app: 'web-migrate' })],
      [],
      {},
    ],
    ['a value is long', { app: 'w'.repeat(60) }, [by('s', { app: 'w'.repeat(60) })], [], {}],
    ['a value is empty', { web: '' }, [by('s', { web: '' })], [], { web: 'migrate' }],
    [
      'labels are the controllers’',
      {
        app: 'web',
        'pod-template-hash': '1',
        'job-name': 'x',
        'batch.kubernetes.io/job-name': 'x',
      },
      [],
      [],
      { app: 'web' },
    ],
    ['one is ours', { app: 'web', 'app.kubernetes.io/managed-by': 'Helm' }, [], [], { app: 'web' }],
  ])('%s', (_, template, selectors, others, labels) => {
    expect(chosen(template, { selectors, others })).toEqual({ ...free, labels })
  })

  test('what is matched by no label of the web stays matched', () => {
    const selectors = [{ of: 'budget', selector: {} }]
    expect(chosen({ app: 'web' }, { selectors })).toEqual({
      ...free,
      labels: { app: 'web' },
      matched: ['budget'],
    })
  })
})

describe('with policies', () => {
  const noOut = policy('none', { podSelector: {}, policyTypes: ['Egress'] })
  const out = (labels: Labels) =>
    policy('out', { ...pods(labels), policyTypes: ['Egress'], egress: [{}] })
  const into = (labels: Labels, from: Labels) =>
    policy('db', { ...pods(labels), ingress: [{ from: [pods(from)] }] })
  const template = { app: 'web', tier: 'front' }
  const both = [by('s', { app: 'web', tier: 'front' })]
  const app = [by('s', { app: 'web' })]
  const db = [{ app: 'postgres' }]

  test.each<[string, readonly NamedSelector[], Neighbours['policies'], readonly Labels[], object]>([
    ['of other pods: no matter', app, [out({ app: 'worker' })], [], { app: 'web-migrate' }],
    [
      'the web may connect to some, others to all',
      app,
      [out({ app: 'web' })],
      [],
      { app: 'web-migrate' },
    ],
    [
      'one that lets the web out keeps its label',
      both,
      [noOut, out({ app: 'web' })],
      [],
      { tier: 'front-migrate' },
    ],
    [
      'one that lets the web out keeps the other label',
      both,
      [noOut, out({ tier: 'front' })],
      [],
      { app: 'web-migrate' },
    ],
    ['that nothing may leave: both are held alike', app, [noOut], [], { app: 'web-migrate' }],
    [
      'the database lets the web in',
      both,
      [into(db[0] ?? {}, { app: 'web' })],
      db,
      { tier: 'front-migrate' },
    ],
    [
      'of pods that are not there',
      app,
      [into(db[0] ?? {}, { app: 'web' })],
      [],
      { app: 'web-migrate' },
    ],
    ['the database lets all in', app, [into(db[0] ?? {}, {})], db, { app: 'web-migrate' }],
    [
      'what is not the web may not leave',
      app,
      [
        policy('not', {
          podSelector: { matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['web'] }] },
          policyTypes: ['Egress'],
        }),
      ],
      [],
      { app: 'web', matched: ['s'], wanted: ['not'] },
    ],
    [
      'the same labels let it out and in',
      app,
      [noOut, out({ app: 'web' })],
      [],
      { app: 'web', matched: ['s'], wanted: ['out'] },
    ],
    [
      'the same labels let it into the database from wherever',
      app,
      [
        policy('db', {
          ...pods({ app: 'postgres' }),
          ingress: [{ from: [{ namespaceSelector: {}, ...pods({ app: 'web' }) }] }],
        }),
      ],
      db,
      { app: 'web', matched: ['s'], wanted: ['db'] },
    ],
    [
      'a Service that takes pods that are not Ready wins',
      app.map((one) => ({ ...one, takesUnready: true as const })),
      [noOut, out({ app: 'web' })],
      [],
      { app: 'web-migrate', lost: ['out'] },
    ],
  ])('%s', (_, selectors, policies, others, expected) => {
    const { app = 'web', tier = 'front', ...more } = expected as Labels
    const near = { selectors, others, ...(policies && { policies }) }
    expect(chosen(template, near)).toEqual({ ...free, ...more, labels: { app, tier } })
  })
})

test('many pods, policies and labels take no noticeable time', () => {
  const labels = Object.fromEntries(Array.from({ length: 12 }, (_, at) => [`label-${at}`, 'web']))
  const ofAll = Object.keys(labels).map((key) => by(key, { [key]: 'web' }))
  const others = Array.from({ length: 3000 }, (_, at) => ({ app: `app-${at}` }))
  const policies = Array.from({ length: 100 }, (_, at) =>
    policy(`p-${at}`, {
      ...pods({ app: `app-${2999 - at}` }),
      ingress: [{ from: [pods({ team: 'a' })] }],
    }),
  )
  // Of a processor: other processes take none of it.
  const before = process.cpuUsage()
  const found = podLabels(
    { ...labels, team: 'a' },
    own,
    { ...labels, team: 'a' },
    { selectors: ofAll, policies, others },
  )
  expect(process.cpuUsage(before).user / 1000).toBeLessThan(2000)
  expect(found.matched).toEqual([])
})
