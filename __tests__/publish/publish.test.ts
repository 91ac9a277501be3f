/** The scripts of publish.yml, with the real npm and git, against an npm and a GitHub of this machine. */
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { github, npmRegistry, type GitHub, type Registry } from './servers.js'

// npm takes a second to start on a busy machine, and some tests start it five times.
jest.setTimeout(60_000)

const root = fileURLToPath(new URL('../..', import.meta.url))
let home: string
let npm: Registry
let hub: GitHub

const git = (...args: readonly string[]) =>
  execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.org', ...args], {
    cwd: join(home, 'checkout'),
    encoding: 'utf8',
  }).trim()

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'publish-'))
  const checkout = join(home, 'checkout')
  await cp(join(root, 'scripts/publish'), join(checkout, 'scripts/publish'), { recursive: true })
  await mkdir(join(home, 'temp'))
  git('init', '--quiet', '--initial-branch=main')
  git('init', '--quiet', '--bare', '../origin')
  ;[npm, hub] = await Promise.all([npmRegistry('boat'), github(join(home, 'origin'))])
  await writeFile(join(home, 'npmrc'), npm.npmrc)
})

afterEach(async () => {
  npm.close()
  hub.close()
  await rm(home, { recursive: true, force: true })
})

/** A commit that says that it is this version, and its tag at the origin. */
async function version(number: string): Promise<string> {
  const project = { name: 'boat', version: number, type: 'module', files: ['sail.txt'] }
  const checkout = join(home, 'checkout')
  await writeFile(join(checkout, 'package.json'), JSON.stringify(project))
  await writeFile(join(checkout, 'sail.txt'), `a sail of ${number}\n`)
  await writeFile(
    join(checkout, 'CHANGELOG.md'),
    `## [${number}] - 2026-01-31\n\nSails ${number}\n`,
  )
  git('add', '--all')
  git('commit', '--quiet', '--message', number)
  git('push', '--quiet', '../origin', `HEAD:refs/tags/v${number}`)
  return git('rev-parse', 'HEAD')
}

/** A step of the job that runs for the tag. */
async function step(tag: string, script: string, ...args: readonly string[]) {
  const child = spawn(process.execPath, [`scripts/publish/${script}.ts`, ...args], {
    cwd: join(home, 'checkout'),
    env: {
      PATH: process.env['PATH'],
      HOME: home,
      npm_config_userconfig: join(home, 'npmrc'),
      npm_config_cache: join(home, 'cache'),
      ...{ ...hub.env, GITHUB_REF_TYPE: 'tag', GITHUB_REF_NAME: tag },
      GITHUB_SHA: git('rev-parse', 'HEAD'),
    },
  })
  let output = ''
  child.stdout.on('data', (bytes: Buffer) => (output += bytes.toString()))
  child.stderr.on('data', (bytes: Buffer) => (output += bytes.toString()))
  const [code] = (await once(child, 'close')) as [number]
  return { code, output }
}

const toNpm = (tag: string) => step(tag, 'npm', join(home, 'temp'), '--access', 'public')
const toGitHub = (tag: string) =>
  step(tag, 'github', join(home, 'temp', `boat-${tag.slice(1)}.tgz`))
const tagAt = (tag: string) => git('--git-dir=../origin', 'rev-parse', tag)

test('a version is published: npm, an immutable release with the same file, and the moving tag', async () => {
  const sha = await version('1.0.0')
  expect(await toNpm('v1.0.0')).toMatchObject({ code: 0 })
  const ended = await toGitHub('v1.0.0')

  expect(ended).toEqual({
    code: 0,
    output: `v1.0.0: https://github.com/django-rollout/django-rollout/releases/tag/v1.0.0\nv1: ${sha}\n`,
  })
  expect([...npm.files.keys()]).toEqual(['1.0.0'])
  expect(hub.releases).toMatchObject([
    { tag_name: 'v1.0.0', name: 'v1.0.0', body: 'Sails 1.0.0', draft: false, immutable: true },
  ])
  expect([...hub.assets.keys()]).toEqual(['v1.0.0/boat-1.0.0.tgz'])
  expect(hub.assets.get('v1.0.0/boat-1.0.0.tgz')).toEqual(npm.files.get('1.0.0'))
  expect(tagAt('v1')).toBe(sha)
})

test('the next one moves the tag on', async () => {
  await version('1.0.0')
  await toNpm('v1.0.0')
  await toGitHub('v1.0.0')
  const sha = await version('1.1.0')
  expect(await toNpm('v1.1.0')).toMatchObject({ code: 0 })
  expect(await toGitHub('v1.1.0')).toMatchObject({ code: 0 })

  expect(hub.releases.map(({ tag_name, body }) => [tag_name, body])).toEqual([
    ['v1.0.0', 'Sails 1.0.0'],
    ['v1.1.0', 'Sails 1.1.0'],
  ])
  expect(tagAt('v1')).toBe(sha)
})

