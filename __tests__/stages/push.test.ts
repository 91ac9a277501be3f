import { expect, test } from '@jest/globals'
import { inputsLabel } from '../../src/docker/build-inputs.js'
import { push } from '../../src/stages/push.js'
import { pinned } from '../../src/docker/image.js'
import { notebook } from '../support/journal.js'
import { has, imageWith, indexOf, lacks, refuses } from '../support/registry.js'
import { scripted } from '../support/scripted.js'
import { contextOf } from '../support/settings.js'

test('an image that was built and tested gets its tag, and is known by its digest from then on', async () => {
  const built = { repository: 'ghcr.io/acme/shop', tag: 'a', id: `sha256:${'01'.repeat(32)}` }
  const digest = `sha256:${'ab'.repeat(32)}`
  const { platform } = scripted([
    { when: new RegExp(`^docker image tag ${built.id} ghcr.io/acme/shop:a$`) },
    { when: /^docker push ghcr.io\/acme\/shop:a$/, stdout: `a: digest: ${digest} size: 1575` },
    refuses(digest, 403),
  ])
  const image = await push(contextOf(platform).with({ log: notebook() }), built)
  expect(pinned(image)).toBe(`ghcr.io/acme/shop:a@${digest}`)
})

test('what the builder has pushed gets its tag in the registry', async () => {
  const { digest, lines } = indexOf(imageWith({}), imageWith({ Labels: {} }))
  const built = { repository: 'ghcr.io/acme/shop', tag: 'a', id: 'sha256:1', digest }
  const { platform, ran } = scripted([...lines, { when: /^PUT .*\/manifests\/a$/, status: 201 }])
  expect(await push(contextOf(platform).with({ log: notebook() }), built)).toEqual({
    ...{ repository: 'ghcr.io/acme/shop', tag: 'a', digest },
  })
  expect(ran.filter((line) => line.startsWith('docker'))).toEqual([])
})

const sha = 'a'.repeat(40)
const own = `${sha}-${'c'.repeat(12)}`
const other = { [inputsLabel]: 'd'.repeat(64) }

test.each<[string, object, string, readonly string[]]>([
  ['another build of the commit', other, own, [`${sha}-builds`]],
  ['an image of an unknown build', {}, own, [`${sha}-builds`]],
  ['the same build', { [inputsLabel]: 'c'.repeat(64) }, sha, []],
  ['another commit', { 'org.opencontainers.image.revision': 'b'.repeat(40) }, sha, []],
])(
  'a tag that %s has taken meanwhile is not overwritten by mistake',
  async (_, labels, tag, marks) => {
    const { ended, marked } = pushed({ labels, tag: sha, as: tag })
    expect((await ended).tag).toBe(tag)
    expect(marked()).toEqual(marks)
  },
)

test.each<[string, Partial<Pushed>, readonly string[]]>([
  ['a separate tag marks that of the commit', { tag: own }, [`${sha}-builds`]],
  ['one that the build before has passed on does too', { tag: own, given: own }, [`${sha}-builds`]],
  [
    'one of uncommitted changes too',
    { tag: own.replace('-', '-dirty-0123456789ab-') },
    [`${sha}-dirty-0123456789ab-builds`],
  ],
  ['a mark is set once', { tag: own, isMarked: true }, []],
  [
    'a mark that is refused does not fail the push',
    { tag: own, isRefused: true },
    [`${sha}-builds`],
  ],
  ['beside a tag of the user there is no mark', { tag: `v1-${'c'.repeat(12)}`, given: 'v1' }, []],
])('the tag of the commit is marked as expected: %s', async (_, { tag = sha, ...more }, marks) => {
  const { ended, marked } = pushed({ tag, as: tag, ...more })
  expect((await ended).tag).toBe(tag)
  expect(marked()).toEqual(marks)
})

interface Pushed {
  /** Of what was built. */
  readonly tag: string
  /** With which it is pushed. */
  readonly as: string
  /** The option. */
  readonly given?: string
  readonly labels?: object
  readonly isMarked?: true
  readonly isRefused?: true
}

/** Pushes an image with the inputs `c…` as `tag`; the registry has an image of these labels under that of the commit. */
function pushed({ tag, as, given, labels = other, isMarked, isRefused }: Pushed) {
  const digest = `sha256:${'ab'.repeat(32)}`
  const id = `sha256:${'01'.repeat(32)}`
  const name = 'ghcr.io/acme/shop'
  const there = imageWith({ Labels: labels })
  const { platform, ran } = scripted([
    { when: /^PUT /, status: isRefused ? 403 : 201 },
    isMarked ? has('.*-builds', there.digest) : lacks('.*-builds'),
    lacks('.*-c+'),
    has('.*', there.digest),
    ...there.lines,
    { when: new RegExp(`^docker image tag ${id} ${name}:${as}$`) },
    {
      when: new RegExp(`^docker push ${name}:${as}$`),
      stdout: `${as}: digest: ${digest} size: 1575`,
    },
  ])
  const context = contextOf(platform, given === undefined ? {} : { tag: given })
  const built = { repository: name, tag, id, inputs: 'c'.repeat(64) }
  const ended = push(context.with({ log: notebook() }), built)
  const marked = () => ran.flatMap((line) => /^PUT .*manifests\/(\S+)/.exec(line)?.[1] ?? [])
  return { ended, marked }
}

test('an image is pushed even when the registry cannot tell what it has', async () => {
  const digest = `sha256:${'ab'.repeat(32)}`
  const built = { repository: 'ghcr.io/acme/shop', tag: 'a', id: 'sha256:1', inputs: 'c' }
  const { platform } = scripted([
    refuses('.*', 403),
    { when: /^docker image tag/ },
    { when: /^docker push ghcr.io\/acme\/shop:a$/, stdout: `a: digest: ${digest} size: 1575` },
  ])
  expect((await push(contextOf(platform).with({ log: notebook() }), built)).digest).toBe(digest)
})
