/** A round of `make chaos` (docs/reliability.md), always the same one: others have their turn there. */
import { expect, test } from '@jest/globals'
import { play } from '../chaos/play.js'

test('an interrupted release leaves all old or all new, nothing behind, and loses no request', async () => {
  const lines: string[] = []
  // It is killed in its undo.
  const game = { seed: 'test-3195', rounds: [4], places: 1 }
  const { played, requests, lost } = await play(game, (line) => lines.push(line))

  const violations = played.flatMap((one) => one.violations)
  expect({ violations, lines }).toEqual({ violations: [], lines })
  expect(played).toHaveLength(1)
  expect(requests).toBeGreaterThan(0)
  expect(lost).toBe(0)
})
