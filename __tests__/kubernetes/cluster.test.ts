/** The way to the cluster: a kubectl that serves as proxy, and answers of an API server behind it. */
import { describe, expect, test } from '@jest/globals'
import type { ApiError } from '../../src/kubernetes/api-error.js'
import { openCluster, type Cluster, type ClusterAccess } from '../../src/kubernetes/cluster.js'
import { LeaseUncertain } from '../../src/kubernetes/retry.js'
import type { Cause } from '../../src/failure/failure.js'
import type { Request, Platform, Tools } from '../../src/platform/platform.js'
import { causeOf } from '../support/cause.js'
import { settled } from '../support/clock.js'
import { scripted, type Line } from '../support/scripted.js'

/** What the API server says to one request; an Error: no answer at all. */
type Answer = readonly [status: number, body: unknown] | Error

interface Scene {
  readonly access?: Partial<ClusterAccess>
  /** Answers by `GET /path`, in their order; the last one again and again. */
  readonly answers?: Readonly<Record<string, readonly Answer[]>>
  /** The proxy's own words and end; none: it serves. */
  readonly proxy?: Omit<Line, 'when'>
  readonly kubectl?: readonly Line[]
  /** The kubectl that is fetched where none is on PATH. */
  readonly fetch?: Tools['fetchKubectl']
  /** The version of the one that is on PATH. */
  readonly client?: string
}

const never = new AbortController().signal
const serving = { stdout: 'Starting to serve on /private/kubectl.sock', hangs: true } as const

function scene({ access = {}, answers = {}, proxy = serving, kubectl = [], ...more }: Scene) {
  const { fetch, client = fetch ? undefined : 'v1.34.1' } = more
  const script = scripted([{ when: / proxy /, ...proxy }, ...kubectl])
  const stdout = JSON.stringify({ clientVersion: { gitVersion: client } })
  const asked: { request: string; body?: unknown }[] = []
  const removed: string[] = []
  const left = new Map(
    Object.entries({
      'GET /version': [[200, { gitVersion: 'v1.34.4' }]] as Answer[],
      ...answers,
    }).map(([request, all]) => [request, [...all]]),
  )
  const request = ({ method, path, body, socket, signal }: Request) => {
    signal?.throwIfAborted()
    expect(socket).toBe('/private/kubectl.sock')
    asked.push({ request: `${method} ${path}`, ...(body !== undefined && { body }) })
    const all = left.get(`${method} ${path}`) ?? []
    const answer = all.length > 1 ? all.shift() : all[0]
    if (answer === undefined) throw new Error(`not expected: ${method} ${path}`)
    if (answer instanceof Error) return Promise.reject(answer)
    const text = typeof answer[1] === 'string' ? answer[1] : JSON.stringify(answer[1])
    return Promise.resolve({
      status: answer[0],
      text: () => Promise.resolve(text),
      // eslint-disable-next-line @typescript-eslint/require-await -- a stream that is there already
      lines: async function* () {
        yield* text.split('\n')
      },
    })
  }
  const turns = { passed: 0 }
  const platform: Platform = {
    ...script.platform,
    clock: {
      ...script.platform.clock,
      handled: () => {
        turns.passed += 1
        return Promise.resolve()
      },
    },
    network: { request: async (one) => request(one) },
    files: {
      ...script.platform.files,
      remove: (path) => {
        removed.push(path)
        return Promise.resolve()
      },
    },
    ...(fetch && { tools: { fetchKubectl: fetch } }),
    processes: {
      ...script.platform.processes,
      find: (tool) => Promise.resolve(client === undefined ? undefined : `/usr/bin/${tool}`),
      run: (tool, args, options) =>
        args[0] === 'version'
          ? Promise.resolve({ code: 0, stdout, stderr: '' })
          : script.platform.processes.run(tool, args, options),
    },
  }
  const open = () => openCluster(platform, { namespace: 'shop', ...access }, never)
  return { open, asked, removed, turns, ...script }
}

const opened = async (one: Scene) => {
  const set = scene(one)
  return { ...set, cluster: await set.open() }
}

