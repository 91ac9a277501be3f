/** https: through a proxy, with a certificate of our own: what unit tests cannot make without openssl. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer as createProxy, type Server } from 'node:http'
import { createServer } from 'node:https'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { realWeb } from '../../src/platform/web.js'
import { must } from '../e2e/stack.js'

const portOf = (server: { address(): unknown }) => (server.address() as AddressInfo).port
const web = realWeb(process.env)
const never = new AbortController().signal
const usual = getCACertificates()
const servers: Server[] = []
let folder = ''

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proxy-'))
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  await must('openssl', [
    'req', '-x509', '-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1',
    '-keyout', key, '-out', cert, '-days', '1', '-subj', '/CN=api.example',
    '-addext', 'subjectAltName=DNS:api.example,IP:fd00::5',
  ])
  const pem = { key: await readFile(key, 'utf8'), cert: await readFile(cert, 'utf8') }
  setDefaultCACertificates([pem.cert])
  const api = createServer(pem, ({ method, url, headers }, response) => {
    response.end(`${method} ${url} ${headers.host}`)
  })
  const proxy = createProxy()
  proxy.on('connect', (_, socket: Socket) => {
    const way = connect(portOf(api), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      way.pipe(socket).pipe(way)
    })
    for (const end of [way, socket]) end.on('error', () => undefined)
  })
  for (const server of [api, proxy]) {
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  }
  process.env['https_proxy'] = `http://127.0.0.1:${portOf(proxy)}`
})

afterAll(async () => {
  delete process.env['https_proxy']
  setDefaultCACertificates(usual)
  for (const server of servers) {
    server.closeAllConnections()
    server.close()
  }
  await rm(folder, { recursive: true })
})

test('a response arrives through a proxy', async () => {
  const url = 'https://api.example/x?y=1'
  const answer = await web.fetch(url, { method: 'POST', body: '{}', signal: never })
  expect(answer.status).toBe(200)
  expect(await answer.text()).toBe('POST /x?y=1 api.example')
})

test('the certificate of an IPv6 address is checked', async () => {
  const answer = await web.fetch('https://[fd00::5]:8443/x', { method: 'GET', signal: never })
  expect(await answer.text()).toBe('GET /x [fd00::5]:8443')
  const other = web.fetch('https://[fd00::6]/', { method: 'GET', signal: never })
  await expect(other).rejects.toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
})

test('no request is sent to a server with a certificate for another name', async () => {
  const url = 'https://other.example/'
  await expect(web.fetch(url, { method: 'GET', signal: never })).rejects.toMatchObject({
    code: 'ERR_TLS_CERT_ALTNAME_INVALID',
  })
})
