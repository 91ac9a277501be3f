/** Which image is meant, and of which commit it is: nobody's word is taken but the image's own. */
import { describe, expect, test } from '@jest/globals'
import { findSource } from '../../src/docker/source.js'
import { readOptions, type RawInputs } from '../../src/options/read.js'
import { Failure } from '../../src/failure/failure.js'
import { imageToDeploy, imageToTest, lookForBuild } from '../../src/stages/image.js'
import type { Platform } from '../../src/platform/platform.js'
import { ReleaseContext } from '../../src/stages/context.js'
import { notebook } from '../support/journal.js'
import { has, imageWith, lacks } from '../support/registry.js'
import { scripted, type Line } from '../support/scripted.js'

const head = 'a'.repeat(40)
const older = 'b'.repeat(40)
const id = `sha256:${'2'.repeat(64)}`
const repository = 'ghcr.io/acme/shop'

const labelsOf = (revision?: string, version?: string) => ({
  ...(revision && { 'org.opencontainers.image.revision': revision }),
  ...(version && { 'org.opencontainers.image.version': version }),
})

/** A checkout at `head`, with what the registry and the engine have of the image. */
function machine(
  registry: object | undefined,
  engine?: object,
  tags: readonly string[] = [],
  isMarked = false,
) {
  const there = imageWith({ Labels: registry })
  const lines: readonly Line[] = [
    { when: /^git .*rev-parse --verify/, stdout: `${head}\n`, always: true },
    { when: /^git .*(show-toplevel|status)/, always: true },
    isMarked ? has('.*-builds', there.digest) : lacks('.*-builds'),
    registry ? has('.*', there.digest) : lacks('.*'),
    ...there.lines,
    { when: /^docker pull/ },
    { when: /^docker image ls --format/, stdout: tags.join('\n') },
    {
      when: /^docker image inspect --format \{\{\.Id\}\}/,
      ...(engine ? { stdout: id } : { code: 1, stderr: 'Error: No such image: x' }),
    },
    { when: /^docker image inspect .*Labels/, stdout: JSON.stringify(engine ?? null) },
  ]
  return scripted(lines).platform
}

async function contextOf(command: 'deploy' | 'test', platform: Platform, given: RawInputs) {
  const options = command === 'deploy' ? { namespace: 'shop', ...given } : given
  const reading = readOptions(command, { image: repository, ...options }, { surface: 'command' })
  if (reading.is === 'wrong') throw new Error(reading.problems.join('\n'))
  const { settings } = reading
  const source = await findSource(platform, settings, '.')
  const signal = new AbortController().signal
  const holder = { id: 'run-1', who: 'ada' }
  const warn = () => undefined
  const fields = { platform, settings, source, app: 'shop', command, holder, signal, warn }
  return new ReleaseContext(fields)
}

const sentence = (error: unknown) => {
  if (!(error instanceof Failure)) throw error
  return error.cause.sentence
}

const ofLabels = (labels: object) => imageWith({ Labels: labels }).digest

test.each<[string, RawInputs, object, string]>([
  ['its own labels', {}, labelsOf(older, 'v1'), `v1 of ${older}`],
  ['its own commit, and the tag that is given', { tag: 'v2' }, labelsOf(older), `v2 of ${older}`],
  ['its commit by a tag that is one', { tag: older }, {}, `${older} of ${older}`],
  ['no commit where it is unknown', { tag: 'v2' }, {}, 'v2 of nobody knows'],
  [
    'to give a tag, where it has none',
    {},
    labelsOf(older),
    `"digest" needs "tag" here: ${repository}@${ofLabels(labelsOf(older))} has no version label`,
  ],
  [
    'to give a tag, where its version cannot be one',
    {},
    labelsOf(older, '1.0+build'),
    `"digest" needs "tag" here: ${repository}@${ofLabels(labelsOf(older, '1.0+build'))} has no version label`,
  ],
])('a digest is deployed with %s', async (_, given, labels, told) => {
  const digest = ofLabels(labels)
  const context = await contextOf('deploy', machine(labels), { digest, ...given })
  const ended = await imageToDeploy(context.with({ log: notebook() })).then(
    ({ image, source }) => `${image.tag} of ${source.sha ?? 'nobody knows'}`,
    sentence,
  )
  expect(ended).toBe(told)
})

describe('two builds of one commit', () => {
  const own = `${head}-${'c'.repeat(12)}`
  const several = `${repository}:${head} is one of several builds of this commit (other build-args, labels, target, Dockerfile, context or platform, or an unknown build)`
  const refused = `${several}: this machine has also built ${own}`
  const marked = `${several}: the registry has another one as ${head}-…`
  test.each<['deploy' | 'test', RawInputs, readonly string[], boolean, string]>([
    ['deploy', {}, [head, own], false, refused],
    ['test', {}, [own, '<none>'], true, refused],
    ['deploy', {}, [], true, marked],
    ['test', {}, [head], true, marked],
    ['deploy', { tag: head }, [head, own], true, head],
    ['test', { tag: own }, [head, own], true, own],
    [
      'deploy',
      {},
      [head, `${head}-dirty-${'c'.repeat(12)}`, `${older}-${'c'.repeat(12)}`],
      false,
      head,
    ],
    ['test', {}, [head], false, head],
  ])(
    'are told apart by %s with %j, where this machine has %j and the registry is marked (%s)',
    async (command, given, tags, isMarked, told) => {
      const context = await contextOf(command, machine(labelsOf(head), {}, tags, isMarked), given)
      const take = command === 'deploy' ? imageToDeploy : imageToTest
      const ended = await take(context.with({ log: notebook() })).then(
        ({ image }) => image?.tag,
        sentence,
      )
      expect(ended).toBe(told)
    },
  )
})

