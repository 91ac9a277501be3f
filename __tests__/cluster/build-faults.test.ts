/** Faults of registry, Dockerfile, tests and people while an image is made: what is said, and that nothing is left. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { faultyRegistry, type Asked, type Fault, type FaultyRegistry } from '../e2e/faulty-registry.js'
import { killAt } from '../e2e/moment.js'
import { startRegistry } from '../e2e/own-registry.js'
import { step } from '../e2e/runner.js'
import { SmallProject } from '../e2e/small-project.js'
import { must, stack } from '../e2e/stack.js'
import { until } from '../e2e/until.js'
import { seldom } from '../support/seldom.js'

let registry: FaultyRegistry
/** By the path of a repository. */
const faults = new Map<string, (asked: Asked) => Fault | undefined>()
const projects: SmallProject[] = []

beforeAll(async () => {
  registry = await faultyRegistry((asked) => {
    const [path] = [...faults.keys()].filter((one) => asked.url.startsWith(`/v2/${one}/`))
    return path === undefined ? undefined : faults.get(path)?.(asked)
  })
})

afterAll(async () => {
  registry.close()
  await Promise.all(projects.map((project) => project.remove()))
})

async function made(files: Readonly<Record<string, string>>): Promise<SmallProject> {
  const project = await SmallProject.make(files)
  projects.push(project)
  return project
}

const small = { Dockerfile: 'FROM scratch\nCOPY seed /\n' }
const python = (...lines: readonly string[]) => ({
  Dockerfile: ['FROM python:3.13-slim', 'WORKDIR /app', 'COPY . .', ...lines, ''].join('\n'),
})
const imageOf = (project: SmallProject) => `${registry.address}/${project.path}`

const isLookUp = ({ url }: Asked) => url.includes('/manifests/')
const isTag = ({ method, url }: Asked) => method === 'PUT' && url.includes('/manifests/')
const isUpload = ({ method, url }: Asked) => method === 'POST' && url.includes('/blobs/uploads/')
const isContent = ({ method, url }: Asked) => method === 'PATCH' && url.includes('/blobs/uploads/')

const json = (code: string, message: string) => JSON.stringify({ errors: [{ code, message }] })
const busy: Fault = { status: 429, headers: { 'retry-after': '1' }, body: json('TOOMANYREQUESTS', 'slow down') }
const proxyBusy: Fault = { status: 429, headers: { 'retry-after': '1' }, body: '<html>429 Too Many Requests</html>' }
const broken: Fault = { status: 500, body: json('UNKNOWN', 'unknown error') }

describe('a registry', () => {
  const again = (host: string) => `Run it again when ${host} works: layers that have arrived are not sent again`

  type Ending = [what: string, meant: (asked: Asked) => boolean, fault: Fault, code: string, sentence: string]
  const ends = 'that %s ends the run, and has no tag'
  test.concurrent.each<Ending>([
    ['has no time for a look-up', isLookUp, busy, 'registry', 'could not be looked up: it answers 429, and wants a pause of 1 s'],
  ])(ends, isEnded)
  seldom.concurrent.each<Ending>([
    ['is behind a proxy that has no time for a layer', isUpload, proxyBusy, 'push-failed', 'could not be sent, even with retries: HTTP status 429'],
    ['has an error when it gets the tag', isTag, broken, 'push-failed', 'could not be sent, even with retries: received unexpected HTTP status: 500 Internal Server Error'],
  ])(ends, isEnded)
  async function isEnded(...[, meant, fault, code, sentence]: Ending): Promise<void> {
    const project = await made(small)
    faults.set(project.path, (asked) => (meant(asked) ? fault : undefined))
    const name = `${imageOf(project)}:${project.tag}`
    const ended = await project.play('build', imageOf(project), { push: 'true' })
    const stage = code === 'registry' ? 'registry' : 'push'
    expect(ended).toMatchObject({ code: 1, report: { result: 'failed', cause: { code, sentence: `${stage}: ${name} ${sentence}` } }, left: [] })
    if (code === 'push-failed') expect(ended.report.cause?.hint).toBe(again(registry.address))
  }

  type Passing = [what: string, meant: (asked: Asked) => boolean, fault: Fault]
  const passes = 'that %s gets the image at the next attempt'
  seldom.concurrent.each<Passing>([
    ['has no time for a moment', isUpload, busy],
    ['has an error for a moment', isTag, broken],
  ])(passes, isTriedAgain)
  test.concurrent.each<Passing>([['is cut off in the middle of a layer', isContent, 'cut']])(passes, isTriedAgain)
  async function isTriedAgain(...[, meant, fault]: Passing): Promise<void> {
    const project = await made(small)
    let times = 0
    faults.set(project.path, (asked) => (meant(asked) && times++ === 0 ? fault : undefined))
    const ended = await project.play('build', imageOf(project), { push: 'true' })
    expect(ended).toMatchObject({ code: 0, report: { result: 'done' }, left: [`tag ${project.tag}`] })
    expect(times).toBeGreaterThan(1)
  }
})

