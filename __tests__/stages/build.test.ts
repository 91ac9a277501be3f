import { resolve } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { build as buildStage, lookForCache } from '../../src/stages/build.js'
import type { StageContext } from '../../src/stages/context.js'
import { notebook } from '../support/journal.js'
import { scripted, type Line } from '../support/scripted.js'
import { contextOf } from '../support/settings.js'

const sha = 'a'.repeat(40)
const inputs = 'c'.repeat(64)
const id = `sha256:${'01'.repeat(32)}`
const origin: Line = {
  when: /^git .*remote get-url origin$/,
  stdout: 'git@github.com:acme/shop.git\n',
}
const inspect: Line = {
  when: new RegExp(`^docker image inspect --format {{.Id}} ghcr.io/acme/shop:${sha}$`),
  stdout: `${id}\n`,
}
/** As a release builds: the look for the cache has begun before. */
const build: (context: StageContext, inputs: string) => ReturnType<typeof buildStage> = (
  context,
  inputs,
) => buildStage(context, { inputs, cache: lookForCache(context) })
const buildx = /^docker buildx build /
const files = { Dockerfile: 'FROM python', 'backend/prod.Dockerfile': 'FROM python\nRUN make\n' }

describe('a build', () => {
  test('names the image after the commit, and loads it into the engine', async () => {
    const stderr = '#1 [internal] load\n#2 [1/2] FROM python\n#2 sha256:12 1MB / 2MB\n#2 CACHED'
    const { platform, ran } = scripted([origin, { when: buildx, stderr }, inspect], { files })
    const stageLog = notebook()
    expect(await build(contextOf(platform).with({ log: stageLog }), inputs)).toEqual({
      repository: 'ghcr.io/acme/shop',
      tag: sha,
      id,
      inputs,
      cachePlace: 'engine',
    })
    expect(ran[1]).toBe(
      [
        `docker buildx build --load --tag ghcr.io/acme/shop:${sha}`,
        '--progress plain --provenance false --file Dockerfile',
        '--label org.opencontainers.image.created=1970-01-01T00:00:00.000Z',
        '--label org.opencontainers.image.source=https://github.com/acme/shop',
        `--label org.opencontainers.image.version=${sha}`,
        `--label org.opencontainers.image.revision=${sha}`,
        `--label io.github.django-rollout.inputs=${inputs}`,
        '-- .',
      ].join(' '),
    )
    expect(stageLog.lines).toEqual([
      '> #2 [1/2] FROM python',
      '> #2 CACHED',
      `built ghcr.io/acme/shop:${sha} in 0 s`,
    ])
  })

  test('takes its context, file, target and arguments from the options', async () => {
    const { platform, ran } = scripted([{ ...origin, code: 2 }, { when: buildx }, inspect], {
      files,
    })
    const given = {
      context: 'backend',
      file: 'backend/prod.Dockerfile',
      target: 'production',
      'build-args': 'VERSION=1.4\nNAME=a b $HOME',
    }
    await build(contextOf(platform, given).with({ log: notebook() }), inputs)
    expect(ran[1]).toContain(
      '--file backend/prod.Dockerfile --target production --build-arg VERSION=1.4 --build-arg NAME=a b $HOME --label',
    )
    expect(ran[1]).toMatch(/ -- backend$/)
  })
})

test('a platform is an argument', async () => {
  const { platform, ran } = scripted([{ ...origin, code: 2 }, { when: buildx }, inspect], {
    files,
  })
  const context = contextOf(platform, { platforms: 'linux/arm64' })
  await build(context.with({ log: notebook() }), inputs)
  expect(ran[1]).toContain('--file Dockerfile --platform linux/arm64 --label')
})