describe('opening a cluster', () => {
  test('starts one proxy on a private socket', async () => {
    const { cluster, ran } = await opened({})
    expect(ran).toEqual(['/usr/bin/kubectl proxy --unix-socket /private/kubectl.sock'])
    expect(cluster).toMatchObject({ namespace: 'shop', version: 'v1.34.4' })
  })

  test('uses the given kubeconfig and context', async () => {
    const { ran } = await opened({ access: { kubeconfig: '/private/config', context: 'prod' } })
    expect(ran).toEqual([
      '/usr/bin/kubectl --kubeconfig /private/config --context prod proxy --unix-socket /private/kubectl.sock',
    ])
  })

  const newer = { path: '/cache/kubectl', version: 'v1.35.2' }
  test('uses a downloaded kubectl where none is on PATH', async () => {
    const { cluster, ran } = await opened({ fetch: () => Promise.resolve(newer) })
    expect(ran).toEqual(['/cache/kubectl proxy --unix-socket /private/kubectl.sock'])
    expect(cluster.client).toBe('v1.35.2')
  })

  test.each<[string, string, Scene['fetch'] | undefined, string, string]>([
    ['v1.33.9', 'v1.34.4', undefined, '/usr/bin/kubectl', 'v1.33.9'],
    ['v1.35.0', 'v1.34.4-gke.1', undefined, '/usr/bin/kubectl', 'v1.35.0'],
    ['', 'v1.34.4', undefined, '/usr/bin/kubectl', ''],
    ['v1.32.4-dispatcher', 'v1.34.4', undefined, '/usr/bin/kubectl', 'v1.32.4-dispatcher'],
    [
      'v1.32.1',
      'v1.34.4',
      (fits) => Promise.resolve(fits('v1.35.2') ? newer : undefined),
      '/cache/kubectl',
      'v1.35.2',
    ],
    [
      'v1.32.1',
      'v1.37.0',
      (fits) => Promise.resolve(fits('v1.35.2') ? newer : undefined),
      '/usr/bin/kubectl',
      'v1.32.1',
    ],
    [
      'v1.32.1',
      'v1.34.4',
      () => Promise.reject(new Error('no network')),
      '/usr/bin/kubectl',
      'v1.32.1',
    ],
    ['v1.32.1', 'v1.34.4', () => new Promise(() => {}), '/usr/bin/kubectl', 'v1.32.1'],
  ])('of kubectl %s and a server %s', async (client, server, fetch, path, version) => {
    const set = scene({
      client,
      fetch: fetch ?? (() => Promise.reject(new Error('not expected'))),
      answers: { 'GET /version': [[200, { gitVersion: server }]] },
      kubectl: [{ when: / get pods$/ }],
    })
    const cluster = await set.open()
    await cluster.kubectl(['get', 'pods'])
    expect(cluster.client).toBe(version)
    expect(set.ran.at(-1)).toContain(`${path} --namespace shop`)
  })

  test('can be undone: the proxy ends, its folder is removed, and no further request is sent', async () => {
    const { cluster, removed } = await opened({})
    expect(cluster.life.aborted).toBe(false)
    await cluster.close()
    expect(cluster.life.aborted).toBe(true)
    expect(removed).toEqual(['/private'])
    await expect(cluster.get('/x')).rejects.toThrow('aborted')
    await expect(cluster.put('/x', {})).rejects.toThrow('aborted')
  })
})

test('hundreds of requests at once begin in many turns of the event loop, in their order', async () => {
  const paths = Array.from({ length: 300 }, (_, nth) => `/x/${nth}`)
  const answers = Object.fromEntries(paths.map((path) => [`GET ${path}`, [[200, {}]] as const]))
  const { cluster, asked, turns } = await opened({ answers })
  await Promise.all(paths.map((path) => cluster.get(path)))
  expect(asked.slice(1).map(({ request }) => request)).toEqual(paths.map((path) => `GET ${path}`))
  expect(turns.passed).toBeGreaterThanOrEqual(29)
})

