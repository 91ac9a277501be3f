import { join } from 'node:path/posix'
import { fail } from '../failure/failure.js'
import type { ServiceKind, TestService } from '../options/services.js'
import type { StageLog } from '../platform/stage-log.js'
import type { Finished, Platform } from '../platform/platform.js'
import { allOrAbort, withTimeout } from '../platform/time.js'
import { docker, engineCause, reasonOf } from './client.js'
import { writeEnvFile } from './env-file.js'
import { duration, errorLine } from './text.js'

/** A known server: nothing is kept, so nothing is written to a disk. */
interface Server {
  readonly env: (password: string) => Readonly<Record<string, string>>
  /** The folder of its data, which is in memory. */
  readonly data: string
  /** What is put after the image. */
  readonly args: readonly string[]
  /** A command in its container that connects to the server itself: an open port is not enough. */
  readonly health: readonly string[]
  readonly url: (host: string, password: string) => string
  /** The variables of the tests that have the URL, and its parts: `PG` is for PGHOST, PGPORT and so on. */
  readonly variables: { readonly url: string; readonly parts: readonly string[] }
}

// The user may do anything there: Django creates its own test database.
const mysql = {
  env: (password: string) => ({ MYSQL_ROOT_PASSWORD: password, MYSQL_DATABASE: 'test' }),
  data: '/var/lib/mysql',
  args: ['--skip-log-bin'],
  // Over TCP: during its setup the server listens on a Unix socket only. MariaDB's images have either name, by their
  // age. A refused login is an answer too.
  health: shell(
    'exec "$(command -v mariadb-admin || echo mysqladmin)" ping --host=127.0.0.1 --protocol=tcp',
  ),
  url: (host: string, password: string) => `mysql://root:${password}@${host}:3306/test`,
}

const servers: Readonly<Record<ServiceKind, Server>> = {
  postgres: {
    env: (password) => ({
      POSTGRES_USER: 'test',
      POSTGRES_PASSWORD: password,
      POSTGRES_DB: 'test',
      // From 18 on it is elsewhere; in a folder that root does not own, images without root work too.
      PGDATA: '/var/lib/postgresql/data/test',
    }),
    data: '/var/lib/postgresql/data',
    args: [
      'postgres',
      '-c',
      'fsync=off',
      '-c',
      'synchronous_commit=off',
      '-c',
      'full_page_writes=off',
    ],
    // Over TCP, as above.
    health: ['pg_isready', '--host=127.0.0.1', '--username=test', '--dbname=test'],
    url: (host, password) => `postgres://test:${password}@${host}:5432/test`,
    variables: { url: 'DATABASE_URL', parts: ['PG', 'POSTGRES_'] },
  },
  mysql: { ...mysql, variables: { url: 'DATABASE_URL', parts: ['MYSQL_'] } },
  mariadb: { ...mysql, variables: { url: 'DATABASE_URL', parts: ['MYSQL_', 'MARIADB_'] } },
  redis: {
    env: () => ({}),
    data: '/data',
    args: ['--save', '', '--appendonly', 'no'],
    health: ['redis-cli', 'ping'],
    url: (host) => `redis://${host}:6379/0`,
    variables: { url: 'REDIS_URL', parts: ['REDIS_'] },
  },
}

/** How long a server may take from its start to its first answer, in ms. */
const answerTime = 60_000

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

/** How long beside its time limit a test run may have something, in ms: its servers start with the build, and clocks differ. */
const spareMs = 3_600_000

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
    `${untilLabel}=${clock.now() + timeout + spareMs}`,
    ...(identity === undefined ? [] : [`${processLabel}=${identity}`]),
  ]
  return { name, labels: labels.flatMap((label) => ['--label', label]) }
}

/** Removes what a run has left that was killed. Never throws. */
export async function removeOfRun(
  platform: Platform,
  run: string,
  warn: (sentence: string) => void,
): Promise<void> {
  await removeLabelled(platform, `${runLabel}=${run}`, warn)
}

/**
 * Removes what other runs have left: those whose process has ended, and those of other machines and containers, whose
 * processes cannot be seen, once their time is over. What a live run has is never among it. Never throws. Returns
 * whether the engine answers.
 */
export async function removeEnded(platform: Platform, stageLog: StageLog): Promise<boolean> {
  const format = [boxLabel, processLabel, untilLabel]
    .map((name) => `{{.Label "${name}"}}`)
    .join(' ')
  const ofBoxes = ['--filter', `label=${boxLabel}`, '--format', format]
  const lists = await Promise.all([
    ids(platform, ['ps', '--all', ...ofBoxes]),
    ids(platform, ['network', 'ls', ...ofBoxes]),
  ])
  const left = new Set(
    lists.flat().flatMap((line = '') => {
      const [name = '', process = '', until = ''] = line.split(' ')
      const isOver =
        (process !== '' && platform.processes.hasEnded(process)) ||
        (until !== '' && platform.clock.now() > Number(until))
      return name !== '' && isOver ? [name] : []
    }),
  )
  for (const name of left) {
    stageLog.say(`removing what another run has left: ${name}`)
    await removeLabelled(platform, labelOf({ name }), (sentence) => {
      stageLog.say(sentence)
    })
  }
  return !lists.includes(undefined)
}

