import { describe, expect, test } from '@jest/globals'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Service } from 'kubernetes-types/core/v1'
import { parse } from 'yaml'
import { Failure } from '../../src/failure/failure.js'
import type { ClusterState } from '../../src/judge/types.js'
import { pinned } from '../../src/docker/image.js'
import { endpointsOf, smoke, smokeTarget, type EndpointSlice } from '../../src/stages/smoke.js'
import type { Web } from '../../src/kubernetes/target.js'
import { realClock } from '../../src/platform/clock.js'
import { realNetwork } from '../../src/platform/network.js'
import type { Platform } from '../../src/platform/platform.js'
import { handClock, settled } from '../support/clock.js'
import { clusterOf } from '../support/cluster.js'
import { notebook } from '../support/journal.js'
import { nothing, standing } from '../support/live.js'
import { scripted } from '../support/scripted.js'
import { contextOf } from '../support/settings.js'

const web = (probe = ''): Web => ({
  workload: { kind: 'Deployment', name: 'web' },
  template: parse(`
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: web, image: shop:1, ports: [{ name: wsgi, containerPort: 3000 }]${probe} }] }
  `) as Web['template'],
  container: 'web',
  containers: ['web'],
})

const service = (yaml: string) => parse(yaml) as Service

describe('the smoke request', () => {
  test.each([
    [
      'the only Service that leads to the web',
      '{ metadata: { name: shop }, spec: { selector: { app: web }, ports: [{ port: 80 }] } }',
      { service: 'shop', port: '' },
    ],
    [
      'its port called http',
      `{ metadata: { name: shop }, spec: { selector: { app: web },
         ports: [{ name: metrics, port: 9100 }, { name: http, port: 80 }] } }`,
      { service: 'shop', port: 'http' },
    ],
    [
      'else one that HTTP has most of the time',
      `{ metadata: { name: shop }, spec: { selector: { app: web },
         ports: [{ name: metrics, port: 9100 }, { name: plain, port: 8000 }] } }`,
      { service: 'shop', port: 'plain' },
    ],
    [
      "else one that leads to the container's own port, by its name",
      `{ metadata: { name: shop }, spec: { selector: { app: web },
         ports: [{ name: a, port: 9100 }, { name: b, port: 9200, targetPort: wsgi }] } }`,
      { service: 'shop', port: 'b' },
    ],
    [
      'or by its number',
      `{ metadata: { name: shop }, spec: { selector: { app: web },
         ports: [{ name: a, port: 9100 }, { name: b, port: 3000 }] } }`,
      { service: 'shop', port: 'b' },
    ],
    [
      'else the first that is TCP',
      `{ metadata: { name: shop }, spec: { selector: { app: web },
         ports: [{ name: quic, port: 80, protocol: UDP }, { name: a, port: 9100 }] } }`,
      { service: 'shop', port: 'a' },
    ],
  ])('is sent to the right Service and port: %s', (_, yaml, desired) => {
    expect(smokeTarget(web(), [service(yaml)], undefined)).toMatchObject(desired)
  })

  test('is sent to the best of all Services, not to the first', () => {
    const metrics =
      '{ metadata: { name: shop-metrics }, spec: { selector: { app: web }, ports: [{ name: metrics, port: 9100 }] } }'
    const shop =
      '{ metadata: { name: shop }, spec: { selector: { app: web }, ports: [{ port: 80 }] } }'
    expect(smokeTarget(web(), [metrics, shop].map(service), undefined)).toMatchObject({
      service: 'shop',
      port: '',
    })
  })

  const any = service('{ spec: { selector: { app: web }, ports: [{ port: 80 }] } }')
  const probe = ', readinessProbe: { httpGet: { httpHeaders: [{ name: Host, value: shop.test }] } }'
  test.each([
    ['as localhost', web(), undefined, 'localhost'],
    ['by the name that the readiness probe uses', web(probe), undefined, 'shop.test'],
    ['by the name that is given', web(probe), 'shop.example.com', 'shop.example.com'],
  ])('has the right host: %s', (_, of, given, host) => {
    expect(smokeTarget(of, [any], given)).toMatchObject({ host })
  })

  test.each([
    ['no Service', []],
    ['one for other pods', ['{ spec: { selector: { app: api }, ports: [{ port: 80 }] } }']],
    ['one without a port', ['{ spec: { selector: { app: web } } }']],
    ['one for UDP', ['{ spec: { selector: { app: web }, ports: [{ port: 80, protocol: UDP }] } }']],
  ])('is impossible with %s', (_, services) => {
    expect(() => smokeTarget(web(), services.map(service), undefined)).toThrow(
      '"smoke-path" needs a Service, and none selects web',
    )
  })
})