describe('an image for the tests', () => {
  const name = `${repository}:latest`
  const own = { tag: 'latest' }
  const short = (sha: string) => sha.slice(0, 12)
  test.each<[string, RawInputs, object | undefined, object | undefined, string]>([
    ['built here of this commit', own, undefined, labelsOf(head), `built ${id}`],
    [
      'built here of another one',
      own,
      undefined,
      labelsOf(older),
      `${name} on this machine is of the commit ${short(older)}, not of ${short(head)}`,
    ],
    ['built by another tool', own, undefined, {}, `built ${id}`],
    [
      'built by another tool, for a push',
      { ...own, push: 'true' },
      undefined,
      {},
      `${name} on this machine has no label that names its commit, so it is not pushed for ${short(head)}`,
    ],
    [
      'the registry has one of another commit',
      own,
      labelsOf(older),
      undefined,
      `${name} in the registry is of another commit (${short(older)}), and this machine does not have the image`,
    ],
    [
      'missing everywhere',
      own,
      undefined,
      undefined,
      `neither the registry nor this machine has ${name}`,
    ],
    ['the registry has it', own, labelsOf(head), {}, `pulled ${id}`],
  ])('is right when it is "%s"', async (_, given, registry, engine, told) => {
    const context = await contextOf('test', machine(registry, engine), given)
    const ended = await imageToTest(context.with({ log: notebook() })).then(
      ({ built, image }) => `${image ? 'pulled' : 'built'} ${built.id}`,
      sentence,
    )
    expect(ended).toBe(told)
  })

  test('of a digest is in the registry already, so it is not pushed', async () => {
    const stageLog = notebook()
    const platform = machine(labelsOf(older, 'v1'), {})
    const digest = ofLabels(labelsOf(older, 'v1'))
    const context = await contextOf('test', platform, { digest, push: 'true' })
    await imageToTest(context.with({ log: stageLog }))
    expect(stageLog.lines).toContain('not pushed: the registry already has it')
  })
})

describe('an image for a build', () => {
  const inputs = '1'.repeat(64)
  const built = (labels: object) => ({ ...labels, 'io.github.django-rollout.inputs': 'INPUTS' })

  /** A registry by its tags: `undefined` has none; INPUTS is the hash of what this build is told. */
  async function sought(given: RawInputs, tags: Readonly<Record<string, object>>) {
    const lines = (hash: string): readonly Line[] => [
      { when: /^git .*rev-parse --verify/, stdout: `${head}\n`, always: true },
      { when: /^git .*(--show-prefix|--show-toplevel|status)/, always: true },
      { when: /^docker version /, stdout: 'linux/amd64', always: true },
      ...Object.entries(tags).flatMap(([tag, labels]): Line[] => {
        const own = tag.replace('OWN', hash.slice(0, 12))
        const text = JSON.stringify({ Labels: labels }).replace('INPUTS', hash)
        const { digest, lines } = imageWith(JSON.parse(text) as object)
        return [has(own, digest), ...lines]
      }),
      lacks('.*'),
    ]
    const at = (platform: Platform) => contextFor(platform, given)
    const { inputs: hash } = await lookForBuild(await at(scripted(lines(inputs)).platform))
    const { lookup: there, source } = await lookForBuild(await at(scripted(lines(hash)).platform))
    const tag = source.tag.replace(hash.slice(0, 12), 'OWN').replace(head, 'HEAD')
    return `${there.is} as ${tag}`
  }

  async function contextFor(platform: Platform, given: RawInputs): Promise<ReleaseContext> {
    const context = await contextOf('test', platform, { tag: 'none' })
    const reading = readOptions('build', { image: repository, ...given }, { surface: 'command' })
    if (reading.is === 'wrong') throw new Error(reading.problems.join('\n'))
    const settings = {
      ...context.settings,
      ...reading.settings,
      tag: given['tag'],
    } as ReleaseContext['settings']
    return context.with({ settings, source: { sha: head, tag: given['tag'] ?? head } })
  }

  const tag = { tag: 'v1' }
  test.each<[string, RawInputs, Readonly<Record<string, object>>, string]>([
    ['no image yet', {}, {}, 'absent as HEAD'],
    ['this build', {}, { [head]: built({}) }, 'there as HEAD'],
    [
      'another build of the commit',
      {},
      { [head]: { ...built({}), 'io.github.django-rollout.inputs': 'x' } },
      'absent as HEAD-OWN',
    ],
    [
      'an image that does not say of what build it is',
      {},
      { [head]: labelsOf(head) },
      'absent as HEAD-OWN',
    ],
    [
      'another build, and this one',
      {},
      { [head]: {}, [`${head}-OWN`]: built({}) },
      'there as HEAD-OWN',
    ],
    [
      'another build, and its own tag of one more',
      {},
      { [head]: {}, [`${head}-OWN`]: {} },
      'another build as HEAD-OWN',
    ],
    ['this build by a tag of the user', tag, { v1: built(labelsOf(head)) }, 'there as v1'],
    ['another build by it', tag, { v1: labelsOf(head) }, 'absent as v1-OWN'],
    ['another commit by it', tag, { v1: built(labelsOf(older)) }, 'another as v1'],
    ['an image of unknown build by it', tag, { v1: {} }, 'unlabelled as v1'],
  ])('is handled rightly when there is "%s"', async (_, given, tags, told) => {
    expect(await sought(given, tags)).toBe(told)
  })
})
