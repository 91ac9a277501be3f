import { describe, expect, test } from '@jest/globals'
import { explore } from './explore.js'
import { quick, weakened } from './scenes.js'

/** A machine may be busy with other things: no test of a time. */
const longestMs = 10 * 60_000

describe('however the steps of two runs are mixed, and whatever goes wrong at one of them', () => {
  test.each(quick.map((scene) => [scene.title, scene] as const))(
    '%s: all or nothing',
    async (_, scene) => {
      const { violations, results } = await explore(scene)
      expect(violations).toEqual([])
      expect(results).toEqual(expect.arrayContaining([...scene.meets]))
    },
    longestMs,
  )
})

describe('the model notices what would break the protocol', () => {
  test.each(weakened.map((scene) => [scene.weak ?? '', scene] as const))(
    '%s',
    async (_, scene) => {
      const { violations } = await explore(scene, { stopsAtFirst: true })
      expect(violations.map(({ law }) => law)).toEqual([expect.stringMatching(scene.breaks)])
    },
    longestMs,
  )
})