describe('the pods that a Service sends requests to', () => {
  test.each([
    [
      'those that are ready, or of which it is not said',
      `- ports: [{ name: http, port: 8000 }]
         endpoints:
         - { conditions: { ready: true }, targetRef: { kind: Pod, name: a } }
         - { conditions: { ready: false }, targetRef: { kind: Pod, name: b } }
         - { targetRef: { kind: Pod, name: c } }
         - { conditions: { ready: true } }`,
      [
        { pod: 'a', port: 8000 },
        { pod: 'c', port: 8000 },
      ],
    ],
    [
      'none at another port',
      '- { ports: [{ name: metrics, port: 9 }], endpoints: [{ targetRef: { kind: Pod, name: a } }] }',
      [],
    ],
    ['none of an empty slice', '- { ports: null, endpoints: null }', []],
  ])('are found: %s', (_, yaml, pods) => {
    const slices = parse(yaml.replace(/^ {7}/gm, '')) as Parameters<typeof endpointsOf>[0]
    expect(endpointsOf(slices, 'http')).toEqual(pods)
  })
})

const second = 1000
const image = { repository: 'shop', tag: '2', digest: 'sha256:0' }
const slice: EndpointSlice = {
  ports: [{ name: 'http', port: 8000 }],
  endpoints: [{ targetRef: { kind: 'Pod', name: 'web-1' } }],
}

interface Scene {
  /** The pod's, one after the other; the last one goes on. */
  readonly answers?: readonly number[]
  /** How long the API server takes for its answers, one after the other, in ms. */
  readonly away?: readonly number[]
  readonly kind?: 'Deployment' | 'StatefulSet'
  readonly spec?: string
}

/** Asks with a patience of 60 s; `ended` is how and when it came to its end. */
function asking({ answers = [200], away = [], kind = 'Deployment', spec = '' }: Scene) {
  const clock = handClock()
  const cancel = new AbortController()
  const waits = [...away]
  const statuses = [...answers]
  const platform: Platform = {
    ...scripted([]).platform,
    clock,
    network: {
      request: () =>
        Promise.resolve({
          status: (statuses.length > 1 ? statuses.shift() : statuses[0]) ?? 0,
          lines: async function* () {},
          text: () => Promise.resolve('page'),
        }),
    },
  }
  const cluster = clusterOf({
    get: async <T>() => {
      const wait = waits.shift() ?? 0
      if (wait > 0) await clock.sleep(wait)
      return { items: [slice] } as T
    },
    stream: async (_, { signal, onLine }) => {
      onLine('Forwarding from 127.0.0.1:4711 -> 8000', 'stdout')
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      return 143
    },
    lines: async function* () {
      await settled()
      yield '2026-01-01T00:00:00Z started'
    },
  })
  const workload = parse(`{ metadata: { name: web }, spec: { ${spec} } }`) as object
  const pod = { spec: { containers: [{ name: 'web', image: 'shop:2@sha256:0' }] } }
  const clusterState = {
    ...nothing,
    [`${kind.toLowerCase()}s`]: new Map([['web', workload]]),
    pods: new Map([['web-1', pod]]),
  } as ClusterState
  const stageLog = notebook()
  const desired = {
    web: { ...web(), workload: { kind, name: 'web' } },
    service: 'shop',
    port: 'http',
    host: 'localhost',
  }
  const release = contextOf(
    platform,
    { 'smoke-path': '/healthz', 'smoke-timeout': '60s' },
    cancel.signal,
  )
  const scene = { clock, cancel, stageLog, ended: 'not yet', hint: '' }
  const context = release.with({ log: stageLog, cluster })
  smoke(context, { live: standing(clusterState) }, desired, pinned(image)).then(
    () => (scene.ended = `good at ${clock.now()}`),
    (error: unknown) => {
      scene.ended = `${error instanceof Error ? error.message : ''} at ${clock.now()}`
      if (error instanceof Failure) scene.hint = error.cause.hint ?? ''
    },
  )
  return scene
}

