import { describe, expect, test } from '@jest/globals'
import type { Built } from '../../src/docker/build.js'
import { Failure } from '../../src/failure/failure.js'
import { pushImage } from '../../src/docker/push.js'
import {
  addTags,
  findImage,
  lookUp,
  originOf,
  otherImages,
  platformsOf,
  type Lookup,
} from '../../src/docker/registry.js'
import { hostOf, pathOf, registryErrorOf } from '../../src/docker/registry-errors.js'
import { notebook } from '../support/journal.js'
import { has, imageWith, indexOf, lacks, refuses } from '../support/registry.js'
import { scripted, type Line } from '../support/scripted.js'

const never = new AbortController().signal
const digest = `sha256:${'ab'.repeat(32)}`
const repository = 'ghcr.io/acme/shop'
const image = { repository, tag: 'a', digest }
const built: Built = { repository, tag: 'a', id: `sha256:${'01'.repeat(32)}` }

const inspect = has('a', digest)

// As docker 28 (engine 20.10) wrote them, with a server that answers so.
describe('the answer of a registry', () => {
  test.each([
    ['ERROR: ghcr.io/acme/shop:a: not found', 'absent'],
    ['manifest unknown', 'absent'],
    [
      "name unknown: The repository with name 'shop' does not exist in the registry with id '1234'",
      'absent',
    ],
    [
      'ERROR: pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials',
      'denied',
    ],
    [
      'ERROR: unexpected status from HEAD request to http://ghcr.io/v2/acme/shop/manifests/a: 401 Unauthorized',
      'denied',
    ],
    [
      'ERROR: failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://ghcr.io/token?scope=repository%3Aacme%2Fshop%3Apull&service=ghcr.io: 403 Forbidden',
      'denied',
    ],
    ['unauthorized', 'denied'],
    ['denied', 'denied'],
    [
      'ERROR: failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://ghcr.io/token?service=ghcr.io: 503 Service Unavailable',
      'transient',
    ],
    ['received unexpected HTTP status: 500 Internal Server Error', 'transient'],
    ['toomanyrequests: You have reached your pull rate limit', 'transient'],
    ['HTTP status 429', 'transient'],
    ['HTTP status 403', 'denied'],
    [
      'ERROR: failed to do request: Head "http://127.0.0.1:5999/v2/acme/shop/manifests/a": dial tcp 127.0.0.1:5999: connect: connection refused',
      'transient',
    ],
    [
      'ERROR: failed to do request: Head "https://ghcr.io/v2/acme/shop/manifests/a": dial tcp: lookup ghcr.io on 10.0.0.1:53: no such host',
      'transient',
    ],
    ['Get "https://ghcr.io/v2/": net/http: TLS handshake timeout', 'transient'],
    ['Get "https://ghcr.io/v2/": EOF', 'transient'],
    ['tls: failed to verify certificate: x509: certificate has expired', 'refused'],
  ])('"%s" means "%s"', (said, problem) => {
    expect(registryErrorOf(said, repository)).toBe(problem)
  })

  test.each([
    ['acme/unauthorized', 'ERROR: docker.io/acme/unauthorized:1.503: not found'],
    ['127.0.0.1:5000/timeout', 'ERROR: 127.0.0.1:5000/timeout:denied: not found'],
  ])('is not confused by words in the name of the image %s', (name, said) => {
    expect(registryErrorOf(said, name)).toBe('absent')
  })

  test.each([
    ['ghcr.io/acme/shop', 'ghcr.io'],
    ['127.0.0.1:5000/shop', '127.0.0.1:5000'],
    ['localhost/shop', 'localhost'],
    ['acme/shop', 'docker.io'],
    ['index.docker.io/acme/shop', 'docker.io'],
    ['registry.gitlab.example:5050/group/sub/shop', 'registry.gitlab.example:5050'],
    ['shop', 'docker.io'],
  ])('comes from the right host: the host of %s is %s', (name, host) => {
    expect(hostOf(name)).toBe(host)
  })
})

test.each([
  ['ghcr.io/acme/shop', 'acme/shop'],
  ['shop', 'library/shop'],
  ['docker.io/shop', 'library/shop'],
  ['registry.gitlab.example:5050/group/sub/shop', 'group/sub/shop'],
])('the name at its registry of %s is %s', (repository, path) => {
  expect(pathOf(repository)).toBe(path)
})

