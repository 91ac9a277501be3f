/** Requests to a registry over real sockets; it answers as registries do, and refuses what they refuse. */
import { afterEach, describe, expect, test } from '@jest/globals'
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { addTags, findImage, lookUp, originOf } from '../../src/docker/registry.js'
import { realClock } from '../../src/platform/clock.js'
import { realWeb } from '../../src/platform/web.js'
import type { Platform } from '../../src/platform/platform.js'
import { scripted, type Line } from '../support/scripted.js'

const never = new AbortController().signal
const servers: Server[] = []

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

interface Answer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** What a server has seen: `GET /v2/… as Basic ada:secret`. */
type Seen = string[]

async function serve(
  answer: (request: IncomingMessage, sent: string, seen: Seen) => Answer,
): Promise<{ readonly host: string; readonly seen: Seen }> {
  const seen: Seen = []
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const [scheme, value = ''] = (request.headers.authorization ?? 'nobody').split(' ')
      const login = scheme === 'Basic' ? Buffer.from(value, 'base64').toString() : value
      seen.push(`${request.method} ${request.url} as ${`${scheme} ${login}`.trim()}`)
      const {
        status = 200,
        headers = {},
        body = '',
      } = answer(request, Buffer.concat(parts).toString(), seen)
      response.writeHead(status, headers).end(request.method === 'HEAD' ? undefined : body)
    })
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}

const auth = Buffer.from('ada:secret').toString('base64')

/** A machine with a login for the host, which waits for nothing but answers. */
function machine(
  host: string,
  entry: object = { auth },
  more: { readonly lines?: readonly Line[]; readonly config?: object } = {},
) {
  const config = JSON.stringify(more.config ?? { auths: { [host]: entry } })
  const script = scripted([...(more.lines ?? [])], {
    env: { HOME: '/home/ada' },
    files: { '/home/ada/.docker/config.json': config },
  })
  const slept: number[] = []
  const platform: Platform = {
    ...script.platform,
    web: realWeb({}),
    clock: {
      ...realClock,
      sleep: (ms, signal) => {
        if (ms === 30_000) return realClock.sleep(ms, signal)
        slept.push(ms)
        return Promise.resolve()
      },
    },
  }
  return { platform, slept }
}

