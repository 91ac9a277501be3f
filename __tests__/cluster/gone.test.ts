/** Machines that vanish in the middle of a release, and machines whose clock is wrong. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { whileAsking } from '../e2e/client.js'
import { hourMs, wrongBy } from '../e2e/clock.js'
import { Site } from '../e2e/site.js'
import { must, run, type How } from '../e2e/stack.js'
import { seldom } from '../support/seldom.js'

let shop: Site
/** Two versions that the registry has. */
let one: string
const two = 'two'

beforeAll(async () => {
  shop = await Site.make('gone')
  one = await shop.commit('One', {})
  const released = await shop.release({ version: 'one' })
  if (released.report.result !== 'deployed') throw new Error(released.output)
  await shop.twin(two, one)
})

afterAll(() => shop.remove())

/** The end of a machine: the run and all that it started, by their own pids, without a word. */
const machineGone = (): Pick<How, 'onOutput'> => {
  let gone = false
  return {
    onOutput: (soFar, kill, pid) => {
      if (gone || !/deployment\/web: (0|1) of 2/.test(soFar)) return
      gone = true
      kill('SIGSTOP')
      void run('pkill', ['-KILL', '--parent', String(pid)]).then(() => {
        kill('SIGKILL')
      })
    },
  }
}

async function runsAll(tag: string): Promise<void> {
  expect(new Set(Object.values(await shop.tags()))).toEqual(new Set([tag]))
  expect(await shop.leftovers()).toEqual([])
}

test('a release whose runner has disappeared is recovered by the next release, from another machine', async () => {
  const elsewhere = `${shop.folder}-elsewhere`
  await must('git', ['clone', '--quiet', shop.folder, elsewhere])
  const before = await shop.state()
  const { result: next, asked } = await whileAsking(await shop.url(), async () => {
    const gone = await shop.deploy(two, {}, machineGone())
    expect(gone.report.result).toBeUndefined()
    expect(await shop.leftovers()).toHaveLength(2)
    // What runs already is not released again, but a release that was left open is recovered first.
    return shop.deploy(one, {}, { cwd: elsewhere })
  })

  expect(next).toMatchObject({ code: 0, report: { result: 'deployed', tag: one } })
  expect(next.output).toMatch(/found an unfinished release: two by [\s\S]*▸ rollout/)
  expect(await shop.state()).toEqual(before)
  await runsAll(one)
  expect(asked.failures).toEqual([])
})

seldom('a wrong clock does not keep a run from recovering the release of another one', async () => {
    const before = await shop.state()
    const { result: recovered, asked } = await whileAsking(await shop.url(), async () => {
      await shop.deploy(two, {}, { ...machineGone(), env: wrongBy(2 * hourMs) })
      expect(await shop.leftovers()).toHaveLength(2)
      return shop.recover({ env: wrongBy(-2 * hourMs) })
    })

    expect(recovered).toMatchObject({ code: 1, report: { result: 'undone' } })
    expect(await shop.state()).toEqual(before)
    await runsAll(one)
    expect(asked.failures).toEqual([])
  })