describe('a login', () => {
  const login = (password: string) => ({ push: 'true', 'registry-username': 'ada', 'registry-password': password })

  seldom('that the registry rejects is named, and is on no disk', async () => {
    const project = await made(small)
    const own = await startRegistry(join(project.folder, '../registry'), { login: true })
    const config = await readFile(join(stack.env['DOCKER_CONFIG'] ?? '', 'config.json'), 'utf8').catch(() => '')
    const ended = await project.play('build', `${own.local}/shop`, login('wrong'))
    expect(ended).toMatchObject({
      code: 1,
      report: {
        result: 'failed',
        cause: {
          code: 'registry',
          sentence: expect.stringMatching(`^registry login failed: ${own.local} rejects ada: .*401 Unauthorized`),
          hint: 'check "registry-username" and "registry-password"',
        },
      },
      left: [],
    })
    const now = await readFile(join(stack.env['DOCKER_CONFIG'] ?? '', 'config.json'), 'utf8').catch(() => '')
    expect(now).toBe(config)
    await own.stop()
  })

  test('whose password is changed before the push is named there', async () => {
    const project = await made(small)
    const folder = join(project.folder, '../registry')
    const own = await startRegistry(folder, { login: true })
    let changed: Promise<void> | undefined
    const ended = await project.play('build', `${own.local}/shop`, login('secret'), {
      onOutput: (soFar) => {
        if (soFar.includes('COPY seed')) changed ??= writeFile(join(folder, 'htpasswd'), 'eve:$2y$05$nobody\n')
      },
    })
    await changed
    expect(ended).toMatchObject({
      code: 1,
      report: {
        cause: {
          code: 'push-failed',
          sentence: `push: not allowed to write to ${own.local}/shop: unauthorized: authentication required`,
          hint: expect.stringContaining(`docker login ${own.local}`),
        },
      },
      left: [],
    })
    await own.stop()
  })
})

describe('a Dockerfile', () => {
  const gone = `${stack.registry}/library/python:gone`
  type Wrong = [what: string, lines: readonly string[], line: number, sentence: string, hint: string]
  const annotated = '%s is annotated at its line'
  test.concurrent.each<Wrong>([
    [
      'with a RUN that fails',
      ['FROM python:3.13-slim', 'ARG WHAT=nope', 'RUN echo one && \\', '    python3 -c "import $WHAT"'],
      3,
      `"RUN echo one && python3 -c "import nope"" (Dockerfile:3) failed: ModuleNotFoundError: No module named 'nope'`,
      '',
    ],
  ])(annotated, isAnnotated)
  seldom.concurrent.each<Wrong>([
    [
      'whose base image is gone',
      [`ARG PYTHON=${gone}`, '', 'FROM ${PYTHON} AS base', 'FROM base'],
      3,
      `"FROM ${gone}" (Dockerfile:3) failed: ${gone}: not found`,
      'Check the name and tag of the base image, and that this machine may pull it',
    ],
    ['with a word that is none', ['FROM python:3.13-slim', '', 'USEER 10001'], 3, 'Dockerfile:3: unknown instruction: USEER', ''],
  ])(annotated, isAnnotated)
  async function isAnnotated(...[, lines, line, sentence, hint]: Wrong): Promise<void> {
    const project = await made({ Dockerfile: `${lines.join('\n')}\n` })
    const image = `${stack.registry}/${project.path}`
    const action = await step(project, { image }, { action: 'actions/build' })
    const { code, output } = await action.main()
    expect(code).toBe(1)
    expect(output).toContain(`build: ${sentence}`)
    expect(output).toContain(hint)
    expect(output).toMatch(new RegExp(`^::error title=docker build failed,file=Dockerfile,line=${line}::`, 'm'))
    await action.post()
    expect(await project.isPushed()).toBe(false)
  }
})

