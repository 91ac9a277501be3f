/** What a registry asks for before it answers: `WWW-Authenticate`, and the token that follows from it. Pure. */
import type { Credentials } from './credentials.js'

export type Challenge =
  | { readonly is: 'basic' }
  | {
      readonly is: 'bearer'
      /** The address of the token server. */
      readonly realm: string
      readonly service?: string
      readonly scope?: string
    }

/** Reads the header: of several ways the one by token, if there is one. */
export function challengeIn(header: string | null): Challenge | undefined {
  const text = header ?? ''
  const { realm, service, scope } = parametersOf(text, /(?:^|,)\s*bearer\s/i)
  if (realm && isAddress(realm))
    return { is: 'bearer', realm, ...(service && { service }), ...(scope && { scope }) }
  return /(?:^|,)\s*basic\b/i.test(text) ? { is: 'basic' } : undefined
}

function isAddress(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)
}

/** Reads the parameters that follow a scheme, up to the next one. */
function parametersOf(header: string, scheme: RegExp): Readonly<Record<string, string>> {
  const begin = scheme.exec(header)
  if (begin === null) return {}
  const pair = /[\s,]*([\w-]+)\s*=\s*(?:"([^"]*)"|([^",\s]*))/y
  pair.lastIndex = begin.index + begin[0].length
  const parameters: Record<string, string> = {}
  for (let found = pair.exec(header); found !== null; found = pair.exec(header)) {
    const [, name = '', quoted, plain = ''] = found
    parameters[name.toLowerCase()] ??= quoted ?? plain
  }
  return parameters
}

export interface TokenRequest {
  readonly url: string
  readonly method: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

/** How the registry itself is reached. */
export interface Reached {
  readonly origin: string
  /** Without TLS, or with any certificate. */
  readonly isPlain: boolean
}

/**
 * Returns the address of the token server; `undefined` where a login would be sent there without TLS, though the registry
 * has it. Without a login it is the address as given, as for docker.
 */
export function tokenServer(
  realm: string,
  { origin, isPlain }: Reached,
  hasLogin: boolean,
): URL | undefined {
  const given = new URL(realm)
  if (given.protocol === 'https:' || isPlain) return given
  const secured = new URL(realm)
  secured.protocol = 'https:'
  // A registry behind a proxy that ends TLS often believes that it has none. Another port is another server.
  if (given.port === '' || secured.origin === origin) return secured
  return hasLogin ? undefined : given
}

/** Returns the request for a token. */
export function tokenRequest(
  { service, scope }: Extract<Challenge, { is: 'bearer' }>,
  server: URL,
  credentials: Credentials,
  wanted: string,
): TokenRequest {
  const url = new URL(server)
  const scopes = [...new Set([wanted, ...(scope === undefined ? [] : [scope])])]
  if (credentials.is === 'identity') {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      client_id: 'django-rollout',
      ...(service !== undefined && { service }),
      scope: scopes.join(' '),
      refresh_token: credentials.token,
    })
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    return { url: url.href, method: 'POST', headers, body: form.toString() }
  }
  if (service !== undefined) url.searchParams.set('service', service)
  for (const one of scopes) url.searchParams.append('scope', one)
  return {
    url: url.href,
    method: 'GET',
    headers: credentials.is === 'password' ? { authorization: basic(credentials) } : {},
  }
}

export function basic({ username, password }: Extract<Credentials, { is: 'password' }>): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

/** Returns the token in the token server's answer. */
export function tokenIn(body: string): string | undefined {
  try {
    const { token, access_token: other } = JSON.parse(body) as Readonly<Record<string, unknown>>
    return [token, other].find((one): one is string => typeof one === 'string' && one !== '')
  } catch {
    return undefined
  }
}