test('a fix of an older version moves nothing back', async () => {
  for (const number of ['1.0.0', '1.10.0']) {
    await version(number)
    await toNpm(`v${number}`)
    await toGitHub(`v${number}`)
  }
  const newest = tagAt('v1')
  await version('1.9.1')
  expect(await toNpm('v1.9.1')).toMatchObject({ code: 0 })
  expect(await toGitHub('v1.9.1')).toMatchObject({
    code: 0,
    output: expect.stringContaining('v1: left at v1.10.0, which is newer'),
  })

  expect(tagAt('v1')).toBe(newest)
  expect(npm.tags).toEqual({ latest: '1.10.0', 'release-1.9': '1.9.1' })
})

test('a job that is run again leaves what is there, and does the rest', async () => {
  const sha = await version('1.0.0')
  await toNpm('v1.0.0')
  // What a run leaves that is cut off before its release is published.
  await fetch(`${hub.url}/repos/django-rollout/django-rollout/releases`, {
    method: 'POST',
    headers: {
      ...{ authorization: `Bearer ${hub.env['GITHUB_TOKEN'] ?? ''}`, 'user-agent': 'test' },
      accept: 'application/vnd.github+json',
    },
    body: JSON.stringify({ tag_name: 'v1.0.0', name: 'half', body: '', draft: true }),
  })
  for (const time of ['after a draft', 'after all of it']) {
    expect({ time, ...(await toNpm('v1.0.0')) }).toEqual({
      ...{ time, code: 0 },
      output: 'npm has boat 1.0.0 already, with the same content\n',
    })
    expect({ time, ...(await toGitHub('v1.0.0')) }).toMatchObject({ time, code: 0 })
    expect(hub.releases).toMatchObject([{ name: 'v1.0.0', draft: false }])
  }
  expect(tagAt('v1')).toBe(sha)
})

test('a version that npm has with other content is refused', async () => {
  await version('1.0.0')
  await toNpm('v1.0.0')
  await writeFile(join(home, 'checkout/sail.txt'), 'another sail\n')

  expect(await toNpm('v1.0.0')).toEqual({
    code: 1,
    output: '::error::npm has boat 1.0.0 already, with other content\n',
  })
})

test.each(['check', 'npm', 'github'])(
  '%s refuses a tag that is not the version',
  async (script) => {
    await version('1.0.0')

    expect(await step('v1.0.1', script, join(home, 'temp'))).toEqual({
      code: 1,
      output: '::error::the tag v1.0.1 is not the version of package.json, 1.0.0\n',
    })
    expect([npm.files.size, hub.releases.length]).toEqual([0, 0])
  },
)

test('a tag that no workflow may move is left to a maintainer, with the command', async () => {
  await version('1.0.0')
  await toNpm('v1.0.0')
  await toGitHub('v1.0.0')
  const workflows = join(home, 'checkout/.github/workflows')
  await mkdir(workflows, { recursive: true })
  await writeFile(join(workflows, 'sail.yml'), 'on: push\n')
  const sha = await version('1.1.0')
  await toNpm('v1.1.0')
  const ended = await toGitHub('v1.1.0')

  expect(ended.code).toBe(1)
  expect(ended.output).toContain('403 {"message":"Resource not accessible by integration"}\n')
  const sentence =
    /::error::v1\.1\.0 is out, at npm and as a release, but the tag v1 is not moved: [^\n]* by: (git push .*)\n$/
  expect(ended.output).toMatch(sentence)
  expect(hub.releases).toMatchObject([{ draft: false }, { name: 'v1.1.0', draft: false }])
  expect(tagAt('v1')).not.toBe(sha)

  git('remote', 'add', 'origin', '../origin')
  git('fetch', '--quiet', '--tags', 'origin')
  const [, command = ''] = sentence.exec(ended.output) ?? []
  execFileSync('sh', ['-c', command], { cwd: join(home, 'checkout'), stdio: 'pipe' })
  expect(tagAt('v1')).toBe(sha)
  expect(await toGitHub('v1.1.0')).toMatchObject({ code: 0 })
})

test('what GitHub refuses is told, and leaves no release', async () => {
  await version('1.0.0')
  await toNpm('v1.0.0')
  git('--git-dir=../origin', 'update-ref', '-d', 'refs/tags/v1.0.0')
  const ended = await toGitHub('v1.0.0')

  expect(ended.code).toBe(1)
  expect(ended.output).toContain('::error::PATCH ')
  expect(ended.output).toContain('422 {"message":"the tag is not there"}')
  expect(hub.releases).toMatchObject([{ draft: true }])
})
