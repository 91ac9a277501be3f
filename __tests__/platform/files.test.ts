import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { mkdtempSync, statSync } from 'node:fs'
import { chmod, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { realFiles } from '../../src/platform/files.js'

const temp = mkdtempSync(join(tmpdir(), 'django-rollout-test-'))
const files = realFiles({ RUNNER_TEMP: temp })
afterAll(() => rm(temp, { recursive: true }))

const mode = (path: string) => (statSync(path).mode & 0o777).toString(8)

let folder = ''
beforeAll(async () => {
  folder = await files.privateFolder()
})

test('a private folder is in RUNNER_TEMP and closed to others', () => {
  expect(dirname(folder)).toBe(temp)
  expect(mode(folder)).toBe('700')
})

test('a private folder is in the system’s folder without RUNNER_TEMP', async () => {
  const own = realFiles({})
  const made = await own.privateFolder()
  expect(dirname(made)).toBe(tmpdir())
  await own.remove(made)
  expect(own.exists(made)).toBe(false)
})

test('a private file is closed to others, also when it was open before', async () => {
  const path = join(folder, 'kubeconfig')
  await writeFile(path, 'old and longer than the new text')
  await chmod(path, 0o644)
  await files.writePrivate(path, 'new')
  expect(mode(path)).toBe('600')
  expect(await files.read(path)).toBe('new')
})

test('an ordinary file is written with the folders above it', async () => {
  const path = join(folder, 'out', 'reports', 'release.json')
  await files.write(path, '{}')
  expect(await files.read(path)).toBe('{}')
  expect(files.isFolder(dirname(path))).toBe(true)
  expect(files.isFolder(path)).toBe(false)
})

test('the target of a link is returned, even when it does not exist', async () => {
  const path = join(folder, 'link')
  await symlink('somebody@host.1234', path)
  expect(await files.link(path)).toBe('somebody@host.1234')
  expect(await files.link(folder)).toBeUndefined()
})

test('a file that is not there is read as undefined, and its removal is no error', async () => {
  const path = join(folder, 'none', 'at', 'all')
  expect(await files.read(path)).toBeUndefined()
  expect(await files.link(path)).toBeUndefined()
  expect(files.exists(path)).toBe(false)
  expect(files.isFolder(path)).toBe(false)
  await files.remove(path)
})

test('what is below a folder that may not be read, or a link to itself, is not there', async () => {
  const path = join(folder, 'loop')
  await symlink(path, path)
  const closed = join(folder, 'closed')
  await files.write(join(closed, 'own', 'file'), '')
  await chmod(closed, 0)
  for (const one of [path, join(closed, 'own'), 'a\0b']) {
    // Root may read everything.
    if (one.endsWith('own') && process.getuid?.() === 0) continue
    expect(files.isFolder(one)).toBe(false)
    expect(files.exists(one)).toBe(false)
  }
  await chmod(closed, 0o700)
})

test('the names in a folder come sorted', async () => {
  for (const name of ['b', 'a', 'C']) await files.write(join(folder, 'list', name), '')
  expect(await files.list(join(folder, 'list'))).toEqual(['C', 'a', 'b'])
})
