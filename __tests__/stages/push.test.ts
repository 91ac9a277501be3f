import { expect, test } from '@jest/globals'
import { push } from '../../src/stages/push.js'
import { pinned } from '../../src/stages/release.js'
import { notebook } from '../support/journal.js'
import { scripted } from '../support/scripted.js'
import { releaseOf } from '../support/settings.js'

test('what was built and tested gets its tag, and is known by its digest from then on', async () => {
  const built = { repository: 'ghcr.io/acme/shop', tag: 'a', id: `sha256:${'01'.repeat(32)}` }
  const digest = `sha256:${'ab'.repeat(32)}`
  const { world } = scripted([
    { when: new RegExp(`^docker image tag ${built.id} ghcr.io/acme/shop:a$`) },
    { when: /^docker push ghcr.io\/acme\/shop:a$/, stdout: `a: digest: ${digest} size: 1575` },
  ])
  const image = await push(releaseOf(world), notebook(), built)
  expect(pinned(image)).toBe(`ghcr.io/acme/shop:a@${digest}`)
})
