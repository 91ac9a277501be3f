import { expect, test } from '@jest/globals'
import { inputsLabel } from '../../src/docker/build-inputs.js'
import { push } from '../../src/stages/push.js'
import { pinned } from '../../src/docker/image.js'
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

const other = { [inputsLabel]: 'd'.repeat(64) }
test.each<[string, object, string, readonly string[]]>([
  ['another build of the commit', other, 'a-cccccccccccc', ['a-builds']],
  ['an image of an unknown build', {}, 'a-cccccccccccc', ['a-builds']],
  ['the same build', { [inputsLabel]: 'c'.repeat(64) }, 'a', []],
  ['another commit', { 'org.opencontainers.image.revision': 'b'.repeat(40) }, 'a', []],
])('a tag that %s has taken meanwhile', async (_, labels, tag, marks) => {
  const { ended, marked } = pushed({ labels, tag: 'a', as: tag })
  expect((await ended).tag).toBe(tag)
  expect(marked()).toEqual(marks)
})

test.each<[string, Pushed, readonly string[]]>([
  ['a separate tag marks that of the commit', {}, ['a-builds']],
  ['a mark is set once', { isMarked: true }, []],
  ['a tag that the user chose needs no mark', { settings: { tag: 'v1' } }, []],
])('%s', async (_, more, marks) => {
  const { ended, marked } = pushed({ tag: 'a-cccccccccccc', as: 'a-cccccccccccc', ...more })
  await ended
  expect(marked()).toEqual(marks)
})

interface Pushed {
  readonly labels?: object
  readonly isMarked?: true
  readonly settings?: { readonly tag?: string }
}

/** Pushes an image with the inputs `c…` as `tag`; the registry has an image of these labels under that of the commit. */
function pushed({
  labels = other,
  isMarked,
  settings = {},
  tag,
  as,
}: Pushed & { tag: string; as: string }) {
  const digest = `sha256:${'ab'.repeat(32)}`
  const id = `sha256:${'01'.repeat(32)}`
  const name = 'ghcr.io/acme/shop'
  const absent = { code: 1, stderr: 'ERROR: not found' }
  const there = { stdout: JSON.stringify({ digest }) }
  const { platform, ran } = scripted([
    { when: /imagetools inspect .*Manifest.*:a$/, ...there, always: true },
    { when: /imagetools inspect .*Manifest.*:a-builds$/, ...(isMarked ? there : absent) },
    { when: /imagetools inspect .*Manifest.*:a-c+$/, ...absent },
    { when: /imagetools inspect .*Image/, stdout: JSON.stringify({ config: { Labels: labels } }) },
    { when: new RegExp(`imagetools create .*${name}@${digest}$`) },
    { when: new RegExp(`^docker image tag ${id} ${name}:${as}$`) },
    {
      when: new RegExp(`^docker push ${name}:${as}$`),
      stdout: `${as}: digest: ${digest} size: 1575`,
    },
  ])
  const context = contextOf(platform, settings).with({ log: notebook() })
  const ended = push(context, { repository: name, tag, id, inputs: 'c'.repeat(64) })
  const marked = () =>
    ran.flatMap((line) => /imagetools create .*--tag \S+:(\S+)/.exec(line)?.[1] ?? [])
  return { ended, marked }
}

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