test('more contexts are arguments; one that is a folder must be there', async () => {
  const { platform, ran } = scripted([{ ...origin, code: 2 }, { when: buildx }, inspect], {
    files,
  })
  const more = 'shared=backend\nbase=docker-image://acme/base\nlib=git@github.com:acme/lib.git'
  const context = contextOf(platform, { 'build-contexts': more }).with({ log: notebook() })
  await build(context, inputs)
  const args = more.split('\n').map((line) => `--build-context ${line}`)
  expect(ran[1]).toContain(`--file Dockerfile ${args.join(' ')} --label`)

  const none = contextOf(scripted([{ ...origin, code: 2 }], { files }).platform, {
    'build-contexts': 'shared=../shared',
  })
  await expect(build(none.with({ log: notebook() }), inputs)).rejects.toMatchObject({
    cause: {
      code: 'usage',
      sentence: 'build-contexts: "shared" is "../shared", which is not a folder',
    },
  })
})

describe('an image of several platforms', () => {
  const digest = `sha256:${'ab'.repeat(32)}`
  const container: Line = { when: /^docker buildx inspect$/, stdout: 'Driver: docker-container\n' }
  const info: Line = { when: /^docker info /, stdout: '[]' }
  const name = `ghcr.io/acme/shop@${digest}`
  const inEngine: Line = { when: new RegExp(`^docker image inspect .* ${name}$`), stdout: id }
  const metadata = { '/private/metadata.json': `{"containerimage.digest": "${digest}"}` }

  test.each([
    ['that of the engine', 'linux/arm64', 'linux/amd64, linux/arm64', 'linux/arm64'],
    ['that of the engine, with a variant', 'linux/arm', 'linux/amd64 linux/arm/v7', 'linux/arm/v7'],
    [
      'the first where the engine has none',
      'linux/s390x',
      'linux/arm64 linux/amd64',
      'linux/arm64',
    ],
  ])('is pushed without a tag, and %s is tested', async (_, engine, platforms, tested) => {
    const pull: Line = { when: new RegExp(`^docker pull --quiet --platform ${tested} ${name}$`) }
    const { platform, ran } = scripted(
      [
        { ...origin, code: 2 },
        ...[container, info, { when: buildx }],
        ...[{ when: /^docker version /, stdout: engine }, pull, inEngine],
      ],
      { files: { ...files, ...metadata } },
    )
    const log = notebook()
    expect(await build(contextOf(platform, { platforms }).with({ log }), inputs)).toEqual({
      ...{ repository: 'ghcr.io/acme/shop', tag: sha, id, inputs, digest, cachePlace: 'engine' },
    })
    const built = ran.find((line) => line.startsWith('docker buildx build ')) ?? ''
    expect(built).toContain(
      'build --output type=image,name=ghcr.io/acme/shop,push-by-digest=true,name-canonical=true,push=true --metadata-file /private/metadata.json --progress',
    )
    expect(built).toContain(`--platform ${platforms.split(/[ ,]+/).join(',')} --label`)
    expect(built).not.toMatch(/--load|--tag/)
    expect(log.lines.at(-1)).toMatch(/^built .* for linux\/\w+ and linux\S+ in 0 s$/)
  })

  test('so is one with records of its build, for the platform of the engine', async () => {
    const { platform, ran } = scripted(
      [
        { ...origin, code: 2 },
        ...[container, info, { when: buildx }],
        ...[{ when: new RegExp(`^docker pull --quiet ${name}$`) }, inEngine],
      ],
      { files: { ...files, ...metadata } },
    )
    const context = contextOf(platform, { provenance: 'max', sbom: 'true' })
    expect(await build(context.with({ log: notebook() }), inputs)).toMatchObject({ id, digest })
    expect(ran.join('\n')).toContain(
      '--metadata-file /private/metadata.json --progress plain --provenance mode=max --sbom true --file Dockerfile --label',
    )
  })

  test.each([
    [{ platforms: 'linux/amd64 linux/arm64' }, 'platforms: an image for several'],
    [{ provenance: 'min' }, 'provenance: an image with it'],
    [{ sbom: 'true' }, 'sbom: an image with it'],
  ])('is refused by the builder of an engine with its old image store: %j', async (given, why) => {
    const lines = [{ ...origin, code: 2 }, { ...container, stdout: 'Driver: docker\n' }, info]
    const { platform } = scripted(lines, { files })
    await expect(
      build(contextOf(platform, given).with({ log: notebook() }), inputs),
    ).rejects.toMatchObject({
      cause: {
        code: 'usage',
        sentence: `${why} needs another builder than the engine's own, which makes plain images of one platform`,
      },
    })
  })

  test.each<[string, Line, string, string]>([
    [
      'a registry that does not let it push',
      {
        when: buildx,
        code: 1,
        stderr:
          'ERROR: failed to solve: failed to push ghcr.io/acme/shop: unexpected status from POST request to https://ghcr.io/v2/acme/shop/blobs/uploads/: 403 Forbidden',
      },
      'push-failed',
      'push: not allowed to write to ghcr.io/acme/shop: unexpected status from POST request to https://ghcr.io/v2/acme/shop/blobs/uploads/: 403 Forbidden',
    ],
    [
      'a builder that does not say what it has pushed',
      { when: buildx },
      'build-failed',
      'build failed: the builder does not say what it has pushed',
    ],
  ])('is refused by %s', async (_, ended, code, sentence) => {
    const lines = [{ ...origin, code: 2 }, container, info, ended]
    const { platform } = scripted(lines, { files })
    const context = contextOf(platform, { platforms: 'linux/amd64 linux/arm64' })
    await expect(build(context.with({ log: notebook() }), inputs)).rejects.toMatchObject({
      cause: { code, sentence },
    })
  })
})

