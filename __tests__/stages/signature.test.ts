/** An image runs only with the signatures that the user demands. */
import { describe, expect, test } from '@jest/globals'
import { inputsLabel, inputsOf } from '../../src/docker/build-inputs.js'
import { RunDocker } from '../../src/docker/login.js'
import { findBuild, imageToDeploy } from '../../src/stages/image.js'
import { onceVerified, verifySignature } from '../../src/stages/signature.js'
import type { RawInputs } from '../../src/options/read.js'
import { messageOf } from '../../src/platform/error-message.js'
import { causeOf } from '../support/cause.js'
import { notebook } from '../support/journal.js'
import { has, imageWith, lacks, refuses } from '../support/registry.js'
import { scripted, type Line } from '../support/scripted.js'
import { contextOf } from '../support/settings.js'

const repository = 'ghcr.io/acme/shop'
const there = imageWith({})
const image = { repository, tag: 'v2', digest: there.digest }
const reference = `${repository}@${there.digest}`

const secure: Line = { when: /^docker info/, stdout: '{}', always: true }
const signed: Line = {
  when: /^cosign verify .*@sha256:\w+$/,
  stdout: '[{"critical":{"type":"https://sigstore.dev/cosign/sign/v1"}}]',
}
const unsigned: Line = { when: /^cosign /, code: 10, stderr: 'Error: no signatures found' }
const attested: Line = { when: /^gh /, stdout: '[{}]' }

const verify = (given: string, lines: readonly Line[], more: RawInputs = {}) => {
  const script = scripted([secure, ...lines], { env: more['env'] ? { GH_TOKEN: more['env'] } : {} })
  const log = notebook()
  const { env: _, ...options } = more
  const context = contextOf(script.platform, { 'verify-signature': given, ...options })
  return { ...script, log, work: verifySignature(context.with({ log }), image) }
}

test('without the option nothing is called', async () => {
  const { work, ran } = verify('', [])
  await work
  expect(ran).toEqual([])
})

test('all of several checks have to hold, and each has a line', async () => {
  const { work, log } = verify('key=cosign.pub\ngithub=acme/shop', [signed, attested])
  await work
  expect(log.lines).toEqual([
    `${reference} is signed with the key cosign.pub`,
    `${reference} is attested by acme/shop`,
  ])
  expect(log.waitsFor()).toBeUndefined()
})

test('the first one that does not hold ends the run', async () => {
  const { work, ran } = verify('key=cosign.pub\ngithub=acme/shop', [unsigned])
  expect(await causeOf(work)).toMatchObject({
    code: 'image-unverified',
    sentence: `${reference} could not be verified as signed with the key cosign.pub: cosign: no signatures found`,
  })
  expect(ran.filter((command) => command.startsWith('gh'))).toEqual([])
})

test('a tool that does not answer is ended', async () => {
  const { work } = verify('key=cosign.pub', [{ when: /^cosign/, hangs: true }])
  expect(await causeOf(work)).toMatchObject({
    sentence: `${reference} could not be verified as signed with the key cosign.pub: cosign: no answer within 200 s`,
  })
})

test('a registry without TLS is reached as the engine reaches it', async () => {
  const config = { IndexConfigs: { 'ghcr.io': { Secure: false } } }
  const script = scripted([{ when: /^docker info/, stdout: JSON.stringify(config) }, signed])
  const context = contextOf(script.platform, { 'verify-signature': 'key=cosign.pub' })
  await verifySignature(context.with({ log: notebook() }), image)
  expect(script.ran.at(-1)).toContain('--allow-insecure-registry --allow-http-registry')
})

