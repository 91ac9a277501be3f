/** Faults that take a minute, or an engine of their own: its disk is full, it is restarted, a registry stays away. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { faultyRegistry, type Asked, type Fault } from '../e2e/faulty-registry.js'
import { at } from '../e2e/moment.js'
import { OwnEngine } from '../e2e/own-engine.js'
import { SmallProject } from '../e2e/small-project.js'
import { must, stack } from '../e2e/stack.js'

const failed = { code: 1, left: [], report: { result: 'failed' } }
const hint = (host: string) =>
  `Run it again when ${host} works: layers that have arrived are not sent again`

const isContent = ({ method, url }: Asked) => method === 'PATCH' && url.includes('/blobs/uploads/')

describe('a registry', () => {
  const isUpload = ({ method, url }: Asked) => method === 'POST' && url.includes('/blobs/uploads/')
  const oops: Fault = { status: 500, body: 'oops' }

  test.concurrent.each<[string, (asked: Asked) => boolean, Fault, RegExp]>([
    ['cuts off each layer', isContent, 'cut', /(connection reset by peer|broken pipe|EOF)$/],
    [
      'has an error for each layer',
      isUpload,
      oops,
      /received unexpected HTTP status: 500 Internal Server Error$/,
    ],
    ['is stopped in the middle of a layer', isContent, 'cut', /connection refused$/],
  ])(
    'that %s ends the run when the engine gives up, and has no tag',
    async (name, meant, fault, sentence) => {
      const project = await SmallProject.make({ Dockerfile: 'FROM scratch\nCOPY seed /\n' })
      let stop: () => void = () => undefined
      const registry = await faultyRegistry((asked) => {
        if (!meant(asked)) return undefined
        if (name.includes('stopped')) setImmediate(stop)
        return fault
      })
      stop = registry.close
      const image = `${registry.address}/${project.path}`
      const ended = await project.play('build', image, { push: 'true' })
      const start = `push: ${image}:${project.tag} could not be sent, even with retries: `
      expect(ended).toMatchObject({
        ...failed,
        report: {
          cause: {
            code: 'push-failed',
            sentence: expect.stringContaining(start),
            hint: hint(registry.address),
          },
        },
      })
      expect(ended.report.cause?.sentence).toMatch(sentence)
      expect(ended.output).toContain('1 failed and sent again')
      registry.close()
      await project.remove()
    },
  )
})

describe('the engine', () => {
  let engine: OwnEngine
  let project: SmallProject
  const image = () => `${stack.registry}/${project.path}`

  beforeAll(async () => {
    engine = await OwnEngine.make(400)
    project = await SmallProject.make(
      {
        Dockerfile: 'FROM python:3.13-slim\nCMD exec sleep 4005\n',
        'run.Dockerfile': 'FROM python:3.13-slim\nRUN dd if=/dev/zero of=/big bs=1M count=500\n',
        'copy.Dockerfile': 'FROM python:3.13-slim\nCOPY . /\n',
        'long.Dockerfile': 'FROM python:3.13-slim\nRUN echo begun; sleep 60\n',
      },
      engine.env,
    )
    expect(await project.play('build', image())).toMatchObject({ code: 0, left: [] })
  })

  afterAll(async () => {
    await engine.remove()
    await project.remove()
  })

  const free = 'Free disk space: docker system prune'

  test('whose disk is full in a RUN is named by its line', async () => {
    const ended = await project.play('build', image(), { file: 'run.Dockerfile' })
    const sentence = `build: "RUN dd if=/dev/zero of=/big bs=1M count=500" (run.Dockerfile:2) failed: dd: error writing '/big': No space left on device`
    expect(ended).toMatchObject({
      ...failed,
      report: { cause: { code: 'build-failed', sentence, hint: free } },
    })
  })

  test('whose disk is full before is named, and takes the next build', async () => {
    const big = `${project.folder}/big`
    await must('dd', ['if=/dev/urandom', `of=${big}`, 'bs=1M', 'count=300', 'status=none'])
    const ended = await project.play('build', image(), { file: 'copy.Dockerfile' })
    const sentence = expect.stringMatching(
      /^build: the disk of the Docker engine is full: .*no space left on device$/,
    )
    expect(ended).toMatchObject({
      ...failed,
      report: { cause: { code: 'build-failed', sentence, hint: free } },
    })
    await must('rm', [big])
    await must('docker', ['builder', 'prune', '--all', '--force'], {
      env: { ...stack.env, ...engine.env },
    })
    expect(await project.play('build', image())).toMatchObject({ code: 0, left: [] })
  })

  /** Restarts it in the middle of a run. */
  async function restarted(
    signal: 'TERM' | 'KILL',
    moment: RegExp,
    command: string,
    options: Readonly<Record<string, string>>,
  ) {
    const restart = at(moment, async () => {
      await engine.end(signal)
      await engine.start()
    })
    const ended = await project.play(command, image(), options, restart.how)
    await restart.done()
    return ended
  }
  const meanwhile = (stage: string) => ({
    ...failed,
    report: {
      cause: {
        code: 'tool-missing',
        sentence: `${stage}: the Docker engine ended meanwhile`,
        hint: expect.stringContaining('Run it again'),
      },
    },
  })

  test.each(['TERM', 'KILL'] as const)(
    'that is restarted by SIG%s in a build is named',
    async (signal) => {
      const ended = await restarted(signal, /\d begun/, 'build', { file: 'long.Dockerfile' })
      expect(ended).toMatchObject(meanwhile('build'))
    },
  )

  const tests = { 'test-command': 'echo begun; sleep 4007' }
  test('that is killed and restarted in the tests is named, and has nothing left of them', async () => {
    const services = { 'test-services': `web=${image()}:${project.tag} -- true` }
    const ended = await restarted('KILL', /│ begun/, 'test', { ...tests, ...services })
    expect(ended).toMatchObject(meanwhile('tests'))
  })

  test('that is stopped in the tests is the first thing to look at', async () => {
    const ended = await restarted('TERM', /│ begun/, 'test', tests)
    const sentence = 'tests: something else ended them (SIGTERM); the last line was "begun"'
    expect(ended).toMatchObject({
      ...failed,
      report: {
        cause: {
          code: 'tests-failed',
          sentence,
          hint: expect.stringContaining('the Docker engine was stopped or restarted'),
        },
      },
    })
  })

  test('that is gone in a push is named, and the registry has no tag', async () => {
    let gone: Promise<void> | undefined
    let back: Promise<void> | undefined
    const registry = await faultyRegistry((asked) => {
      if (!isContent(asked)) return undefined
      gone ??= engine.end('KILL')
      return 'hold'
    })
    const name = `${registry.address}/${project.path}`
    const ended = await project.play(
      'build',
      name,
      { push: 'true' },
      {
        onOutput: (soFar) => {
          if (soFar.includes('✗ push failed')) back ??= engine.start()
        },
      },
    )
    await Promise.all([gone, back])
    registry.close()
    const sentence = `push: no Docker engine answers at ${engine.env['DOCKER_HOST']}`
    expect(ended).toMatchObject({
      ...failed,
      report: { cause: { code: 'tool-missing', sentence } },
    })
  })
})
