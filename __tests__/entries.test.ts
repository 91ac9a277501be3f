/** The entries as they are started: streams and signals. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, watch } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
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

/** Starts an entry; when kubectl is called it gets the signal and, once it has said so, kubectl's answer. */
async function ends(
  entry: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  signal?: NodeJS.Signals,
) {
  const watcher = watch(folder)
  const called = new Promise<void>((resolve) => {
    watcher.on('change', (_, name) => {
      if (name === 'called') resolve()
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
  watcher.close()
  if (signal) {
    child.kill(signal)
    const noticed = new Promise<void>((resolve) => {
      const look = () => {
        if (said.stdout.includes(`ended by ${signal}`)) resolve()
      }
      child.stdout.on('data', look)
      look()
    })
    await Promise.race([noticed, closed])
  }
  await writeFile(join(folder, 'go'), '')
  const [code, killedBy] = (await closed) as [number | null, NodeJS.Signals | null]
  return { ...said, code, killedBy }
}

test('with --json the standard output has no text but JSON', async () => {
  const { stdout, stderr, code } = await ends('cli', [
    'history',
    '--json',
    '--image',
    'acme/shop',
    '--namespace',
    'shop',
  ])
  expect({ stdout, code }).toEqual({ stdout: '', code: 1 })
  expect(stderr).toContain('no cluster here')
  expect(stderr).toContain('shop: its releases in namespace shop could not be read')
})

test('the result of a run is written in each requested form', async () => {
  const [report, junit] = [join(folder, 'report.json'), join(folder, 'deep/run.xml')]
  const options = ['--image', 'acme/shop', '--namespace', 'shop', '--report', report]
  const forms = ['--junit', junit]
  const wrong = await ends('cli', ['rollback', ...options, ...forms, '--bake', 'soon'])
  expect(wrong.code).toBe(2)
  expect(await readdir(folder)).not.toContain('report.json')
  expect(await readdir(folder)).not.toContain('deep')

  const { code } = await ends('cli', ['rollback', ...options, ...forms])
  expect(code).toBe(1)
  const { cause } = JSON.parse(await readFile(report, 'utf8')) as Report
  const [failure] = all(readXml(await readFile(junit, 'utf8')), 'failure')
  expect(failure?.attributes).toEqual({ type: cause?.code, message: cause?.sentence })
})

test('in a job of GitLab each stage is a section', async () => {
  const env = { GITLAB_CI: 'true', CI: 'true', NO_COLOR: '1' }
  const args = ['rollback', '--image', 'acme/shop', '--namespace', 'shop']
  const { stdout } = await ends('cli', args, env)
  expect(sectionsOf(stdout)).toMatchObject([{ header: '▸ preflight' }])
  expect(sectionsOf((await ends('cli', args, { CI: 'true' })).stdout)).toEqual([])
})

test.each([
  ['a command', ['relase', '--json']],
  ['an option', ['history', '--json', '--imgae', 'acme/shop']],
  ['a value', ['history', '--json', '--image', 'Acme', '--namespace', 'shop']],
])('with --json the standard output has no text even when %s is wrong', async (_, args) => {
  const { stdout, stderr, code } = await ends('cli', args)
  expect({ stdout, code }).toEqual({ stdout: '', code: 2 })
  expect(stderr).toMatch(/^django-rollout.*\n$/)
})

const escape = '\u001b[2J\u001b[31m'
const mark = '\u001b[0Ksection_start:1:x\r\u001b[0K'

test.each([
  ['a command', [`rel${escape}ase`]],
  ['an option', ['history', `--x${escape}`]],
  ['a word', ['history', `x${mark}`]],
  ['a value', ['history', '--image', `Shop${escape}${mark}`, '--namespace', 'shop']],
  ['a key of the file', ['history', '--config', 'keys.yml']],
  ['a value of the file', ['history', '--config', 'values.yml']],
])('%s on the command line or in the file cannot move the cursor', async (_, args) => {
  await writeFile(join(folder, 'keys.yml'), '"x\\e[2J\\r": 1')
  await writeFile(join(folder, 'values.yml'), 'namespace: "x\\e[2J\\r"')
  const given = args.map((word) => (word.endsWith('.yml') ? join(folder, word) : word))
  const { stderr, code } = await ends('cli', given)
  expect(code).toBe(2)
  expect(stderr).toMatch(/^[^\p{Cc}]+\n([^\p{Cc}]+\n)*$/u)
})

test.each([
  ['a folder', '.', 'is a folder'],
  ['what may not be read', 'closed.yml', 'cannot be read (EACCES)'],
])('a file of options that is %s is rejected', async (_, name, why) => {
  const path = join(folder, name)
  if (name !== '.') await writeFile(path, 'image: acme/shop', { mode: 0o000 })
  // root reads all.
  if (name !== '.' && process.getuid?.() === 0) return
  expect(await ends('cli', ['history', '--config', path])).toMatchObject({
    code: 2,
    stdout: '',
    stderr: `django-rollout history: "config" "${path}" ${why}\n`,
  })
})

test.each(['cli', 'action', 'post'])('%s says which Node.js version it needs', (entry) => {
  const older =
    'data:text/javascript,for (const [name, value] of [["version", "v22.1.0"], ["versions", { node: "22.1.0" }]])' +
    'Object.defineProperty(process, name, { value }); delete Promise.withResolvers'
  const { stderr, stdout, status } = spawnSync(
    process.execPath,
    ['--import', older, join(dist, entry, 'index.js'), '--help'],
    { encoding: 'utf8' },
  )
  expect({ stderr, stdout, status }).toEqual({
    stderr: 'django-rollout needs Node 24 or later, and this is v22.1.0\n',
    stdout: '',
    status: 2,
  })
})

test.each(['cli', 'action', 'post'])('%s says that Windows is not supported', (entry) => {
  const windows =
    'data:text/javascript,Object.defineProperty(process, "platform", { value: "win32" })'
  const { stderr, stdout, status } = spawnSync(
    process.execPath,
    ['--import', windows, join(dist, entry, 'index.js'), '--help'],
    { encoding: 'utf8' },
  )
  expect({ stderr, stdout, status }).toEqual({
    stderr: expect.stringMatching(/^django-rollout does not run on Windows: .*\n$/),
    stdout: '',
    status: 2,
  })
})

/** A command line of a shell, with the command as `cli`. */
async function shell(line: string, env: NodeJS.ProcessEnv = {}) {
  const cli = `cli() { '${process.execPath}' '${join(dist, 'cli/index.js')}' "$@"; }`
  const child = spawn('bash', ['--norc', '-c', `${cli}; ${line}`], {
    env: { TERM: 'xterm', ...env, PATH: `${folder}:/usr/bin:/bin` },
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data: Buffer) => (said += data.toString()))
  }
  const [code] = (await once(child, 'close')) as [number]
  return { said, code }
}

describe('a reader that closes its pipe', () => {
  test.each(['--help', 'help release'])('does not make "%s" fail', async (args) => {
    expect(await shell(`cli ${args} | head -1; exit \${PIPESTATUS[0]}`)).toEqual({
      said: expect.stringMatching(/^Usage: django-rollout .*\n$/),
      code: 0,
    })
  })

  test('does not make a command fail when it was never there', async () => {
    expect(await shell('cli --help | true; exit ${PIPESTATUS[0]}')).toEqual({ said: '', code: 0 })
  })

  test('neither ends nor changes a run', async () => {
    await writeFile(join(folder, 'go'), '')
    const line = 'cli history --image acme/shop --namespace shop | true; exit ${PIPESTATUS[0]}'
    expect(await shell(line)).toEqual({ said: '', code: 1 })
  })
})

describe('help on a terminal', () => {
  const onTerminal = (line: string, env?: NodeJS.ProcessEnv) => {
    const cli = `${process.execPath} ${join(dist, 'cli/index.js')}`
    return shell(`script -qec 'stty columns 64; ${cli} ${line}' /dev/null < /dev/null`, env)
  }

  test('is as wide as the window', async () => {
    const { said, code } = await onTerminal('--help')
    const widths = stripVTControlCharacters(said)
      .split(/\r?\n/)
      .map((line) => line.length)
    expect(code).toBe(0)
    expect(Math.max(...widths)).toBeLessThanOrEqual(64 + ' \\'.length)
    expect(Math.max(...widths)).toBeGreaterThan(56)
  })

  test.each([
    ['bold headings', {}, true],
    ['none with NO_COLOR', { NO_COLOR: '1' }, false],
    ['none where TERM is dumb', { TERM: 'dumb' }, false],
    ['bold ones in a CI too', { CI: 'true' }, true],
  ])('has headings as expected: %s', async (_, env, has) => {
    const { said } = await onTerminal('help history', env)
    expect(said).toContain('Cluster:')
    expect(said.includes('\u001b[1mCluster:')).toBe(has)
  })
})

describe('a failed run', () => {
  const options = { INPUT_IMAGE: 'acme/shop', INPUT_NAMESPACE: 'shop', INPUT_TAG: 'v1' }

  test.each(['action', 'post'])('is red though %s cannot write its result', async (entry) => {
    const env = {
      ...options,
      INPUT_COMMAND: 'deploy',
      RUNNER_TEMP: folder,
      GITHUB_OUTPUT: join(folder, 'not', 'there'),
      ...(entry === 'post' && { STATE_run: 'run-1', STATE_folder: join(folder, 'state') }),
    }
    const { stdout, code } = await ends(entry, [], env)
    expect(stdout).toContain('Missing file at path')
    expect(code).toBe(1)
  })
})

test('a cancelled run reports to the runner before it waits for a chat, and waits briefly', async () => {
  // The image is looked up beside: nothing may end the run before the signal does.
  await writeFile(join(folder, 'docker'), kubectl.replace(': > called\n', ''), { mode: 0o755 })
  const [output, summary] = ['output', 'summary'].map((name) => join(folder, name))
  if (!output || !summary) return
  await Promise.all([output, summary].map((path) => writeFile(path, '')))
  let toldBefore = ''
  // It never answers.
  const chat = createServer(() => {
    toldBefore = readFileSync(output, 'utf8') + readFileSync(summary, 'utf8')
  })
  await new Promise<void>((resolve) => chat.listen(0, '127.0.0.1', resolve))
  const env = {
    INPUT_COMMAND: 'deploy',
    INPUT_IMAGE: 'acme/shop',
    INPUT_NAMESPACE: 'shop',
    INPUT_TAG: 'v1',
    INPUT_WEBHOOK: `http://127.0.0.1:${(chat.address() as AddressInfo).port}/`,
    RUNNER_TEMP: folder,
    GITHUB_OUTPUT: output,
    GITHUB_STEP_SUMMARY: summary,
  }
  const begun = performance.now()
  const { stdout, code } = await ends('action', [], env, 'SIGINT')
  chat.closeAllConnections()
  chat.close()
  // A chat that does not answer is tried for 32 s elsewhere.
  expect(performance.now() - begun).toBeLessThan(25_000)
  expect(code).toBe(130)
  expect(toldBefore).toMatch(/result<<[\s\S]*cancelled/)
  expect(toldBefore).toContain('# ')
  expect(stdout).toContain(
    '::warning::the webhook was not notified: there was no answer (TimeOver)',
  )
}, 40_000)

test.each(['SIGINT', 'SIGTERM'] as const)('%s does not end the post step', async (signal) => {
  const env = {
    INPUT_IMAGE: 'acme/shop',
    INPUT_NAMESPACE: 'shop',
    STATE_run: 'run-1',
    STATE_folder: join(folder, 'state'),
  }
  const { stdout, code, killedBy } = await ends('post', [], env, signal)
  expect({ code, killedBy }).toEqual({ code: 1, killedBy: null })
  expect(stdout).toContain(`ended by ${signal}: the interrupted release is still restored`)
  expect(stdout).toContain('no cluster here')
})

describe('the post step', () => {
  const left = { STATE_run: 'run-1', INPUT_NAMESPACE: 'shop' }
  const state = async (file: string) => {
    const path = join(folder, 'state')
    await mkdir(path)
    await writeFile(join(path, 'django-rollout.yml'), file)
    return { ...left, STATE_folder: path }
  }

  test('reads the options as main did, so half of a pair is allowed', async () => {
    const kept = await state('image: acme/shop\nenvironment: production\n')
    const { stdout } = await ends('post', [], { ...kept, INPUT_COMMAND: 'migrate' })
    expect(stdout).toContain('no cluster here')
  })

  test('says so when it cannot read them', async () => {
    const { stdout, code } = await ends('post', [], await state('bake: soon\n'))
    expect(code).toBe(0)
    expect(stdout).toContain(
      '::warning::what this run may have left open was not looked for (django-rollout recover does it): "image" is missing',
    )
  })
})

test.each([
  ['build', false],
  ['test', false],
  ['plan', false],
  ['migrate', true],
  ['rollback', true],
])('the command %s leaves its run to the post step: %s', async (command, leaves) => {
  const states = join(folder, 'states')
  await writeFile(states, '')
  await ends('action', [], {
    INPUT_COMMAND: command,
    INPUT_IMAGE: '127.0.0.1:1/shop',
    INPUT_NAMESPACE: 'shop',
    GITHUB_STATE: states,
    RUNNER_TEMP: folder,
    INPUT_TAG: 'v1',
  })
  expect(/^run<</m.test(await readFile(states, 'utf8'))).toBe(leaves)
})
