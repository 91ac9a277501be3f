import type { Cause } from '../failure/failure.js'
import type { Channel, Finished, Platform } from '../platform/platform.js'
import { shortened, errorLine } from './text.js'

export interface DockerOptions {
  readonly signal: AbortSignal
  readonly onLine?: (line: string, channel: Channel) => void
  readonly env?: Readonly<Record<string, string>>
}

/**
 * Runs the Docker client to its end, with a signal that can end it early: then the signal's reason is
 * thrown. Never throws for an exit code.
 */
export async function docker(
  platform: Platform,
  args: readonly string[],
  options: DockerOptions,
): Promise<Finished> {
  options.signal.throwIfAborted()
  const said = { stdout: [] as string[], stderr: [] as string[] }
  const code = await platform.processes.stream('docker', args, {
    signal: options.signal,
    // English messages and no advice about "docker scout": what is read here is read by programs.
    env: { ...options.env, LC_ALL: 'C', DOCKER_CLI_HINTS: 'false' },
    onLine: (line, channel) => {
      if (options.onLine) options.onLine(line, channel)
      else said[channel].push(line)
    },
  })
  options.signal.throwIfAborted()
  return { code, stdout: said.stdout.join('\n'), stderr: said.stderr.join('\n') }
}

/**
 * Why no docker command can work here, read from what one of them said; `undefined` when it is something
 * else. `forWhat` begins the sentence: "build".
 */
export function engineCause(forWhat: string, finished: Finished): Cause | undefined {
  const { code } = finished
  const text = `${finished.stderr}\n${finished.stdout}`
  const cause = (sentence: string, hint: string): Cause => ({
    code: 'tool-missing',
    sentence: `${forWhat}: ${sentence}`,
    hint,
  })
  if (code === 127 && /docker (was not found|could not be started)/.test(text)) {
    return cause(
      'docker was not found',
      'Install the Docker client with buildx, or run on a machine that has it',
    )
  }
  // Without the plugin docker takes buildx's flags for its own, and shows its own usage.
  if (
    /unknown command: docker buildx|'buildx' is not a docker command/.test(text) ||
    /unknown flag: [^\n]+\s+(See|Usage:) +'?docker (--help|\[OPTIONS\] COMMAND)/.test(text)
  ) {
    return cause('docker buildx was not found', 'Install the package docker-buildx-plugin')
  }
  const socket = /(?:unix|tcp|npipe|ssh):\/\/[^\s'"]+/.exec(text)?.[0]?.replace(/[.:;,]+$/, '')
  const at = socket === undefined ? '' : ` at ${socket}`
  if (/permission denied while trying to connect to the [Dd]ocker/.test(text)) {
    return cause(
      `no permission for the Docker engine's socket${at}`,
      'Add the user to the group "docker", or run as a user of that group',
    )
  }
  if (
    /cannot connect to the docker daemon|error during connect|failed to connect to the docker API/i.test(
      text,
    )
  ) {
    return cause(`no Docker engine answers${at}`, 'Start the engine, or set DOCKER_HOST')
  }
  if (
    /waiting for container: unexpected EOF|\bUnavailable\b.*(EOF|transport is closing)/.test(text)
  ) {
    return cause(
      'the Docker engine ended meanwhile',
      'Run it again when the engine is up; it may have been restarted or have had no memory left',
    )
  }
  return undefined
}

/** What a command said about its failure, in one line of at most 300 letters. */
export function reasonOf({ code, stdout, stderr }: Finished): string {
  const line = errorLine(stderr.split('\n')) || errorLine(stdout.split('\n'))
  const reason = line
    .replace(/^(ERROR|docker): */, '')
    .replace(/^Error response from daemon: /, '')
    // What a proxy answers is no JSON, which says nothing to the user.
    .replace(/^error parsing HTTP (\d{3}) response body: .*$/, 'HTTP status $1')
  return reason === '' ? `exit code ${code}` : shortened(reason, 300)
}
