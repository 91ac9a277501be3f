/** The logins that docker keeps, found as docker finds them. */
import { join } from 'node:path/posix'
import { withTimeout } from '../platform/time.js'
import type { Platform } from '../platform/platform.js'
import { serverAddress } from './registry-errors.js'

export type Credentials =
  | { readonly is: 'none' }
  | { readonly is: 'password'; readonly username: string; readonly password: string }
  /** Buys tokens of the registry's token server: what `az acr login` and a login by browser leave. */
  | { readonly is: 'identity'; readonly token: string }
  /** A token of the registry itself. */
  | { readonly is: 'token'; readonly token: string }

/** The parts of docker's `config.json` that name logins. */
interface DockerConfig {
  readonly auths?: Readonly<Record<string, Entry | null>> | null
  readonly credHelpers?: Readonly<Record<string, string>> | null
  readonly credsStore?: string
}

interface Entry {
  /** `user:password` in base64. */
  readonly auth?: string
  readonly username?: string
  readonly password?: string
  readonly identitytoken?: string
  readonly registrytoken?: string
}

/** Returns the folder with docker's configuration. */
export function dockerHome({ env }: Pick<Platform, 'env'>): string {
  return env['DOCKER_CONFIG'] || join(env['HOME'] ?? '', '.docker')
}

/**
 * Returns docker's login for a registry: of the credential helper of this host, of the store for all hosts, of
 * `config.json`, or of the variable DOCKER_AUTH_CONFIG, which GitLab sets.
 */
export async function credentialsFor(
  platform: Platform,
  host: string,
  signal: AbortSignal,
): Promise<Credentials> {
  // One that may not be read is none for docker too.
  const file = platform.files.read(join(dockerHome(platform), 'config.json'))
  const config = read(await file.catch(() => undefined))
  const address = serverAddress(host)
  const helper = config.credHelpers?.[address] ?? config.credHelpers?.[host] ?? config.credsStore
  const helped = helper ? await askHelper(platform, helper, address, signal) : undefined
  return (
    helped ??
    inAuths(config, host) ??
    inAuths(read(platform.env['DOCKER_AUTH_CONFIG']), host) ?? { is: 'none' }
  )
}

function read(text: string | undefined): DockerConfig {
  try {
    return (JSON.parse(text ?? '{}') ?? {}) as DockerConfig
  } catch {
    return {}
  }
}

function inAuths({ auths }: DockerConfig, host: string): Credentials | undefined {
  const address = serverAddress(host)
  const exact = auths?.[address]
  const [, like] =
    Object.entries(auths ?? {}).find(([key]) => hostIn(key) === hostIn(address)) ?? []
  const entry = exact ?? like
  return entry ? inEntry(entry) : undefined
}

/** As docker compares them: without scheme and path. */
function hostIn(key: string): string {
  const [host = ''] = key.replace(/^https?:\/\//, '').split('/')
  return host === 'docker.io' ? 'index.docker.io' : host
}

function inEntry(entry: Entry): Credentials | undefined {
  if (entry.registrytoken) return { is: 'token', token: entry.registrytoken }
  if (entry.identitytoken) return { is: 'identity', token: entry.identitytoken }
  const [, name, word] = /^([^:]*):([^]*)$/.exec(decoded(entry.auth)) ?? []
  const username = name ?? entry.username
  const password = word ?? entry.password
  return username && password ? { is: 'password', username, password } : undefined
}

function decoded(auth = ''): string {
  // Old versions of docker wrote zeros behind it.
  return Buffer.from(auth, 'base64').toString().replace(/\0+$/, '')
}

/** In ms. A helper may request its token from a cloud. */
const helperTimeoutMs = 30_000

/** Returns `undefined` where the helper is missing or has no login: docker then asks without one. */
async function askHelper(
  platform: Platform,
  helper: string,
  address: string,
  signal: AbortSignal,
): Promise<Credentials | undefined> {
  const lines: string[] = []
  const code = await withTimeout(platform.clock, helperTimeoutMs, signal, (late) =>
    platform.processes.stream(`docker-credential-${helper}`, ['get'], {
      input: address,
      signal: late,
      onLine: (line, channel) => {
        if (channel === 'stdout') lines.push(line)
      },
    }),
  )
  signal.throwIfAborted()
  if (code !== 0) return undefined
  try {
    const said = JSON.parse(lines.join('\n')) as { Username?: unknown; Secret?: unknown }
    const { Username: username, Secret: secret } = said
    if (typeof username !== 'string' || typeof secret !== 'string' || secret === '')
      return undefined
    if (username === '<token>') return { is: 'identity', token: secret }
    return { is: 'password', username, password: secret }
  } catch {
    return undefined
  }
}
