/** What a rollback does before its first write, by what the history knows. */
import { describe, expect, test } from '@jest/globals'
import type { Failure } from '../../../src/failure/failure.js'
import { checkFits, prove } from '../../../src/stages/migration/prove.js'
import type { Fit, KeptMisfit } from '../../../src/state/fit.js'
import type { Entry } from '../../../src/state/history.js'
import { scripted } from '../../support/scripted.js'
import { ApiError } from '../../../src/kubernetes/api-error.js'
import { clusterOf } from '../../support/cluster.js'
import { notebook } from '../../support/journal.js'
import { nothing, standing } from '../../support/live.js'
import type { PreflightResult } from '../../../src/stages/preflight.js'
import { contextOf } from '../../support/settings.js'
import { columnGone } from '../../support/misfits.js'

const lost: KeptMisfit = {
  ...columnGone,
  migration: 'shop.0101_drop',
  release: 2,
}
const fits: Fit = { misfits: [] }
const breaks: Fit = { misfits: [lost], changed: true }
const entry = (number: number, fit?: Fit, part: Partial<Entry> = {}): Entry => ({
  run: String(number),
  command: 'release',
  who: 'ada',
  at: '2026-01-31T12:00:00.000Z',
  image: 'shop',
  tag: `v${number}`,
  digest: `sha256:${number}`,
  result: 'deployed',
  seconds: 1,
  migrations: [`shop.000${number}`],
  number,
  ...(fit && { fit }),
  ...part,
})

/** Decides about a rollback to the first release of this history. */
function decided(
  history: readonly Entry[],
  policy: string,
  command = 'python manage.py migrate',
): unknown {
  const context = contextOf(scripted([]).platform, { 'unsafe-migrations': policy })
  const [release] = history
  if (!release) throw new Error('there is no release')
  const { tag, digest } = release
  const image = { repository: 'shop', tag, digest }
  try {
    const version = { image, release, appliedSince: [] }
    return checkFits(context, { version, history, command }).is
  } catch (error) {
    return (error as Failure).cause
  }
}

describe('a rollback', () => {
  const since = entry(2, fits)
  test.each<[string, readonly Entry[], string, string]>([
    ['to a version that fits, after migrations', [entry(1, fits), since], 'block', 'to prove'],
    [
      'after no migration',
      [entry(1, fits), entry(2, fits, { migrations: [] })],
      'block',
      'unchanged',
    ],
    ['to a version of which nothing is known', [entry(1), since], 'block', 'to prove'],
    ['to a version that breaks, wanted anyway', [entry(1, breaks), since], 'warn', 'unfit'],
    ['to a version that breaks, without a question', [entry(1, breaks), since], 'allow', 'unfit'],
    [
      'of an application that was never migrated here',
      [entry(1, undefined, { migrations: [] })],
      'block',
      'unchanged',
    ],
    [
      'in a history from before the needs were kept, after no migration',
      [entry(1), entry(2, undefined, { migrations: [] })],
      'block',
      'unchanged',
    ],
    [
      'to a version of which nothing is known any more, after no migration',
      [entry(1, undefined, { needs: 'a' }), entry(2, fits, { migrations: [] })],
      'block',
      'to prove',
    ],
  ])('is proved or not as expected: %s', (_, history, policy, is) => {
    expect(decided(history, policy)).toBe(is)
  })

  test('of an application without migrations runs no proof', () => {
    expect(decided([entry(1, breaks), since], 'block', '')).toBe('unchanged')
  })

  test('to a version that breaks is refused, and another version that fits is named', () => {
    const running = entry(4, fits)
    expect(decided([entry(1, breaks), since, entry(3, breaks), running], 'block')).toEqual({
      code: 'schema-unfit',
      sentence:
        'the column shop_order.note is gone since shop.0101_drop (release 2), but release 1 (v1) uses it: every query of shop.Order fails',
      hint: [
        'nothing was changed. Add the column shop_order.note again by a migration in a new release, then roll back; or release a new version that needs no rollback',
        'Release 2 fits: django-rollout rollback --image ghcr.io/acme/shop --namespace shop --to 2',
        'To roll back anyway, set "unsafe-migrations: allow"',
      ].join('\n'),
    })
  })
})

describe('a proof that cannot be made', () => {
  const web = {
    workload: { kind: 'Deployment', name: 'web' },
    template: { spec: { containers: [{ name: 'web', image: 'ghcr.io/acme/shop:0' }] } },
    container: 'web',
    containers: ['web'],
  }
  const image = { repository: 'ghcr.io/acme/shop', tag: 'v1', digest: `sha256:${'a'.repeat(64)}` }
  const refused = new ApiError(403, 'Forbidden', 'exceeded quota: pods')
  const cluster = clusterOf({
    post: () => Promise.reject(refused),
    find: () => Promise.resolve(undefined),
    remove: () => Promise.resolve(),
  })
  const checked = { live: standing({ ...nothing }), targets: [], jobs: [], services: [], web }
  const restores = {
    version: { image, release: entry(1), appliedSince: [] },
    history: [entry(1)],
    command: 'python manage.py migrate',
  }
  const proving = (signal?: AbortSignal) => {
    const warnings: string[] = []
    const warn = (sentence: string) => warnings.push(sentence)
    const context = contextOf(scripted([]).platform, {}, signal).with({ cluster, warn })
    const proof = prove(
      context.with({ log: notebook() }),
      restores,
      checked as unknown as PreflightResult,
    )
    return { proof, warnings }
  }

  test('is a warning, and the rollback goes on', async () => {
    const { proof, warnings } = proving()
    expect(await proof).toBeUndefined()
    expect(warnings).toEqual([expect.stringContaining('fits the schema was not proved: ')])
    expect(warnings[0]).toContain('exceeded quota: pods')
  })

  test('ends a rollback that is cancelled', async () => {
    const { proof } = proving(AbortSignal.abort(new Error('ended by SIGTERM')))
    await expect(proof).rejects.toThrow('ended by SIGTERM')
  })
})