test('SSH keys and labels are arguments; the label of the commit is ours', async () => {
  const { platform, ran } = scripted([{ ...origin, code: 2 }, { when: buildx }, inspect], {
    files,
  })
  const given = {
    'build-ssh': 'default\ndeploy=keys/deploy',
    'image-labels': 'a=b c\norg.opencontainers.image.revision=mine',
  }
  await build(contextOf(platform, given).with({ log: notebook() }), inputs)
  expect(ran[1]).toContain('--ssh default --ssh deploy=keys/deploy --label')
  expect(ran[1]).toContain('--label a=b c --label')
  expect(ran[1]).not.toContain('mine')
})

describe('the secrets of a build', () => {
  test('are in the environment alone, from the option or from a variable, and in no line of the log', async () => {
    const stderr = '#5 [2/2] RUN make\n#5 0.1 using s3cr3t-one and second line\n#5 DONE 2.0s'
    const env = { NPMRC: 'first line\nsecond line' }
    const { platform, ran, environments } = scripted(
      [{ ...origin, code: 2 }, { when: buildx, stderr }, inspect],
      { files, env },
    )
    const stageLog = notebook()
    const given = { 'build-secrets': 'TOKEN=s3cr3t-one\nNPMRC' }
    await build(contextOf(platform, given).with({ log: stageLog }), inputs)
    expect(ran[1]).toContain(
      '--secret id=TOKEN,env=DJANGO_ROLLOUT_BUILD_SECRET_0 --secret id=NPMRC,env=DJANGO_ROLLOUT_BUILD_SECRET_1 --label',
    )
    expect(environments[1]).toMatchObject({
      DJANGO_ROLLOUT_BUILD_SECRET_0: 's3cr3t-one',
      DJANGO_ROLLOUT_BUILD_SECRET_1: 'first line\nsecond line',
    })
    expect(stageLog.lines).toContain('> #5 0.1 using *** and ***')
  })

  test('must have a value; the text of an entry is not shown', async () => {
    const { platform } = scripted([{ ...origin, code: 2 }], { files })
    const given = { 'build-secrets': 'TOKEN=s3cr3t\nMIIEvQIBADANBgkqhkiG9w0B' }
    await expect(
      build(contextOf(platform, given).with({ log: notebook() }), inputs),
    ).rejects.toMatchObject({
      cause: {
        code: 'usage',
        sentence:
          'build-secrets: entry 2 is a name without a value, and the environment has no variable of this name',
      },
    })
  })
})

