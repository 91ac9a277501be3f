/** The containers of tests whose run was killed. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { must, root, run, stack, type Ended, type How } from '../e2e/stack.js'

const image = `${stack.registry}/containers-${Math.random().toString(36).slice(2, 7)}/shop`
const given = ['--image', image]
let folder = ''

const docker = async (...args: readonly string[]) =>
  (await must('docker', args, { env: stack.env })).split('\n').filter((line) => line !== '')

const cli = (args: readonly string[], how: Pick<How, 'onOutput'> = {}) =>
  run(process.execPath, [join(root, 'dist/cli/index.js'), ...args, ...given], { cwd: folder, env: stack.env, ...how })

/** Containers and networks with this label. */
const labelled = async (label: string) =>
  (await Promise.all([['ps', '--all'], ['network', 'ls']].map((list) => docker(...list, '--quiet', '--filter', `label=${label}`)))).flat()

interface Running {
  /** The label of its containers and its network. */
  readonly box: string
  readonly id: string
  readonly kill: () => Promise<Ended>
}

/** Begins to test, and waits until the tests run. */
async function testing(): Promise<Running> {
  const up = Promise.withResolvers<() => void>()
  // Without the comparison of the models, which has a container beside the tests while it runs.
  const args = ['test', '--test-services', 'postgres', '--missing-migrations', 'allow', '--test-command', 'echo the tests run; sleep 600']
  const ended = cli(args, {
    onOutput: (soFar, kill) => {
      if (!soFar.includes('│ the tests run')) return
      up.resolve(() => {
        kill('SIGKILL')
      })
    },
  })
  const kill = await Promise.race([
    up.promise,
    ended.then(({ output }): never => {
      throw new Error(output)
    }),
  ])
  const [line = ''] = await docker('ps', '--latest', '--filter', `ancestor=${image}:${tag}`, '--format', '{{.Label "django-rollout.test"}} {{.Label "django-rollout.run"}}')
  const [name = '', id = ''] = line.split(' ')
  return { box: `django-rollout.test=${name}`, id, kill: () => (kill(), ended) }
}

let tag = ''

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'containers-'))
  await writeFile(join(folder, 'Dockerfile'), 'FROM postgres:17\n')
  for (const args of [['init', '-q'], ['add', '.'], ['-c', 'user.name=a', '-c', 'user.email=a@b', 'commit', '-qm', 'one']])
    await must('git', args, { cwd: folder })
  tag = (await must('git', ['rev-parse', 'HEAD'], { cwd: folder })).trim()
  const built = await cli(['build'])
  if (built.code !== 0) throw new Error(built.output)
})

afterAll(async () => {
  await run('docker', ['image', 'rm', '--force', `${image}:${tag}`], { env: stack.env })
  await rm(folder, { recursive: true })
})

test('are removed by the next run, but not those of a live one, and by the post step', async () => {
  const killed = await testing()
  // The tests, their database, and the network.
  expect(await labelled(killed.box)).toHaveLength(3)
  await killed.kill()
  expect(await labelled(killed.box)).toHaveLength(3)

  const live = await testing()
  expect(await labelled(killed.box)).toEqual([])
  const after = await cli(['test', '--test-command', 'true'])
  expect({ code: after.code, output: after.output }).toMatchObject({ code: 0 })
  expect(await labelled(live.box)).toHaveLength(3)

  await live.kill()
  const post = await run(process.execPath, [join(root, 'dist/post/index.js')], {
    env: { ...stack.env, STATE_tests: live.id, INPUT_COMMAND: 'test' },
  })
  expect({ code: post.code, output: post.output }).toMatchObject({ code: 0 })
  expect(await labelled(live.box)).toEqual([])
})
