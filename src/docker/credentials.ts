/** The logins that docker keeps, found as docker finds them. */
import { join } from 'node:path/posix'
import { TimeOver, withTimeout } from '../platform/time.js'
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
export interface DockerConfig {
  readonly auths?: Readonly<Record<string, Entry | null>> | null
  readonly credHelpers?: Readonly<Record<string, string>> | null
  readonly credsStore?: string
}

/** Users write it, too: the values may be of any type. */
export interface Entry {
  /** `user:password` in base64. */
  readonly auth?: unknown
  readonly username?: unknown
  readonly password?: unknown
  readonly identitytoken?: unknown
  readonly registrytoken?: unknown
}

/** Returns the folder with docker's configuration. */
export function dockerHome({ env }: Pick<Platform, 'env'>): string {
  return env['DOCKER_CONFIG'] || join(env['HOME'] ?? '', '.docker')
}

/**
 * Returns docker's login for a registry: of the variable DOCKER_AUTH_CONFIG, of the credential helper of this host, of
 * the store for all hosts, or of `config.json`. GitLab's runner takes forms of the variable that docker ignores: they
 * count when there is no other login.
 */
export async function credentialsFor(
  platform: Platform,
  host: string,
  signal: AbortSignal,
): Promise<Credentials> {
  const variable = readConfig(platform.env['DOCKER_AUTH_CONFIG'])
  const preferred = variable.auths?.[serverAddress(host)]
  if (preferred?.auth) {
    const login = loginIn({ auth: preferred.auth })
    if (login) return login
  }
  // One that may not be read is none for docker too.
  const file = platform.files.read(join(dockerHome(platform), 'config.json'))
  const config = readConfig(await file.catch(() => undefined))
  const address = serverAddress(host)
  const helper = config.credHelpers?.[address] ?? config.credHelpers?.[host] ?? config.credsStore
  const helped = helper ? await askHelper(platform, helper, address, signal) : undefined
  return helped ?? inAuths(config, host) ?? inAuths(variable, host) ?? { is: 'none' }
}

/** Reads a configuration. Docker itself ignores one that it cannot read. */
export function readConfig(text: string | undefined): DockerConfig {
  try {
    const config: unknown = JSON.parse(text ?? '{}')
    return typeof config === 'object' && config !== null && !Array.isArray(config) ? config : {}
  } catch {
    return {}
  }
}

function inAuths({ auths }: DockerConfig, host: string): Credentials | undefined {
  const address = serverAddress(host)
  const exact = auths?.[address]
  const [, like] = Object.entries(auths ?? {}).find(([key]) => isOfHost(key, host)) ?? []
  const entry = exact ?? like
  return entry ? loginIn(entry) : undefined
}

/** Returns whether a key of `auths` is of a registry, as docker compares them: without scheme and path. */
export function isOfHost(key: string, host: string): boolean {
  const named = bareHost(key)
  return (named === 'docker.io' ? 'index.docker.io' : named) === bareHost(serverAddress(host))
}

/** `https://ghcr.io/v1/` is `ghcr.io`. */
export function bareHost(address: string): string {
  return address.replace(/^https?:\/\//, '').split('/')[0] ?? ''
}

/** Returns the login in an entry of `auths`. */
export function loginIn(entry: Entry): Credentials | undefined {
  const registry = textOf(entry.registrytoken)
  if (registry) return { is: 'token', token: registry }
  const identity = textOf(entry.identitytoken)
  if (identity) return { is: 'identity', token: identity }
  const [, name, word] = /^([^:]*):([^]*)$/.exec(decoded(textOf(entry.auth))) ?? []
  const username = name ?? textOf(entry.username)
  const password = word ?? textOf(entry.password)
  return username && password ? { is: 'password', username, password } : undefined
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function decoded(auth: string): string {
  // Old versions of docker wrote zeros behind it.
  return Buffer.from(auth, 'base64').toString().replace(/\0+$/, '')
}

/** In ms. A helper may request its token from a cloud. */
const helperTimeoutMs = 30_000

/** Returns `undefined` where the helper is missing, hangs or has no login: docker then asks without one. */
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
  ).catch((error: unknown) => {
    if (error instanceof TimeOver) return undefined
    throw error
  })
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
