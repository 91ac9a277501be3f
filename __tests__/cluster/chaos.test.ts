/** A few rounds of `make chaos` (docs/reliability.md), always the same ones: others have their turn there. */
import { expect, test } from '@jest/globals'
import { play } from '../chaos/play.js'

test('eight interrupted releases: all old or all new, nothing left, no request lost', async () => {
  const lines: string[] = []
  const game = { seed: 'test-3195', rounds: [1, 2, 3, 4, 5, 6, 7, 8], places: 4 }
  const { played, requests, lost } = await play(game, (line) => lines.push(line))

  const violations = played.flatMap((one) => one.violations)
  expect({ violations, lines }).toEqual({ violations: [], lines })
  expect(played).toHaveLength(8)
  expect(requests).toBeGreaterThan(0)
  expect(lost).toBe(0)
})
