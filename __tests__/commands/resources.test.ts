import { expect, test } from '@jest/globals'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Settings } from '../../src/options/table.js'
import { Resources } from '../../src/commands/resources.js'
import type { Failure } from '../../src/failure/failure.js'
import { realPlatform } from '../../src/platform/real.js'

const text = 'apiVersion: v1\nkind: Config\nusers: [{name: a, user: {token: hunter2-hunter2}}]\n'
const machine = realPlatform({ PATH: '' })
const access = (kubeconfig: string, resources = new Resources(machine)) =>
  resources.access(machine, { kubeconfig, namespace: 'shop' } as Settings)
const why = async (kubeconfig: string) => {
  const { cause } = await access(kubeconfig).then(
    () => {
      throw new Error('was taken')
    },
    (error: unknown) => error as Failure,
  )
  return cause
}

test('the text of a kubeconfig is written to a file that only its owner can read, until the end of the run', async () => {
  const resources = new Resources(machine)
  const { kubeconfig = '' } = await access(text, resources)
  expect(await readFile(kubeconfig, 'utf8')).toBe(text)
  expect((await stat(kubeconfig)).mode & 0o777).toBe(0o600)
  await resources.close()
  await expect(stat(kubeconfig)).rejects.toThrow('ENOENT')
})

test('a file of the user is read in place, and stays', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'django-rollout-test-'))
  const file = join(folder, 'config')
  await writeFile(file, text)
  const resources = new Resources(machine)
  expect(await access(file, resources)).toMatchObject({ kubeconfig: file, keeps: true })
  await resources.close()
  expect(await readFile(file, 'utf8')).toBe(text)
  await rm(folder, { recursive: true })
})

const encoded = Buffer.from(text.repeat(3)).toString('base64')
test.each([
  ['base64', encoded, /^"kubeconfig" is base64, not the text of a kubeconfig$/],
  ['base64 in lines', encoded.replace(/.{76}/g, '$&\n'), /is base64/],
  ['a path', '~/.kube/prod', /neither an existing file \(~\/\.kube\/prod\) nor/],
  ['a token', 'hunter2-hunter2', /neither an existing file nor the text of a kubeconfig$/],
])('a kubeconfig that is %s is rejected without showing it', async (_, given, sentence) => {
  const { code, sentence: said, hint } = await why(given)
  expect({ code, said }).toEqual({
    code: 'usage',
    said: expect.stringMatching(sentence) as unknown,
  })
  expect(`${said} ${hint ?? ''}`).not.toContain(given.slice(0, 20).replace(/^~.*/, 'hunter2'))
})