describe('a smoke request', () => {
  const asked = 'GET /healthz through service/shop'
  test.each<[string, Scene, string]>([
    ['a good answer', {}, 'good at 0'],
    ['a good one after a bad one', { answers: [503, 200] }, 'good at 500'],
    ['bad ones', { answers: [404] }, `${asked} answered 404 at 60000`],
    [
      'an API server that is away for longer than the timeout does not count',
      { answers: [404, 200], away: [0, 200 * second] },
      'good at 200500',
    ],
    [
      'nor does the look before it',
      { answers: [404], away: [0, 0, 200 * second] },
      `${asked} answered 404 at 260500`,
    ],
  ])('has the right result: %s', async (_, script, ended) => {
    const scene = asking(script)
    await scene.clock.pass(400 * second)
    expect(scene.ended).toBe(ended)
  })

  test('does not wait for an unreachable server after an abort', async () => {
    const scene = asking({ away: [200 * second] })
    await scene.clock.pass(second)
    scene.cancel.abort(new Error('cancelled'))
    await scene.clock.pass(0)
    expect(scene.ended).toBe('cancelled at 1000')
  })

  test.each<[string, Scene]>([
    ['deployment/web', { spec: 'replicas: 0' }],
    ['statefulset/web', { kind: 'StatefulSet', spec: 'updateStrategy: { type: OnDelete }' }],
  ])('is left out where %s gets no new pod: %j', async (id, script) => {
    const scene = asking({ answers: [404], ...script })
    await scene.clock.pass(0)
    expect(scene.ended).toBe('good at 0')
    expect(scene.stageLog.lines).toEqual([`${asked}: skipped, because ${id} gets no new pod now`])
  })

  test('names the workload to look at', async () => {
    const scene = asking({ answers: [500], kind: 'StatefulSet' })
    await scene.clock.pass(61 * second)
    expect(scene.hint).toBe('check its log: kubectl logs statefulset/web')
  })
})

type Page = (asked: IncomingMessage) => number | string