describe('opening a cluster fails', () => {
  test.each<[string, Scene, Partial<Cause>]>([
    [
      'an invalid kubeconfig',
      { proxy: { code: 1, stderr: 'error: error loading config file "x": yaml: line 1' } },
      {
        code: 'cluster-unreachable',
        sentence: 'the cluster does not answer: error loading config file "x": yaml: line 1',
      },
    ],
    [
      'a context that is not there',
      { proxy: { code: 1, stderr: 'error: context "prod" does not exist' } },
      {
        code: 'cluster-unreachable',
        sentence: 'the cluster does not answer: context "prod" does not exist',
      },
    ],
    [
      'a server that is not there',
      { answers: { 'GET /version': [[502, 'dial tcp 10.0.0.1:6443: connect: refused\n']] } },
      {
        code: 'cluster-unreachable',
        sentence: 'the cluster does not answer: dial tcp 10.0.0.1:6443: connect: refused',
      },
    ],
    [
      'a server that is not there, by an older kubectl',
      { answers: { 'GET /version': [[500, 'dial tcp 10.0.0.1:6443: connect: refused\n']] } },
      {
        code: 'cluster-unreachable',
        sentence: 'the cluster does not answer: dial tcp 10.0.0.1:6443: connect: refused',
      },
    ],
    [
      'a token that has run out',
      { answers: { 'GET /version': [[401, { kind: 'Status', message: 'Unauthorized' }]] } },
      { code: 'cluster-unreachable', sentence: 'the cluster does not answer: Unauthorized' },
    ],
    [
      'no kubectl',
      { fetch: () => Promise.resolve(undefined) },
      { code: 'tool-missing', sentence: 'kubectl is not on PATH' },
    ],
    [
      'no kubectl, and none to be had',
      { fetch: () => Promise.reject(new Error('connect ETIMEDOUT')) },
      {
        code: 'tool-missing',
        sentence: 'kubectl is not on PATH, and downloading it failed: connect ETIMEDOUT',
      },
    ],
    [
      'a server that has no such name',
      { answers: { 'GET /version': [[502, 'dial tcp: lookup shop.example: no such host']] } },
      { code: 'cluster-unreachable' },
    ],
  ])('soon and with a hint, and leaves nothing behind, for %s', async (_, one, cause) => {
    const { open, removed, asked, slept } = scene(one)
    const told = await causeOf(open())
    expect(told).toMatchObject(cause)
    expect(told.hint).toBeTruthy()
    expect(removed).toEqual(cause.code === 'tool-missing' ? [] : ['/private'])
    const waited = slept.reduce((sum, ms) => sum + ms, 0)
    expect(waited).toBeLessThanOrEqual(told.sentence.includes('connect: refused') ? 6_000 : 0)
    if (waited === 0) expect(asked.length).toBeLessThanOrEqual(1)
  })
})

describe('opening a cluster succeeds at a later attempt', () => {
  const version = [200, { gitVersion: 'v1.34.4' }] as const
  test.each<[string, Answer[]]>([
    ['a server that has too much to do', [[429, { reason: 'TooManyRequests' }]]],
    ['a server that is just starting', Array<Answer>(20).fill([503, 'starting'])],
    ['a server that cut the connection', [[502, 'EOF'], new Error('socket hang up')]],
  ])('after "%s"', async (_, troubles) => {
    const { cluster, asked } = await opened({ answers: { 'GET /version': [...troubles, version] } })
    expect(cluster.version).toBe('v1.34.4')
    expect(asked).toHaveLength(troubles.length + 1)
  })
})

const notFound = [404, { kind: 'Status', reason: 'NotFound', message: 'no such pod' }] as const
const forbidden = [403, { reason: 'Forbidden', message: 'pods is forbidden' }] as const

