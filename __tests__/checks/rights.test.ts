import { describe, expect, test } from '@jest/globals'
import { parse } from 'yaml'
import { rightsFindings } from '../../src/checks/rights.js'
import { kubectl } from './subjects.js'

const pods = { group: '', resource: 'pods', verbs: ['get', 'list'] }
const deployments = { group: 'apps', resource: 'deployments', verbs: ['patch'] }
const all = [pods, deployments]

const found = (missing: typeof all, account?: string) =>
  rightsFindings({ all, missing, account, namespace: 'shop' }, kubectl)

test('an account that lacks nothing is ok', () => {
  expect(found([], 'ada')).toEqual([
    {
      about: 'rights',
      severity: 'ok',
      message: 'the account ada may do everything that a release does in the namespace "shop"',
    },
  ])
})

test.each([
  [
    'some',
    [deployments],
    'the account ada may not patch deployments in the namespace "shop": an administrator must grant it',
  ],
  [
    'all of them',
    all,
    'the account ada has no rights for a release in the namespace "shop", if it exists: an administrator must grant it',
  ],
])('an account without %s of the rights is an error', (_, missing, says) => {
  expect(found(missing, 'ada')).toMatchObject([
    { about: 'rights', severity: 'error', message: says },
  ])
})

describe('the command that grants missing rights', () => {
  test.each([
    ['ada', { kind: 'User', name: 'ada' }],
    [
      'system:serviceaccount:ci:deploy',
      { kind: 'ServiceAccount', name: 'deploy', namespace: 'ci' },
    ],
    ["o'neil", { kind: 'User', name: "o'neil" }],
    [
      'arn:aws:sts::1:assumed-role/ci "x"',
      { kind: 'User', name: 'arn:aws:sts::1:assumed-role/ci "x"' },
    ],
  ])('grants them to %s by a Role of its own', (account, subject) => {
    const mend = found([deployments, pods], account)[0]?.fix ?? ''
    const [, yaml = ''] = /^echo '\n([\s\S]*)\n' \| kubectl -n shop apply -f -$/.exec(mend) ?? []
    const text = yaml.replaceAll(`'\\''`, "'")
    // As the log has it, where it may be copied from: each line is indented.
    const indented = text.replace(/^/gm, '    ')
    for (const list of [text, indented].map((one) => parse(one) as { items: object[] })) {
      const [role, binding] = list.items as [{ metadata: { name: string } }, object]
      expect(role).toMatchObject({
        kind: 'Role',
        rules: [
          { apiGroups: ['apps'], resources: ['deployments'], verbs: ['patch'] },
          { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] },
        ],
      })
      expect(role.metadata.name).toMatch(/^django-rollout-[0-9a-f]{8}$/)
      expect(binding).toMatchObject({
        kind: 'RoleBinding',
        roleRef: { kind: 'Role', name: role.metadata.name },
        subjects: [subject],
      })
    }
  })

  test('writes rights of one group that are alike as one rule', () => {
    const statefulsets = { group: 'apps', resource: 'statefulsets', verbs: ['patch'] }
    expect(found([deployments, pods, statefulsets], 'ada')[0]?.fix).toContain(
      '  - { apiGroups: ["apps"], resources: [deployments, statefulsets], verbs: [patch] }\n    - {',
    )
  })

  test('names the Role of other rights differently, so that the first stays', () => {
    const [one, other] = [[pods], [deployments]].map((missing) => found(missing, 'ada')[0]?.fix)
    const name = (mend = '') => /name: (django-rollout-\w+)/.exec(mend)?.[1]
    expect(name(one)).not.toBe(name(other))
  })

  test('has the rules alone when the server does not say who we are', () => {
    expect(found([deployments])[0]?.fix).toMatch(/^# in its Role\n- apiGroups:/)
  })
})
