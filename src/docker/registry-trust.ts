/** How the Docker engine reaches a registry: whom it trusts there, and whether without TLS. */
import { join } from 'node:path/posix'
import { isWithin } from '../platform/addresses.js'
import { TimeOver, withTimeout } from '../platform/time.js'
import type { Platform, Tls } from '../platform/platform.js'
import { docker } from './client.js'
import { dockerHome } from './credentials.js'

/**
 * Returns the certificates of the engine's folders `certs.d/<host>`: `*.crt` are authorities, `*.cert` with its
 * `*.key` is the client's. Rootless docker and Docker Desktop have such folders in the user's home.
 */
export async function trustFor(platform: Platform, host: string): Promise<Tls> {
  const { env, files } = platform
  const home = env['HOME'] ?? ''
  const folders = [
    '/etc/docker',
    join(env['XDG_CONFIG_HOME'] || join(home, '.config'), 'docker'),
    join(home, '.docker'),
    dockerHome(platform),
  ].map((folder) => join(folder, 'certs.d', host))
  const ca: string[] = []
  let client: Tls['client']
  for (const folder of new Set(folders)) {
    if (!files.isFolder(folder)) continue
    // What only the engine's user may read is not for this one.
    const read = (name: string) => files.read(join(folder, name)).catch(() => undefined)
    for (const name of await files.list(folder).catch(() => [])) {
      const text = await read(name)
      if (text === undefined) continue
      if (name.endsWith('.crt')) ca.push(text)
      const key = name.endsWith('.cert') ? await read(name.replace(/cert$/, 'key')) : undefined
      if (key !== undefined) client ??= { cert: text, key }
    }
  }
  return { ca, ...(client && { client }) }
}

/** The part of `docker info` about registries. */
interface RegistryConfig {
  readonly IndexConfigs?: Readonly<Record<string, { readonly Secure?: boolean } | null>> | null
  readonly InsecureRegistryCIDRs?: readonly string[] | null
}

/** An engine that does not answer has no settings, in ms. */
const engineTimeoutMs = 10_000

/** Returns whether the engine's `insecure-registries` name a registry, by its host or by its address. */
export async function isInsecure(
  platform: Platform,
  host: string,
  signal: AbortSignal,
): Promise<boolean> {
  const config = await engineConfig(platform, signal)
  const named = config.IndexConfigs?.[host]
  if (named) return named.Secure === false
  const ranges = config.InsecureRegistryCIDRs ?? []
  if (ranges.length === 0) return false
  const name = host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
  const addresses = await platform.web.addressesOf(name)
  return addresses.some((address) => isWithin(address, ranges))
}

async function engineConfig(platform: Platform, signal: AbortSignal): Promise<RegistryConfig> {
  const args = ['info', '--format', '{{json .RegistryConfig}}']
  try {
    const { code, stdout } = await withTimeout(platform.clock, engineTimeoutMs, signal, (late) =>
      docker(platform, args, { signal: late }),
    )
    return code === 0 ? ((JSON.parse(stdout) ?? {}) as RegistryConfig) : {}
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof TimeOver || error instanceof SyntaxError) return {}
    throw error
  }
}
