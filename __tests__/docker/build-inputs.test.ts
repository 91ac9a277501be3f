import { describe, expect, test } from '@jest/globals'
import { inputsOf, ownTag } from '../../src/docker/build-inputs.js'
import { scripted } from '../support/scripted.js'
import { contextOf } from '../support/settings.js'

const never = new AbortController().signal

interface Told {
  readonly given?: Readonly<Record<string, string>>
  readonly files?: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
  /** What git says of a folder in its repository. */
  readonly prefix?: string
  /** What the engine runs on. */
  readonly engine?: string | undefined
}

function inputs({
  given = {},
  files = { Dockerfile: 'FROM python' },
  env = {},
  prefix = '',
  engine,
}: Told) {
  const git = { when: /^git .*--show-prefix$/, stdout: `${prefix}\n`, always: true } as const
  const version = {
    when: /^docker version /,
    ...(engine === undefined ? { code: 1 } : { stdout: engine }),
    always: true,
  } as const
  const { platform } = scripted([git, version], { files, env })
  return inputsOf(platform, contextOf(platform, given).settings, never)
}

const hash = async (told: Told) => (await inputs(told)).own

describe('the description of a build', () => {
  test.each<[string, Told, Told]>([
    ['argument', { given: { 'build-args': 'A=1' } }, { given: { 'build-args': 'A=2' } }],
    ['argument that is new', {}, { given: { 'build-args': 'A=1' } }],
    ['target', {}, { given: { target: 'web' } }],
    [
      'more context',
      { given: { 'build-contexts': 'a=docker-image://a' } },
      { given: { 'build-contexts': 'a=docker-image://b' } },
    ],
    ['record of the build', {}, { given: { provenance: 'min' } }],
    ['list of packages', {}, { given: { sbom: 'true' } }],
    ['label', { given: { 'image-labels': 'a=1' } }, { given: { 'image-labels': 'a=2' } }],
    [
      'Dockerfile of the same content',
      {},
      { given: { file: 'Prod' }, files: { Prod: 'FROM python' } },
    ],
    ['content of the Dockerfile', {}, { files: { Dockerfile: 'FROM node' } }],
    ['folder of the repository', {}, { prefix: 'backend/' }],
    ['platform', {}, { given: { platforms: 'linux/arm64' } }],
    ['platform of docker', {}, { env: { DOCKER_DEFAULT_PLATFORM: 'linux/arm64' } }],
    ['engine', {}, { engine: 'linux/arm64' }],
  ])('differs when a %s differs', async (_, one, other) => {
    expect(await hash(one)).not.toBe(await hash(other))
  })

  test('is the same on every machine that builds for linux/amd64', async () => {
    const told = await hash({})
    expect(told).toBe(await hash({ engine: 'linux/amd64' }))
    const env = { DOCKER_DEFAULT_PLATFORM: 'linux/amd64' }
    expect(told).toBe(await hash({ env, engine: 'linux/arm64' }))
    expect(told).toBe(await hash({ given: { platforms: 'linux/amd64' }, engine: 'linux/arm64' }))
  })

  test('names what others have built for linux/amd64, on any machine', async () => {
    const { own } = await inputs({})
    expect(await inputs({ engine: 'linux/arm64' })).toMatchObject({ usual: own })
    expect(await inputs({ engine: 'linux/amd64' })).toMatchObject({ own, usual: own })
  })

  test.each<[string, Told]>([
    ['"platforms"', { given: { platforms: 'linux/arm64' } }],
    ['DOCKER_DEFAULT_PLATFORM', { env: { DOCKER_DEFAULT_PLATFORM: 'linux/arm64' } }],
  ])('is that of no other platform with %s', async (_, given) => {
    const { own, usual } = await inputs({ engine: 'linux/amd64', ...given })
    expect(usual).toBe(own)
  })

  test('is the same for the same options in any order, and holds no value', async () => {
    const told = await hash({ given: { 'build-args': 'A=secret\nB=2' } })
    expect(told).toBe(await hash({ given: { 'build-args': 'B=2\nA=secret' } }))
    expect(told).toMatch(/^[0-9a-f]{64}$/)
  })

  test('does not wait for an engine that hangs', async () => {
    const { platform, slept } = scripted([
      { when: /--show-prefix$/, code: 128, always: true },
      { when: /^docker version /, hangs: true },
    ])
    const { own, usual } = await inputsOf(platform, contextOf(platform, {}).settings, never)
    expect(own).toBe(usual)
    expect(slept).toEqual([10_000])
  })

  test('needs no repository', async () => {
    const { platform } = scripted(
      [{ when: /--show-prefix$|^docker version/, code: 128, always: true }],
      {
        files: {},
      },
    )
    const at = (context: string) =>
      inputsOf(platform, contextOf(platform, { context }).settings, never)
    expect(await at('a')).toEqual(await at('./a/'))
    expect(await at('a')).not.toEqual(await at('b'))
  })
})

describe('what a build is for', () => {
  const engine = 'linux/amd64'
  const own = [engine]
  const from = (platform: string) => ({ Dockerfile: `from  --platform=${platform} python AS base` })
  test.each<[string, Told, readonly string[] | undefined]>([
    ['that of the engine', {}, own],
    [
      'DOCKER_DEFAULT_PLATFORM, which wins over the engine',
      { env: { DOCKER_DEFAULT_PLATFORM: 'linux/arm64' } },
      ['linux/arm64'],
    ],
    [
      '"platforms", which wins over both, in one order',
      {
        given: { platforms: 'linux/arm64 linux/amd64' },
        env: { DOCKER_DEFAULT_PLATFORM: 'linux/s390x' },
      },
      ['linux/amd64', 'linux/arm64'],
    ],
    ['unknown without an engine, which builds nothing', { engine: undefined }, undefined],
    ['unknown where the Dockerfile names a platform', { files: from('linux/arm64') }, undefined],
    ['unknown where it names one by an argument', { files: from('$WHERE') }, undefined],
    [
      'that of the engine where it names those of the build',
      { files: from('$BUILDPLATFORM') },
      own,
    ],
    ['so in braces', { files: from('${TARGETPLATFORM}') }, own],
  ])('is %s', async (_, given, platforms) => {
    expect((await inputs({ engine, ...given })).platforms).toEqual(platforms)
  })
})

test.each([
  ['v1', 'v1-cccccccccccc'],
  ['v1-cccccccccccc', 'v1-cccccccccccc'],
  ['v'.repeat(128), `${'v'.repeat(115)}-cccccccccccc`],
])('the tag for the build beside the user’s %s is %s', (tag, own) => {
  expect(ownTag(tag, 'c'.repeat(64))).toBe(own)
})
