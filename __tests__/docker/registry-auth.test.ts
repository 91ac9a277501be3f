import { expect, test } from '@jest/globals'
import { lookUp } from '../../src/docker/registry.js'
import { scripted } from '../support/scripted.js'
import { challengeIn, tokenRequest, tokenServer } from '../../src/docker/registry-auth.js'

const secured = { origin: 'https://registry.lan:5000', isPlain: false }
const plain = { origin: 'http://registry.lan:5000', isPlain: true }

test.each([
  ['https://auth.lan:8080/token', secured, true, 'https://auth.lan:8080/token'],
  ['http://auth.lan/token', secured, true, 'https://auth.lan/token'],
  ['http://auth.lan:80/token', secured, true, 'https://auth.lan/token'],
  ['http://registry.lan:5000/token', secured, true, 'https://registry.lan:5000/token'],
  [
    'http://auth.lan:443/token',
    { ...secured, origin: 'https://auth.lan' },
    true,
    'https://auth.lan/token',
  ],
  ['http://auth.lan:8080/token', secured, true, undefined],
  ['http://registry.lan:5001/token', secured, true, undefined],
  ['http://auth.lan:5000/token', secured, true, undefined],
  // Without a login, and where the registry has no TLS: as it is given.
  ['http://auth.lan:8080/token', secured, false, 'http://auth.lan:8080/token'],
  ['http://auth.lan:8080/token', plain, true, 'http://auth.lan:8080/token'],
  ['http://auth.lan/token', plain, true, 'http://auth.lan/token'],
  ['https://auth.lan/token', plain, true, 'https://auth.lan/token'],
])('the realm %s of %j, with a login %s: %s', (realm, registry, hasLogin, address) => {
  expect(tokenServer(realm, registry, hasLogin)?.href).toBe(address)
})

test('the query of a realm stays in the request', () => {
  const challenge = challengeIn('Bearer realm="https://auth.lan/token?a=b",service="x y"')
  if (challenge?.is !== 'bearer') throw new Error('no challenge')
  const server = new URL(challenge.realm)
  expect(tokenRequest(challenge, server, { is: 'none' }, 'repository:shop:pull')).toEqual({
    method: 'GET',
    url: 'https://auth.lan/token?a=b&service=x+y&scope=repository%3Ashop%3Apull',
    headers: {},
  })
})

test('the token server without TLS of a registry with TLS gets no login, and the reason is told', async () => {
  const config = { auths: { 'ghcr.io': { username: 'ada', password: 'secret' } } }
  const wants = { 'www-authenticate': 'Bearer realm="http://auth.lan:8080/token"' }
  // A request to the token server would not be in the script.
  const { platform } = scripted(
    [{ when: /^(HEAD|GET) https:\/\/ghcr\.io\/v2\//, status: 401, headers: wants, always: true }],
    {
      env: { HOME: '/home/ada' },
      files: { '/home/ada/.docker/config.json': JSON.stringify(config) },
    },
  )
  const signal = new AbortController().signal
  expect(await lookUp(platform, 'ghcr.io/acme/shop', 'v1', signal)).toEqual({
    is: 'failed',
    said: 'the login for ghcr.io is not sent to its token server http://auth.lan:8080, which has no TLS',
    hint: 'Give the registry a realm with https:',
  })
})
