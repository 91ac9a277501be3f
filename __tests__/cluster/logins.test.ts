/** Runs with logins of their own, beside each other and beside the user's. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { cp, lstat, mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { privateRegistry, type FaultyRegistry } from '../e2e/faulty-registry.js'
import { must, root, run, stack } from '../e2e/stack.js'

const password = 'correct-horse-battery'
const encoded = [password, Buffer.from(`ada:${password}`).toString('base64')]
/** The user is logged in to another registry, and to this one by another name. */
const config = (address: string) =>
  JSON.stringify({
    auths: Object.fromEntries(
      ['lan.example:5000', address].map((host) => [host, { auth: Buffer.from(`bob:words of ${host}`).toString('base64') }]),
    ),
    currentContext: 'default',
  })

let folder = ''
let registry: FaultyRegistry
/** Called before each request to the registry. */
let pass: (request: { readonly method: string; readonly url: string }) => Promise<void>

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'logins-'))
  pass = () => Promise.resolve()
  registry = await privateRegistry('ada', password, (asked) => pass(asked))
  await cp(stack.env['DOCKER_CONFIG'] ?? '', join(folder, 'docker'), { recursive: true })
  await writeFile(join(folder, 'docker/config.json'), config(registry.address))
})

afterAll(async () => {
  registry.close()
  await rm(folder, { recursive: true })
})

/** A commit whose image has one file; returns its folder. */
async function project(name: string): Promise<string> {
  const own = join(folder, name)
  await mkdir(own)
  await writeFile(join(own, 'Dockerfile'), 'FROM scratch\nCOPY name /\n')
  await writeFile(join(own, 'name'), `${name} ${Math.random()}\n`)
  for (const args of [['init', '-q'], ['add', '.'], ['-c', 'user.name=a', '-c', 'user.email=a@b', 'commit', '-qm', name]])
    await must('git', args, { cwd: own })
  return own
}

/** Builds and pushes; its temporary files are in `<name>.tmp`. */
async function build(name: string, onOutput?: (soFar: string, kill: (signal: NodeJS.Signals) => void) => void) {
  const cwd = await project(name)
  const temp = join(folder, `${name}.tmp`)
  await mkdir(temp)
  const args = ['build', '--push', '--image', `${registry.address}/logins/${name}`, '--registry-username', 'ada']
  return run(process.execPath, [join(root, 'dist/cli/index.js'), ...args, '--registry-password', password], {
    cwd,
    env: { ...stack.env, DOCKER_CONFIG: join(folder, 'docker'), TMPDIR: temp },
    ...(onOutput && { onOutput }),
  })
}

/** All files of these folders that hold one of these texts. */
async function holding(texts: readonly string[], ...folders: readonly string[]): Promise<readonly string[]> {
  const found = await Promise.all(
    folders.map(async (one) => {
      const names = await readdir(join(folder, one), { recursive: true })
      const paths = names.map((name) => join(folder, one, name))
      const read = await Promise.all(
        paths.map(async (path) => ((await lstat(path)).isFile() ? readFile(path, 'latin1') : '')),
      )
      return paths.filter((_, at) => texts.some((text) => read[at]?.includes(text)))
    }),
  )
  return found.flat()
}

/** Where the docker of this run has its builders. */
async function buildersOf(name: string): Promise<string> {
  const [own = ''] = await readdir(join(folder, `${name}.tmp`))
  return realpath(join(folder, `${name}.tmp`, own, 'buildx'))
}

test('a run that ends does not log out another one, nor the user', async () => {
  const gate = Promise.withResolvers<undefined>()
  let late = 0
  let builders: Promise<string> | undefined
  // The second push waits until the first run has ended.
  pass = async ({ url }) => {
    if (url.includes('/logins/first/blobs/uploads/')) builders ??= buildersOf('first')
    if (!url.includes('/logins/second/blobs/uploads/') || late++ > 0) return
    await gate.promise
  }
  const second = build('second')
  const first = await build('first')
  expect({ code: first.code, output: first.output }).toMatchObject({ code: 0 })
  gate.resolve(undefined)
  const ended = await second
  expect({ code: ended.code, output: ended.output }).toMatchObject({ code: 0 })
  expect(late).toBeGreaterThan(0)

  // Contexts, builders and plugins are used where they are.
  expect(await builders).toBe(await realpath(join(folder, 'docker/buildx')))
  expect(await readFile(join(folder, 'docker/config.json'), 'utf8')).toBe(config(registry.address))
  for (const one of ['first', 'second']) expect(await readdir(join(folder, `${one}.tmp`))).toEqual([])
})

test('a run that is killed leaves no login on the disk', async () => {
  const pushing = Promise.withResolvers<undefined>()
  pass = ({ url }) => {
    if (!url.includes('/logins/third/blobs/uploads/')) return Promise.resolve()
    pushing.resolve(undefined)
    // The rest of this push never gets an answer.
    return new Promise(() => undefined)
  }
  let end: (signal: NodeJS.Signals) => void = () => undefined
  const ended = build('third', (_, kill) => (end = kill))
  await pushing.promise
  const temp = await readdir(join(folder, 'third.tmp'))
  expect(temp.length).toBeGreaterThan(0)
  const theirs = ['bob:words of lan.example:5000'].map((text) => Buffer.from(text).toString('base64'))
  expect(await holding([...encoded, ...theirs], 'third.tmp')).toEqual([])
  end('SIGKILL')
  expect((await ended).code).toBe(1)
  expect(await holding([...encoded, ...theirs], 'third.tmp')).toEqual([])
  expect(await holding(encoded, 'docker')).toEqual([])
  expect(await readFile(join(folder, 'docker/config.json'), 'utf8')).toBe(config(registry.address))
})

test('a wrong password is refused, and the user stays logged in', async () => {
  const cwd = await project('fifth')
  const args = ['build', '--image', `${registry.address}/logins/fifth`, '--registry-username', 'ada']
  const { code, output } = await run(process.execPath, [join(root, 'dist/cli/index.js'), ...args, '--registry-password', 'wrong'], {
    cwd,
    env: { ...stack.env, DOCKER_CONFIG: join(folder, 'docker') },
  })
  expect(code).toBe(1)
  expect(output).toMatch(/registry login failed: 127\.0\.0\.1:\d+ rejects ada/)
  expect(await readFile(join(folder, 'docker/config.json'), 'utf8')).toBe(config(registry.address))
})
