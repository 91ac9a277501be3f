/** Runs whose way to the cluster is cut for long: what the lock is for. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { whileAsking } from '../e2e/client.js'
import { at, inTheRollout } from '../e2e/moment.js'
import { relayTo, type Relay } from '../e2e/relay.js'
import { Site, type Released } from '../e2e/site.js'

let shop: Site
let relay: Relay
/** The way through the relay. */
let env: { readonly KUBECONFIG: string }
/** Two versions that the registry has. */
let one: string
const two = 'two'

beforeAll(async () => {
  shop = await Site.make('long')
  relay = await relayTo(shop.kubeconfig)
  env = { KUBECONFIG: await relay.kubeconfig(shop.kubeconfig) }
  one = await shop.commit('One', {})
  const released = await shop.release({ version: 'one' })
  if (released.report.result !== 'deployed') throw new Error(released.output)
  await shop.twin(two, one)
})

afterAll(async () => {
  await relay.close()
  await shop.remove()
})

async function runsAll(tag: string): Promise<void> {
  expect(new Set(Object.values(await shop.tags()))).toEqual(new Set([tag]))
  expect(await shop.leftovers()).toEqual([])
}

test('a release repeats its write and goes on when the API server is stopped for 30 s right before it', async () => {
  const cut = at(/✓ plan/, () => relay.stop(30_000))
  const { result: ended, asked } = await whileAsking(await shop.url(), () =>
    shop.deploy(two, {}, { ...cut.how, env }),
  )
  await cut.done()

  expect(ended).toMatchObject({ code: 0, report: { result: 'deployed', tag: two } })
  await runsAll(two)
  expect(asked.failures).toEqual([])
})

describe('when a firewall drops every packet for longer than the lock lasts', () => {
  test('and no other run wants the lock, the run takes it again and goes on', async () => {
    const cut = at(inTheRollout, () => relay.drop(60_000))
    const { result: ended, asked } = await whileAsking(await shop.url(), () =>
      shop.deploy(one, {}, { ...cut.how, env }),
    )
    await cut.done()

    expect(ended).toMatchObject({ code: 0, report: { result: 'deployed', tag: one } })
    await runsAll(one)
    expect(asked.failures).toEqual([])
  })

  test('and another run takes over, that run restores everything and goes on, and the first one says so', async () => {
    let other: Promise<Released> | undefined
    const cut = at(inTheRollout, () => {
      other = shop.deploy(one, {}, { env: { GITHUB_ACTOR: 'grace' } })
      return relay.drop(60_000)
    })
    const { result: ended, asked } = await whileAsking(await shop.url(), async () => {
      const cutOff = await shop.deploy(two, {}, { ...cut.how, env })
      await cut.done()
      return [cutOff, await other]
    })

    expect(ended).toMatchObject([
      { code: 3, report: { result: 'stuck', cause: { code: 'lock-lost' } } },
      { code: 0, report: { result: 'deployed', tag: one } },
    ])
    expect(ended[0]?.report.cause?.sentence).toBe(
      'another run has taken the lock (grace): the release is incomplete, and nothing more was written',
    )
    expect(ended[1]?.output).toContain('found an unfinished release')
    await runsAll(one)
    expect(asked.failures).toEqual([])
  })

  test('and for longer than the timeout, the run reports the state, and `recover` restores it', async () => {
    const before = await shop.state()
    const cut = at(inTheRollout, () => relay.drop(150_000))
    const { result: recovered, asked } = await whileAsking(await shop.url(), async () => {
      const ended = await shop.deploy(two, {}, { ...cut.how, env })
      expect(ended).toMatchObject({ code: 3, report: { result: 'stuck' } })
      expect(ended.report.cause).toMatchObject({
        code: 'lock-lost',
        sentence: expect.stringMatching(
          /^the lock expired while the API server did not answer \(.*\): the release is incomplete, and nothing more was written$/,
        ) as unknown,
        hint: expect.stringContaining('django-rollout recover') as unknown,
      })
      await cut.done()
      return shop.recover()
    })

    expect(recovered).toMatchObject({ code: 1, report: { result: 'undone' } })
    expect(await shop.state()).toEqual(before)
    await runsAll(one)
    expect(asked.failures).toEqual([])
  })
})

test('a release succeeds although a firewall silently drops every packet for 20 s', async () => {
  const tag = Object.values(await shop.tags()).includes(one) ? two : one
  const cut = at(inTheRollout, () => relay.drop(20_000))
  const { result: ended, asked } = await whileAsking(await shop.url(), () =>
    shop.deploy(tag, {}, { ...cut.how, env }),
  )
  await cut.done()

  expect(ended).toMatchObject({ code: 0, report: { result: 'deployed', tag } })
  await runsAll(tag)
  expect(asked.failures).toEqual([])
})
