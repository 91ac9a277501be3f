/** Where the layers of a build are kept, by option, builder and place. */
import { describe, expect, test } from '@jest/globals'
import { cacheOf, type CachePolicy } from '../../src/docker/build-cache.js'
import { scripted } from '../support/scripted.js'

const never = new AbortController().signal
const ci = { CI: 'true' }
const github = { ...ci, ACTIONS_RUNTIME_TOKEN: 't', ACTIONS_RESULTS_URL: 'https://results.example' }
const own = 'Name: default\nDriver: docker\n'
const container = 'Name: builder-1\nDriver: docker-container\nLast Activity: now\n'
const old = '[["Backing Filesystem","extfs"]]'
const containerd = '[["driver-type","io.containerd.snapshotter.v1"]]'

const gha = 'type=gha,scope=ghcr.io/acme/shop'
const ref = 'type=registry,ref=ghcr.io/acme/shop:buildcache'
const all = 'mode=max,ignore-error=true'
const inGitHub = `--cache-from ${gha} --cache-to ${gha},${all}`
const inRegistry = `--cache-from ${ref} --cache-to ${ref},${all}`
const inImage = `--cache-from ${ref} --cache-to type=inline`
/** In place of an engine's answer: it does not answer. */
const away = 'away'

async function cacheFor(
  policy: CachePolicy,
  env: Readonly<Record<string, string>>,
  builder: string,
  engine: string,
) {
  const { platform } = scripted(
    [
      { when: /^docker buildx inspect$/, stdout: builder, always: true },
      { when: /^docker info /, stdout: engine, code: engine === away ? 1 : 0, always: true },
    ],
    { env },
  )
  return cacheOf(platform, policy, 'ghcr.io/acme/shop', never)
}

describe('the cache of a build', () => {
  test.each<[string, CachePolicy, object, string, string, string]>([
    ['on GitHub, with a builder that can', 'auto', github, container, old, inGitHub],
    ['on GitHub, with the engine of the runner', 'auto', github, own, old, inImage],
    ['on GitHub, with the image store of containerd', 'auto', github, own, containerd, inGitHub],
    ['on GitHub, without buildx', 'auto', github, '', old, ''],
    ['on GitHub, with a builder that is not known', 'auto', github, 'Driver: podman\n', old, ''],
    ['in GitHub, with such a builder', 'gha', github, 'Driver: podman\n', old, inGitHub],
    ['in the registry, without buildx: the build says so', 'registry', {}, '', old, inRegistry],
    [
      'in the registry, without an engine: the build says so',
      'registry',
      {},
      own,
      away,
      inRegistry,
    ],
    ['in another CI', 'auto', ci, own, old, inImage],
    ['in another CI, with a builder that can', 'auto', ci, container, old, inImage],
    ['in another CI, with podman', 'auto', ci, '', old, ''],
    ['on a laptop', 'auto', {}, container, old, ''],
    ['in the registry', 'registry', {}, container, old, inRegistry],
    ['in the image', 'inline', {}, own, old, inImage],
    ['not taken', 'none', github, container, old, '--no-cache --pull'],
  ])('is right %s', async (_, policy, env, builder, engine, expected) => {
    const { args } = await cacheFor(policy, { ...env }, builder, engine)
    expect(args.join(' ')).toBe(expected)
  })

  test.each<[string, CachePolicy, object, string, string]>([
    ['the registry', 'registry', {}, own, 'cache: "registry" needs another builder'],
    ['GitHub', 'gha', github, own, 'cache: "gha" needs another builder'],
    ["GitHub's cache elsewhere", 'gha', {}, container, 'cache: "gha" is GitHub\'s cache'],
  ])('is refused where it cannot be: %s', async (_, policy, env, builder, sentence) => {
    await expect(cacheFor(policy, { ...env }, builder, old)).rejects.toMatchObject({
      cause: { code: 'usage', sentence: expect.stringContaining(sentence) },
    })
  })
})
