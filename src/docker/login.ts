import { fail } from '../failure/failure.js'
import type { Platform } from '../platform/platform.js'
import { hostOf } from './registry-errors.js'

/**
 * Logs in to the registry of an image; the password goes through the standard input. Resolves with the
 * way to log out again. Throws a `Failure` (`registry`) when the registry rejects it.
 */
export async function login(
  platform: Platform,
  repository: string,
  username: string,
  password: string,
): Promise<() => Promise<void>> {
  const host = hostOf(repository)
  const done = await platform.processes.run(
    'docker',
    ['login', '--username', username, '--password-stdin', ...serverOf(repository)],
    { input: password },
  )
  if (done.code !== 0) {
    const [said = 'no reason given'] = done.stderr
      .split('\n')
      .filter((line) => line.trim() !== '' && !line.startsWith('WARNING'))
    fail({
      code: 'registry',
      sentence: `registry login failed: ${host} rejects ${username}: ${said}`,
      hint: 'check "registry-username" and "registry-password"',
    })
  }
  return () => logout(platform, repository)
}

/** Does nothing without a login. */
export async function logout(platform: Platform, repository: string): Promise<void> {
  await platform.processes.run('docker', ['logout', ...serverOf(repository)])
}

/** docker's word for the registry of an image; none for its own. */
function serverOf(repository: string): readonly string[] {
  const host = hostOf(repository)
  return host === 'docker.io' ? [] : [host]
}
