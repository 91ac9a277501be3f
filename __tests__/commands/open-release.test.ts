/** What the history gets of a plan. */
import { expect, test } from '@jest/globals'
import { contractOf } from '../../src/commands/open-release.js'
import type { DatabasePlan, Plan } from '../../src/django/plan.js'

const database = (held: readonly string[], absent: readonly string[]): DatabasePlan => ({
  database: 'default',
  identity: { vendor: 'postgresql', name: '', host: '', port: '', user: '' },
  vendor: 'postgresql',
  vendorName: 'PostgreSQL',
  transactionalDdl: true,
  pending: [],
  squashed: [],
  applied: {},
  unknown: [],
  held: held.map((name) => ({ database: 'default', name, operations: [], versions: [] })),
  unheld: [],
  absent,
  bridges: [],
  earlierBridges: [],
})
const planOf = (...databases: readonly DatabasePlan[]): Plan => ({
  django: '5.2',
  python: '3.13',
  databases,
  runs: false,
})

test.each([
  ['what this release holds back', [database(['shop.0012'], [])], ['shop.0012']],
  [
    'what a release of another branch has',
    [database(['shop.0012'], ['shop.0009'])],
    ['shop.0012', 'shop.0009'],
  ],
  [
    'nothing that is applied to one of the databases',
    [database([], ['shop.0009', 'shop.0010']), database([], ['shop.0010'])],
    ['shop.0010'],
  ],
])('keeps as held back %s', (_, databases, held) => {
  expect(contractOf(planOf(...databases)).held).toEqual(held)
})
