/** Machines that vanish in the middle of a release, and machines whose clock is wrong. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { whileAsking } from '../e2e/client.js'
import { Site } from '../e2e/site.js'
import { must, root, run, type How } from '../e2e/stack.js'

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

const hourMs = 3_600_000
const wrongBy = (ms: number) => ({
  NODE_OPTIONS: `--import=${pathToFileURL(join(root, '__tests__/e2e/wrongclock.mjs')).href}`,
  CLOCK_SHIFT_MS: String(ms),
})

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

describe('a wrong clock', () => {
  test('does no harm to a single release when it is wrong by 2 hours', async () => {
    const { result: ended, asked } = await whileAsking(await shop.url(), async () => [
      await shop.deploy(two, {}, { env: wrongBy(2 * hourMs) }),
      await shop.deploy(one, {}, { env: wrongBy(-2 * hourMs) }),
    ])

    // The preload has worked: these are times of a wrong clock.
    const [ahead, behind] = ended.map(({ report }) => (report.startedAt - Date.now()) / hourMs)
    expect([Math.round(ahead ?? 0), Math.round(behind ?? 0)]).toEqual([2, -2])
    expect(ended).toMatchObject([
      { code: 0, report: { result: 'deployed' } },
      { code: 0, report: { result: 'deployed' } },
    ])
    await runsAll(one)
    expect(asked.failures).toEqual([])
  })

  test('lets two releases run one after the other, though they differ by 2 hours', async () => {
    const { result: ended, asked } = await whileAsking(await shop.url(), () =>
      Promise.all([
        shop.deploy(two, { app: 'shop' }, { env: wrongBy(2 * hourMs) }),
        shop.deploy(two, { app: 'shop' }, { env: wrongBy(-2 * hourMs) }),
      ]),
    )

    expect(ended.map(({ code }) => code)).toEqual([0, 0])
    const [first, second] = ended
      .map(({ report, output }, i) => {
        const shift = i === 0 ? 2 * hourMs : -2 * hourMs
        const span = (name: string) => report.stages.find((stage) => stage.name === name)
        return {
          waited: output.includes('another release is in progress'),
          began: (span('snapshot')?.startedAt ?? Infinity) - shift,
          ended: report.startedAt + report.seconds * 1000 - shift,
        }
      })
      .sort((a, b) => a.ended - b.ended)
    expect(second?.waited).toBe(true)
    expect(second?.began).toBeGreaterThan(first?.began ?? Infinity)
    await runsAll(two)
    expect(asked.failures).toEqual([])
  })

  test('does not keep a run from recovering the release of another one', async () => {
    const before = await shop.state()
    const { result: recovered, asked } = await whileAsking(await shop.url(), async () => {
      await shop.deploy(one, {}, { ...machineGone(), env: wrongBy(2 * hourMs) })
      expect(await shop.leftovers()).toHaveLength(2)
      return shop.recover({ env: wrongBy(-2 * hourMs) })
    })

    expect(recovered).toMatchObject({ code: 1, report: { result: 'undone' } })
    expect(await shop.state()).toEqual(before)
    await runsAll(two)
    expect(asked.failures).toEqual([])
  })
})
