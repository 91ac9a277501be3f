import { expect, test } from '@jest/globals'
import { RunDocker } from '../../src/docker/login.js'
import { helperName } from '../../src/docker/private-config.js'
import type { Files } from '../../src/platform/platform.js'
import { scripted } from '../support/scripted.js'

const login = { repository: 'ghcr.io/acme/shop', username: 'ada', password: 'secret' }
const denied = () => Promise.reject(Object.assign(new Error('denied'), { code: 'EACCES' }))

test.each<[string, Partial<Files>]>([
  ['a config.json that may not be read', { read: denied }],
  ['a folder that may not be listed', { isFolder: () => true, list: denied }],
])('a login is added to %s', async (_, closed) => {
  const { platform, written } = scripted([], { env: { HOME: '/home/ada' } })
  const files = { ...platform.files, ...closed }
  await new RunDocker({ ...platform, files }).keep(login)
  expect(JSON.parse(written['/private/config.json'] ?? '')).toEqual({
    auths: {},
    credHelpers: { 'ghcr.io': `${helperName}0` },
  })
})

test('a login is in the text where no program may be started in the folder for temporary files (noexec)', async () => {
  const { platform, written } = scripted([], { env: { HOME: '/home/ada' } })
  const processes = { ...platform.processes, find: () => Promise.resolve(undefined) }
  await new RunDocker({ ...platform, processes }).keep(login)
  expect(JSON.parse(written['/private/config.json'] ?? '')).toEqual({
    auths: { 'ghcr.io': { auth: Buffer.from('ada:secret').toString('base64') } },
    credHelpers: {},
  })
})
