import type { Platform } from '../platform/platform.js'

/** Writes variables for `docker run --env-file`: every user of the machine can read arguments. */
export async function writeEnvFile(
  { files }: Platform,
  path: string,
  env: Readonly<Record<string, string>>,
): Promise<void> {
  const lines = Object.entries(env).map(([name, value]) => `${name}=${value}\n`)
  await files.writePrivate(path, lines.join(''))
}