const digestOf = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`
const blob = JSON.stringify({ config: { Labels: { 'org.opencontainers.image.revision': 'abc' } } })
const manifest = JSON.stringify({
  schemaVersion: 2,
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  config: { digest: digestOf(blob) },
})
const digest = digestOf(manifest)
const there: Answer = {
  headers: {
    'docker-content-digest': digest,
    'content-type': 'application/vnd.oci.image.manifest.v1+json',
  },
  body: manifest,
}

const bearer = (host: string, scope = 'repository:group/sub/shop:pull') =>
  ({
    status: 401,
    headers: {
      'www-authenticate': `Bearer realm="http://${host}/token",service="the, registry",scope="${scope}"`,
    },
  }) as const

describe('a registry with tokens', () => {
  /** Gives out a token for what is asked for, and takes it for that alone. */
  const strict = () =>
    serve((request, sent) => {
      const { method, url = '' } = request
      const host = request.headers.host ?? ''
      if (url.startsWith('/token')) {
        const asked =
          method === 'POST' ? new URLSearchParams(sent) : new URL(url, 'http://x').searchParams
        const login = request.headers.authorization
        if (
          method === 'POST' ? asked.get('refresh_token') !== 'refresh' : login !== `Basic ${auth}`
        )
          return { status: 401 }
        if (asked.get('service') !== 'the, registry') return { status: 400 }
        return { body: JSON.stringify({ access_token: asked.getAll('scope').join('+') }) }
      }
      const scope = `repository:group/sub/shop:${method === 'PUT' ? 'pull,push' : 'pull'}`
      if (request.headers.authorization !== `Bearer ${scope}`) return bearer(host, scope)
      if (method === 'PUT') return { status: sent === manifest ? 201 : 400 }
      return url.includes('/blobs/') ? { body: blob } : there
    })

  test('gets one for reading and one for writing, each of them once', async () => {
    const { host, seen } = await strict()
    const { platform } = machine(host)
    const repository = `${host}/group/sub/shop`
    const image = await findImage(platform, repository, 'v1', never)
    expect(image).toEqual({ repository, tag: 'v1', digest })
    expect(await originOf(platform, image!, never)).toEqual({ revision: 'abc' })
    await addTags(platform, image!, ['latest', 'stable'], never)
    const tokens = seen.filter((line) => line.includes('/token'))
    expect(tokens).toHaveLength(2)
    expect(tokens.every((line) => line.endsWith('as Basic ada:secret'))).toBe(true)
    expect(seen.filter((line) => line.includes('nobody'))).toEqual([
      'HEAD /v2/group/sub/shop/manifests/v1 as nobody',
      'PUT /v2/group/sub/shop/manifests/latest as nobody',
    ])
  })

  test.each<[string, object, readonly Line[]]>([
    ['an identity token', { auths: { HOST: { identitytoken: 'refresh' } } }, []],
    ['a name with a scheme and a path', { auths: { 'https://HOST/v2/': { auth } } }, []],
    ['a user and a password', { auths: { HOST: { username: 'ada', password: 'secret' } } }, []],
    [
      'a helper of the host',
      { auths: { HOST: {} }, credHelpers: { HOST: 'ecr-login' }, credsStore: 'desktop' },
      [
        {
          when: /^docker-credential-ecr-login get$/,
          stdout: '{"Username":"ada","Secret":"secret"}',
        },
      ],
    ],
    [
      'a store, which has an identity',
      { credsStore: 'desktop' },
      [
        {
          when: /^docker-credential-desktop get$/,
          stdout: '{"Username":"<token>","Secret":"refresh"}',
        },
      ],
    ],
    [
      'a store without it, and a file with it',
      { credsStore: 'desktop', auths: { HOST: { auth } } },
      [
        {
          when: /^docker-credential-desktop get$/,
          code: 1,
          stdout: 'credentials not found in native keychain',
        },
      ],
    ],
    [
      'a token of the registry',
      { auths: { HOST: { registrytoken: 'repository:group/sub/shop:pull' } } },
      [],
    ],
  ])('takes %s as login', async (_, config, lines) => {
    const { host } = await strict()
    const own = JSON.parse(JSON.stringify(config).replaceAll('HOST', host)) as object
    const { platform } = machine(host, {}, { lines, config: own })
    expect((await lookUp(platform, `${host}/group/sub/shop`, 'v1', never)).is).toBe('there')
  })

  test.each<[string, Answer, string, string, number[]]>([
    [
      'refuses the login',
      { status: 401, body: '{"details":"incorrect username or password"}' },
      'denied',
      '401: incorrect username or password',
      [],
    ],
    ['is broken', { status: 503 }, 'unreachable', '503', [1_000, 3_000]],
    [
      'has had enough',
      { status: 429, headers: { 'retry-after': '5' } },
      'unreachable',
      '429, and wants a pause of 5 s',
      [5_000, 5_000],
    ],
    ['gives none', { body: '{}' }, 'failed', 'answers without a token', []],
    ['is missing', { status: 404, body: 'page not found' }, 'failed', '404', []],
  ])('is told of a token server that %s', async (_, answer, is, said, pauses) => {
    const { host } = await serve(({ url = '' }) =>
      url.startsWith('/token') ? answer : bearer(host),
    )
    const { platform, slept } = machine(host)
    const found = await lookUp(platform, `${host}/group/sub/shop`, 'v1', never)
    expect(found).toMatchObject({ is, said: expect.stringContaining(`the token server ${host}`) })
    expect(found).toMatchObject({ said: expect.stringContaining(said) })
    expect(slept).toEqual(pauses)
  })
})

describe('a registry with passwords', () => {
  const challenge: Answer = {
    status: 401,
    headers: { 'www-authenticate': 'Basic realm="https://ECR/",service="ecr"' },
  }

  test('gets them when it asks for them', async () => {
    const { host, seen } = await serve(({ headers }) => (headers.authorization ? there : challenge))
    const { platform } = machine(host)
    await lookUp(platform, `${host}/shop`, 'v1', never)
    await lookUp(platform, `${host}/shop`, 'v2', never)
    expect(seen.map((line) => line.replace('/v2/shop/manifests', ''))).toEqual([
      'HEAD /v1 as nobody',
      'HEAD /v1 as Basic ada:secret',
      'HEAD /v2 as Basic ada:secret',
    ])
  })

  test.each([
    ['no login', {}],
    ['another one', { auth: Buffer.from('ada:wrong').toString('base64') }],
  ])('denies %s', async (_, entry) => {
    const { host } = await serve(({ headers }) =>
      headers.authorization === `Basic ${auth}` ? there : challenge,
    )
    const found = await lookUp(machine(host, entry).platform, `${host}/shop`, 'v1', never)
    expect(found).toEqual({ is: 'denied', said: 'it answers 401' })
  })
})

describe('an odd answer', () => {
  const soon = { status: 429, headers: { 'retry-after': '7' } } as const
  const date = {
    date: 'Sun, 29 Nov 2026 01:00:00 GMT',
    'retry-after': 'Sun, 29 Nov 2026 01:00:09 GMT',
  }
  test.each<[string, (method: string, nth: number) => Answer, string, string, number[]]>([
    [
      'HEAD is no method',
      (method) => (method === 'HEAD' ? { status: 405 } : there),
      'there',
      '',
      [],
    ],
    [
      'HEAD is forbidden',
      (method) => (method === 'HEAD' ? { status: 403 } : there),
      'there',
      '',
      [],
    ],
    ['HEAD is unknown', (method) => (method === 'HEAD' ? { status: 501 } : there), 'there', '', []],
    ['there is no digest', () => ({ body: manifest }), 'there', '', []],
    ['nothing is found', () => ({ status: 404 }), 'absent', '', []],
    [
      'all is forbidden',
      () => ({
        status: 403,
        body: '{"errors":[{"code":"DENIED","message":"requested access is denied"}]}',
      }),
      'denied',
      'it answers 403: denied: requested access is denied',
      [],
    ],
    ['too many requests, then none', (_, nth) => (nth === 1 ? soon : there), 'there', '', [7_000]],
    [
      'a pause until a time',
      (_, nth) => (nth === 1 ? { status: 503, headers: date } : there),
      'there',
      '',
      [9_000],
    ],
    [
      'a long pause',
      () => ({ status: 429, headers: { 'retry-after': '600' } }),
      'unreachable',
      'it answers 429, and wants a pause of 600 s',
      [],
    ],
    [
      'a gateway that is broken',
      () => ({ status: 502, body: '<html>' }),
      'unreachable',
      'it answers 502',
      [1_000, 3_000],
    ],
    ['a page', () => ({ body: '<html>hello</html>' }), 'failed', 'it may not be a registry', []],
    [
      'an old image',
      () => ({ body: '{"schemaVersion":1,"fsLayers":[]}' }),
      'failed',
      'schema 1',
      [],
    ],
    [
      'another content than was sent',
      (method) =>
        method === 'HEAD' ? { status: 405 } : { ...there, body: manifest.replace('2', '3') },
      'failed',
      'changed on its way',
      [],
    ],
    [
      'a redirect to itself',
      () => ({ status: 307, headers: { location: '/v2/shop/manifests/v1' } }),
      'failed',
      'more than 5 redirects',
      [],
    ],
  ])('is understood: %s', async (_, answer, is, said, pauses) => {
    let asked = 0
    const { host } = await serve(({ method = '' }) => answer(method, ++asked))
    const { platform, slept } = machine(host)
    const found = await lookUp(platform, `${host}/shop`, 'v1', never)
    expect(found.is).toBe(is)
    expect('said' in found ? found.said : '').toContain(said)
    expect(slept).toEqual(pauses)
  })
})

test('a login stays with the registry: what it redirects to gets none', async () => {
  // As S3 does, which refuses a request with two logins.
  const store = await serve(({ headers }) =>
    headers.authorization ? { status: 400 } : { body: blob },
  )
  const { host, seen } = await serve(({ headers, url = '' }) => {
    if (headers.authorization !== `Basic ${auth}`) {
      return { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } }
    }
    if (url.includes('/blobs/'))
      return { status: 307, headers: { location: `http://${store.host}/signed?a=b` } }
    // On the same server it is wanted again.
    return url.startsWith('/v2/') ? { status: 302, headers: { location: '/other' } } : there
  })
  const { platform } = machine(host)
  const image = { repository: `${host}/shop`, tag: 'v1', digest }
  expect(await originOf(platform, image, never)).toEqual({ revision: 'abc' })
  expect(store.seen).toEqual(['GET /signed?a=b as nobody'])
  expect(seen).toContain('GET /other as Basic ada:secret')
})

