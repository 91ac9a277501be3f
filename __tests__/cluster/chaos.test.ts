/** A few rounds of `make chaos` (docs/reliability.md), always the same ones: others have their turn there. */
import { expect, test } from '@jest/globals'
import { play } from '../chaos/play.js'

test('two interrupted releases leave all old or all new, nothing behind, and lose no request', async () => {
  const lines: string[] = []
  // The machine is gone; it is killed in its undo.
  const game = { seed: 'test-3195', rounds: [1, 4], places: 2 }
  const { played, requests, lost } = await play(game, (line) => lines.push(line))

  const violations = played.flatMap((one) => one.violations)
  expect({ violations, lines }).toEqual({ violations: [], lines })
  expect(played).toHaveLength(2)
  expect(requests).toBeGreaterThan(0)
  expect(lost).toBe(0)
})
