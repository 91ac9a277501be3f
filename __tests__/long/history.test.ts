/** What ran when, and the way back to it. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Entry } from '../../src/state/history.js'
import { whileAsking } from '../e2e/client.js'
import { Site } from '../e2e/site.js'
import { must, stack } from '../e2e/stack.js'

let shop: Site
/** Commits by the names that the cases give them, oldest first. */
const commits: Record<string, string> = {}

const ada = {
  GITHUB_ACTOR: 'ada',
  GITHUB_SERVER_URL: 'https://ci.example',
  GITHUB_REPOSITORY: 'a/b',
}
const runBy = (run: string) => ({ env: { ...ada, GITHUB_RUN_ID: run } })

async function history(): Promise<readonly Entry[]> {
  const { image, namespace } = shop
  const told = await shop.cli('history', { image, namespace, json: 'true' })
  if (told.code !== 0) throw new Error(told.output)
  return JSON.parse(told.stdout) as readonly Entry[]
}

const rollback = (options: Readonly<Record<string, string>> = {}, env = {}) =>
  shop.cli(
    'rollback',
    { image: shop.image, namespace: shop.namespace, bake: '2s', ...options },
    { env },
  )

/** Defaults and aliases of a user, under which a release by kubectl would see nothing and write nothing. */
const kuberc = JSON.stringify({
  apiVersion: 'kubectl.config.k8s.io/v1beta1',
  kind: 'Preference',
  defaults: [
    ['proxy', 'accept-paths', '^/nothing$'],
    ['apply', 'dry-run', 'client'],
    ['version', 'output', 'json'],
  ].map(([command, name, value]) => ({ command, options: [{ name, default: value }] })),
  aliases: [{ name: 'a', command: 'apply' }],
})
let home = ''

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'kuberc-'))
  await mkdir(join(home, '.kube'))
  await writeFile(join(home, '.kube', 'kuberc'), kuberc)
  const own = { HOME: home }
  const said = await must('kubectl', ['version', '--client'], { env: { ...stack.env, ...own } })
  expect(JSON.parse(said)).toHaveProperty('clientVersion')
  shop = await Site.make('past')
  commits['one'] = await shop.commit('One', {})
  await deployed(await shop.release({ version: 'one' }, { env: { ...runBy('1').env, ...own } }))
  commits['two'] = await shop.commit('Two', {})
  await deployed(await shop.release({ version: 'two' }, runBy('2')))
  commits['broken'] = await shop.commit('Broken', {
    'shop/settings.py': (text) =>
      `${text}\nif "gunicorn" in __import__("sys").argv[0]: import no_such\n`,
  })
  const broken = await shop.release({ version: 'broken' }, runBy('3'))
  if (broken.report.result !== 'undone') throw new Error(broken.output)
  await shop.drop()
  commits['three'] = await shop.commit('Three', {})
  await deployed(await shop.release({ version: 'three' }, runBy('4')))
})

afterAll(async () => {
  await rm(home, { recursive: true })
  await shop.remove()
})

async function deployed(released: { report: { result: string }; output: string }): Promise<void> {
  if (released.report.result !== 'deployed') throw new Error(released.output)
  return Promise.resolve()
}

const tags = async () => new Set(Object.values(await shop.tags()))

describe('the history', () => {
  test('lists every release with user, time, commit, digest, result, cause, migrations and run', async () => {
    const entries = await history()
    expect(entries.map(({ number, result, tag }) => [number, result, tag])).toEqual([
      [1, 'deployed', commits['one']],
      [2, 'deployed', commits['two']],
      [3, 'undone', commits['broken']],
      [4, 'deployed', commits['three']],
    ])
    expect(entries[0]).toMatchObject({
      who: 'ada',
      url: 'https://ci.example/a/b/actions/runs/1',
      command: 'release',
      sha: commits['one'],
    })
    expect(entries[0]?.digest).toMatch(/^sha256:[0-9a-f]{64}$/)
    expect(entries[0]?.migrations.length).toBeGreaterThan(10)
    expect(entries[2]?.cause).toContain("ModuleNotFoundError: No module named 'no_such'")
  })

  test('is a table, newest first, with a star at the running version', async () => {
    const { image, namespace } = shop
    const { stdout } = await shop.cli('history', { image, namespace })
    const lines = stdout.trimEnd().split('\n')
    expect(lines).toHaveLength(5)
    expect(lines[1]).toMatch(
      new RegExp(
        `^\\* +4 +\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d UTC +${commits['three']?.slice(0, 12) ?? ''} +deployed`,
      ),
    )
    expect(lines[2]).toMatch(
      /^ +3 .* undone .* ada .*no_such.* https:\/\/ci.example\/a\/b\/actions\/runs\/3$/,
    )
  })
})