describe('looking up a tag', () => {
  const away: Line = { when: /^HEAD /, error: 'ECONNRESET' }
  test.each<[string, Line[], Lookup['is'], number[]]>([
    ['there', [inspect], 'there', []],
    ['not there', [lacks('a')], 'absent', []],
    ['denied', [refuses('a', 403)], 'denied', []],
    ['an answer at last', [away, inspect], 'there', [1_000]],
    ['no answer', [{ ...away, always: true }], 'unreachable', [1_000, 3_000]],
    ['another answer', [{ when: /^(HEAD|GET) /, stdout: '{}', always: true }], 'failed', []],
  ])('gives the right result for "%s"', async (_, lines, is, slept) => {
    const script = scripted([...lines, lastInfo])
    expect((await lookUp(script.platform, repository, 'a', never)).is).toBe(is)
    expect(script.slept).toEqual(slept)
  })

  // Whose engine does not know it either.
  const lastInfo: Line = { when: /^docker info/, code: 1, always: true }
  test('asks a registry that never answers three times for 30 s each', async () => {
    const script = scripted([{ when: /^HEAD /, hangs: true, always: true }, lastInfo])
    expect(await lookUp(script.platform, repository, 'a', never)).toMatchObject({
      is: 'unreachable',
    })
    expect(script.slept).toEqual([30_000, 1_000, 30_000, 3_000, 30_000])
  })

  test('passes an abort on', async () => {
    const reason = new Error('enough')
    const { platform } = scripted([])
    await expect(findImage(platform, repository, 'a', AbortSignal.abort(reason))).rejects.toBe(
      reason,
    )
  })

  test('gives an image, none, or a sentence', async () => {
    const find = (line: Line) =>
      findImage(scripted([line, lastInfo]).platform, repository, 'a', never)
    expect(await find(inspect)).toEqual(image)
    expect(await find(lacks('a'))).toBeUndefined()
    await expect(find(refuses('a', 403, 'no access'))).rejects.toMatchObject({
      cause: {
        code: 'registry',
        sentence:
          'registry: ghcr.io/acme/shop does not exist, or this login may not read it: it answers 403: no access',
        hint: expect.stringContaining('docker login ghcr.io'),
      },
    })
    await expect(find({ ...away, always: true })).rejects.toMatchObject({
      cause: {
        sentence: 'registry: ghcr.io/acme/shop:a could not be looked up: connection reset',
      },
    })
  })
})

