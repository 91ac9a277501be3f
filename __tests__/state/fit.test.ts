/** Whether kept versions fit the schema of today. */
import { describe, expect, test } from '@jest/globals'
import type { ChangeOfFit, Misfit } from '../../src/django/verdict.js'
import { fitOf, wayBack, withSchema, type Fit, type SchemaChange } from '../../src/state/fit.js'
import { added, appliedSince, type Entry, type History } from '../../src/state/history.js'

const entry = (number: number, part: Partial<Entry> = {}): Entry => ({
  run: String(number),
  command: 'release',
  who: 'ada',
  at: '2026-01-31T12:00:00.000Z',
  image: 'shop',
  tag: `v${number}`,
  digest: `sha256:${number}`,
  result: 'deployed',
  seconds: 1,
  migrations: [],
  needs: `n${number}`,
  number,
  ...part,
})
const misfit = (object: string, part: Partial<Misfit> = {}): Misfit => ({
  rule: 'column-gone',
  severity: 'breaks',
  database: 'default',
  object,
  table: 'a',
  model: 'a.A',
  ...part,
})
const fits: Fit = { misfits: [] }
const compared = (
  earlier: Readonly<Record<string, ChangeOfFit>>,
  applied: readonly string[] = ['a.0002'],
): SchemaChange => ({
  is: 'compared',
  applied,
  databases: [{ database: 'default', unpredicted: [], unmet: [], earlier }],
})
const lost = misfit('a.b')
const nothing: ChangeOfFit = { added: [], gone: [] }
const fitOfFirst = (history: History, change: SchemaChange, own?: string) =>
  withSchema(history, change, own)[0]?.fit

describe('after migrations', () => {
  const [one, two] = [entry(1, { fit: fits }), entry(2, { fit: fits })]

  test('a version lacks the removed objects, by migration and release, and the own version fits', () => {
    const change = compared({ n1: { added: [lost], gone: [] } })
    expect(withSchema([one, two], change, '2').map(({ fit }) => fit)).toEqual([
      { changed: true, misfits: [{ ...lost, migration: 'a.0002', release: 2 }] },
      fits,
    ])
  })

  test('two equal answers count as one', () => {
    const change = compared({ n1: { added: [lost], gone: [] } })
    const once = withSchema([one, two], change, '2')
    expect(withSchema(once, change, '2')).toEqual(once)
  })

  test('the migration that the pod names counts, and of several unnamed ones none does', () => {
    const named = misfit('a.c', { migration: 'a.0003' })
    const change = compared({ n1: { added: [lost, named], gone: [] } }, ['a.0002', 'a.0003'])
    expect(fitOfFirst([one, two], change, '2')).toEqual({
      changed: true,
      misfits: [
        { ...lost, release: 2 },
        { ...named, release: 2 },
      ],
    })
  })

  test('a migration of no release has no number', () => {
    const change = compared({ n1: { added: [lost], gone: [] } })
    expect(fitOfFirst([one], change)).toEqual({
      changed: true,
      misfits: [{ ...lost, migration: 'a.0002' }],
    })
  })

  test('an object that exists again is forgotten, but that of another database stays', () => {
    const other = misfit('a.b', { database: 'other' })
    const history = [entry(1, { fit: { misfits: [lost, other], changed: true } })]
    const change = compared({ n1: { added: [], gone: ['column-gone a.b', 'unique a.x'] } })
    expect(fitOfFirst(history, change)).toEqual({ misfits: [other], changed: true })
  })

  test('breaking changes come before possible ones', () => {
    const may = misfit('a.a', { severity: 'may', rule: 'narrowed' })
    const history = [entry(1, { fit: { misfits: [may] } })]
    const change = compared({ n1: { added: [lost], gone: [] } })
    expect(fitOfFirst(history, change)?.misfits.map(({ rule }) => rule)).toEqual([
      'column-gone',
      'narrowed',
    ])
  })

  test('that were all reverted the fit is unchanged', () => {
    expect(fitOfFirst([one], compared({ n1: nothing }, []))).toEqual(fits)
  })

  test.each<[string, SchemaChange]>([
    ['nothing was compared', { is: 'unknown' }],
    ['its needs were not compared', compared({ other: nothing })],
    [
      'one of two databases was not compared with it',
      {
        is: 'compared',
        applied: [],
        databases: [
          { database: 'default', unpredicted: [], unmet: [], earlier: { n1: nothing } },
          { database: 'other', unpredicted: [], unmet: [], earlier: {} },
        ],
      },
    ],
  ])('the fit is not known: %s', (_, change) => {
    expect(fitOfFirst([one], change)).toBeUndefined()
  })

  test('an unknown fit stays unknown, and a version that was never live has no fit', () => {
    const history = [entry(1), entry(2, { result: 'undone' })]
    expect(withSchema(history, compared({ n1: nothing, n2: nothing }))).toEqual(history)
  })
})

