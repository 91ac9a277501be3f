import { randomBytes } from 'node:crypto'
import { join } from 'node:path/posix'
import type { Platform } from '../platform/platform.js'
import type { Built } from './build.js'
import { docker } from './client.js'
import {
  newBox,
  removeBox,
  removeEnded,
  startServices,
  type ServiceName,
  type TestContext,
} from './test-services.js'
import { shortened } from './text.js'

export interface TestPlan {
  readonly built: Built
  /** For `/bin/sh -c` in the image, or a program with its arguments. */
  readonly command: string | readonly string[]
  readonly services: readonly ServiceName[]
  /** The run that this is of: its id. */
  readonly run: string
  /** The caller ends it after this time, in ms. */
  readonly timeout: number
  /** Aborted when the time is over, a moment before the end: Pythons say then where they are. */
  readonly late?: AbortSignal
  /** Overrides the variables of the services. */
  readonly env: Readonly<Record<string, string>>
}

/**
 * Runs a command in a temporary container of a built image, with temporary servers beside it. Resolves with
 * docker's exit code: that of the command, or 125 to 127 when it could not be started. Always removes containers,
 * network and files at the end. Throws what `startServices` throws, and the signal's reason.
 */
export async function runInImage(
  context: TestContext,
  plan: TestPlan,
  onLine: (line: string) => void,
): Promise<number> {
  const { platform, log, signal } = context
  const { command } = plan
  const [program = '', ...words] =
    typeof command === 'string' ? ['/bin/sh', '-c', command] : command
  const box = newBox(platform, `django-rollout-test-${randomBytes(6).toString('hex')}`, plan)
  const folder = await platform.files.privateFolder()
  try {
    await removeEnded(platform, log)
    const password = randomBytes(12).toString('hex')
    const found =
      plan.services.length === 0 ? {} : await startServices(context, box, plan.services, password)
    // In a file: every user of the machine can read arguments.
    const envFile = join(folder, 'env')
    const env = { PYTHONUNBUFFERED: '1', PYTHONFAULTHANDLER: '1', ...found, ...plan.env }
    await platform.files.writePrivate(
      envFile,
      Object.entries(env)
        .map(([name, value]) => `${name}=${value}\n`)
        .join(''),
    )
    const args = [
      'run',
      '--rm',
      '--init',
      '--name',
      box.name,
      ...box.labels,
      ...(plan.services.length === 0 ? [] : ['--network', box.name]),
      '--env-file',
      envFile,
      // The tests do not need an entrypoint that migrates, or waits for its database.
      '--entrypoint',
      program,
      plan.built.id,
      ...words,
    ]
    log.waiting(`running ${shortened(typeof command === 'string' ? command : program, 100)}`)
    plan.late?.addEventListener('abort', () => void askWhere(platform, box.name, signal), {
      once: true,
    })
    return (await docker(platform, args, { signal, onLine })).code
  } finally {
    log.waiting(undefined)
    await removeBox(platform, box, log)
    await platform.files.remove(folder)
  }
}

/** All processes of the container get SIGABRT, at which Python's fault handler writes the stack of each thread. */
async function askWhere(platform: Platform, container: string, signal: AbortSignal): Promise<void> {
  const kill = ['/bin/sh', '-c', 'kill -ABRT -1']
  // It is for the report only: the container ends in any case.
  await docker(platform, ['exec', container, ...kill], { signal }).catch(() => undefined)
}

/** Returns the entrypoint of an image that has one, as one line. */
export async function entrypointOf(
  platform: Platform,
  built: Built,
  signal: AbortSignal,
): Promise<string | undefined> {
  const args = ['image', 'inspect', '--format', '{{json .Config.Entrypoint}}', built.id]
  const { code, stdout } = await docker(platform, args, { signal })
  const words: unknown = code === 0 ? JSON.parse(stdout) : null
  return Array.isArray(words) && words.length > 0 ? words.join(' ') : undefined
}
