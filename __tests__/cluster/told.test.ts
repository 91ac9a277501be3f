/** What GitHub and a chat are told of a release: the truth, and never at the price of the release. */
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { step } from '../e2e/runner.js'
import { Site } from '../e2e/site.js'
import type { Ended, How } from '../e2e/stack.js'
import { Chat } from '../support/chat.js'
import { GitHub } from '../support/github.js'
import { seldom } from '../support/seldom.js'

const live = 'https://shop.example.com'
let shop: Site
let github: GitHub
let chat: Chat
let one: string
let two: string

beforeAll(async () => {
  ;[shop, github, chat] = await Promise.all([Site.make('told'), GitHub.start(), Chat.start()])
  one = await shop.commit('One', {})
})
beforeEach(() => {
  chat.messages.length = 0
  github.asked.length = 0
})
afterAll(async () => {
  github.stop()
  chat.stop()
  await shop.remove()
})

/** A step of the workflow run with this number. */
async function inRun(
  run: number,
  inputs: Readonly<Record<string, string>> = {},
  action?: 'actions/deploy' | 'actions/rollback',
  variables: Readonly<Record<string, string>> = {},
) {
  const given = {
    image: shop.image,
    namespace: shop.namespace,
    kubeconfig: await shop.kubeconfigText(),
    bake: '1s', order: 'parallel',
    // The first one makes the tables.
    ...(run > 1 && { 'migrate-command': 'none' }),
    ...(!action && { manifests: 'k8s', 'test-command': 'none' }),
    token: 'ghs-good', environment: 'production', 'environment-url': live,
    webhook: chat.url,
    ...inputs,
  }
  return step(shop, given, {
    ...(action && { action }),
    variables: { ...github.envOf(run), ...variables },
  })
}

/** Annotations, and all that the runner shows: it takes away the commands that hide a secret. */
function shownOf({ output }: Ended) {
  const shown = output.replace(/^::add-mask::.*$/gm, '')
  expect(shown).not.toContain(chat.secret)
  expect(shown).not.toMatch(/ghs-\w+/)
  return { shown, warnings: shown.match(/^::warning::.*$/gm) ?? [] }
}

const log = (run: number) => `https://github.example/acme/shop/actions/runs/${run}`

const without = { token: '', environment: '', 'environment-url': '' }

test('without a token no request is sent to GitHub, but a chat is notified', async () => {
  const { main } = await inRun(1, without)
  const ended = await main()

  expect(ended.code).toBe(0)
  expect(shownOf(ended).warnings).toEqual([])
  expect(github.asked).toEqual([])
  expect(chat.messages).toEqual([expect.stringContaining(`✓ *shop ${one.slice(0, 12)} is deployed`)])
  expect(chat.messages[0]).toContain(log(1))
})

test('a deployed release is active, with its address, in the record of its job', async () => {
  two = await shop.commit('Two', {})
  github.addOfJob(2, two, 'production')
  const { main } = await inRun(2)
  const ended = await main()

  expect(ended.code).toBe(0)
  expect(shownOf(ended).warnings).toEqual([])
  expect(github.shown('production')).toEqual([
    {
      sha: two, states: ['in_progress', 'in_progress', 'success'], log: log(2), url: live,
      description: expect.stringMatching(/^shop \w{12} is deployed: \d workloads in namespace t-told/),
    },
  ])
})

test('a release that is undone is a failure with its cause, and the previous version is active', async () => {
  const bad = await shop.commit('Bad', {
    'shop/wsgi.py': (old) => `import shop.telemetry\n${old}`,
  })
  chat.answers.push(500, 500, 500)
  const { main } = await inRun(3)
  const ended = await main()
  await shop.drop()

  expect(ended.code).toBe(1)
  expect(shownOf(ended).warnings).toEqual([
    '::warning::the webhook was not notified: the request was refused (500)',
  ])
  expect(github.shown('production')[0]).toMatchObject({
    sha: bad, states: ['in_progress', 'failure'], url: '',
    description: expect.stringContaining("No module named 'shop.telemetry'"),
  })
  expect(github.active('production')).toEqual([two])
})

test('a rollback records the restored commit, and the replaced version is no longer active', async () => {
  const { main } = await inRun(4, {}, 'actions/rollback')
  const ended = await main()

  expect(ended.code).toBe(0)
  expect(github.shown('production')).toMatchObject([
    { sha: one, states: ['in_progress', 'success'], log: log(4), url: live },
    { states: ['in_progress', 'failure'] },
    { sha: two, states: ['in_progress', 'in_progress', 'success', 'inactive'] },
  ])
  expect(github.active('production')).toEqual([one])
})

seldom('the post step ends the record of a killed release, and notifies the chat', async () => {
  const killed = await shop.commit('Killed', {})
  const { main, post } = await inRun(5)
  let sent = false
  const inTheRollout: Pick<How, 'onOutput'> = {
    onOutput: (soFar, kill) => {
      if (sent || !/deployment\/web: (0|1) of 2/.test(soFar)) return
      sent = true
      kill('SIGKILL')
    },
  }
  await main(inTheRollout)
  expect(github.shown('production')[0]).toMatchObject({ sha: killed, states: ['in_progress'] })
  const ended = await post()
  await shop.drop()

  expect(shownOf(ended).shown).toContain('the unfinished release was undone, verified')
  expect(github.shown('production')[0]).toMatchObject({
    sha: killed, states: ['in_progress', 'failure'],
    description: 'shop: the unfinished release was undone, verified',
  })
  expect(github.active('production')).toEqual([one])
  expect(chat.messages).toEqual([expect.stringContaining('✗ *shop: the unfinished release')])
})

seldom.each([
  [
    'without the permission',
    () => inRun(6, { token: 'ghs-read', tag: two }, 'actions/deploy'),
    '"token" may not write deployments (403); add "permissions: deployments: write" to the job',
  ],
  [
    'while GitHub is away',
    () => inRun(7, { to: one }, 'actions/rollback', { GITHUB_API_URL: 'http://127.0.0.1:1' }),
    'GitHub does not answer (ECONNREFUSED)',
  ],
])('a release is deployed %s, with one warning', async (_, step, why) => {
  const { main } = await step()
  const ended = await main()

  expect(ended.code).toBe(0)
  expect(shownOf(ended).warnings).toEqual([
    `::warning::GitHub has no deployment record of this run: ${why}`,
  ])
  expect(chat.messages).toEqual([expect.stringContaining('is deployed')])
})

test('the command line notifies the chat too, and never shows its address', async () => {
  const ended = await shop.deploy(one, { webhook: chat.url }, { env: github.envOf(8) })

  expect(ended).toMatchObject({ code: 0, report: { result: 'unchanged' } })
  expect(`${ended.output} ${JSON.stringify(ended.report)}`).not.toContain(chat.secret)
  expect(chat.messages).toEqual([expect.stringContaining('is already running')])
})