/** What a web answers to `path`: a status, or where it leads. The page that is not told is good. */
async function visiting(pages: Readonly<Record<string, Page>>, path = '/', host = 'shop.test') {
  const asked: string[] = []
  const server = createServer((request, response) => {
    const secure = request.headers['x-forwarded-proto'] === 'https'
    asked.push(`${secure ? 'https' : 'http'}://${request.headers.host}${request.url}`)
    const told = pages[request.url ?? '']?.(request) ?? 200
    if (typeof told === 'number') response.writeHead(told).end('page')
    else response.writeHead(302, { location: told }).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  // The pause after a bad answer uses up all time.
  let late = 0
  const clock = {
    ...realClock,
    now: () => late,
    sleep: (ms: number, signal?: AbortSignal) =>
      ms > second ? realClock.sleep(ms, signal) : Promise.resolve(void (late += 60 * second)),
  }
  const cluster = clusterOf({
    get: <T>() => Promise.resolve({ items: [slice] } as T),
    stream: async (_, { signal, onLine }) => {
      onLine(`Forwarding from 127.0.0.1:${port} -> 8000`, 'stdout')
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      return 143
    },
    lines: async function* () {},
  })
  const clusterState = {
    ...nothing,
    deployments: new Map([['web', parse('{ metadata: { name: web }, spec: {} }') as object]]),
    pods: new Map([
      ['web-1', { spec: { containers: [{ name: 'web', image: 'shop:2@sha256:0' }] } }],
    ]),
  } as ClusterState
  const platform: Platform = { ...scripted([]).platform, clock, network: realNetwork() }
  const release = contextOf(platform, { 'smoke-path': path, 'smoke-timeout': '30s' })
  const stageLog = notebook()
  try {
    const desired = { web: web(), service: 'web', port: 'http', host }
    const warning = await smoke(
      release.with({ log: stageLog, cluster }),
      { live: standing(clusterState) },
      desired,
      pinned(image),
    )
    return { asked, is: 'good', warning, said: stageLog.lines[0], hint: undefined }
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    const { sentence, hint } = error.cause
    return { asked, is: 'bad', warning: undefined, said: sentence, hint }
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

const isHttps = ({ headers }: IncomingMessage) => headers['x-forwarded-proto'] === 'https'
/** SecurityMiddleware with SECURE_SSL_REDIRECT: no view is asked before. */
const overHttps =
  (view: Page, to = 'https://shop.test/'): Page =>
  (request) =>
    isHttps(request) ? view(request) : to

describe('a redirect', () => {
  const good = 'GET / through service/web: 200 from web-1, of the new version'
  const bad = 'GET / through service/web answered'
  test.each<[string, Readonly<Record<string, Page>>, string]>([
    ['none', {}, good],
    ['to https: requested again as https', { '/': overHttps(() => 200) }, `${good} (as https)`],
    [
      'to https of the public host (SECURE_SSL_HOST)',
      { '/': overHttps(() => 200, 'https://www.shop.test/') },
      `${good} (as https)`,
    ],
    ['to https of a page that is broken', { '/': overHttps(() => 500) }, `${bad} 500 (as https)`],
    [
      'to https whatever is said of it (no SECURE_PROXY_SSL_HEADER)',
      { '/': () => 'https://shop.test/' },
      `${bad} 302, a redirect loop to https://shop.test/: the page itself was not checked`,
    ],
    ['to another page', { '/': () => '/en/?a=1' }, `${good} (at /en/?a=1)`],
    ['by its own name and port', { '/': () => 'http://SHOP.test:80/en/' }, `${good} (at /en/)`],
    ['to a page that is broken', { '/': () => '/en/', '/en/': () => 500 }, `${bad} 500 (at /en/)`],
    [
      'by https to a page that is broken',
      { '/': overHttps(() => '/en/'), '/en/': overHttps(() => 503) },
      `${bad} 503 (as https, at /en/)`,
    ],
    [
      'from one page to the other and back',
      { '/': () => '/a', '/a': () => '/' },
      `${bad} 302, a redirect loop to http://shop.test/a: the page itself was not checked`,
    ],
    [
      'to the same page of another host (PREPEND_WWW)',
      { '/': () => 'http://www.shop.test/' },
      `${bad} 302, a redirect to http://www.shop.test/: the page itself was not checked`,
    ],
    ['without a place', { '/': () => 304 }, `${bad} 304`],
    ['to no web at all', { '/': () => 'mailto:a@b.test' }, `${bad} 302`],
  ])('is followed or reported as expected: %s', async (_, pages, said) => {
    expect((await visiting(pages)).said).toBe(said)
  })

  test.each<[string, Readonly<Record<string, Page>>, string, string | undefined]>([
    [
      'the login page, by the place to go back to',
      { '/orders/?day=1': () => '/enter/?next=/orders/%3Fday%3D1' },
      '/orders/?day=1',
      'leads to the login page (/enter/?next=/orders/%3Fday%3D1), which proves nothing about the page itself',
    ],
    [
      'the login page, by its name',
      { '/': () => '/accounts/login/' },
      '/',
      'leads to the login page (/accounts/login/), which proves nothing about the page itself',
    ],
    [
      'a view that sends visitors elsewhere',
      { '/': () => 'https://id.test/authorize?client=shop' },
      '/',
      'answered 302, a redirect to https://id.test/authorize, which proves nothing about the page itself',
    ],
    ['the login page that was requested', {}, '/accounts/login/', undefined],
    ['a page with a word like it', { '/': () => '/blogin/' }, '/', undefined],
  ])('is recognized: %s', async (_, pages, path, but) => {
    const { is, warning } = await visiting(pages, path)
    const says = `GET ${path} through service/web ${but}: set a "smoke-path" that does not redirect`
    expect([is, warning]).toEqual(['good', but === undefined ? undefined : says])
  })

  test('tells the public host name, and each request uses the host of its own step', async () => {
    const { hint } = await visiting({ '/': () => 'https://www.shop.test/', '/a': () => '/' }, '/a')
    expect(hint).toContain('set "smoke-host" to www.shop.test,')
    const { asked } = await visiting({ '/': overHttps(() => '/en/') }, '/', 'shop.test:8443')
    expect(asked).toEqual([
      'http://shop.test:8443/',
      'https://shop.test:8443/',
      'https://shop.test:8443/en/',
    ])
  })
})
