import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import {
  commitNote,
  findOrigin,
  findSource,
  findSourceToBuild,
  missingSubmodules,
  withoutCredentials,
} from '../../src/docker/source.js'
import { realPlatform } from '../../src/platform/real.js'

// A real git on real checkouts: what it says is the contract.
let top = ''
const git = (...args: string[]): string =>
  execFileSync('git', ['-C', top, '-c', 'user.name=a', '-c', 'user.email=a@example.com', ...args])
    .toString()
    .trim()
const write = (name: string, text: string): void => {
  writeFileSync(join(top, name), text)
}

beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'django-rollout-test-'))
  git('init', '--quiet')
  mkdirSync(join(top, 'backend'))
  write('backend/app.py', 'x = 1\n')
  write('README.md', 'hello\n')
  write('.gitignore', 'ignored\n')
})
afterEach(() => {
  rmSync(top, { recursive: true })
})

const { GITHUB_SHA: _sha, GITHUB_ACTIONS: _actions, CI: _ci, ...env } = process.env
const source = (more: Record<string, string> = {}, tag?: string, folder = join(top, 'backend')) =>
  findSource(realPlatform({ ...env, ...more }), { tag }, folder)
const commit = (): string => {
  git('add', '--all')
  git('commit', '--quiet', '--message', 'x')
  return git('rev-parse', 'HEAD')
}

describe('the tag of a checkout', () => {
  test('is the commit when nothing was changed', async () => {
    const sha = commit()
    write('ignored', 'x')
    expect(await source()).toEqual({ sha, tag: sha })
  })

  test('is taken from git and not from the runner', async () => {
    const sha = commit()
    expect(await source({ GITHUB_SHA: 'f'.repeat(40) })).toEqual({ sha, tag: sha })
  })

  test('is never the bare commit with changes, wherever in the repository they are', async () => {
    const sha = commit()
    const tags: string[] = []
    const dirty = async (): Promise<void> => {
      const found = await source()
      expect(found.sha).toBe(sha)
      expect(found.tag).toMatch(new RegExp(`^${sha}-dirty-[0-9a-f]{12}$`))
      expect(await source()).toEqual(found)
      tags.push(found.tag)
    }
    write('README.md', 'changed\n')
    await dirty()
    write('README.md', 'changed again\n')
    await dirty()
    write('backend/new.py', 'x = 1\n')
    await dirty()
    write('backend/new.py', 'x = 2\n')
    await dirty()
    rmSync(join(top, 'backend/app.py'))
    await dirty()
    expect(new Set(tags).size).toBe(tags.length)
  })

  test('is the same whether a change is staged or not', async () => {
    commit()
    write('README.md', 'changed\n')
    const before = await source()
    git('add', '--all')
    expect(await source()).toEqual(before)
  })

  test('counts changed files under CI, but not files that earlier steps have left', async () => {
    const sha = commit()
    write('backend/bundle.js', 'built')
    expect(await source({ CI: 'true' })).toEqual({ sha, tag: sha })
    expect((await source()).tag).toContain('-dirty-')
    write('README.md', 'changed\n')
    expect((await source({ CI: 'true' })).tag).toContain('-dirty-')
  })

  test('is the same after a run has written the reports that its user requested', async () => {
    const sha = commit()
    mkdirSync(join(top, 'out'))
    write('release.json', '{}')
    write('out/release [1].xml', '')
    const told = { report: join(top, 'release.json'), junit: '/elsewhere/release.xml' }
    const all = { ...told, junit: join(top, 'out/release [1].xml') }
    const found = (given: object) => findSource(realPlatform(env), given, join(top, 'backend'))

    expect(await found(all)).toEqual({ sha, tag: sha })
    expect((await found(told)).tag).toContain('-dirty-')
    const copied = ['release.json', 'out'].map((file) => relative('', join(top, file)))
    expect(await found({ 'test-files': copied })).toEqual({ sha, tag: sha })
    write('README.md', 'changed\n')
    const { tag } = await found(all)
    expect(tag).toContain('-dirty-')
    write('release.json', '{"result": "deployed"}')
    expect((await found(all)).tag).toBe(tag)
  })

  test.each([
    ['a link that leads nowhere', '.#models.py', 'somebody@host.1234'],
    ['a link to a folder', 'a-link', 'backend'],
    ['a link to a file', 'a-link', 'README.md'],
  ])('counts each file that was not added, beside %s', async (_, name, target) => {
    commit()
    symlinkSync(target, join(top, name))
    const tags: string[] = []
    const dirty = async (): Promise<void> => {
      const found = await source()
      expect(await source()).toEqual(found)
      tags.push(found.tag)
    }
    await dirty()
    write('backend/new.py', 'x = 1\n')
    await dirty()
    write('backend/new.py', 'x = 2\n')
    await dirty()
    rmSync(join(top, name))
    symlinkSync(`${target}-2`, join(top, name))
    await dirty()
    expect(new Set(tags).size).toBe(tags.length)
  })

  test.each(['"quoted".py', 'back\\slash.py', 'two\nlines.py', 'return\r.py', 'ünï code.py'])(
    'counts a file of any name, for example %j',
    async (name) => {
      commit()
      write(name, 'x = 1\n')
      const before = await source()
      write(name, 'x = 2\n')
      expect((await source()).tag).not.toBe(before.tag)
    },
  )

  // Nothing is closed to root, so git itself is one that fails there.
  test.each(['diff', 'ls-files', 'hash-object'])('is none when git %s fails', async (command) => {
    commit()
    write('README.md', 'changed\n')
    write('backend/new.py', 'x = 1\n')
    const bin = mkdtempSync(join(tmpdir(), 'django-rollout-test-'))
    const real = execFileSync('sh', ['-c', 'command -v git']).toString().trim()
    const told = 'fatal: could not open new.py: Permission denied'
    const script = `#!/bin/sh\ncase " $* " in *" ${command} "*) echo "${told}" >&2; exit 128;; esac\nexec ${real} "$@"\n`
    writeFileSync(join(bin, 'git'), script)
    chmodSync(join(bin, 'git'), 0o755)
    await expect(source({ PATH: `${bin}:${env['PATH'] ?? ''}` })).rejects.toMatchObject({
      cause: { code: 'usage', sentence: `git ${command} failed: ${told}` },
    })
    rmSync(bin, { recursive: true })
  })

  test('is the one that the user has set, if any', async () => {
    const sha = commit()
    write('README.md', 'changed\n')
    expect(await source({}, 'v1')).toEqual({ sha, tag: 'v1' })
  })
})

