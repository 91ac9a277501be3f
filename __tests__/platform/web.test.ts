import { afterEach, describe, expect, test } from '@jest/globals'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { nameOf, realWeb } from '../../src/platform/web.js'

const web = realWeb(process.env)
const servers: Server[] = []
const variables = ['http_proxy', 'https_proxy', 'no_proxy']

async function serve(listener?: RequestListener): Promise<{ server: Server; port: number }> {
  const server = createServer(listener)
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { server, port: (server.address() as AddressInfo).port }
}

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
  for (const name of variables) delete process.env[name]
})

/** Answers with what it was asked. */
const echo: RequestListener = (request, response) => {
  const parts: Buffer[] = []
  request.on('data', (part: Buffer) => parts.push(part))
  request.on('end', () => {
    const { method, url, headers } = request
    response.statusCode = 201
    response.end(JSON.stringify({ method, url, headers, body: Buffer.concat(parts).toString() }))
  })
}

const never = new AbortController().signal
/** Aborted as soon as the server has been asked, which never answers. */
const hanging = () => {
  const cancel = new AbortController()
  const hang = () => {
    cancel.abort(new Error('time is over'))
  }
  return { hang, signal: cancel.signal }
}

describe('a request', () => {
  test('sends its headers and its body', async () => {
    const { port } = await serve(echo)
    const answer = await web.fetch(`http://127.0.0.1:${port}/a?b=c`, {
      method: 'POST',
      signal: never,
      headers: { authorization: 'Bearer x', 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'é' }),
    })
    expect(answer.status).toBe(201)
    expect(await answer.json()).toMatchObject({
      method: 'POST',
      url: '/a?b=c',
      headers: {
        authorization: 'Bearer x',
        'user-agent': 'django-rollout',
        'content-type': 'application/json',
        'content-length': '13',
      },
      body: '{"name":"é"}',
    })
  })

  test.each([204, 205, 304])('that is answered %i has no body', async (status) => {
    const { port } = await serve((_, response) => response.writeHead(status).end())
    const answer = await web.fetch(`http://127.0.0.1:${port}/`, {
      method: 'GET',
      signal: never,
    })
    expect([answer.status, await answer.text()]).toEqual([status, ''])
  })

  test('follows no redirect, and returns the headers and all bytes of the response', async () => {
    const { port } = await serve((_, response) => {
      response.writeHead(
        302,
        [
          ['location', '/b'],
          ['set-cookie', 'a=1'],
          ['set-cookie', 'b=2'],
        ].flat(),
      )
      response.end(Buffer.from([0, 255]))
    })
    const answer = await web.fetch(`http://127.0.0.1:${port}/a`, {
      method: 'GET',
      signal: never,
    })
    expect(answer.status).toBe(302)
    expect(answer.headers.get('location')).toBe('/b')
    expect(answer.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
    expect([...new Uint8Array(await answer.arrayBuffer())]).toEqual([0, 255])
  })

  test('fails when its response has an invalid status', async () => {
    const { server, port } = await serve()
    server.removeAllListeners('request')
    server.on('connection', (socket: Socket) => {
      socket.end('HTTP/1.1 999 Request denied\r\ncontent-length: 0\r\n\r\n')
    })
    const asked = web.fetch(`http://127.0.0.1:${port}/`, { method: 'GET', signal: never })
    await expect(asked).rejects.toThrow()
  })

  test('ends with its signal when there is no response', async () => {
    const { hang, signal } = hanging()
    const { port } = await serve(hang)
    const asked = web.fetch(`http://127.0.0.1:${port}/`, { method: 'GET', signal })
    await expect(asked).rejects.toThrow('time is over')
  })

  test('fails when there is no server', async () => {
    const { server, port } = await serve()
    await new Promise((resolve) => server.close(resolve))
    const asked = web.fetch(`http://127.0.0.1:${port}/`, { method: 'GET', signal: never })
    await expect(asked).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })
})

describe('a request behind a proxy', () => {
  test('is sent to the proxy with its user name and password for http:', async () => {
    const { port } = await serve(echo)
    process.env['http_proxy'] = `http://ada:a%40b@127.0.0.1:${port}`
    const answer = await web.fetch('http://chat.example/hook', { method: 'GET', signal: never })
    expect(await answer.json()).toMatchObject({
      url: 'http://chat.example/hook',
      headers: {
        host: 'chat.example',
        'proxy-authorization': `Basic ${Buffer.from('ada:a@b').toString('base64')}`,
      },
    })
  })

  test('is sent without the proxy to a host in no_proxy', async () => {
    const { port } = await serve(echo)
    const url = `http://localhost:${port}/`
    process.env['http_proxy'] = 'http://127.0.0.1:1'
    process.env['no_proxy'] = 'localhost'
    expect(await web.fetch(url, { method: 'GET', signal: never })).toMatchObject({
      status: 201,
    })
  })

  const https = (signal: AbortSignal) =>
    web.fetch('https://api.example/', { method: 'GET', signal })

  test('passes through the proxy for https:, which sees only the name of the server', async () => {
    const { server, port } = await serve()
    process.env['https_proxy'] = `http://127.0.0.1:${port}`
    const hello = new Promise<readonly [way: string | undefined, first: Buffer]>((resolve) => {
      server.on('connect', ({ url }, socket: Socket) => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
        socket.once('data', (first: Buffer) => {
          resolve([url, first])
          socket.destroy()
        })
      })
    })
    await expect(https(never)).rejects.toThrow()
    const [way, first] = await hello
    expect(way).toBe('api.example:443')
    // A TLS handshake, with the server's name in it.
    expect(first[0]).toBe(0x16)
    expect(first.includes('api.example')).toBe(true)
  })

  test.each([
    ['socks5://ada:secret@proxy.lan:1080', 'HTTPS_PROXY names a proxy of the type socks5'],
    ['http://ada:secret@', 'HTTPS_PROXY is not the address of a proxy'],
  ])('says why %s cannot be used, without its password', async (proxy, said) => {
    process.env['https_proxy'] = proxy
    const error = await https(never).catch((reason: unknown) => reason)
    expect(nameOf(error)).toContain(said)
    expect(nameOf(error)).not.toContain('secret')
  })

  test('names the proxy as the reason when it refuses', async () => {
    const { server, port } = await serve()
    server.on('connect', (_, socket: Socket) => {
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n')
    })
    process.env['https_proxy'] = `http://127.0.0.1:${port}`
    await expect(https(never)).rejects.toThrow('the proxy answers 407')
  })

  test('ends although the proxy never answers', async () => {
    const { hang, signal } = hanging()
    const { server, port } = await serve()
    server.on('connect', hang)
    process.env['https_proxy'] = `http://127.0.0.1:${port}`
    await expect(https(signal)).rejects.toThrow('time is over')
  })
})