describe('a failed build', () => {
  test.each([
    ['no context', { context: 'front' }, [], 'usage', 'build: the context "front" is not a folder'],
    [
      'no Dockerfile',
      { context: 'backend' },
      [],
      'usage',
      'build: there is no Dockerfile at "backend/Dockerfile"',
    ],
    [
      'a failing step',
      { context: 'backend', file: 'backend/prod.Dockerfile' },
      [
        {
          when: buildx,
          code: 1,
          stderr: `#5 [2/2] RUN make\n#5 0.1 cc main.c\n#5 0.2 main.c:3: error: x\n#5 ERROR: process "/bin/sh -c make" did not complete successfully: exit code: 2`,
        },
      ],
      'build-failed',
      'build: "RUN make" (backend/prod.Dockerfile:2) failed: main.c:3: error: x',
    ],
    [
      'a step that asks for an engine itself',
      {},
      [
        {
          when: buildx,
          code: 1,
          stderr: `#5 [2/2] RUN docker ps\n#5 0.1 Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\n#5 ERROR: process "/bin/sh -c docker ps" did not complete successfully: exit code: 1`,
        },
      ],
      'build-failed',
      'build: "RUN docker ps" (Dockerfile) failed: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?',
    ],
    [
      'no engine',
      {},
      [
        {
          when: buildx,
          code: 1,
          stderr:
            'ERROR: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?',
        },
      ],
      'tool-missing',
      'build: no Docker engine answers at unix:///var/run/docker.sock',
    ],
  ])('has the right cause and hint for "%s"', async (_, given, lines, code, sentence) => {
    const { platform } = scripted([origin, ...lines], { files })
    await expect(
      build(contextOf(platform, given).with({ log: notebook() }), inputs),
    ).rejects.toMatchObject({
      cause: { code, sentence },
    })
  })

  test('ends with the reason of an abort', async () => {
    const reason = new Error('enough')
    const ending = new AbortController()
    const { platform } = scripted(
      [origin, { when: buildx, stderr: '#2 [1/1] FROM x', hangs: true }],
      {
        files,
      },
    )
    const stageLog = notebook()
    const quote = (): void => ending.abort(reason)
    const context = contextOf(platform, {}, ending.signal)
    const building = build(context.with({ log: { ...stageLog, quote } }), inputs)
    await expect(building).rejects.toBe(reason)
  })
})

describe('a submodule that is not checked out', () => {
  const modules: Line = {
    when: /^git .*submodule status --recursive -- \.$/,
    stdout: `-${sha} lib/pay\n ${sha} lib/tax (v1)\n`,
  }
  const withModules = { ...files, [resolve('.gitmodules')]: '' }

  test('is a warning, and the hint of a build that fails', async () => {
    const stderr = '#5 [2/2] RUN pip install ./lib/pay\n#5 ERROR: process did not complete\n'
    const lines = [origin, modules, { when: buildx, code: 1, stderr }]
    const { platform } = scripted(lines, { files: withModules })
    const stageLog = notebook()
    await expect(build(contextOf(platform).with({ log: stageLog }), inputs)).rejects.toMatchObject({
      cause: {
        code: 'build-failed',
        hint: expect.stringMatching(/if it needs lib\/pay: set "submodules: recursive" for/),
      },
    })
    expect(stageLog.lines[0]).toBe(
      'warning: not checked out, and empty in the build: submodule lib/pay',
    )
  })
})

test('a Dockerfile that is in the context, and is named from there, is a hint', async () => {
  const { platform } = scripted([origin], { files })
  const given = { context: 'backend', file: 'prod.Dockerfile' }
  await expect(
    build(contextOf(platform, given).with({ log: notebook() }), inputs),
  ).rejects.toMatchObject({
    cause: { hint: expect.stringContaining('Set "file" to backend/prod.Dockerfile: ') },
  })
})
