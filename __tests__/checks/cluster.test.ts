import { expect, test } from '@jest/globals'
import { aheadBy, clockFindings, clusterFinding } from '../../src/checks/cluster.js'

test.each([
  ['production', 'Kubernetes v1.34.4, context production, namespace shop'],
  [undefined, 'Kubernetes v1.34.4, namespace shop'],
])('the finding names the server, the context (%s) and the namespace', (context, says) => {
  expect(clusterFinding('v1.34.4', context, 'shop')).toEqual({
    about: 'cluster',
    severity: 'ok',
    message: says,
  })
})

const noon = Date.parse('2026-01-31T12:00:00Z')

test.each([
  ['read in that second', 0, 200, 0],
  ['at its end', 999, 1001, 0],
  ['ahead', 121_000, 121_100, 120_000],
  ['behind', -60_000, -59_900, -59_900],
  ['a slow answer says nothing', -5000, 6000, 0],
])(
  'the clock difference to a server that says 12:00:00 is right when our clock is "%s"',
  (_, from, to, ms) => {
    expect(aheadBy('2026-01-31T12:00:00Z', { from: noon + from, to: noon + to })).toBe(ms)
  },
)

test.each([
  [0, undefined],
  [30_000, undefined],
  [-30_000, undefined],
  [31_000, /^this machine’s clock is 31 s ahead of the cluster’s: /],
  [-7_200_000, /^this machine’s clock is 7200 s behind the cluster’s: /],
])('a clock that is ahead by %s ms is judged rightly', (ms, says) => {
  const [found] = clockFindings(ms)
  if (says)
    expect(found).toMatchObject({ severity: 'warning', message: expect.stringMatching(says) })
  else expect(found).toBeUndefined()
})