/** What the tests and the servers beside them need. */
export interface TestContext {
  readonly platform: Platform
  readonly log: StageLog
  readonly signal: AbortSignal
}

/** What the servers of one run share. */
export interface ServiceInputs {
  /** For files that only we can read. */
  readonly folder: string
  readonly password: string
  /** The variables of the tests, which a server that is not known gets too. */
  readonly env: Readonly<Record<string, string>>
}

/**
 * Starts servers in parallel on a private network, where their names are their host names, and waits until each
 * answers. Returns the variables with their addresses; of two servers with the same variables, the first has them.
 *
 * Throws a `Failure`: `registry` when an image cannot be pulled, `tests-failed` when a server does not start,
 * `tool-missing`. `removeBox` removes what was started.
 */
export async function startServices(
  context: TestContext,
  box: Box,
  services: readonly TestService[],
  inputs: ServiceInputs,
): Promise<Readonly<Record<string, string>>> {
  const { platform, log, signal } = context
  const names = services.map(({ name }) => name).join(' and ')
  const made = await docker(platform, ['network', 'create', ...box.labels, box.name], {
    signal,
  })
  if (made.code !== 0) {
    const problem = engineCause('tests', made)
    fail(
      problem ?? {
        code: 'tests-failed',
        sentence: `tests: creating a network failed for ${names}: ${reasonOf(made)}`,
      },
    )
  }
  log.waiting(`waiting for ${names}`)
  // Nothing starts any more once the first has failed, and all have ended while the box is removed.
  const found = await allOrAbort(
    signal,
    services.map(
      (service) => (signal: AbortSignal) =>
        startService({ platform, log, signal }, box, service, inputs),
    ),
  )
  log.waiting(undefined)
  return Object.assign({}, ...found.reverse()) as Record<string, string>
}

/**
 * Removes the containers and the network of a box, and nothing else. Never throws: what could not be
 * removed is reported. Works after an abort too, and takes one more look for what the engine was just making.
 */
export async function removeBox(
  platform: Platform,
  box: Box,
  warn: (sentence: string) => void,
): Promise<void> {
  await removeLabelled(platform, labelOf(box), warn)
}

async function removeLabelled(
  platform: Platform,
  label: string,
  warn: (sentence: string) => void,
): Promise<void> {
  const ofBox = ['--filter', `label=${label}`]
  let [tries, silent] = [5, 10]
  for (;;) {
    const containers = await ids(platform, ['ps', '--all', '--quiet', ...ofBox])
    const networks = await ids(platform, ['network', 'ls', '--quiet', ...ofBox])
    if (containers === undefined || networks === undefined) {
      // An engine that is restarted has them again when it is back.
      if (silent-- === 0) {
        const left = `containers or networks with the label ${label}`
        warn(`the Docker engine does not answer: it may have ${left}, which the next run removes`)
        return
      }
      await platform.clock.sleep(500)
      continue
    }
    if (containers.length > 0) {
      await platform.processes.run('docker', ['rm', '--force', '--volumes', ...containers])
    }
    if (networks.length > 0) await platform.processes.run('docker', ['network', 'rm', ...networks])
    if (containers.length === 0 && networks.length === 0) return
    if (tries-- === 0) break
    if (networks.length > 0) await platform.clock.sleep(200)
  }
  warn(`containers or networks with the label ${label} could not be removed`)
}

/** Returns `undefined` when the engine does not answer. Without docker there is nothing. */
async function ids(
  platform: Platform,
  args: readonly string[],
): Promise<readonly string[] | undefined> {
  const { code, stdout } = await platform.processes.run('docker', args)
  if (code !== 0 && code !== 127) return undefined
  return stdout.split('\n').filter((line) => line.trim() !== '')
}

async function startService(
  context: TestContext,
  box: Box,
  service: TestService,
  { folder, password, env }: ServiceInputs,
): Promise<Readonly<Record<string, string>>> {
  const { platform, log, signal } = context
  const { name, image, kind } = service
  const server = kind && servers[kind]
  const container = `${box.name}-${name}`
  const envFile = join(folder, `${name}.env`)
  await writeEnvFile(platform, envFile, server ? server.env(password) : env)
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
      ...(server ? ['--tmpfs', server.data] : []),
      '--env-file',
      envFile,
      image,
      ...(server?.args ?? []),
    ],
    { signal },
  )
  if (started.code !== 0) {
    fail(
      engineCause('tests', started) ?? {
        // Otherwise there is an image, which does not have the program.
        code: started.code === 125 ? 'registry' : 'tests-failed',
        sentence: `tests: ${name} could not be started from the image ${image}: ${reasonOf(started)}`,
        logs: [{ lines: started.stderr.split('\n').slice(-20) }],
      },
    )
  }
  await answered(context, service, container)
  log.say(`${name} (${image}) answers after ${duration(platform.clock.now() - startedAt)}`)
  return server ? addressOf(server, name, password) : {}
}

