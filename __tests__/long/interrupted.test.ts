/** Runs whose clocks differ, and a run that is killed twice. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { whileAsking } from '../e2e/client.js'
import { hourMs, wrongBy } from '../e2e/clock.js'
import { inTheRollout, killAt } from '../e2e/moment.js'
import { releaseStep } from '../e2e/runner.js'
import { Site } from '../e2e/site.js'

let shop: Site
/** Two versions that the registry has. */
let one: string
const two = 'two'

beforeAll(async () => {
  shop = await Site.make('clocks')
  one = await shop.commit('One', {})
  const released = await shop.release({ version: 'one' })
  if (released.report.result !== 'deployed') throw new Error(released.output)
  await shop.twin(two, one)
})

afterAll(() => shop.remove())

async function runsAll(tag: string): Promise<void> {
  expect(new Set(Object.values(await shop.tags()))).toEqual(new Set([tag]))
  expect(await shop.leftovers()).toEqual([])
}

test('a release in a workflow whose main and post step are killed is restored by `recover`', async () => {
  await shop.commit('Killed twice in a workflow', {})
  const before = await shop.state()
  const { main, post } = await releaseStep(shop)
  await main(killAt(inTheRollout))
  const killed = await post(killAt(/restored/))
  expect(killed.output).not.toContain('verified')
  const recovered = await shop.recover({})

  expect(recovered).toMatchObject({ code: 1, report: { result: 'undone' } })
  expect(await shop.state()).toEqual(before)
  await runsAll(one)
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
})
