import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type RequestListener, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { realNetwork } from '../../src/platform/network.js'

let folder = ''
let server: Server
let connections = 0

/** A server on a Unix socket that answers each request by `listener`. */
async function serve(listener: RequestListener): Promise<string> {
  folder = await mkdtemp(join(tmpdir(), 'django-rollout-test-'))
  const socket = join(folder, 'socket')
  server = createServer(listener)
  server.on('connection', () => connections++)
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  return socket
}

beforeEach(() => {
  connections = 0
})
afterEach(async () => {
  server.closeAllConnections()
  server.close()
  await rm(folder, { recursive: true })
})

async function collect(lines: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = []
  for await (const line of lines) all.push(line)
  return all
}

const get = (socket: string, path = '/') => ({ socket, path, method: 'GET' as const })

describe('a request over a Unix socket', () => {
  test('sends method, path, JSON and its type', async () => {
    const socket = await serve((request, response) => {
      const parts: Buffer[] = []
      request.on('data', (part: Buffer) => parts.push(part))
      request.on('end', () => {
        response.statusCode = 201
        const { method, url, headers } = request
        const body = Buffer.concat(parts).toString()
        response.end([method, url, headers['content-type'], body].join(' '))
      })
    })
    const contentType = 'application/merge-patch+json'
    const network = realNetwork()
    const answer = await network.request({
      socket,
      method: 'PATCH',
      path: '/api/v1?x=1',
      contentType,
      body: { name: 'é' },
    })
    expect(answer.status).toBe(201)
    expect(await answer.text()).toBe('PATCH /api/v1?x=1 application/merge-patch+json {"name":"é"}')
  })

  test('uses a connection again', async () => {
    const socket = await serve((_, response) => response.end('ok'))
    const network = realNetwork()
    for (let i = 0; i < 5; i++) await (await network.request(get(socket))).text()
    expect(connections).toBe(1)
  })

  test('is repeated when the server closes an idle connection', async () => {
    const socket = await serve((_, response) => response.end('ok'))
    const network = realNetwork()
    await (await network.request(get(socket))).text()
    // Closed while our side has not noticed yet.
    server.closeAllConnections()
    expect(await (await network.request(get(socket))).text()).toBe('ok')
  })

  test('throws when there is no server', async () => {
    await serve(() => undefined)
    await expect(realNetwork().request(get(join(folder, 'other')))).rejects.toThrow('ENOENT')
  })

  test.each(['before the answer', 'before it is sent'])('is aborted %s', async (when) => {
    const reason = new Error('enough')
    const ending = new AbortController()
    const socket = await serve(() => {
      ending.abort(reason)
    })
    if (when === 'before it is sent') ending.abort(reason)
    const asked = realNetwork().request({ ...get(socket), signal: ending.signal })
    await expect(asked).rejects.toBe(reason)
  })
})

describe('the lines of a response', () => {
  test('come as they are written, across chunks and within letters', async () => {
    const bytes = Buffer.from('{"a":"é"}\n{"b":2}\nlast')
    const socket = await serve((_, response) => {
      response.write(bytes.subarray(0, 7), () => {
        setTimeout(
          () => response.write(bytes.subarray(7, 12), () => response.end(bytes.subarray(12))),
          20,
        )
      })
    })
    const answer = await realNetwork().request(get(socket))
    expect(await collect(answer.lines())).toEqual(['{"a":"é"}', '{"b":2}', 'last'])
  })

  test('may be of any length', async () => {
    const long = 'x'.repeat(3_000_000)
    const socket = await serve((_, response) => response.end(`${long}\n{}\n`))
    const answer = await realNetwork().request(get(socket))
    expect((await collect(answer.lines())).map((line) => line.length)).toEqual([3_000_000, 2])
  })

  test('of a log come in pieces where one never ends, but for those that are for the program', async () => {
    const [long, told] = ['x'.repeat(300_000), `m-1${'y'.repeat(300_000)}m-1`]
    const socket = await serve((_, response) => response.end(`one\n\n${told}\n${long}`))
    const answer = await realNetwork().request(get(socket))
    const [one, empty, whole, ...pieces] = await collect(answer.lines({ whole: 'm-1' }))
    expect([one, empty, whole]).toEqual(['one', '', told])
    expect(pieces.length).toBeGreaterThan(4)
    expect(pieces.join('')).toBe(long)
  })

  test('of a log fill no memory, though one is as long as all that arrives', async () => {
    const chunk = 'x'.repeat(1024 * 1024)
    const socket = await serve((_, response) => {
      let left = 300
      const send = () => {
        while (left-- > 0) if (!response.write(chunk)) return void response.once('drain', send)
        response.end()
      }
      send()
    })
    const answer = await realNetwork().request(get(socket))
    const before = process.memoryUsage().rss
    let letters = 0
    for await (const line of answer.lines({})) letters += line.length
    expect(letters).toBe(300 * chunk.length)
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * chunk.length)
  })

  test('throw when the connection is cut', async () => {
    const socket = await serve((_, response) => {
      response.write('one\ntw', () => setTimeout(() => response.destroy(), 20))
    })
    const answer = await realNetwork().request(get(socket))
    const seen: string[] = []
    await expect(
      (async () => {
        for await (const line of answer.lines()) seen.push(line)
      })(),
    ).rejects.toThrow('aborted')
    expect(seen).toEqual(['one'])
  })

  test('throw the reason of an abort', async () => {
    const ending = new AbortController()
    const reason = new Error('enough')
    const socket = await serve((_, response) => response.write('one\n'))
    const answer = await realNetwork().request({ ...get(socket), signal: ending.signal })
    await expect(
      (async () => {
        for await (const _ of answer.lines()) ending.abort(reason)
      })(),
    ).rejects.toBe(reason)
  })

  test('are closed with their connection when the reader stops early', async () => {
    const closed = new Promise<void>((resolve) => {
      void serve((_, response) => {
        response.on('close', resolve)
        response.write('one\ntwo\n')
      }).then(async (socket) => {
        const answer = await realNetwork().request(get(socket))
        for await (const _ of answer.lines()) break
      })
    })
    await closed
  })
})