/** Waits for a server's first answer. Throws a Failure `tests-failed` when there is none. */
async function answered(
  context: TestContext,
  service: TestService,
  container: string,
): Promise<void> {
  const { platform, signal } = context
  const { name, image } = service
  const hint = `Set ${name}=${image} -- COMMAND, with a command of that image that succeeds once ${name} answers`
  const health = await healthOf(context, service, container)
  if (!health) {
    return fail({
      code: 'tests-failed',
      sentence: `tests: ${name} has no health command: its image ${image} has no HEALTHCHECK`,
      hint,
    })
  }
  const wait = await waitForAnswer(context, container, health)
  if (wait.is === 'answered') return
  const logs = await docker(platform, ['logs', '--tail', '30', container], { signal })
  const lines = `${logs.stdout}\n${logs.stderr}`.split('\n').filter((line) => line !== '')
  const last = errorLine(lines) || 'it has written nothing'
  const said = wait.answer ? reasonOf(wait.answer) : 'its health command does not end'
  fail({
    code: 'tests-failed',
    logs: [{ lines }],
    ...{
      exited: { sentence: `tests: ${name} exited before its first answer: ${last}` },
      unable: { sentence: `tests: the health command of ${name} cannot run: ${said}`, hint },
      late: { sentence: `tests: ${name} did not answer within ${duration(answerTime)}: ${said}` },
    }[wait.is],
  })
}

interface Wait {
  readonly is: 'answered' | 'exited' | 'unable' | 'late'
  /** The last one. */
  readonly answer?: Finished
}

async function waitForAnswer(
  { platform, signal }: TestContext,
  container: string,
  health: readonly string[],
): Promise<Wait> {
  const running = ['container', 'inspect', '--format', '{{.State.Running}}', container]
  return withTimeout(platform.clock, answerTime, signal, async (late) => {
    let answer: Finished | undefined
    let command: readonly string[] = tried(health)
    try {
      for (;;) {
        answer = await docker(platform, ['exec', container, ...command], { signal: late })
        if (answer.code === 0) return { is: 'answered' }
        if (answer.code === 126 || answer.code === 127) {
          // There is no such command, and there will be none.
          if (command === health) return { is: 'unable', answer }
          // Or no shell.
          command = health
          continue
        }
        const { stdout } = await docker(platform, running, { signal: late })
        if (stdout.trim() !== 'true') return { is: 'exited' }
        await platform.clock.sleep(200, late)
      }
    } catch (error) {
      if (!late.aborted || signal.aborted) throw error
      return { is: 'late', ...(answer && { answer }) }
    }
  })
}

/** Returns the user's, ours, or that of the image, which the engine would run every 30 s only. */
async function healthOf(
  { platform, signal }: TestContext,
  { health, kind }: TestService,
  container: string,
): Promise<readonly string[] | undefined> {
  if (health !== undefined) return shell(health)
  if (kind) return servers[kind].health
  const format = ['--format', '{{json .Config.Healthcheck}}']
  const { stdout } = await docker(platform, ['container', 'inspect', ...format, container], {
    signal,
  })
  const { Test = [] } = (JSON.parse(stdout) ?? {}) as { readonly Test?: readonly string[] }
  const [how, ...command] = Test
  if (how === 'CMD') return command
  return how === 'CMD-SHELL' ? shell(command.join(' ')) : undefined
}

/**
 * Tries a command for up to a second, unless there is no such command; ends with the code and the words of the last time. An
 * exec costs more than most commands, and takes the processor from the server that starts. Without `date`, or with a
 * `sleep` that knows whole seconds only, it tries once.
 */
function tried(command: readonly string[]): readonly string[] {
  const loop =
    'end=$(($(date +%s) + 1)); until said=$("$@" 2>&1); do code=$?; [ $code -lt 126 ] && [ $(date +%s) -lt $end ] && sleep 0.05 2>&- && continue; echo "$said" >&2; exit $code; done'
  return ['/bin/sh', '-c', loop, 'sh', ...command]
}

/** A command for the shell of a container. */
function shell(command: string): readonly string[] {
  return ['/bin/sh', '-c', command]
}

function addressOf(
  { url, variables }: Server,
  host: string,
  password: string,
): Readonly<Record<string, string>> {
  const address = url(host, password)
  const { port, username, pathname } = new URL(address)
  const database = pathname.slice(1)
  const parts = {
    HOST: host,
    PORT: port,
    ...(username !== '' && { USER: username, PASSWORD: password }),
    DATABASE: database,
    DB: database,
  }
  const named = variables.parts.flatMap((prefix) =>
    Object.entries(parts).map(([part, value]) => [`${prefix}${part}`, value] as const),
  )
  return Object.fromEntries([[variables.url, address] as const, ...named])
}
