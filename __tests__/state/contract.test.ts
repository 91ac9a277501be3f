/** What the history gets of a plan. */
import { expect, test } from '@jest/globals'
import type { Bridge, MadeBridge } from '../../src/django/contract.js'
import type { DatabasePlan, Plan } from '../../src/django/plan.js'
import { contractOf, type Progress } from '../../src/state/contract.js'
import { databasePlan } from '../support/plans.js'

const database = (held: readonly string[], absent: readonly string[]): DatabasePlan => ({
  ...databasePlan,
  held: held.map((name) => ({ database: 'default', name, operations: [], versions: [] })),
  absent,
})
const toApply = (...names: readonly string[]): DatabasePlan => ({
  ...databasePlan,
  pending: names.map((name) => ({
    app: 'shop',
    name,
    operations: [],
    atomic: true,
    reversible: true,
  })),
})
const planOf = (...databases: readonly DatabasePlan[]): Plan => ({
  django: '5.2',
  python: '3.13',
  databases,
  runs: true,
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

const failed: Progress = { isDone: false, applied: [], made: [] }
const done: Progress = { ...failed, isDone: true }

test.each<[string, readonly DatabasePlan[], Progress, readonly string[]]>([
  ['not begun, or failed', [toApply('0012', '0013')], failed, ['shop.0012']],
  ['applied, whatever follows', [toApply('0012')], { ...failed, applied: ['shop.0012'] }, []],
  [
    'applied to one of two databases',
    [toApply('0012'), toApply('0012')],
    { ...failed, applied: ['shop.0012'] },
    ['shop.0012'],
  ],
  ['done, also where the command prints nothing', [toApply('0012')], done, []],
  ['not pending any more', [toApply('0013')], failed, []],
])('what was held back and is in the plan now: %s', (_, databases, progress, held) => {
  const before = { held: ['shop.0012'], bridges: [] }
  expect(contractOf(planOf(...databases), before, progress).held).toEqual(held)
})

test('a plan that is stopped changes nothing of it', () => {
  const judged = {
    policy: 'block',
    blocked: true,
    versions: [],
    findings: [],
    more: 0,
    comments: [],
  } as const
  expect(contractOf({ ...planOf(toApply('0012')), judged })).toEqual({})
})

const bridge = (column: string): Bridge => ({
  kind: 'default-kept',
  database: 'default',
  table: 'shop_order',
  column,
  migration: 'shop.0011',
})
const [ends, goes, stays, added] = ['ends', 'goes', 'stays', 'added'].map(bridge) as [
  Bridge,
  Bridge,
  Bridge,
  Bridge,
]
const ended = ({ migration: _, ...place }: Bridge, failed?: string): MadeBridge => ({
  ...place,
  isEnded: true,
  ...(failed !== undefined && { failed }),
})
// `goes`: a migration of the plan drops its column.
const bridged = planOf({
  ...toApply('0012'),
  earlierBridges: [stays],
  endedBridges: [ends],
  bridges: [added],
})

test.each<[string, Progress, readonly Bridge[]]>([
  ['the pod has ended it', { ...done, made: [ended(ends)] }, [stays, added]],
  [
    'its table was busy: the next release tries it again',
    { ...done, made: [ended(ends, 'lock timeout')] },
    [stays, ends, added],
  ],
  ['the pod has not come so far: all of them stay', failed, [goes, stays, ends, added]],
  ['the migration has failed after it', { ...failed, made: [ended(ends)] }, [goes, stays, added]],
  [
    'the new one was made',
    { ...done, made: [{ ...ended(added), isEnded: false }, ended(ends)] },
    [stays, added],
  ],
])('a bridge whose end was planned: %s', (_, progress, bridges) => {
  const before = { held: [], bridges: [ends, goes, stays] }
  expect(contractOf(bridged, before, progress).bridges).toEqual(bridges)
})

test('a plan that has nothing to do leaves no bridge whose column is gone', () => {
  const plan = { ...planOf({ ...databasePlan, earlierBridges: [stays] }), runs: false }
  const before = { held: [], bridges: [goes, stays] }
  expect(contractOf(plan, before).bridges).toEqual([stays])
})
