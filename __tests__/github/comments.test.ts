/** One comment on a pull request, whoever else writes there. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { commentPlan, markerOf } from '../../src/github/comments.js'
import type { Report } from '../../src/report/report.js'
import { GitHub } from '../support/github.js'
import { hastyWorld } from '../support/hasty.js'
import { reportOf } from '../support/report.js'

let github: GitHub
beforeEach(async () => {
  github = await GitHub.start({ 'ghs-good': 'write', 'ghs-read': 'read', 'ghp-ada': 'write' })
})
afterEach(() => {
  github.stop()
})

const bot = { login: 'github-actions[bot]', type: 'Bot' } as const
const ada = { login: 'ada', type: 'User' } as const
const eve = { login: 'eve', type: 'User' } as const
const planOf = (more: Partial<Report> = {}) =>
  reportOf({ command: 'plan', result: 'unchanged', workloads: [], ...more })
const marker = markerOf(planOf(), undefined)

function comment(
  report: Report = planOf(),
  { token = 'ghs-good', ref = 'refs/pull/7/merge' }: { token?: string; ref?: string } = {},
) {
  const env = { ...github.envOf(1), GITHUB_REF: ref }
  const url = 'https://github.example/acme/shop/actions/runs/1'
  const how = { report, url, secrets: ['hunter2', 'hunter2-of-ada'] }
  const signal = new AbortController().signal
  return commentPlan(hastyWorld(env), { token, 'kube-context': undefined }, how, signal)
}
const bodies = () => github.comments.all.map(({ body }) => body)

describe('the comment of a plan', () => {
  test('is created once, and updated from then on', async () => {
    expect(await comment()).toEqual([])
    expect(await comment(planOf({ result: 'failed' }))).toEqual([])
    expect(bodies()).toEqual([
      expect.stringMatching(/^## ❌ [^]*\n<!-- django-rollout: plan of shop in prod -->$/),
    ])
  })

  test('is found behind hundreds of others', async () => {
    await comment()
    const [own] = github.comments.all.splice(0)
    for (let i = 0; i < 250; i++) github.comments.add(`LGTM ${i}`, eve)
    const { id } = github.comments.add(own?.body ?? '', bot)
    await comment(planOf({ result: 'failed' }))
    expect(github.comments.all).toHaveLength(251)
    expect(github.comments.all.find((one) => one.id === id)?.body).toMatch(/^## ❌/)
  })

  test.each([
    ['a person who has copied it', `## ✅ safe\n${marker}`, eve],
    ['a person who quotes it', `> ${marker}\n\nIs that so?`, eve],
    ['a bot that speaks of it', `${marker}\nThis is the marker.`, bot],
    ['an account that is gone', `## ✅ safe\n${marker}`, null],
    ['another application', `## ✅ safe\n${markerOf(planOf({ app: 'blog' }), undefined)}`, bot],
    ['another namespace', `## ✅ safe\n${markerOf(planOf({ namespace: 'test' }), undefined)}`, bot],
    ['another cluster', `## ✅ safe\n${markerOf(planOf(), 'europe')}`, bot],
  ])('leaves that of %s alone', async (_, body, user) => {
    github.comments.add(body, user)
    expect(await comment()).toEqual([])
    expect(bodies()).toEqual([body, expect.stringMatching(/^## ✅/)])
  })

  test.each([
    ['ghp-ada', ada, 1],
    ['ghp-ada', bot, 2],
    ['ghs-good', ada, 2],
    ['ghs-good', bot, 1],
  ])('with the token %s and a comment of %j there are %i', async (token, user, count) => {
    github.comments.add(`## ✅ safe\n${marker}`, user)
    expect(await comment(planOf(), { token })).toEqual([])
    expect(github.comments.all).toHaveLength(count)
  })

  test('is not made twice when the answer is lost', async () => {
    // /user, the list, and the creation.
    github.troubles.push(...(['none', 'none', 'answer lost'] as const))
    expect(await comment()).toEqual([])
    expect(bodies()).toHaveLength(1)
  })

  test('stays one when another run creates it at the same time', async () => {
    const first = github.comments.add('placeholder', bot)
    github.comments.onCreate = () => {
      first.body = `## ✅ of the other run\n${marker}`
    }
    expect(await comment(planOf({ result: 'failed' }))).toEqual([])
    expect(github.comments.all).toEqual([{ ...first, body: expect.stringMatching(/^## ❌/) }])
  })

  test('fits, however much there is to show', async () => {
    const migrations = Array.from({ length: 500 }, (_, at) => ({
      database: 'default',
      name: `shop.${at}_${'x'.repeat(200)}`,
      operations: ['RunSQL'],
      reversible: true,
      verdict: 'safe' as const,
      sql: 'SELECT 1;\n'.repeat(500),
    }))
    expect(await comment(planOf({ plan: { migrations, findings: [] } }))).toEqual([])
    expect(bodies()).toEqual([expect.stringMatching(/and \d+ more: see \[the run\]/)])
  })

  test('has no secret of an input, and no log of a container', async () => {
    const logs = [{ lines: ['PASSWORD=x'] }]
    const cause = { code: 'crash', sentence: 'hunter2-of-ada and hunter2', logs } as const
    await comment(planOf({ result: 'failed', cause }))
    expect(bodies()).toEqual([expect.stringContaining('\\*\\*\\* and \\*\\*\\*')])
    expect(bodies().join()).not.toMatch(/hunter2|PASSWORD/)
  })

  test.each([
    ['outside of a pull request', { ref: 'refs/heads/main' }, {}],
    ['of a run that was cancelled', {}, { result: 'cancelled' }],
  ] as const)('is not written %s', async (_, how, more) => {
    expect(await comment(planOf(more), how)).toEqual([])
    expect(github.asked).toEqual([])
  })

  test('that may not be written is a warning, with the right that is missing', async () => {
    expect(await comment(planOf(), { token: 'ghs-read' })).toEqual([
      'the plan is not on the pull request: "token" may not write to pull requests (403); add "permissions: pull-requests: write" to the job',
    ])
  })
})
