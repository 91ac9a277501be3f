/** A few rounds of `make chaos` (docs/reliability.md), always the same ones: others have their turn there. */
import { expect, test } from '@jest/globals'
import { play } from '../chaos/play.js'

test('four interrupted releases leave all old or all new, nothing behind, and lose no request', async () => {
  const lines: string[] = []
  // The machine is gone; the way back is cut; it is killed in its undo; its line is torn.
  const game = { seed: 'test-3195', rounds: [1, 3, 4, 5], places: 2 }
  const { played, requests, lost } = await play(game, (line) => lines.push(line))

  const violations = played.flatMap((one) => one.violations)
  expect({ violations, lines }).toEqual({ violations: [], lines })
  expect(played).toHaveLength(4)
  expect(requests).toBeGreaterThan(0)
  expect(lost).toBe(0)
})