describe('a checkout whose commit is not known', () => {
  const outside = tmpdir()

  test('uses the runner’s commit where there is no .git', async () => {
    const sha = 'f'.repeat(40)
    expect(await source({ GITHUB_SHA: sha }, undefined, outside)).toEqual({ sha, tag: sha })
    expect(await source({ CI_COMMIT_SHA: sha, PATH: '/none' })).toEqual({ sha, tag: sha })
  })

  test('is enough when the user gives a tag', async () => {
    expect(await source({}, 'v1', outside)).toEqual({ tag: 'v1' })
  })

  test.each([
    ['no git', { PATH: '/none' }, undefined, 'git was not found, so the commit is not known'],
    ['no checkout', {}, outside, 'is not in a git checkout'],
    ['nothing committed', {}, undefined, "has no commit for the image's tag"],
    ['no folder', {}, '/no/such/folder', '"/no/such/folder" is not a folder'],
  ])('fails with one sentence when there is %s', async (_, more, folder, sentence) => {
    await expect(source(more, undefined, folder)).rejects.toMatchObject({
      cause: { code: 'usage', sentence: expect.stringContaining(sentence) },
    })
  })
})

describe('the address of the repository', () => {
  test.each([
    ['https://github.com/acme/shop.git', 'https://github.com/acme/shop'],
    ['https://user:ghp_token@github.com/acme/shop', 'https://github.com/acme/shop'],
    ['https://x-access-token:t@github.com/acme/shop.git/', 'https://github.com/acme/shop'],
    ['git@github.com:acme/shop.git', 'https://github.com/acme/shop'],
    [
      'ssh://git@gitlab.example.com:2222/group/sub/shop.git',
      'https://gitlab.example.com/group/sub/shop',
    ],
    ['/srv/git/shop.git', undefined],
    ['../shop', undefined],
    ['file:///srv/git/shop.git', undefined],
    ['C:\\repos\\shop', undefined],
  ])('%s is shown as %s', (remote, address) => {
    expect(withoutCredentials(remote)).toBe(address)
  })

  test('is that of origin', async () => {
    expect(await findOrigin(realPlatform(env), top)).toBeUndefined()
    git('remote', 'add', 'origin', 'https://t0ken@github.com/acme/shop.git')
    expect(await findOrigin(realPlatform(env), top)).toBe('https://github.com/acme/shop')
  })
})

