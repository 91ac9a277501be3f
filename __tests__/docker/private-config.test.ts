import { expect, test } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  configWithLogins,
  helperName,
  helperScript,
  loginVariable,
  privateConfig,
  withoutLogin,
} from '../../src/docker/private-config.js'

const login = { repository: 'ghcr.io/acme/shop', username: 'ada', password: 'hun"ter2' }
const base64 = (text: string) => Buffer.from(text).toString('base64')
const answer = (ServerURL: string, Username: string, Secret: string) => ({
  ServerURL,
  Username,
  Secret,
})
const own = answer('ghcr.io', 'ada', 'hun"ter2')

function made(config: object | string | undefined, one = login) {
  const text = typeof config === 'object' ? JSON.stringify(config) : config
  const { config: made, logins } = privateConfig(text, one)
  return {
    ...(JSON.parse(made) as object),
    logins: logins.map((said) => JSON.parse(said) as object),
    made,
  }
}

test.each([
  ['none', undefined],
  ['one that is no JSON', '{'],
  ['one that is no object', '[]'],
])('the login is added to a configuration of %s', (_, config) => {
  expect(made(config)).toMatchObject({
    auths: {},
    credHelpers: { 'ghcr.io': `${helperName}0` },
    logins: [own],
  })
})

test('all else of the configuration stays', () => {
  const config = {
    currentContext: 'remote',
    proxies: { default: { httpProxy: 'http://proxy:3128' } },
    plugins: { scout: { x: 'y' } },
    credsStore: 'desktop',
    credHelpers: { 'eu.gcr.io': 'gcloud' },
    auths: { 'https://index.docker.io/v1/': {}, 'ghcr.io': {} },
  }
  expect(made(config)).toMatchObject({
    ...config,
    auths: { 'https://index.docker.io/v1/': {} },
    credHelpers: { 'eu.gcr.io': 'gcloud', 'ghcr.io': `${helperName}0` },
    logins: [own],
  })
})

test('the given login replaces every other of its registry', () => {
  const config = {
    auths: {
      'ghcr.io': { auth: base64('bob:old') },
      'https://ghcr.io/v1/': { auth: base64('bob:older') },
    },
    credHelpers: { 'ghcr.io': 'pass' },
  }
  expect(made(config)).toMatchObject({
    auths: {},
    credHelpers: { 'ghcr.io': `${helperName}0` },
    logins: [own],
  })
})

test('the logins of other registries work, and are not written a second time', () => {
  const config = {
    auths: {
      'lan:5000': { auth: base64('bob:with:colon') },
      'https://quay.io/v2/': { auth: base64('eve:word\0\0') },
      'acme.azurecr.io': { auth: base64('00000000:'), identitytoken: 'refresh' },
      'helped.example': { auth: base64('a:b') },
      'plain.example': { username: 'eve', password: 'p:w' },
      'token.example': { auth: base64('bob:with:colon'), registrytoken: 'jwt' },
      'empty.example': {},
      'wrong.example': { auth: 5, username: ['eve'] },
    },
    credHelpers: { 'helped.example': 'pass' },
  }
  const { made: text, ...told } = made(config)
  expect(told).toMatchObject({
    auths: { 'lan:5000': {}, 'token.example': { registrytoken: 'jwt' }, 'wrong.example': {} },
    credHelpers: {
      'ghcr.io': `${helperName}0`,
      'lan:5000': `${helperName}1`,
      'https://quay.io/v2/': `${helperName}2`,
      'quay.io': `${helperName}2`,
      'acme.azurecr.io': `${helperName}3`,
      'helped.example': 'pass',
      'plain.example': `${helperName}5`,
    },
    logins: [
      own,
      answer('lan:5000', 'bob', 'with:colon'),
      answer('https://quay.io/v2/', 'eve', 'word'),
      answer('acme.azurecr.io', '<token>', 'refresh'),
      answer('helped.example', 'a', 'b'),
      answer('plain.example', 'eve', 'p:w'),
    ],
  })
  for (const word of [
    'hun',
    'with:colon',
    'refresh',
    'p:w',
    base64('bob:'),
    base64('eve').slice(0, 4),
  ])
    expect(text).not.toContain(word)
})

test('a token of a registry stays beside a store, which cannot keep it', () => {
  const auths = { lan: { registrytoken: 'jwt' } }
  expect(made({ credsStore: 'desktop', auths })).toMatchObject({ credsStore: 'desktop', auths })
})

test("Docker's own registry has several names", () => {
  const hub = { ...login, repository: 'acme/shop' }
  expect(
    made({ auths: { 'https://index.docker.io/v1/': { auth: base64('bob:old') } } }, hub),
  ).toMatchObject({
    auths: {},
    credHelpers: { 'https://index.docker.io/v1/': `${helperName}0`, 'docker.io': `${helperName}0` },
    logins: [answer('https://index.docker.io/v1/', 'ada', 'hun"ter2')],
  })
})

test.each([
  [
    'another login',
    { auths: { 'lan:5000': { auth: 'x' } } },
    { auths: { 'lan:5000': { auth: 'x' } } },
  ],
  ['both', { auths: { 'ghcr.io': {}, lan: {} } }, { auths: { lan: {} } }],
])('DOCKER_AUTH_CONFIG keeps %s', (_, config, kept) => {
  expect(JSON.parse(withoutLogin(JSON.stringify(config), login))).toEqual(kept)
})

test('DOCKER_AUTH_CONFIG with this login alone is not given on', () => {
  expect(withoutLogin(JSON.stringify({ auths: { 'ghcr.io': {} } }), login)).toBe('')
})

test('the helper answers with the login of its number, and keeps nothing', () => {
  const folder = mkdtempSync(join(tmpdir(), 'helper-'))
  const helper = (number: number) => join(folder, `docker-credential-${helperName}${number}`)
  for (const number of [0, 12]) writeFileSync(helper(number), helperScript, { mode: 0o700 })
  const texts = ['{"Secret":"a\\\\b $HOME `id` %s \'\\""}', '{"Secret":"other"}'] as const
  const env = { PATH: '/usr/bin:/bin', [loginVariable(0)]: texts[0], [loginVariable(12)]: texts[1] }
  const said = (number: number, verb: string) =>
    execFileSync(helper(number), [verb], { env, input: 'ghcr.io', encoding: 'utf8' })
  expect([said(0, 'get'), said(12, 'get')]).toEqual(texts)
  expect([said(0, 'store'), said(0, 'erase'), said(0, 'list')]).toEqual(['', '', '{}'])
  rmSync(folder, { recursive: true })
})

test('where no helper can be started the logins are in the text', () => {
  const config = {
    currentContext: 'remote',
    credsStore: 'desktop',
    credHelpers: { 'ghcr.io': 'pass', 'eu.gcr.io': 'gcloud' },
    auths: { 'lan:5000': {}, 'ghcr.io': { auth: base64('bob:old') } },
  }
  expect(JSON.parse(configWithLogins(JSON.stringify(config), login))).toEqual({
    currentContext: 'remote',
    credHelpers: { 'lan:5000': 'desktop', 'eu.gcr.io': 'gcloud' },
    auths: { 'lan:5000': {}, 'ghcr.io': { auth: base64('ada:hun"ter2') } },
  })
})