/** Another server, to which the registry redirects, requests a login in the registry's stead. */
test.each([
  ['a password', 'Basic realm="x"', { auth }],
  ['a token of its token server', 'Bearer realm="http://OTHER/token",service="x"', { auth }],
  ['a token of its token server', 'Bearer realm="http://OTHER/token"', { identitytoken: 'r' }],
  ['the token of the registry', 'Bearer realm="http://OTHER/token"', { registrytoken: 'r' }],
])('a login stays with the registry: one it redirects to asks for %s', async (_, wants, entry) => {
  const other = await serve(({ headers }) => ({
    status: 401,
    headers: { 'www-authenticate': wants.replace('OTHER', headers.host ?? '') },
    body: '{"errors":[{"code":"UNAUTHORIZED","message":"who?"}]}',
  }))
  const { host, seen } = await serve(({ url = '' }) => ({
    status: 307,
    headers: { location: `http://${other.host}${url}` },
  }))
  const { platform } = machine(host, entry)
  const found = await lookUp(platform, `${host}/shop`, 'v1', never)
  expect(found).toEqual({
    is: 'denied',
    said: `it redirects to ${other.host}, which answers 401: unauthorized: who?. The login for ${host} is not sent there`,
  })
  for (const line of [...seen, ...other.seen]) expect(line).toMatch(/^\w+ \/v2\/.* as nobody$/)
})

test('an identity is passed on to no other token server', async () => {
  const other = await serve(() => ({ body: '{"token":"x"}' }))
  const { host } = await serve(({ url = '' }) =>
    url.startsWith('/token')
      ? { status: 307, headers: { location: `http://${other.host}/token` } }
      : bearer(host),
  )
  const { platform } = machine(host, { identitytoken: 'refresh' })
  const found = await lookUp(platform, `${host}/group/sub/shop`, 'v1', never)
  expect(found).toEqual({ is: 'failed', said: `the token server ${host} answers 307` })
  expect(other.seen).toEqual([])
})

test('a token server that does not answer is named', async () => {
  const gone = await serve(() => ({}))
  servers.pop()?.close()
  const { host } = await serve(() => bearer(gone.host))
  const found = await lookUp(machine(host).platform, `${host}/group/sub/shop`, 'v1', never)
  expect(found).toEqual({
    is: 'unreachable',
    said: `${gone.host}, where it leads to: connection refused`,
  })
})
