/** Whether two images hold the same. */
import { expect, test } from '@jest/globals'
import { contentInEngine, isSameContent, type ImageContent } from '../../src/docker/content.js'
import { scripted } from '../support/scripted.js'

const config = { Env: ['A=1'], Cmd: ['gunicorn'], Labels: { revision: 'one' } }
const shop = { os: 'linux', architecture: 'amd64', config, layers: ['sha256:1', 'sha256:2'] }
const withConfig = (more: object): ImageContent => ({ ...shop, config: { ...config, ...more } })

test.each<[string, ImageContent, boolean]>([
  ['all', shop, true],
  ['all but its labels', withConfig({ Labels: { revision: 'two' } }), true],
  ['all, and what is empty', withConfig({ User: '', Volumes: null, OnBuild: [] }), true],
  ['all, and what the engine adds', withConfig({ Hostname: '', AttachStdin: false }), true],
  ['another layer', { ...shop, layers: ['sha256:1', 'sha256:3'] }, false],
  ['another platform', { ...shop, architecture: 'arm64' }, false],
  ['another variable', withConfig({ Env: ['A=2'] }), false],
  ['another user', withConfig({ User: '10001' }), false],
])('an image that holds %s', (_, other, expected) => {
  expect(isSameContent(shop, other)).toBe(expected)
})

test('ports and volumes are the same in any order', () => {
  const one = withConfig({ ExposedPorts: { '80/tcp': {}, '443/tcp': {} } })
  const other = withConfig({ ExposedPorts: { '443/tcp': {}, '80/tcp': {} } })
  expect(isSameContent(one, other)).toBe(true)
})

test('images without layers are not known to be the same', () => {
  expect(isSameContent({ layers: [] }, { layers: [] })).toBe(false)
})

test('an image is read as the engine shows it', async () => {
  const stdout = JSON.stringify({
    ...{ Os: 'linux', Architecture: 'amd64', Config: { ...config, Hostname: '' } },
    RootFS: { Type: 'layers', Layers: shop.layers },
  })
  const { platform } = scripted([{ when: /^docker image inspect /, stdout }])
  const found = await contentInEngine(platform, 'sha256:9', new AbortController().signal)
  expect(found && isSameContent(found, shop)).toBe(true)
})