describe('reading from a cluster', () => {
  test.each<[string, Answer[], unknown]>([
    ['an object', [[200, { a: 1 }]], { a: 1 }],
    ['after a cut connection', [new Error('socket hang up'), [200, { a: 1 }]], { a: 1 }],
    [
      'after a server that is busy',
      [
        [429, ''],
        [503, 'x'],
        [200, { a: 1 }],
      ],
      { a: 1 },
    ],
    [
      'after a proxy without a server',
      [
        [502, 'dial'],
        [200, { a: 1 }],
      ],
      { a: 1 },
    ],
    [
      'after a login that was renewed too late',
      [
        [401, { reason: 'Unauthorized', message: 'Unauthorized' }],
        [200, { a: 1 }],
      ],
      { a: 1 },
    ],
  ])('succeeds for "%s"', async (_, answers, value) => {
    const { cluster, asked } = await opened({ answers: { 'GET /x': answers } })
    expect(await cluster.get('/x')).toEqual(value)
    expect(await cluster.find('/x')).toEqual(value)
    expect(asked.filter(({ request }) => request === 'GET /x')).toHaveLength(answers.length + 1)
  })

  test.each<[Answer, Partial<ApiError>]>([
    [notFound, { status: 404, reason: 'NotFound', message: 'no such pod' }],
    [forbidden, { status: 403, reason: 'Forbidden', message: 'pods is forbidden' }],
    [[400, 'plain words\n'], { status: 400, reason: '', message: 'plain words' }],
    [[400, '{}'], { status: 400, reason: '', message: '{}' }],
    [[307, ''], { status: 307, reason: '', message: '' }],
  ])('fails at once with %j', async (answer, error) => {
    const { cluster, asked } = await opened({ answers: { 'GET /x': [answer] } })
    await expect(cluster.get('/x')).rejects.toMatchObject({ name: 'ApiError', ...error })
    expect(asked).toHaveLength(2)
  })

  test('can look for an object that does not exist', async () => {
    const { cluster } = await opened({ answers: { 'GET /x': [notFound], 'GET /y': [forbidden] } })
    expect(await cluster.find('/x')).toBeUndefined()
    await expect(cluster.find('/y')).rejects.toThrow('pods is forbidden')
  })

  test('waits for a server that stays away, but not for ever', async () => {
    const { cluster, slept } = await opened({ answers: { 'GET /x': [[503, 'starting']] } })
    await expect(cluster.get('/x')).rejects.toThrow('starting')
    const waited = slept.reduce((sum, ms) => sum + ms, 0)
    expect(waited).toBeGreaterThan(80_000)
    expect(waited).toBeLessThanOrEqual(90_000)
  })

  test('repeats a review, because it creates nothing', async () => {
    const answers: Answer[] = [[503, 'starting'], new Error('socket hang up'), [201, { a: 1 }]]
    const { cluster } = await opened({ answers: { 'POST /review': answers } })
    expect(await cluster.review('/review', {})).toEqual({ a: 1 })
  })

  test('reads a log line by line', async () => {
    const { cluster } = await opened({
      answers: { 'GET /log': [[200, 'a\nb']], 'GET /gone': [notFound] },
    })
    const never = new AbortController().signal
    const read = async (path: string) => {
      const lines: string[] = []
      for await (const line of cluster.lines(path, never)) lines.push(line)
      return lines
    }
    expect(await read('/log')).toEqual(['a', 'b'])
    await expect(read('/gone')).rejects.toMatchObject({ status: 404, message: 'no such pod' })
  })
})

describe('writing to a cluster', () => {
  const write = (cluster: Cluster, method: string): Promise<unknown> => {
    if (method === 'POST') return cluster.post('/x', { a: 1 })
    return method === 'PUT' ? cluster.put('/x', { a: 1 }) : cluster.remove('/x')
  }

  test.each([
    ['POST', { a: 1 }, { b: 2 }],
    ['PUT', { a: 1 }, { b: 2 }],
    ['DELETE', { propagationPolicy: 'Background' }, undefined],
  ])('succeeds by %s', async (method, body, value) => {
    const { cluster, asked } = await opened({ answers: { [`${method} /x`]: [[200, { b: 2 }]] } })
    expect(await write(cluster, method)).toEqual(value)
    expect(asked.at(-1)).toEqual({ request: `${method} /x`, body })
  })

  test('deletes one object, and not the next of the same name', async () => {
    const { cluster, asked } = await opened({ answers: { 'DELETE /x': [[200, {}]] } })
    await cluster.remove('/x', { uid: 'u' })
    expect(asked.at(-1)?.body).toEqual({
      propagationPolicy: 'Background',
      preconditions: { uid: 'u' },
    })
  })

  // Of a write that was cut nobody knows whether it was done.
  test.each(['POST', 'PUT', 'DELETE'])('does not repeat a %s', async (method) => {
    const answers: Answer[] = [new Error('socket hang up'), [200, {}]]
    const { cluster, asked } = await opened({ answers: { [`${method} /x`]: answers } })
    await expect(write(cluster, method)).rejects.toThrow('socket hang up')
    expect(asked).toHaveLength(2)
  })

  test('reports a conflict as a conflict', async () => {
    const conflict = [409, { reason: 'Conflict', message: 'has been modified' }] as const
    const { cluster } = await opened({ answers: { 'PUT /x': [conflict] } })
    await expect(write(cluster, 'PUT')).rejects.toMatchObject({ status: 409, reason: 'Conflict' })
  })

  test('succeeds when the object to delete is gone already', async () => {
    const { cluster } = await opened({ answers: { 'DELETE /x': [notFound] } })
    await write(cluster, 'DELETE')
  })

  test('fails when the object may not be deleted', async () => {
    const { cluster } = await opened({ answers: { 'DELETE /x': [forbidden] } })
    await expect(write(cluster, 'DELETE')).rejects.toThrow('pods is forbidden')
  })
})