describe('more tags', () => {
  const ours = imageWith({})
  const puts = (status: number): Line => ({
    when: /^PUT .*\/manifests\/(latest|v1)$/,
    status,
    always: true,
  })
  const tags = (lines: readonly Line[]) => {
    const script = scripted([...ours.lines, ...lines])
    const ended = addTags(
      script.platform,
      { ...image, digest: ours.digest },
      ['latest', 'v1'],
      never,
    )
    return { ...script, ended }
  }

  test('are set with the very manifest of the image', async () => {
    const { ended, ran } = tags([puts(201)])
    await ended
    expect(ran.map((line) => line.replace(/https.*\//, ''))).toEqual([
      `GET ${ours.digest}`,
      'PUT latest',
      'PUT v1',
    ])
  })

  test('are fine where they name the image already, and may not be written twice', async () => {
    await tags([puts(400), has('latest', ours.digest), has('v1', ours.digest)]).ended
  })

  test('are reported in one sentence when the registry refuses them', async () => {
    await expect(tags([puts(403), lacks('latest'), has('v1', digest)]).ended).rejects.toMatchObject(
      {
        cause: {
          code: 'registry',
          sentence: 'registry: ghcr.io/acme/shop refused the tags latest, v1: it answers 403',
          hint: expect.stringContaining('docker login ghcr.io'),
        },
      },
    )
  })
})

describe('pushing', () => {
  /** The login may write, and not read. */
  const unread = refuses(digest, 403)
  const tag: Line = { when: new RegExp(`^docker image tag ${built.id} ghcr\\.io/acme/shop:a$`) }
  const push = (stderr: string, code = 1, stdout = begun): Line => ({
    when: /^docker push ghcr\.io\/acme\/shop:a$/,
    code,
    stdout,
    stderr,
  })
  const begun = `The push refers to repository [ghcr.io/acme/shop]
6b3f217841ef: Preparing
858bdd6791fa: Preparing
ac771c3324ed: Waiting`
  const taken = `${begun}
858bdd6791fa: Layer already exists
ac771c3324ed: Mounted from acme/base
6b3f217841ef: Pushed
a: digest: ${digest} size: 1575`

  test('sends the very image that was built, and returns its digest', async () => {
    const { platform, ran } = scripted([tag, push('', 0, taken), unread])
    const stageLog = notebook()
    expect(await pushImage(platform, built, stageLog, never)).toEqual(image)
    expect(stageLog.lines).toEqual([
      'pushed ghcr.io/acme/shop:a: 1 of 3 layers sent, 2 already there',
    ])
    expect(ran.slice(0, 2)).toEqual([
      expect.stringContaining('docker image tag'),
      'docker push ghcr.io/acme/shop:a',
    ])
  })

  test.each([
    ['the engine knows by its configuration', 'id', 'pushed'],
    ['the engine knows by its digest', 'digest', 'pushed'],
    ['is another one than the one that was built', 'other', 'push-failed'],
  ])('compares what the registry has, which %s', async (_, known, expected) => {
    const { digest, id, lines } = imageWith({})
    const ids: Readonly<Record<string, string>> = { id, digest, other: built.id }
    const pushed = `a: digest: ${digest} size: 1575`
    const anyTag: Line = { when: /^docker image tag sha256:\S+ ghcr\.io\/acme\/shop:a$/ }
    const { platform } = scripted([anyTag, push('', 0, pushed), ...lines])
    const ended = pushImage(platform, { ...built, id: ids[known] ?? '' }, notebook(), never)
    expect(
      await ended.then(
        () => 'pushed',
        (error: unknown) => (error instanceof Failure ? error.cause.code : error),
      ),
    ).toBe(expected)
  })

  test('asks the registry for a digest that docker does not print', async () => {
    const { platform } = scripted([tag, push('', 0), inspect])
    expect(await pushImage(platform, built, notebook(), never)).toEqual(image)
  })

  test('retries after a transient error', async () => {
    const gateway = 'received unexpected HTTP status: 502 Bad Gateway'
    const { platform, slept } = scripted([
      ...[tag, push(gateway), tag, push(gateway)],
      // Another build has moved it meanwhile.
      ...[tag, push('', 0, taken), unread],
    ])
    const stageLog = notebook()
    expect(await pushImage(platform, built, stageLog, never)).toEqual(image)
    expect(slept).toEqual([2_000, 6_000])
    expect(stageLog.lines.slice(0, 2)).toEqual([
      `> ${gateway}`,
      'the push to ghcr.io failed; retrying in 2 s',
    ])
  })

  test.each([
    ['denied', 'not allowed to write to ghcr.io/acme/shop: denied', 'docker login ghcr.io'],
    [
      "name unknown: The repository with name 'shop' does not exist in the registry with id '1234'",
      'ghcr.io has no repository for ghcr.io/acme/shop: name unknown: The repository',
      'Create it in the registry',
    ],
    [
      "tag invalid: The image tag 'a' already exists in the 'shop' repository and cannot be overwritten because the repository is immutable.",
      'ghcr.io already has the tag a and does not allow overwriting it: tag invalid',
      'another "tag"',
    ],
    ['no space left on device', 'ghcr.io/acme/shop:a was refused: no space left', undefined],
  ])('fails with one sentence for "%s"', async (stderr, sentence, hint) => {
    const { platform } = scripted([tag, push(stderr)])
    await expect(pushImage(platform, built, notebook(), never)).rejects.toMatchObject({
      cause: {
        code: 'push-failed',
        sentence: expect.stringContaining(`push: ${sentence}`),
        ...(hint === undefined ? {} : { hint: expect.stringContaining(hint) }),
      },
    })
  })

  test('fails after three attempts when an error does not pass', async () => {
    const refused = push(
      'Get "http://ghcr.io/v2/": dial tcp 1.2.3.4:443: connect: connection refused',
    )
    const { platform } = scripted([
      { ...tag, always: true },
      { ...refused, always: true },
    ])
    await expect(pushImage(platform, built, notebook(), never)).rejects.toMatchObject({
      cause: {
        sentence: expect.stringContaining(
          'ghcr.io/acme/shop:a could not be sent, even with retries: Get',
        ),
        hint: expect.stringContaining('Run it again when ghcr.io works'),
      },
    })
  })

  test('does not retry a layer that the engine has retried', async () => {
    const refused = 'received unexpected HTTP status: 500 Internal Server Error'
    const states = `${begun}\n858bdd6791fa: Pushed\n6b3f217841ef: Retrying in 1 second`
    const { platform, slept } = scripted([tag, push(refused, 1, states)])
    await expect(pushImage(platform, built, notebook(), never)).rejects.toMatchObject({
      cause: {
        sentence: `push: ghcr.io/acme/shop:a could not be sent, even with retries: ${refused}`,
      },
    })
    expect(slept).toEqual([])
  })

  test('retries and explains what a proxy answers', async () => {
    const html = `error parsing HTTP 429 response body: invalid character '<' looking for beginning of value: "<html>"`
    const { platform, slept } = scripted([
      { ...tag, always: true },
      { ...push(html), always: true },
    ])
    await expect(pushImage(platform, built, notebook(), never)).rejects.toMatchObject({
      cause: { sentence: expect.stringMatching(/even with retries: HTTP status 429$/) },
    })
    expect(slept).toEqual([2_000, 6_000])
  })
})

describe('the commit that an image was built from', () => {
  test.each<[string, object, string | undefined]>([
    ['such a label', { Labels: { 'org.opencontainers.image.revision': 'abc' } }, 'abc'],
    ['no such label', { Labels: { other: 'x' } }, undefined],
    ['no labels at all', { Labels: null }, undefined],
  ])('is read from an image with %s', async (_, config, revision) => {
    const { digest, lines } = imageWith(config)
    const origin = await originOf(scripted(lines).platform, { ...image, digest }, never)
    expect(origin).toEqual(revision === undefined ? {} : { revision })
  })
})

describe('the platforms of an image', () => {
  const amd64 = { platform: { os: 'linux', architecture: 'amd64' } }
  const arm64 = { platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } }
  // As buildx adds it with provenance.
  const attestation = { platform: { os: 'unknown', architecture: 'unknown' } }

  test.each<[string, { digest: string; lines: Line[] }, readonly string[] | undefined]>([
    ['that is for one', imageWith({}, arm64.platform), ['linux/arm64']],
    ['that does not say it', imageWith({}), undefined],
    ['that is an index', indexOf(amd64, arm64, attestation), ['linux/amd64', 'linux/arm64']],
    ['that is an index of one', indexOf(amd64, attestation), ['linux/amd64']],
    ['of whose parts one does not say it', indexOf(amd64, {}), undefined],
    ['that has no parts', indexOf(), undefined],
    ['that the registry denies', { digest, lines: [refuses(digest, 403)] }, undefined],
  ])('are those of an image %s', async (_, { digest, lines }, platforms) => {
    const { platform } = scripted(lines)
    expect(await platformsOf(platform, { ...image, digest }, never)).toEqual(platforms)
  })
})

