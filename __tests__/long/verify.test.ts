/** A request through the Service at the end of a release, and a failed release that is kept to be looked at. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { whileAsking } from '../e2e/client.js'
import { Site } from '../e2e/site.js'

let shop: Site
let good: string
let next: string

beforeAll(async () => {
  shop = await Site.make('verify')
  good = await shop.commit('Good', {})
  const released = await shop.release({ version: 'good', 'smoke-path': '/version' })
  if (released.report.result !== 'deployed') throw new Error(released.output)
  expect(released.output).toMatch(
    /GET \/version through service\/web: 200 from web-\S+, of the new/,
  )
  next = await shop.commit('Next', { 'shop/urls.py': (text) => `${text}# next\n` })
})

afterAll(() => shop.remove())

const tags = async () => new Set(Object.values(await shop.tags()))

describe('a smoke request', () => {
  test('that gets an error response makes the release fail, and everything is restored', async () => {
    const before = await shop.state()
    const { result: ended, asked } = await whileAsking(await shop.url(), () =>
      shop.release({ version: 'next', 'smoke-path': '/no-such-page', 'smoke-timeout': '6s' }),
    )
    expect(ended).toMatchObject({
      code: 1,
      report: { result: 'undone', cause: { code: 'smoke-failed' } },
    })
    expect(ended.output).toContain('GET /no-such-page through service/web answered 404')
    expect(await shop.state()).toEqual(before)
    expect(asked.failures).toEqual([])
  })

  test('without a Service that leads to the web is refused before anything is done', async () => {
    const ended = await shop.cli('deploy', {
      image: shop.image,
      namespace: shop.namespace,
      tag: good,
      'smoke-path': '/version',
      'migrate-from': 'deployment/worker',
    })
    expect(ended.code).toBe(2)
    expect(ended.output).toContain('"smoke-path" needs a Service, and none selects worker')
  })
})

describe('a failed release with on-failure: keep', () => {
  test('stays as it is, says so, and is restored by recover', async () => {
    const before = await shop.state()
    const kept = await shop.release({
      version: 'next',
      'on-failure': 'keep',
      'smoke-path': '/no-such-page',
      'smoke-timeout': '6s',
    })
    expect(kept).toMatchObject({ code: 3, report: { result: 'kept' } })
    expect(kept.output).toContain('was kept for inspection')
    expect(kept.output).toMatch(/deployment\/web: is on [0-9a-f]{12} \(before: [0-9a-f]{12}\)/)
    expect(kept.output).toContain(`django-rollout recover --image ${shop.image}`)
    expect(await tags()).toEqual(new Set([next]))

    const recovered = await shop.cli('recover', { image: shop.image, namespace: shop.namespace })
    expect(recovered).toMatchObject({ code: 1, report: { result: 'undone' } })
    expect(await shop.state()).toEqual(before)

    const { stdout } = await shop.cli('history', { image: shop.image, namespace: shop.namespace })
    expect(stdout.split('\n')[1]).toMatch(/undone .*answered 404/)
  })
})
