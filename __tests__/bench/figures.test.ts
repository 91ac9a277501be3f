import { describe, expect, test } from '@jest/globals'
import { kindOf, type Asked } from './asked.js'
import type { Broken, Healthy, Slow } from './cases.js'
import { delayOf, figuresOf, middleOf, type Figures } from './figures.js'
import type { Measured } from './measure.js'

const start = 1_000_000
const at = (seconds: number) => start + seconds * 1000

const healthy = { is: 'healthy', name: 'healthy-1' } as Healthy
const slow = { is: 'slow', name: 'slow-start' } as Slow
const broken = {
  is: 'broken',
  name: 'configmap-missing',
  rule: { sign: () => true, grace: 20 },
  cause: /configmap "settings" not found/,
} as Partial<Broken> as Broken

const measured: Measured = {
  tool: 'script',
  startedAt: start,
  endedAt: at(9),
  code: 0,
  asked: [],
  peakBytes: 81_400_000,
  output: '',
}
const failed: Measured = { ...measured, code: 1, failedAt: at(22), endedAt: at(23) }

describe('the figures of a measurement', () => {
  test.each([
    [
      'healthy: it knows at its end, and the last Ready is the limit',
      figuresOf(healthy, { ...measured, writtenAt: at(1), readyAt: at(8.5) }),
      { said: 'deployed', verdict: 9, written: 1, limit: { sign: 8.5, grace: 0 }, megabytes: 81.4 },
    ],
    [
      'broken: it knows when it says so, and the sign and the grace are the limit',
      figuresOf(broken, { ...failed, signAt: at(1.5), restoredAt: at(22.4) }),
      { said: 'failed', verdict: 22, limit: { sign: 1.5, grace: 20 }, restored: 22.4 },
    ],
    [
      'broken, and everything was as before throughout',
      figuresOf(broken, { ...failed, restoredAt: 'untouched' }),
      { verdict: 22, restored: 'untouched' },
    ],
    [
      'broken, and it never came back',
      figuresOf(broken, { ...measured, signAt: at(1.5) }),
      { said: 'deployed', verdict: 9, limit: { sign: 1.5, grace: 20 } },
    ],
    [
      'the output contains the cause',
      figuresOf(broken, { ...failed, output: 'x\nError: configmap "settings" not found\ny' }),
      { named: true },
    ],
    [
      'the output does not contain the cause',
      figuresOf(broken, { ...failed, output: 'timed out' }),
      { named: false },
    ],
  ])('are right for "%s"', (_title, figures, expected) => {
    expect(figures).toMatchObject(expected)
  })

  test('have no limit without a symptom', () => {
    expect(figuresOf(broken, failed)).not.toHaveProperty('limit')
    expect(delayOf(figuresOf(broken, failed))).toBeUndefined()
  })
})

test('the requests of the waiting phase are counted from 2 s after the write until the last Ready', () => {
  const asked = [
    [0.5, 'write'],
    [2.9, 'read'],
    [3, 'watch'],
    [10, 'lock'],
    [20, 'read'],
    [40.9, 'watch'],
    [41, 'read'],
  ] as const
  const requests = asked.map(([s, is]): Asked => ({ at: at(s), is, method: 'GET', path: '/' }))
  const figures = figuresOf(slow, {
    ...measured,
    asked: requests,
    writtenAt: at(1),
    readyAt: at(41),
  })
  expect(figures.waiting).toEqual({ seconds: 38, watches: 2, lock: 1, others: 1 })
  expect(figures.requests).toBe(7)
})

test.each([
  ['GET', '/api/v1/namespaces/shop/pods', 'read'],
  ['GET', '/api/v1/namespaces/shop/pods?watch=1&resourceVersion=7', 'watch'],
  ['GET', '/apis/apps/v1/deployments?allowWatchBookmarks=true&watch=true', 'watch'],
  ['PATCH', '/apis/apps/v1/namespaces/shop/deployments/web', 'write'],
  ['POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', 'read'],
  ['PUT', '/apis/coordination.k8s.io/v1/namespaces/shop/leases/django-rollout-shop', 'lock'],
])('the request %s %s is counted as a %s', (method, path, kind) => {
  expect(kindOf(method, path)).toBe(kind)
})

test('the median counts when there are several rounds', () => {
  const round = (verdict: number) => ({ verdict }) as Figures
  expect(middleOf([round(3), round(1), round(2)])).toEqual(round(2))
  expect(middleOf([round(2), round(1)])).toEqual(round(1))
  expect(middleOf([])).toBeUndefined()
})