describe('two digests of a repository', () => {
  const [one, other, third] = ['a', 'b', 'c'].map((name) => imageWith({ Labels: { name } })) as [
    ReturnType<typeof imageWith>,
    ReturnType<typeof imageWith>,
    ReturnType<typeof imageWith>,
  ]
  const again = imageWith({ Labels: { name: 'a' } }, {}, 'pushed again')
  const lost = { digest, lines: [lacks(digest)] }

  test.each<
    [string, Pick<typeof one, 'digest' | 'lines'>, Pick<typeof one, 'digest' | 'lines'>, boolean]
  >([
    ['of two images', one, other, true],
    ['of one content in two manifests', one, again, false],
    ['of an index and one of its parts', indexOf(one, other), other, false],
    ['of a part and its index', one, indexOf(one, other), false],
    ['of two indexes with a part in common', indexOf(one, other), indexOf(other, third), false],
    ['of an index and an image that is none of its parts', indexOf(one, other), third, true],
    ['of which the registry has one', one, lost, false],
    ['of an index with a part that the registry does not have', indexOf(one, lost), other, false],
    ['of an index without parts', indexOf(), one, false],
  ])('%s', async (_, first, second, isOther) => {
    const { platform } = scripted([...first.lines, ...second.lines])
    const named = { ...image, digest: first.digest }
    const others = await otherImages(platform, named, [second.digest], never)
    expect(others).toEqual(isOther ? [second.digest] : [])
  })
})