describe('kubectl', () => {
  test('runs against this cluster and namespace, and returns its exit code', async () => {
    const { cluster, ran } = await opened({
      access: { kubeconfig: '/private/config', context: 'prod' },
      kubectl: [{ when: /set image/, code: 1, stderr: 'no' }],
    })
    expect(await cluster.kubectl(['set', 'image', 'deployment/web', 'c=x'])).toEqual({
      code: 1,
      stdout: '',
      stderr: 'no',
    })
    expect(ran.at(-1)).toBe(
      '/usr/bin/kubectl --kubeconfig /private/config --context prod --namespace shop --request-timeout=30s set image deployment/web c=x',
    )
  })

  test('is repeated while the server is away', async () => {
    const { cluster, ran } = await opened({
      kubectl: [
        { when: /set image/, code: 1, stderr: 'Unable to connect to the server: EOF' },
        { when: /set image/, stdout: 'deployment.apps/web image updated' },
      ],
    })
    expect(await cluster.kubectl(['set', 'image'])).toMatchObject({
      code: 0,
      stdout: 'deployment.apps/web image updated',
    })
    expect(ran).toHaveLength(3)
  })

  test('is ended when the lock becomes uncertain, and repeated when the lock is held again', async () => {
    const { cluster, ran } = await opened({
      kubectl: [
        { when: /set image/, hangs: true },
        { when: /set image/, stdout: 'done' },
      ],
    })
    const first = new AbortController()
    const asked = [first.signal, new AbortController().signal]
    const set = cluster.kubectl(['set', 'image'], {
      ensureHeld: () => Promise.resolve(asked.shift() ?? first.signal),
    })
    await settled()
    expect(ran).toHaveLength(2)
    first.abort(new LeaseUncertain())
    expect(await set).toMatchObject({ code: 0, stdout: 'done' })
    expect(asked).toEqual([])
  })

  test('builds kustomizations without a request to the cluster', async () => {
    const { cluster, ran } = await opened({ kubectl: [{ when: /kustomize/, stdout: 'a: 1' }] })
    expect(await cluster.kustomize('k8s')).toMatchObject({ code: 0, stdout: 'a: 1' })
    expect(ran.at(-1)).toBe('/usr/bin/kubectl kustomize k8s')
  })

  test.each([
    [
      {},
      ['set', 'image', 'deployment/web', 'web=ghcr.io/acme/shop:1@sha256:0f'],
      'kubectl -n shop set image deployment/web web=ghcr.io/acme/shop:1@sha256:0f',
    ],
    [
      {},
      ['set', 'image', 'deployment/web', '*=x'],
      "kubectl -n shop set image deployment/web '*=x'",
    ],
    [{}, ['a b', "it's", '', '$(id)', 'x;y'], `kubectl -n shop 'a b' 'it'\\''s' '' '$(id)' 'x;y'`],
    // By hand it must not go to another cluster; our copy of the kubeconfig is gone by then.
    [{ context: 'prod' }, ['get', 'pods'], 'kubectl --context prod -n shop get pods'],
    [
      { kubeconfig: '/private/c', context: 'my prod' },
      ['get'],
      "kubectl --context 'my prod' -n shop get",
    ],
    [
      { kubeconfig: 'my kubeconfig', keeps: true as const },
      ['get'],
      "kubectl --kubeconfig 'my kubeconfig' -n shop get",
    ],
  ])('prints a command that can be repeated by hand for %j and %j', async (access, args, line) => {
    const { cluster } = await opened({ access })
    expect(cluster.commandLine(args)).toBe(line)
  })
})
