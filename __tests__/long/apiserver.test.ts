/** The real API server stands still for 30 s in the middle of a release: everybody on the stack notices. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { whileAsking } from '../e2e/client.js'
import { at, inTheRollout } from '../e2e/moment.js'
import { Site } from '../e2e/site.js'
import { must, stack } from '../e2e/stack.js'

let shop: Site
let one: string
const two = 'two'

beforeAll(async () => {
  shop = await Site.make('stopped')
  one = await shop.commit('One', {})
  const released = await shop.release({ version: 'one' })
  if (released.report.result !== 'deployed') throw new Error(released.output)
  await shop.twin(two, one)
})

afterAll(() => shop.remove())

/** The one of the stack: by its pid file (cluster/embedded), else the only one of this machine. */
async function pidOfServer(): Promise<string> {
  const file = join(dirname(dirname(stack.kubeconfig)), 'pid', 'kube-apiserver')
  if (existsSync(file)) {
    const pid = readFileSync(file, 'utf8').trim()
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
    if (!command.includes('kube-apiserver'))
      throw new Error(`${pid} is another process: ${command}`)
    return pid
  }
  const found = (await must('pgrep', ['--exact', 'kube-apiserver|k3s-server'])).trim().split('\n')
  if (found.length !== 1) throw new Error(`which API server is ours: ${found.join(', ')}?`)
  return found[0] ?? ''
}

function signal(name: 'STOP' | 'CONT', pid: string): Promise<string> {
  return process.getuid?.() === 0
    ? must('kill', [`-${name}`, pid])
    : must('sudo', ['--non-interactive', 'kill', `-${name}`, pid])
}

async function standsStill(ms: number): Promise<void> {
  const pid = await pidOfServer()
  try {
    await signal('STOP', pid)
    await sleep(ms)
  } finally {
    await signal('CONT', pid)
  }
}

async function runsAll(tag: string): Promise<void> {
  expect(new Set(Object.values(await shop.tags()))).toEqual(new Set([tag]))
  expect(await shop.leftovers()).toEqual([])
}

test('a good release succeeds although the API server is suspended for 30 s', async () => {
  const stopped = at(inTheRollout, () => standsStill(30_000))
  const { result: ended, asked } = await whileAsking(await shop.url(), () =>
    shop.deploy(two, {}, stopped.how),
  )
  await stopped.done()

  expect(ended).toMatchObject({ code: 0, report: { result: 'deployed', tag: two } })
  await runsAll(two)
  expect(asked.failures).toEqual([])
})

test('a broken release is undone although the API server is suspended for 30 s', async () => {
  await shop.deploy(one)
  const before = await shop.state()
  await shop.commit('Bad', { 'shop/wsgi.py': (old) => `import shop.telemetry\n${old}` })
  const stopped = at(inTheRollout, () => standsStill(30_000))
  const { result: ended, asked } = await whileAsking(await shop.url(), () =>
    shop.release({ version: 'bad' }, stopped.how),
  )
  await stopped.done()
  await shop.drop()

  expect(ended).toMatchObject({ code: 1, report: { result: 'undone' } })
  expect(await shop.state()).toEqual(before)
  await runsAll(one)
  expect(asked.failures).toEqual([])
})