describe('tests that hang', () => {
  const waiting = `import socket


def first_client():
    return socket.create_server(("", 8000)).accept()


first_client()
`
  test('are ended, with what they waited for', async () => {
    const project = await made({ ...python(), 'wait.py': waiting })
    const image = imageOf(project)
    expect(await project.play('build', image)).toMatchObject({ code: 0 })
    const options = { 'test-command': 'python wait.py', 'test-services': '', 'test-timeout': '8s', push: 'true' }
    const ended = await project.play('test', image, options)
    const sentence = 'tests: not finished after 8 s; they were in wait.py:5 (first_client)'
    expect(ended).toMatchObject({ code: 1, report: { cause: { code: 'tests-failed', sentence } }, left: [] })
    expect(ended.output).toMatch(/socket\.py", line \d+ in accept/)
  })
})

describe('Ctrl-C', () => {
  const stopped = { code: 130, report: { result: 'cancelled', cause: { code: 'cancelled' } }, left: [] }
  /** No process runs this any more. */
  const ended = (command: string) =>
    until(`the end of ${command}`, async () => !(await must('ps', ['-eo', 'args'])).split('\n').includes(command))

  /** Waits with a request, and presses Ctrl-C when it has come. */
  async function pressedAt(meant: (asked: Asked) => boolean) {
    const project = await made(small)
    let press: () => void = () => undefined
    faults.set(project.path, (asked) => {
      if (!meant(asked)) return undefined
      press()
      return 'hold'
    })
    const played = await project.play('build', imageOf(project), { push: 'true' }, {
      onOutput: (_, kill) => (press = () => { kill('SIGINT') }),
    })
    // The engine sends a layer to its end, whoever waits for it; the tag it no longer sends.
    registry.drop()
    return played
  }

  test('in the look-up leaves nothing', async () => {
    expect(await pressedAt(isLookUp)).toMatchObject(stopped)
  })

  seldom('in a RUN ends it', async () => {
    const project = await made(python('RUN echo begun; sleep 4002'))
    const played = await project.play('build', imageOf(project), {}, killAt(/\d begun/, 'SIGINT'))
    expect(played).toMatchObject(stopped)
    await ended('sleep 4002')
  })

  seldom('in a push ends it', async () => {
    expect(await pressedAt(isContent)).toMatchObject(stopped)
  })

  test('while servers start, and while the tests run, removes them', async () => {
    const project = await made(python())
    const image = imageOf(project)
    expect(await project.play('build', image)).toMatchObject({ code: 0 })
    const runTests = (services: string, how: ReturnType<typeof killAt>) =>
      project.play('test', image, { 'test-command': 'echo begun; sleep 4003', 'test-services': services }, how)

    let kill: (() => void) | undefined
    const starting = runTests('cache=redis:8 -- exec sleep 4004', {
      onOutput: (_, end) => (kill = () => { end('SIGINT') }),
    })
    await until('the health command', async () => (await must('ps', ['-eo', 'args'])).includes('\nsleep 4004\n'))
    kill?.()
    expect(await starting).toMatchObject(stopped)
    await ended('sleep 4004')

    expect(await runTests('redis', killAt(/│ begun/, 'SIGINT'))).toMatchObject(stopped)
    await ended('sleep 4003')
  })
})
