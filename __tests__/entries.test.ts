/** The entries as they are started: streams and signals. */
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { watch } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Report } from '../src/report/report.js'
import { sectionsOf } from './support/gitlablog.js'
import { all, readXml } from './support/xml.js'

const dist = fileURLToPath(new URL('../dist', import.meta.url))
let folder = ''

/** In place of kubectl: says that it was called, waits for the file `go`, and fails. */
const kubectl = `#!/bin/sh
cd "$(dirname "$0")"
: > called
while [ ! -e go ]; do sleep 0.05; done
echo 'no cluster here' >&2
exit 1
`

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'django-rollout-test-'))
  await writeFile(join(folder, 'kubectl'), kubectl, { mode: 0o755 })
})
afterEach(() => rm(folder, { recursive: true }))

/** Starts an entry; when kubectl is called it gets the signal, and only then kubectl's answer. */
async function ends(
  entry: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  signal?: NodeJS.Signals,
) {
  const called = new Promise<void>((resolve) => {
    const watcher = watch(folder, (_, name) => {
      if (name !== 'called') return
      watcher.close()
      resolve()
    })
  })
  const child = spawn(process.execPath, [join(dist, entry, 'index.js'), ...args], {
    env: { ...env, PATH: `${folder}:/usr/bin:/bin` },
  })
  const said = { stdout: '', stderr: '' }
  child.stdout.on('data', (data: Buffer) => (said.stdout += data.toString()))
  child.stderr.on('data', (data: Buffer) => (said.stderr += data.toString()))
  const closed = once(child, 'close')
  await Promise.race([called, closed])
  if (signal) child.kill(signal)
  await writeFile(join(folder, 'go'), '')
  const [code, killedBy] = (await closed) as [number | null, NodeJS.Signals | null]
  return { ...said, code, killedBy }
}

test('who asks for JSON gets no words on its standard output', async () => {
  const { stdout, stderr, code } = await ends('cli', [
    ...['history', '--json', '--image', 'acme/shop', '--namespace', 'shop'],
  ])
  expect({ stdout, code }).toEqual({ stdout: '', code: 1 })
  expect(stderr).toContain('no cluster here')
  expect(stderr).toContain('shop: its releases in namespace shop could not be read')
})

test('how a run ended is written in each form that is asked for', async () => {
  const paths = ['report.json', 'deep/run.xml', 'quality.json'].map((name) => join(folder, name))
  const [report = '', junit = '', quality = ''] = paths
  const options = ['--image', 'acme/shop', '--namespace', 'shop', '--report', report]
  const forms = ['--junit', junit, '--code-quality', quality]
  const wrong = await ends('cli', ['rollback', ...options, ...forms, '--bake', 'soon'])
  expect(wrong.code).toBe(2)
  expect(await readdir(folder)).not.toContain('report.json')
  expect(await readdir(folder)).not.toContain('deep')

  const { code } = await ends('cli', ['rollback', ...options, ...forms])
  expect(code).toBe(1)
  const { cause } = JSON.parse(await readFile(report, 'utf8')) as Report
  const [failure] = all(readXml(await readFile(junit, 'utf8')), 'failure')
  expect(failure?.attributes).toEqual({ type: cause?.code, message: cause?.sentence })
  expect(JSON.parse(await readFile(quality, 'utf8'))).toEqual([])
})

test('in a job of GitLab each stage is a section', async () => {
  const env = { GITLAB_CI: 'true', CI: 'true', NO_COLOR: '1' }
  const args = ['rollback', '--image', 'acme/shop', '--namespace', 'shop']
  const { stdout } = await ends('cli', args, env)
  expect(sectionsOf(stdout)).toMatchObject([{ header: '▸ preflight' }])
  expect(sectionsOf((await ends('cli', args, { CI: 'true' })).stdout)).toEqual([])
})

test.each(['SIGINT', 'SIGTERM'] as const)('%s does not end the post step', async (signal) => {
  const env = {
    ...{ INPUT_IMAGE: 'acme/shop', INPUT_NAMESPACE: 'shop' },
    ...{ STATE_run: 'run-1', STATE_folder: join(folder, 'state') },
  }
  const { stdout, code, killedBy } = await ends('post', [], env, signal)
  expect({ code, killedBy }).toEqual({ code: 1, killedBy: null })
  expect(stdout).toContain(`ended by ${signal}: what was left open is put back all the same`)
  expect(stdout).toContain('no cluster here')
})
