import { fail } from '../failure/failure.js'
import type { StageLog } from '../platform/stage-log.js'
import type { Platform } from '../platform/platform.js'
import { docker, engineCause, reasonOf } from './client.js'
import { duration, errorLine } from './text.js'

export type ServiceName = 'postgres' | 'redis'

/** A temporary server: nothing is kept, so nothing is written to a disk. */
interface Service {
  readonly image: string
  readonly env: Readonly<Record<string, string>>
  /** The folder of its data, which is in memory. */
  readonly data: string
  readonly command: readonly string[]
  /** A command in its container that connects to the server itself: an open port is not enough. */
  readonly ask: readonly string[]
  readonly answer: RegExp
  /** How the tests find it. */
  readonly address: Readonly<Record<string, string>>
}

/** How long a server may take from its start to its first answer, in ms. */
const answerTime = 60_000

function serviceFor(name: ServiceName, password: string): Service {
  switch (name) {
    case 'postgres':
      return {
        image: 'postgres:17',
        // The user is a superuser there: Django creates its own test database.
        env: { POSTGRES_USER: 'test', POSTGRES_PASSWORD: password, POSTGRES_DB: 'test' },
        data: '/var/lib/postgresql/data',
        command: [
          'postgres',
          '-c',
          'fsync=off',
          '-c',
          'synchronous_commit=off',
          '-c',
          'full_page_writes=off',
        ],
        // Over TCP: during its setup the server listens on a Unix socket only.
        ask: ['pg_isready', '--host=127.0.0.1', '--username=test', '--dbname=test'],
        answer: /accepting connections/,
        address: {
          DATABASE_URL: `postgres://test:${password}@postgres:5432/test`,
          ...addressIn('PG', ['HOST', 'PORT', 'USER', 'PASSWORD', 'DATABASE'], password),
          ...addressIn('POSTGRES_', ['HOST', 'PORT', 'USER', 'PASSWORD', 'DB'], password),
        },
      }
    case 'redis':
      return {
        image: 'redis:8',
        env: {},
        data: '/data',
        command: ['redis-server', '--save', '', '--appendonly', 'no'],
        ask: ['redis-cli', 'ping'],
        answer: /PONG/,
        address: { REDIS_URL: 'redis://redis:6379/0', REDIS_HOST: 'redis', REDIS_PORT: '6379' },
      }
  }
}

/** Containers and network of one test run have these labels, and this name or a name that begins with it. */
export interface Box {
  readonly name: string
  /** `--label`, and each label. */
  readonly labels: readonly string[]
}

const labelOf = ({ name }: Pick<Box, 'name'>): string => `${boxLabel}=${name}`

const boxLabel = 'django-rollout.test'
const runLabel = 'django-rollout.run'
const processLabel = 'django-rollout.process'
const untilLabel = 'django-rollout.until'

/** How long after its time limit a test run may take to remove what it has, in ms; clocks may differ by it too. */
const removalMs = 300_000

/** @param timeout of all that happens in the box, in ms. */
export function newBox(
  { clock, processes }: Platform,
  name: string,
  { run, timeout }: { readonly run: string; readonly timeout: number },
): Box {
  const identity = processes.identity()
  const labels = [
    labelOf({ name }),
    `${runLabel}=${run}`,
    `${untilLabel}=${clock.now() + timeout + removalMs}`,
    ...(identity === undefined ? [] : [`${processLabel}=${identity}`]),
  ]
  return { name, labels: labels.flatMap((label) => ['--label', label]) }
}

/** Removes what a run has left that was killed. Never throws. */
export async function removeOfRun(
  platform: Platform,
  run: string,
  stageLog: StageLog,
): Promise<void> {
  await removeLabelled(platform, `${runLabel}=${run}`, stageLog)
}

/**
 * Removes what other runs have left: those whose process has ended, and those of other machines and containers, whose
 * processes cannot be seen, once their time is over. What a live run has is never among it. Never throws.
 */
export async function removeEnded(platform: Platform, stageLog: StageLog): Promise<void> {
  const format = [boxLabel, processLabel, untilLabel]
    .map((name) => `{{.Label "${name}"}}`)
    .join(' ')
  const ofBoxes = ['--filter', `label=${boxLabel}`, '--format', format]
  const lists = await Promise.all([
    ids(platform, ['ps', '--all', ...ofBoxes]),
    ids(platform, ['network', 'ls', ...ofBoxes]),
  ])
  const left = new Set(
    lists.flat().flatMap((line) => {
      const [name = '', process = '', until = ''] = line.split(' ')
      const isOver =
        (process !== '' && platform.processes.hasEnded(process)) ||
        (until !== '' && platform.clock.now() > Number(until))
      return name !== '' && isOver ? [name] : []
    }),
  )
  for (const name of left) {
    stageLog.say(`removing what another run has left: ${name}`)
    await removeLabelled(platform, labelOf({ name }), stageLog)
  }
}

/** What the tests and the servers beside them need. */
export interface TestContext {
  readonly platform: Platform
  readonly log: StageLog
  readonly signal: AbortSignal
}

