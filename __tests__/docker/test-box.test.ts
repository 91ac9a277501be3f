/** When the servers for the tests start, what is heard of them, and when they are removed. */
import { expect, test } from '@jest/globals'
import { TestBox } from '../../src/docker/test-box.js'
import { testServices, Problem } from '../../src/options/readers.js'
import { notebook } from '../support/journal.js'
import { scripted, type Line } from '../support/scripted.js'

const never = new AbortController().signal
const unused: readonly Line[] = [
  { when: /^docker (ps --all|network ls) --filter \S+ --format /, always: true },
]
const starts: readonly Line[] = [
  { when: /^docker network create / },
  { when: /^docker run --detach / },
]
const removed: readonly Line[] = [
  { when: /^docker ps --all --quiet /, stdout: 'c1\n' },
  { when: /^docker rm --force --volumes c1$/ },
  { when: /^docker network ls --quiet /, stdout: 'n1\n' },
  { when: /^docker network rm n1$/ },
  { when: /^docker (ps --all|network ls) --quiet /, always: true },
]

function open(lines: readonly Line[], option = 'redis', signal = never) {
  const services = testServices(option)
  if (services instanceof Problem) throw new Error(services.text)
  const script = scripted([...lines, ...unused])
  const plan = { run: 'run', timeout: 0, services, env: { A: '1' } }
  const warnings: string[] = []
  const box = new TestBox(script.platform, plan, signal)
  const close = () => box.close((sentence) => warnings.push(sentence))
  return { ...script, box, close, warnings }
}

test('servers start at once, and what they said before is heard by who waits for them', async () => {
  const { box, ran } = open([...starts, { when: /redis-cli ping$/ }])
  await new Promise(setImmediate)
  const log = notebook()
  expect(await box.ready(never, log)).toMatchObject({
    hasNetwork: true,
    env: { A: '1', REDIS_HOST: 'redis' },
  })
  expect(ran.at(-1)).toMatch(/redis-cli ping$/)
  expect(log.lines).toEqual(['redis (redis:8) answers after 0 s'])
})

test('what waits beside the tests takes no lines of the servers from them', async () => {
  const { box } = open([...starts, { when: /redis-cli ping$/ }])
  const log = notebook()
  const beside = box.ready(never)
  await Promise.all([box.ready(never, log), beside, box.ready(never)])
  expect(log.lines).toEqual(['redis (redis:8) answers after 0 s'])
})

test('without servers there is no network', async () => {
  const { box, ran } = open([], '')
  expect(await box.ready(never, notebook())).toMatchObject({ hasNetwork: false, env: { A: '1' } })
  expect(ran.filter((command) => command.includes('create'))).toEqual([])
})

test('a server that cannot start is a failure of who waits for it, and of nobody before', async () => {
  const refused = { when: /^docker run --detach /, code: 125, stderr: 'no such image' }
  const { box } = open([{ when: /^docker network create / }, refused])
  await new Promise(setImmediate)
  await expect(box.ready(never, notebook())).rejects.toMatchObject({
    cause: {
      sentence: 'tests: redis could not be started from the image redis:8: no such image',
    },
  })
})

test('all is removed once, also while it starts', async () => {
  const { close, ran, warnings } = open([
    { when: /^docker network create / },
    { when: /^docker run --detach /, hangs: true },
    ...removed,
  ])
  await new Promise(setImmediate)
  await Promise.all([close(), close()])
  expect(ran.filter((command) => command.startsWith('docker rm'))).toHaveLength(1)
  expect(warnings).toEqual([])
})

test('files that cannot be removed are a warning, and end no program', async () => {
  const { box, close, warnings, platform } = open([
    ...starts,
    { when: /redis-cli ping$/ },
    ...removed,
  ])
  await box.ready(never, notebook())
  platform.files.remove = () => Promise.reject(new Error('EBUSY'))
  await close()
  expect(warnings).toEqual(['the private files of the tests could not be removed: EBUSY'])
})

test('an engine that is restarted has all again when it is back', async () => {
  const away = { code: 1, stderr: 'Cannot connect to the Docker daemon' }
  const { box, close, ran, slept, warnings } = open([
    ...starts,
    { when: /redis-cli ping$/ },
    { when: /^docker ps --all --quiet /, ...away },
    { when: /^docker network ls --quiet /, ...away },
    ...removed,
  ])
  await box.ready(never, notebook())
  await close()
  expect(slept).toEqual([500, 200])
  expect(ran).toContain('docker network rm n1')
  expect(warnings).toEqual([])
})

test('an engine that does not come back is a warning, and none that never was there', async () => {
  const away = { code: 1, stderr: 'Cannot connect to the Docker daemon', always: true } as const
  const gone = open([
    ...starts,
    { when: /redis-cli ping$/ },
    { when: /^docker (ps --all|network ls) --quiet /, ...away },
  ])
  await gone.box.ready(never, notebook())
  await gone.close()
  expect(gone.slept).toHaveLength(10)
  expect(gone.warnings).toEqual([
    expect.stringMatching(/^the Docker engine does not answer: .*, which the next run removes$/),
  ])

  const none = open([{ when: /^docker /, ...away }], '')
  await none.box.ready(never, notebook())
  await none.close()
  expect([none.slept, none.warnings]).toEqual([[], []])
})

test('what cannot be removed is a warning', async () => {
  const stays: Line = { when: /^docker ps --all --quiet /, stdout: 'c1\n', always: true }
  const { close, warnings } = open([
    ...starts,
    { when: /redis-cli ping$/ },
    stays,
    { when: /^docker (rm|network) /, always: true },
  ])
  await close()
  expect(warnings).toEqual([
    expect.stringMatching(
      /^containers or networks with the label django-rollout\.test=\S+ could not be removed$/,
    ),
  ])
})