describe('a rollback', () => {
  test('prints in a dry run what it would do, and does nothing', async () => {
    const ended = await rollback({ 'dry-run': 'true' })
    expect(ended).toMatchObject({ code: 0, report: { result: 'unchanged', tag: commits['two'] } })
    expect(ended.output).toMatch(/would set [0-9a-f]{12}/)
    expect(ended.output).toContain('dry run: shop would roll back to')
    expect(await tags()).toEqual(new Set([commits['three']]))
  })

  test('restores the previous version of all workloads together, without a lost request', async () => {
    const { result: ended, asked } = await whileAsking(await shop.url(), () => rollback({}, ada))
    expect(ended).toMatchObject({ code: 0, report: { result: 'deployed', tag: commits['two'] } })
    expect(await tags()).toEqual(new Set([commits['two']]))
    expect(asked.failures).toEqual([])
    expect((await history()).at(-1)).toMatchObject({
      command: 'rollback',
      back: 2,
      result: 'deployed',
    })
  })

  test('goes further back the second time, and not to the version that was just left', async () => {
    const ended = await rollback()
    expect(ended).toMatchObject({ code: 0, report: { result: 'deployed', tag: commits['one'] } })
  })

  test('fails at the first release, which has nothing before it', async () => {
    const ended = await rollback()
    expect(ended).toMatchObject({ code: 1, report: { result: 'failed' } })
    expect(ended.output).toContain('there is no version to roll back to: no release before')
  })

  test('accepts the beginning of a commit', async () => {
    const ended = await rollback({ to: commits['two']?.slice(0, 9) ?? '' })
    expect(ended).toMatchObject({ code: 0, report: { result: 'deployed', tag: commits['two'] } })
  })

  test.each([
    ['a release that did not go live', '3', 'did not go live: undone'],
    ['a release that never was', '99', 'release 99 is not in the history'],
    ['a commit that did not go live', 'broken', 'did not go live: undone'],
    ['an unknown commit', 'abcdef012345', 'has the commit or tag "abcdef012345"'],
  ])('to %s is refused', async (_, to, why) => {
    const ended = await rollback({ to: commits[to] ?? to })
    expect(ended.code).toBe(2)
    expect(ended.output).toContain(why)
    expect(await tags()).toEqual(new Set([commits['two']]))
  })

  test('that fails is undone like any release', async () => {
    const before = await shop.state()
    // The registry knows it by a tag that the history does not have.
    const tag = 'broken-too'
    const from = `${shop.image}:${commits['broken'] ?? ''}`
    await must(
      'docker',
      ['buildx', 'imagetools', 'create', '--tag', `${shop.image}:${tag}`, from],
      {
        env: stack.env,
      },
    )
    const failed = await rollback({ to: tag })
    expect(failed).toMatchObject({ code: 1, report: { result: 'undone' } })
    expect(failed.output).toContain("No module named 'no_such'")
    expect(await shop.state()).toEqual(before)
  })
})

test('an older commit is not released after a newer one, to which a rollback by its number has led', async () => {
  const again = await rollback({ to: '4' })
  expect(again).toMatchObject({ code: 0, report: { result: 'deployed', tag: commits['three'] } })
  await shop.git('checkout', '--quiet', commits['two'] ?? '')
  const before = await shop.state()
  const late = await shop.release({ version: 'two' })
  expect(late).toMatchObject({
    code: 5,
    report: { result: 'superseded', cause: { code: 'stale-commit' } },
  })
  expect(late.output).toMatch(/is older than [0-9a-f]{12}, live since release \d+ by/)
  expect(await shop.state()).toEqual(before)
})