/**
 * Starts servers in parallel on a private network, where their names are their host names, and waits until each
 * answers. Returns the variables with their addresses.
 *
 * Throws a `Failure`: `registry` when an image cannot be pulled, `tests-failed` when a server does not start,
 * `tool-missing`. `removeBox` removes what was started.
 */
export async function startServices(
  context: TestContext,
  box: Box,
  names: readonly ServiceName[],
  password: string,
): Promise<Readonly<Record<string, string>>> {
  const { platform, log, signal } = context
  const made = await docker(platform, ['network', 'create', ...box.labels, box.name], {
    signal,
  })
  if (made.code !== 0) {
    const problem = engineCause('tests', made)
    fail(
      problem ?? {
        code: 'tests-failed',
        sentence: `tests: creating a network failed for ${names.join(' and ')}: ${reasonOf(made)}`,
      },
    )
  }
  log.waiting(`waiting for ${names.join(' and ')}`)
  const started = await Promise.allSettled(
    names.map((name) => startService(context, box, name, password)),
  )
  log.waiting(undefined)
  // All have ended here: nothing starts any more while the box is removed.
  return Object.assign(
    {},
    ...started.map((each) => {
      if (each.status === 'rejected') throw each.reason
      return each.value
    }),
  ) as Record<string, string>
}

/**
 * Removes the containers and the network of a box, and nothing else. Never throws: what could not be
 * removed is reported. Works after an abort too, and takes one more look for what the engine was just making.
 */
export async function removeBox(platform: Platform, box: Box, stageLog: StageLog): Promise<void> {
  await removeLabelled(platform, labelOf(box), stageLog)
}

async function removeLabelled(
  platform: Platform,
  label: string,
  stageLog: StageLog,
): Promise<void> {
  const ofBox = ['--filter', `label=${label}`]
  for (let tries = 5; ; tries--) {
    const containers = await ids(platform, ['ps', '--all', '--quiet', ...ofBox])
    if (containers.length > 0) {
      await platform.processes.run('docker', ['rm', '--force', '--volumes', ...containers])
    }
    const networks = await ids(platform, ['network', 'ls', '--quiet', ...ofBox])
    if (networks.length > 0) await platform.processes.run('docker', ['network', 'rm', ...networks])
    if (containers.length === 0 && networks.length === 0) return
    if (tries === 0) break
    if (networks.length > 0) await platform.clock.sleep(200)
  }
  stageLog.say(`containers or networks with the label ${label} could not be removed`)
}

async function ids(platform: Platform, args: readonly string[]): Promise<readonly string[]> {
  const { stdout } = await platform.processes.run('docker', args)
  return stdout.split('\n').filter((line) => line.trim() !== '')
}

async function startService(
  context: TestContext,
  box: Box,
  name: ServiceName,
  password: string,
): Promise<Readonly<Record<string, string>>> {
  const { platform, log, signal } = context
  const service = serviceFor(name, password)
  const container = `${box.name}-${name}`
  const startedAt = platform.clock.now()
  const started = await docker(
    platform,
    [
      'run',
      '--detach',
      '--name',
      container,
      ...box.labels,
      '--network',
      box.name,
      '--network-alias',
      name,
      '--tmpfs',
      service.data,
      ...Object.entries(service.env).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
      service.image,
      ...service.command,
    ],
    { signal },
  )
  if (started.code !== 0) {
    fail({
      code: 'registry',
      sentence: `tests: ${name} could not be started from the image ${service.image}: ${reasonOf(started)}`,
      logs: [{ lines: started.stderr.split('\n').slice(-20) }],
    })
  }
  await answered(context, name, service, container)
  log.say(`${name} (${service.image}) answers after ${duration(platform.clock.now() - startedAt)}`)
  return service.address
}

/** Waits for a server's first answer. Throws a Failure `tests-failed` when it ends, or takes too long. */
async function answered(
  { platform, signal }: TestContext,
  name: ServiceName,
  service: Service,
  container: string,
): Promise<void> {
  const deadline = platform.clock.now() + answerTime
  for (;;) {
    const answer = await docker(platform, ['exec', container, ...service.ask], { signal })
    if (answer.code === 0 && service.answer.test(answer.stdout)) return
    const running = await docker(
      platform,
      ['container', 'inspect', '--format', '{{.State.Running}}', container],
      { signal },
    )
    const over = platform.clock.now() >= deadline
    if (running.stdout.trim() !== 'true' || over) {
      const logs = await docker(platform, ['logs', '--tail', '30', container], { signal })
      const log = [logs.stdout, logs.stderr]
        .join('\n')
        .split('\n')
        .filter((line) => line !== '')
      const how = over
        ? `did not answer within ${duration(answerTime)}`
        : 'exited before its first answer'
      fail({
        code: 'tests-failed',
        sentence: `tests: ${name} ${how}: ${errorLine(log)}`,
        logs: [{ lines: log }],
      })
    }
    await platform.clock.sleep(200, signal)
  }
}

/** Returns the parts of PostgreSQL's address under the names that settings use. */
function addressIn(
  prefix: string,
  names: readonly string[],
  password: string,
): Readonly<Record<string, string>> {
  const values = ['postgres', '5432', 'test', password, 'test']
  return Object.fromEntries(names.map((name, at) => [`${prefix}${name}`, values[at] ?? '']))
}
