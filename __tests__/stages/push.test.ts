import { expect, test } from '@jest/globals'
import { inputsLabel } from '../../src/docker/build-inputs.js'
import { push } from '../../src/stages/push.js'
import { pinned } from '../../src/stages/release.js'
import { notebook } from '../support/journal.js'
import { scripted } from '../support/scripted.js'
import { contextOf } from '../support/settings.js'

test('what was built and tested gets its tag, and is known by its digest from then on', async () => {
  const built = { repository: 'ghcr.io/acme/shop', tag: 'a', id: `sha256:${'01'.repeat(32)}` }
  const digest = `sha256:${'ab'.repeat(32)}`
  const { platform } = scripted([
    { when: new RegExp(`^docker image tag ${built.id} ghcr.io/acme/shop:a$`) },
    { when: /^docker push ghcr.io\/acme\/shop:a$/, stdout: `a: digest: ${digest} size: 1575` },
  ])
  const image = await push(contextOf(platform).with({ log: notebook() }), built)
  expect(pinned(image)).toBe(`ghcr.io/acme/shop:a@${digest}`)
})

test.each<[string, object, string]>([
  ['another build of the commit', { [inputsLabel]: 'd'.repeat(64) }, 'a-cccccccccccc'],
  ['an image of an unknown build', {}, 'a-cccccccccccc'],
  ['the same build', { [inputsLabel]: 'c'.repeat(64) }, 'a'],
  ['another commit', { 'org.opencontainers.image.revision': 'b'.repeat(40) }, 'a'],
])('a tag that %s has taken meanwhile', async (_, labels, tag) => {
  const digest = `sha256:${'ab'.repeat(32)}`
  const id = `sha256:${'01'.repeat(32)}`
  const built = { repository: 'ghcr.io/acme/shop', tag: 'a', id, inputs: 'c'.repeat(64) }
  const { platform } = scripted([
    { when: /imagetools inspect .*Manifest/, stdout: JSON.stringify({ digest }) },
    { when: /imagetools inspect .*Image/, stdout: JSON.stringify({ config: { Labels: labels } }) },
    { when: new RegExp(`^docker image tag ${id} ghcr.io/acme/shop:${tag}$`) },
    {
      when: new RegExp(`^docker push ghcr.io/acme/shop:${tag}$`),
      stdout: `${tag}: digest: ${digest} size: 1575`,
    },
  ])
  expect((await push(contextOf(platform).with({ log: notebook() }), built)).tag).toBe(tag)
})

test('a registry that does not tell what it has keeps no image from its push', async () => {
  const digest = `sha256:${'ab'.repeat(32)}`
  const built = { repository: 'ghcr.io/acme/shop', tag: 'a', id: 'sha256:1', inputs: 'c' }
  const { platform } = scripted([
    { when: /imagetools inspect/, code: 1, stderr: 'ERROR: denied' },
    { when: /^docker image tag/ },
    { when: /^docker push ghcr.io\/acme\/shop:a$/, stdout: `a: digest: ${digest} size: 1575` },
  ])
  expect((await push(contextOf(platform).with({ log: notebook() }), built)).digest).toBe(digest)
})
