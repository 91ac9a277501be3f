/** Runs that are cut off, and runs that meet: all old or all new afterwards, and nothing left behind. */
import { readdir, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { whileAsking } from '../e2e/client.js'
import { inTheRollout, killAt } from '../e2e/moment.js'
import { releaseStep } from '../e2e/runner.js'
import { Site } from '../e2e/site.js'
import { kubectl, kubectlJson, run } from '../e2e/stack.js'
import { seldom } from '../support/seldom.js'

let shop: Site
let good: string

beforeAll(async () => {
  shop = await Site.make('cut')
  good = await shop.commit('Good', {})
  const released = await shop.release({ version: 'good' })
  if (released.report.result !== 'deployed') throw new Error(released.output)
})

afterAll(() => shop.remove())

/** Every workload runs this tag, and neither a record nor a holder of the lock is left. */
async function recoveredOn(tag: string): Promise<void> {
  expect(new Set(Object.values(await shop.tags()))).toEqual(new Set([tag]))
  const secrets = await kubectl('-n', shop.namespace, 'get', 'secrets', '-o', 'name')
  expect(secrets).not.toContain('django-rollout-shop')
  interface Lease {
    readonly spec: { readonly holderIdentity?: string }
  }
  const lease = await kubectlJson<Lease>('-n', shop.namespace, 'get', 'lease', 'django-rollout-shop')
  expect(lease.spec.holderIdentity ?? '').toBe('')
}

describe('a release that is interrupted', () => {
  const beginning = (command: string) => `ARG PYTHON_IMAGE=python:3.13-slim\nFROM \${PYTHON_IMAGE}\nRUN ${command}\n`
  test.each<[string, string, Readonly<Record<string, string>>, RegExp]>([
    ['the build', 'echo begun; sleep 4008', {}, /\d begun/],
    ['the tests', 'true', { 'test-command': 'echo begun; sleep 4009', 'test-services': 'redis' }, /│ begun/],
    ['the push', 'true', {}, /▸ push/],
  ])('by SIGINT in %s leaves the running version and nothing of the new one', async (_, command, options, moment) => {
    const next = await shop.commit('Not to be', { 'other.Dockerfile': beginning(command) })
    const before = await shop.state()
    const ended = await shop.release({ file: 'other.Dockerfile', ...options }, killAt(moment, 'SIGINT'))

    expect(ended).toMatchObject({ code: 130, report: { result: 'cancelled' } })
    expect(await shop.state()).toEqual(before)
    expect(await shop.isPushed(next)).toBe(false)
    await recoveredOn(good)
  })

  test('by SIGINT in preflight does not wait for the cluster', async () => {
    await shop.commit('Not to be either', {})
    const { promise: asked, resolve: ask } = Promise.withResolvers<undefined>()
    // It takes each connection, and answers none.
    const server = createServer(() => { ask(undefined) })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const text = (await shop.kubeconfigText()).replace(/"server": ?"[^"]+"/, `"server":"https://127.0.0.1:${port}"`)
    const kubeconfig = `${shop.kubeconfig}-held`
    await writeFile(kubeconfig, text, { mode: 0o600 })
    let press: () => void = () => undefined
    const releasing = shop.release({}, {
      env: { KUBECONFIG: kubeconfig },
      onOutput: (_, kill) => (press = () => { kill('SIGINT') }),
    })
    await asked
    press()
    expect(await releasing).toMatchObject({ code: 130, report: { result: 'cancelled' } })
    server.close()
    await recoveredOn(good)
  })

  test('by SIGINT restores everything itself', async () => {
    await shop.commit('Cancelled', {})
    const before = await shop.state()
    const { result: ended, asked } = await whileAsking(await shop.url(), () =>
      shop.release({ version: 'cancelled' }, killAt(inTheRollout, 'SIGINT')),
    )

    expect(ended).toMatchObject({ code: 130, report: { result: 'cancelled' } })
    expect(await shop.state()).toEqual(before)
    await recoveredOn(good)
    expect(asked.failures).toEqual([])
  })

  seldom('by SIGKILL is restored by `recover`, and a second `recover` has nothing to do', async () => {
    await shop.commit('Killed', {})
    const before = await shop.state()
    const { result: recovered, asked } = await whileAsking(await shop.url(), async () => {
      const killed = await shop.release({ version: 'killed' }, killAt(inTheRollout))
      expect(killed.output).not.toContain('▸ undo')
      return shop.cli('recover', { image: shop.image, namespace: shop.namespace })
    })

    expect(recovered).toMatchObject({ code: 1, report: { result: 'undone' } })
    expect(recovered.output).toContain('the unfinished release was undone, verified')
    expect(await shop.state()).toEqual(before)
    await recoveredOn(good)
    expect(asked.failures).toEqual([])

    const again = await shop.cli('recover', { image: shop.image, namespace: shop.namespace })
    expect(again).toMatchObject({ code: 0, report: { result: 'unchanged' } })
  })

  seldom('by SIGKILL is restored by the next release, which then goes on', async () => {
    await shop.commit('Killed again', {})
    await shop.release({ version: 'killed' }, killAt(inTheRollout))
    const next = await shop.commit('Next', {})
    const { result: released, asked } = await whileAsking(await shop.url(), () =>
      shop.release({ version: 'next' }),
    )

    expect(released.output).toMatch(/found an unfinished release[\s\S]*▸ rollout/)
    expect(released).toMatchObject({ code: 0, report: { result: 'deployed', tag: next } })
    await recoveredOn(next)
    expect(asked.failures).toEqual([])
    good = next
  })

  test('in a workflow (main killed) is restored by the post step, and no file is left', async () => {
    await shop.commit('Killed in a workflow', {})
    const before = await shop.state()
    const { main, post, temp } = await releaseStep(shop)
    await main(killAt(inTheRollout))
    const ended = await post()

    expect(ended.output).toContain('the unfinished release was undone, verified')
    expect(await shop.state()).toEqual(before)
    await recoveredOn(good)
    expect(await readdir(temp)).toEqual([])
  })
})

describe('a release that loses its connection to the cluster for a moment', () => {
  test('(kubectl proxy is killed) goes on without a failure', async () => {
    const next = await shop.commit('Proxy', {})
    let killed: Promise<unknown> | undefined
    const released = await shop.release(
      { version: 'proxy' },
      {
        onOutput: (soFar, _kill, pid) => {
          if (!soFar.includes('deployment/web: 0 of 2')) return
          // Its own child, by its own pid.
          killed ??= run('pkill', ['-KILL', '--parent', String(pid), '-f', 'proxy --unix-socket'])
        },
      },
    )

    expect(await killed).toMatchObject({ code: 0 })
    expect(released).toMatchObject({ code: 0, report: { result: 'deployed', tag: next } })
    await recoveredOn(next)
    good = next
  })
})

describe('two releases at the same moment', () => {
  seldom('run one after the other', async () => {
    const other = await shop.commit('Other', {})
    await shop.release({ version: 'other' })
    const deploy = (tag: string, options: Readonly<Record<string, string>> = {}) =>
      shop.cli('deploy', { image: shop.image, namespace: shop.namespace, tag, bake: '2s', ...options })

    const [one, two] = await Promise.all([deploy(good), deploy(good), deploy(other)])
    expect([one.report.result, two.report.result]).not.toContain('failed')
    const tags = new Set(Object.values(await shop.tags()))
    expect(tags.size).toBe(1)
    await recoveredOn([...tags][0] ?? '')
  })

  test('end as `locked` without a waiting time, with the name of the other run', async () => {
    const running = (await shop.tags())['deployment/web'] ?? ''
    const next = await shop.commit('Long', {})
    let locked: Promise<{ code: number; output: string }> | undefined
    const long = await shop.release(
      { version: 'long', bake: '8s' },
      {
        env: { GITHUB_ACTOR: 'ada' },
        onOutput: (soFar) => {
          if (soFar.includes('▸ rollout')) {
            locked ??= shop.cli('deploy', {
              image: shop.image,
              namespace: shop.namespace,
              tag: running,
              'lock-wait': '0',
            })
          }
        },
      },
    )

    expect(long).toMatchObject({ code: 0, report: { result: 'deployed' } })
    const refused = await locked
    expect(refused?.code).toBe(4)
    expect(refused?.output).toMatch(/another release of shop is under way in t-cut-\w+: ada/)
    await recoveredOn(next)
  })
})
