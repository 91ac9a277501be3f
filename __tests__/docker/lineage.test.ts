import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { lineageOf } from '../../src/docker/lineage.js'
import { realPlatform } from '../../src/platform/real.js'

// A real git on real checkouts: a repository that is pushed to, and a checkout of it.
let home = ''
const origin = () => join(home, 'origin')
const checkout = () => join(home, 'checkout')
const git = (folder: string, ...args: string[]): string =>
  execFileSync(
    'git',
    ['-C', folder, '-c', 'user.name=a', '-c', 'user.email=a@example.com', ...args],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  )
    .toString()
    .trim()

function push(): string {
  git(origin(), 'commit', '--quiet', '--allow-empty', '--message', 'x')
  return git(origin(), 'rev-parse', 'HEAD')
}

const { CI: _ci, GITHUB_ACTIONS: _actions, ...env } = process.env
const never = new AbortController().signal
const lineage = (ours: string, theirs: string, more: Record<string, string> = { CI: 'true' }) =>
  lineageOf(
    { platform: realPlatform({ ...env, ...more }), folder: checkout(), signal: never },
    ours,
    theirs,
  )

let one = ''
let two = ''

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'django-rollout-test-'))
  execFileSync('git', ['init', '--quiet', '--initial-branch=main', origin()])
  one = push()
  two = push()
})
afterEach(() => {
  rmSync(home, { recursive: true })
})

const clone = (...flags: string[]) => {
  execFileSync('git', ['clone', '--quiet', ...flags, `file://${origin()}`, checkout()])
}

test.each([
  ['a complete checkout', []],
  ['a shallow one, as actions/checkout makes it', ['--depth=1']],
])(
  'the history of %s tells older commits from newer ones, even from commits that were pushed meanwhile',
  async (_, flags) => {
    clone(...flags)
    const three = push()
    expect(await lineage(two, three)).toBe('older')
    expect(await lineage(two, one)).toBe('not-older')
    expect(await lineage(two, two)).toBe('not-older')
  },
)

test('a complete checkout stays complete', async () => {
  clone()
  await lineage(two, push())
  expect(git(checkout(), 'rev-parse', '--is-shallow-repository')).toBe('false')
})

test('a commit of another branch is not newer', async () => {
  clone('--depth=1')
  git(origin(), 'checkout', '--quiet', '-b', 'other', one)
  const other = push()
  expect(await lineage(two, other)).toBe('not-older')
})

describe('a history that is longer than the fetched part', () => {
  const all = () => git(origin(), 'rev-list', '--reverse', 'HEAD').split('\n')
  beforeEach(() => {
    const commits = Array.from(
      { length: 250 },
      (_, i) =>
        `commit refs/heads/main\ncommitter a <a@example.com> ${i} +0000\ndata 1\nx\n` +
        (i === 0 ? `from ${two}\n` : ''),
    )
    execFileSync('git', ['-C', origin(), 'fast-import', '--quiet'], { input: commits.join('\n') })
    clone('--depth=1')
  })

  test('tells the commit that follows the live one from an older one', async () => {
    const commits = all()
    expect(await lineage(commits.at(-1) ?? '', commits.at(-2) ?? '')).toBe('not-older')
    const newer = push()
    expect(await lineage(commits.at(-1) ?? '', newer)).toBe('older')
  })

  test('proves nothing about commits before its beginning', async () => {
    const live = git(origin(), 'rev-parse', 'HEAD')
    git(checkout(), 'fetch', '--quiet', '--depth=1', 'origin', one)
    expect(await lineage(one, live)).toBe('unknown')
  })
})

test('a commit that is nowhere in the history has an unknown age', async () => {
  clone()
  expect(await lineage(two, 'f'.repeat(40))).toBe('unknown')
  expect(await lineage('f'.repeat(40), two)).toBe('unknown')
})

test("nothing is fetched on a person's machine", async () => {
  clone()
  const three = push()
  expect(await lineage(two, three, {})).toBe('unknown')
})

test('the age of a commit is unknown outside of a checkout', async () => {
  execFileSync('mkdir', [checkout()])
  expect(await lineage(two, one)).toBe('unknown')
})
