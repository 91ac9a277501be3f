import { expect, test } from '@jest/globals'
import { credentialsFor } from '../../src/docker/credentials.js'
import { scripted, type Line } from '../support/scripted.js'

const never = new AbortController().signal
const base64 = (text: string) => Buffer.from(text).toString('base64')
const entry = (text: string) => ({ auth: base64(text) })
const password = (username: string, word: string) =>
  ({ is: 'password', username, password: word }) as const

function found(config: object, variable?: string, lines: readonly Line[] = [], host = 'lan:5000') {
  const env = { HOME: '/home/ada', ...(variable !== undefined && { DOCKER_AUTH_CONFIG: variable }) }
  const files = { '/home/ada/.docker/config.json': JSON.stringify(config) }
  return credentialsFor(scripted(lines, { env, files }).platform, host, never)
}

const file = { auths: { 'lan:5000': entry('file:word') } }

// As docker 28.3 and later.
test.each<[string, object]>([
  ['variable', { auths: { 'lan:5000': entry('variable:word') } }],
  ['file', { auths: { other: entry('variable:word') } }],
  ['file', { auths: { 'lan:5000': {} } }],
  ['file', { auths: { 'lan:5000': entry('no colon') } }],
  // The forms that docker ignores.
  ['file', { auths: { 'https://lan:5000': entry('variable:word') } }],
  ['file', { auths: { 'lan:5000': { username: 'variable', password: 'word' } } }],
])('the login of the %s is preferred, with %j in DOCKER_AUTH_CONFIG', async (name, variable) => {
  expect(await found(file, JSON.stringify(variable))).toEqual(password(name, 'word'))
})

test.each([
  ['https://lan:5000', entry('variable:word')],
  ['lan:5000', { username: 'variable', password: 'word' }],
])(
  'without another login DOCKER_AUTH_CONFIG counts with an entry %s of any form',
  async (at, one) => {
    const variable = JSON.stringify({ auths: { [at]: one } })
    expect(await found({}, variable)).toEqual(password('variable', 'word'))
  },
)

test('DOCKER_AUTH_CONFIG goes before a store', async () => {
  const variable = JSON.stringify({ auths: { 'https://index.docker.io/v1/': entry('a:b') } })
  const config = { credsStore: 'desktop' }
  expect(await found(config, variable, [], 'docker.io')).toEqual(password('a', 'b'))
})

test.each(['{', '[]', 'null', '"text"', '{"auths":[]}', '{"auths":{"lan:5000":{"auth":5}}}'])(
  'what is no configuration has no login: %s',
  async (variable) => {
    expect(await found(file, variable)).toEqual(password('file', 'word'))
    expect(await found(JSON.parse(variable === '{' ? '{}' : variable) as object)).toEqual({
      is: 'none',
    })
  },
)

test('a helper that hangs has no login', async () => {
  const lines = [{ when: /^docker-credential-slow get$/, hangs: true, always: true }] as const
  expect(await found({ credsStore: 'slow' }, undefined, lines)).toEqual({ is: 'none' })
  expect(await found({ ...file, credsStore: 'slow' }, undefined, lines)).toEqual(
    password('file', 'word'),
  )
})
