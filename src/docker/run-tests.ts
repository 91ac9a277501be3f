import { dirname, join, resolve } from 'node:path/posix'
import { messageOf } from '../platform/error-message.js'
import type { Platform } from '../platform/platform.js'
import type { Built } from './build.js'
import { docker, reasonOf } from './client.js'
import { placeOfCopy } from './copied-files.js'
import { writeEnvFile } from './env-file.js'
import type { TestBox } from './test-box.js'
import type { TestContext } from './test-services.js'
import { shortened } from './text.js'

export interface TestPlan {
  readonly built: Built
  /** For `/bin/sh -c` in the image, or a program with its arguments. */
  readonly command: string | readonly string[]
  /** Aborted when the time is over, a moment before the end: Pythons say then where they are. */
  readonly late?: AbortSignal
  /** It runs beside the tests, with the processor time that they leave. */
  readonly beside?: true
  /** What to copy when the container has ended: a path from its working folder to the same one from ours, an absolute one into ours. */
  readonly files?: readonly string[]
}

export interface Ran {
  /** Docker's exit code: that of the command, or 125 to 127 when it could not be started. */
  readonly code: number
  /** Whether it ended when its time was over. */
  readonly isLate: boolean
  /** Why files could not be copied: a sentence for each. */
  readonly uncopied: readonly string[]
}

/**
 * Runs a command in a container of a built image, beside the servers of a box, which removes the container when it is
 * closed. Throws what the box throws, and the signal's reason.
 */
export async function runInImage(
  context: TestContext,
  testBox: TestBox,
  plan: TestPlan,
  onLine: (line: string) => void,
): Promise<Ran> {
  const { platform, log, signal } = context
  const { command, files = [], beside } = plan
  const [program = '', ...words] =
    typeof command === 'string' ? ['/bin/sh', '-c', command] : command
  const { box, hasNetwork, folder, env } = await testBox.ready(
    signal,
    // The servers are the tests'.
    beside ? undefined : log,
  )
  // No server has a name with a dot.
  const name = beside ? `${box.name}.beside` : box.name
  const envFile = join(folder, beside ? 'beside' : 'env')
  await writeEnvFile(platform, envFile, {
    PYTHONUNBUFFERED: '1',
    PYTHONFAULTHANDLER: '1',
    ...env,
  })
  const args = [
    'run',
    // Else it is removed with the box, after the files are copied.
    ...(files.length === 0 ? ['--rm'] : []),
    '--init',
    '--name',
    name,
    ...(beside ? ['--cpu-shares', '128'] : []),
    ...box.labels,
    ...(hasNetwork ? ['--network', box.name] : []),
    '--env-file',
    envFile,
    // The tests do not need an entrypoint that migrates, or waits for its database.
    '--entrypoint',
    program,
    plan.built.id,
    ...words,
  ]
  log.waiting(`running ${shortened(typeof command === 'string' ? command : program, 100)}`)
  plan.late?.addEventListener('abort', () => void askWhere(platform, name, signal), {
    once: true,
  })
  try {
    const { code } = await docker(platform, args, { signal, onLine })
    const isLate = plan.late?.aborted === true
    const hasFiles = files.length > 0 && code !== neverStarted
    const uncopied = hasFiles ? await copyFiles(context, name, plan.built, files) : []
    return { code, isLate, uncopied }
  } finally {
    log.waiting(undefined)
  }
}

/** Docker's exit code where there is no container, or none that started. */
const neverStarted = 125

/** Copies what is there, and returns a sentence for each file that was not copied. */
async function copyFiles(
  { platform, signal }: TestContext,
  container: string,
  { id }: Built,
  files: readonly string[],
): Promise<readonly string[]> {
  const format = ['--format', '{{.Config.WorkingDir}}']
  const image = await docker(platform, ['image', 'inspect', ...format, id], { signal })
  const home = image.stdout.trim() || '/'
  const problems: string[] = []
  for (const file of files) {
    const folder = dirname(placeOfCopy(file))
    try {
      await platform.files.makeFolder(folder)
    } catch (error) {
      problems.push(`${file} was not copied: ${messageOf(error)}`)
      continue
    }
    const args = ['cp', `${container}:${resolve(home, file)}`, `${folder}/`]
    const copied = await docker(platform, args, { signal })
    if (copied.code === 0) continue
    const isMissing = /Could not find the file|No such (file|container:path)/i.test(copied.stderr)
    problems.push(
      isMissing
        ? `the tests have not written ${file}`
        : `${file} was not copied: ${reasonOf(copied)}`,
    )
  }
  return problems
}

/**
 * Each process of the container gets SIGABRT, at which Python's fault handler writes the stack of each thread. One
 * after the other, or their lines would be mixed; those that began last first, since the container ends with the first.
 */
const abortAll =
  'for p in $(ls /proc | grep "^[0-9]" | sort -rn); do [ $p = 1 ] || [ $p = $$ ] || { kill -ABRT $p && sleep 0.1; }; done 2>/dev/null'

async function askWhere(platform: Platform, container: string, signal: AbortSignal): Promise<void> {
  // It is for the report only: the container ends in any case.
  await docker(platform, ['exec', container, '/bin/sh', '-c', abortAll], { signal }).catch(
    () => undefined,
  )
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