test.each<[string, Line]>([
  ['key=cosign.pub', signed],
  ['github=acme/shop', attested],
])('%s is verified with the login of the run', async (given, line) => {
  const { platform, environments } = scripted([secure, line])
  const docker = new RunDocker(platform)
  await docker.keep({ repository, username: 'ada', password: 'secret' })
  const context = contextOf(docker.platform, { 'verify-signature': given })
  await verifySignature(context.with({ log: notebook() }), image)
  expect(environments.at(-1)).toMatchObject({
    DOCKER_CONFIG: '/private',
    DJANGO_ROLLOUT_LOGIN_0: expect.stringContaining('"Secret":"secret"'),
  })
})

test.each<[string, RawInputs, object]>([
  ['gets the token of the options', { token: 't-1' }, { GH_TOKEN: 't-1' }],
  ['keeps the token that the step has', { token: 't-1', env: 't-2' }, {}],
  ['has the login of the user where there is none', {}, {}],
])('gh %s', async (_, more, env) => {
  const { work, environments } = verify('github=acme/shop', [attested], more)
  await work
  expect(environments.at(-1) ?? {}).toEqual(env)
})

test.each([
  ['', 'opened'],
  ['key=cosign.pub', 'not verified'],
])('with the option %j the cluster is %s when no image is verified', async (given, ended) => {
  const { settings } = contextOf(scripted([]).platform, { 'verify-signature': given })
  const image = Promise.reject(new Error('not verified'))
  image.catch(() => undefined)
  const open = onceVerified(settings, image, () => Promise.resolve('opened'))
  expect(await open().catch(messageOf)).toBe(ended)
})

describe('the image of a deploy', () => {
  const deploy = (line: Line) => {
    const { platform } = scripted([
      secure,
      { when: /^docker image ls/, always: true },
      lacks('.*-builds'),
      has('.*', there.digest),
      ...there.lines,
      line,
    ])
    const log = notebook()
    const context = contextOf(platform, { 'verify-signature': 'key=cosign.pub' })
    return imageToDeploy(context.with({ log }))
  }

  test('is taken when it is signed', async () => {
    expect((await deploy(signed)).image.digest).toBe(there.digest)
  })

  test('is not taken when it is not', async () => {
    expect((await causeOf(deploy(unsigned))).code).toBe('image-unverified')
  })
})

test('a release takes the image of its build when it is signed, and not when it is not', async () => {
  const machine: readonly Line[] = [
    { when: /^git /, always: true },
    { when: /^docker version /, stdout: 'linux/amd64', always: true },
  ]
  const given = { 'verify-signature': 'key=cosign.pub' }
  const { platform: bare } = scripted(machine)
  const { settings, signal } = contextOf(bare, given)
  const { own } = await inputsOf(bare, settings, signal)
  const found = imageWith({ Labels: { [inputsLabel]: own } })
  const release = (line: Line) => {
    const registry = [has('.*', found.digest), ...found.lines]
    const { platform } = scripted([...machine, ...registry, secure, line])
    return findBuild(contextOf(platform, given).with({ log: notebook() }))
  }
  expect((await release(signed)).image?.digest).toBe(found.digest)
  expect((await causeOf(release(unsigned))).code).toBe('image-unverified')
})

test.each([
  [
    lacks('.*'),
    'usage',
    `the registry has no ${repository}:${'a'.repeat(40)} of this build, and "verify-signature" lets nothing run that is not signed yet`,
  ],
  [
    refuses('.*', 403, 'no access'),
    'registry',
    expect.stringContaining(`${repository} does not exist, or this login may not read it`),
  ],
])(
  'a release builds nothing that could not be signed before it runs: %j',
  async (line, code, sentence) => {
    const { platform, ran } = scripted([
      { when: /^git /, always: true },
      { when: /^docker version /, stdout: 'linux/amd64', always: true },
      line,
    ])
    const context = contextOf(platform, { 'verify-signature': 'key=cosign.pub' })
    const cause = await causeOf(findBuild(context.with({ log: notebook() })))
    expect(cause).toMatchObject({ code, sentence })
    expect(ran.filter((command) => /build|cosign/.test(command))).toEqual([])
  },
)
