/** Runs whose way to the cluster is cut in the middle: they wait, go on, or say what stands. */
import { writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { whileAsking } from '../e2e/client.js'
import { hesitantServer } from '../e2e/hesitant.js'
import { at, inTheRollout } from '../e2e/moment.js'
import { relayTo, type Relay } from '../e2e/relay.js'
import { Site } from '../e2e/site.js'
import { kubectl } from '../e2e/stack.js'

let shop: Site
let relay: Relay
/** The way through the relay. */
let env: { readonly KUBECONFIG: string }
/** Two versions that the registry has. */
let one: string
let two: string

beforeAll(async () => {
  shop = await Site.make('away')
  relay = await relayTo(shop.kubeconfig)
  env = { KUBECONFIG: await relay.kubeconfig(shop.kubeconfig) }
  one = await shop.commit('One', {})
  two = 'two'
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

test('a broken release is undone although the API server is stopped for 30 s', async () => {
  const before = await shop.state()
  await shop.commit('Bad', { 'shop/wsgi.py': (old) => `import shop.telemetry\n${old}` })
  const cut = at(inTheRollout, () => relay.stop(30_000))
  const { result: ended, asked } = await whileAsking(await shop.url(), () =>
    shop.release({ version: 'bad' }, { ...cut.how, env }),
  )
  await cut.done()
  await shop.drop()

  expect(ended).toMatchObject({ code: 1, report: { result: 'undone' } })
  expect(ended.report.cause?.sentence).toContain("No module named 'shop.telemetry'")
  expect(await shop.state()).toEqual(before)
  await runsAll(one)
  expect(asked.failures).toEqual([])
})

test('a run reports that its credentials have expired, and `recover` with new ones restores everything', async () => {
  const before = await shop.state()
  const { path, expire } = await expiringKubeconfig()
  const cut = at(inTheRollout, expire)
  const { result: recovered, asked } = await whileAsking(await shop.url(), async () => {
    const own = { ...cut.how, env: { KUBECONFIG: path } }
    const ended = await shop.deploy(two, { bake: '60s' }, own)
    await cut.done()

    expect(ended).toMatchObject({ code: 3, report: { result: 'stuck' } })
    expect(ended.report.cause).toMatchObject({
      code: 'lock-lost',
      sentence:
        'the cluster no longer accepts the credentials of the kubeconfig (401 Unauthorized): the release is incomplete, and nothing more was written',
      hint: expect.stringMatching(/^renew the token .* django-rollout recover$/) as unknown,
    })
    return shop.recover()
  })

  expect(recovered).toMatchObject({ code: 1, report: { result: 'undone' } })
  expect(await shop.state()).toEqual(before)
  await runsAll(one)
  expect(asked.failures).toEqual([])
})

test('a release repeats its requests to a server that refuses everything at first, even before it has the lock', async () => {
  const path = `${shop.kubeconfig}-hesitant`
  const server = await hesitantServer(shop.kubeconfig, path)
  try {
    const ended = await shop.deploy(two, { bake: '1s' }, { env: { KUBECONFIG: path } })
    expect(ended).toMatchObject({ code: 0, report: { result: 'deployed', tag: two } })
  } finally {
    server.close()
  }
  const leases = `/apis/coordination.k8s.io/v1/namespaces/${shop.namespace}/leases`
  for (const asked of [
    'GET /version',
    'POST /apis/authorization',
    `GET ${leases}`,
    `PUT ${leases}`,
  ]) {
    expect(server.refused).toContainEqual(expect.stringContaining(asked))
  }
  await runsAll(two)
})

/** A kubeconfig whose token is good for as long as a Secret is there. */
async function expiringKubeconfig() {
  const { namespace } = shop
  await kubectl('-n', namespace, 'create', 'secret', 'generic', 'session')
  const token = await kubectl(
    ...['-n', namespace, 'create', 'token', 'django-rollout'],
    ...['--bound-object-kind', 'Secret', '--bound-object-name', 'session'],
  )
  interface Config {
    readonly users: readonly unknown[]
  }
  const config = JSON.parse(await shop.kubeconfigText()) as Config
  const users = [{ name: 'least', user: { token: token.trim() } }]
  const path = `${shop.kubeconfig}-expiring`
  await writeFile(path, JSON.stringify({ ...config, users }), { mode: 0o600 })
  return { path, expire: () => kubectl('-n', namespace, 'delete', 'secret', 'session') }
}