describe('a tag for a build', () => {
  const build = (tag: string) => findSourceToBuild(realPlatform({ ...env }), { tag }, top)

  test('may be anything but the name of another commit, whose image it would replace', async () => {
    const older = commit()
    write('backend/app.py', 'x = 2\n')
    const sha = commit()

    expect(await build('v1.4')).toEqual({ sha, tag: 'v1.4' })
    expect(await build(sha)).toEqual({ sha, tag: sha })
    await expect(build(older)).rejects.toMatchObject({
      cause: {
        code: 'usage',
        sentence: `"tag" is the commit ${older}, but the checkout is at ${sha}`,
      },
    })
  })
})

describe('what is said of the commit that is built', () => {
  const sha = 'a'.repeat(40)
  const said = (env: Record<string, string>) => commitNote({ env }, { sha, tag: sha })
  test.each<[string, Record<string, string>, string | undefined]>([
    ['a push', { GITHUB_SHA: sha, GITHUB_REF: 'refs/heads/main' }, undefined],
    [
      'a merge queue, whose commit becomes that of the branch',
      { GITHUB_SHA: sha, GITHUB_REF: 'refs/heads/gh-readonly-queue/main/pr-7-bbbb' },
      undefined,
    ],
    [
      'a pull request',
      { GITHUB_SHA: sha, GITHUB_REF: 'refs/pull/7/merge' },
      "aaaaaaaaaaaa is GitHub's merge of pull request 7 for its tests: no branch has this commit, and the one on the branch will be built again",
    ],
    [
      'a checkout of another commit',
      { GITHUB_SHA: 'b'.repeat(40), GITHUB_REF: 'refs/pull/7/merge' },
      'the checkout is at aaaaaaaaaaaa, and this job was started for bbbbbbbbbbbb: aaaaaaaaaaaa is built',
    ],
    ['a machine without a runner', {}, undefined],
  ])('%s', (_, env, sentence) => {
    expect(said(env)).toBe(sentence)
  })
})

test('submodules that are not checked out are found below the context', async () => {
  const origin = mkdtempSync(join(tmpdir(), 'django-rollout-test-'))
  const local = ['-c', 'protocol.file.allow=always']
  const quiet = { stdio: 'ignore' as const }
  const own = ['-C', origin, '-c', 'user.name=a', '-c', 'user.email=a@example.com']
  execFileSync('git', ['init', '--quiet', origin])
  execFileSync('git', [...own, 'commit', '--quiet', '--allow-empty', '--message', 'x'])
  const missing = (folder: string) => missingSubmodules(realPlatform(env), join(top, folder))

  expect(await missing('')).toEqual([])
  for (const path of ['backend/lib', 'docs/theme'])
    execFileSync('git', ['-C', top, ...local, 'submodule', 'add', '--quiet', origin, path], quiet)
  commit()
  expect(await missing('')).toEqual([])
  git('submodule', 'deinit', '--force', '--all')
  expect(await missing('')).toEqual(['backend/lib', 'docs/theme'])
  expect(await missing('backend')).toEqual(['lib'])
  rmSync(origin, { recursive: true })
})
