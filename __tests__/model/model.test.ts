import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Explored } from './explore.js'
import type { Order } from './explorer.js'
import { quick, weakened } from './scenes.js'

/** A machine may be busy with other things: no test of a time. */
const longestMs = 10 * 60_000

let explorer: ChildProcess
let died: Promise<never>

beforeAll(() => {
  explorer = fork(fileURLToPath(new URL('explorer.ts', import.meta.url)), {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    execArgv: [
      '--experimental-transform-types',
      '--disable-warning=ExperimentalWarning',
      '--import=./scripts/typescript.mjs',
    ],
  })
  died = once(explorer, 'exit').then(([code]): never => {
    throw new Error(`The explorer ended with ${String(code)}.`)
  })
  died.catch(() => undefined)
})

afterAll(() => {
  if (explorer.connected) explorer.disconnect()
})

async function explored(order: Order): Promise<Explored> {
  // That it is not there any more is told by `died`.
  explorer.send(order, () => undefined)
  const [answer] = (await Promise.race([once(explorer, 'message'), died])) as [Explored]
  return answer
}

describe('two runs in any order of their steps, with any failure at one of them,', () => {
  test.each(quick.map((scene, place) => [scene.title, scene.meets, place] as const))(
    'end as all or nothing: %s',
    async (_, meets, place) => {
      const { violations, results } = await explored({ list: 'quick', place })
      expect(violations).toEqual([])
      expect(results).toEqual(expect.arrayContaining([...meets]))
    },
    longestMs,
  )
})

describe('the model finds a fault in a weakened protocol', () => {
  test.each(weakened.map((scene, place) => [scene.weak ?? '', scene.breaks, place] as const))(
    'in which %s',
    async (_, breaks, place) => {
      const { violations } = await explored({ list: 'weakened', place })
      expect(violations.map(({ law }) => law)).toEqual([expect.stringMatching(breaks)])
    },
    longestMs,
  )
})
