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

/**
 * Returns the request for a token. `isPlain`: the registry itself is read without TLS; otherwise a login never goes
 * to an address without it. A registry behind a proxy often believes that it has none.
 */
export function tokenRequest(
  { realm, service, scope }: Extract<Challenge, { is: 'bearer' }>,
  credentials: Credentials,
  wanted: string,
  isPlain: boolean,
): TokenRequest {
  const url = new URL(realm)
  if (url.protocol === 'http:' && !isPlain) url.protocol = 'https:'
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