describe('the history', () => {
  const { number: _, fit: __, ...release } = entry(2)

  test('has the fit of a version that went live and whose needs are known', () => {
    expect(added([], release)[0]?.fit).toEqual(fits)
    expect(added([], { ...release, result: 'undone' })[0]?.fit).toBeUndefined()
    const { needs: ___, ...unknown } = release
    expect(added([], unknown)[0]?.fit).toBeUndefined()
  })

  test('has the fit of the restored version for a rollback', () => {
    const restored = { misfits: [lost], changed: true } as const
    const first = entry(1, { fit: restored, migrate: 'python x/manage.py migrate' })
    const { needs: ___, ...back } = { ...release, command: 'rollback', back: 1 } as const
    const { digest } = first
    expect(added([first], { ...back, digest })[1]).toMatchObject({
      needs: 'n1',
      fit: restored,
      migrate: 'python x/manage.py migrate',
    })
    expect(added([entry(1)], { ...back, digest, needs: 'n1' })[1]?.fit).toBeUndefined()
    expect(added([entry(1)], { ...back, digest, needs: 'n1', fit: fits })[1]?.fit).toEqual(fits)
  })

  test('counts what was applied since the version that a rollback restored', () => {
    const history = [
      entry(1, { migrations: ['a.1'] }),
      entry(2, { migrations: ['a.2'], result: 'undone' }),
      entry(3, { command: 'rollback', back: 1 }),
      entry(4, { migrations: ['a.4'] }),
    ]
    expect(appliedSince(history, history[2]!)).toEqual(['a.2', 'a.4'])
    expect(appliedSince(history, history[3]!)).toEqual([])
  })
})

describe('the previous version', () => {
  test.each<[string, Entry | undefined, readonly string[], string]>([
    ['of an image that the history lacks', undefined, [], 'to prove'],
    ['of a fit that is not known', entry(1), [], 'to prove'],
    ['to what fits, and nothing was applied', entry(1, { fit: fits }), [], 'unchanged'],
    ['to what fits after migrations', entry(1, { fit: fits }), ['a.2'], 'to prove'],
    [
      'to what fits after a migration of no release',
      entry(1, { fit: { ...fits, changed: true } }),
      [],
      'to prove',
    ],
    [
      'to what may break',
      entry(1, { fit: { misfits: [{ ...lost, severity: 'may' }], changed: true } }),
      [],
      'to prove',
    ],
    ['to what breaks', entry(1, { fit: { misfits: [lost], changed: true } }), ['a.2'], 'unfit'],
  ])('is judged rightly: %s', (_, release, applied, is) => {
    expect(wayBack(release, applied).is).toBe(is)
  })
})

describe('the stored fit', () => {
  const kept = { misfits: [{ ...lost, migration: 'a.2', release: 3 }], changed: true }
  test('is read as it was written', () => {
    expect(fitOf(JSON.parse(JSON.stringify(kept)))).toEqual(kept)
  })
  test.each([
    [undefined],
    ['fits'],
    [{}],
    [{ misfits: 'none' }],
    [{ misfits: [{ ...lost, rule: 'of a later version' }] }],
    [{ misfits: [null] }],
    [{ misfits: [lost, { ...lost, object: 1 }] }],
  ])('is unknown when it is %j', (value) => {
    expect(fitOf(value)).toBeUndefined()
  })
})
