import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readSettings } from '../../src/commands/settings.js'
import { realPlatform } from '../../src/platform/real.js'

let folder = ''
let before = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'django-rollout-test-'))
  before = process.cwd()
  process.chdir(folder)
})
afterEach(async () => {
  process.chdir(before)
  await rm(folder, { recursive: true })
})

const given = { image: 'ghcr.io/acme/shop', namespace: 'shop' }
const read = (more: Readonly<Record<string, string>> = {}) =>
  readSettings('release', { ...given, ...more }, 'command', realPlatform({}).files)

describe('the file of options', () => {
  test('is django-rollout.yml, where there is one', async () => {
    expect(await read()).toMatchObject({ is: 'read', settings: { bake: 15_000 } })
    await writeFile('django-rollout.yml', 'bake: 1s')
    expect(await read()).toMatchObject({ is: 'read', settings: { bake: 1000 } })
  })

  test('is not overlooked when it has another name', async () => {
    await writeFile('django-rollout.yaml', 'bake: 1s')
    const problem =
      'django-rollout.yaml is ignored: rename it to django-rollout.yml, or set "config"'
    expect(await read()).toEqual({ is: 'wrong', problems: [problem] })
    expect(await read({ config: 'django-rollout.yaml' })).toMatchObject({
      is: 'read',
      settings: { bake: 1000 },
    })
  })

  test.each([
    ['none.yml', '"config" "none.yml" does not exist; is the repository checked out?'],
    ['/', '"config" "/" is a folder'],
  ])('is an error when it cannot be read: %s', async (config, problem) => {
    expect(await read({ config })).toEqual({ is: 'wrong', problems: [problem] })
  })
})
