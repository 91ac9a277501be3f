/** Real registries of other kinds than the stack's: a private authority, a login, no TLS on another address. */
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { addTags, findImage, originOf } from '../../src/docker/registry.js'
import { realPlatform } from '../../src/platform/real.js'
import type { Platform } from '../../src/platform/platform.js'
import { startRegistry, type OwnRegistry } from '../e2e/own-registry.js'
import { must, stack } from '../e2e/stack.js'

let folder: string
let guarded: OwnRegistry
let open: OwnRegistry
let digest: string
const never = new AbortController().signal

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'registries-'))
  ;[guarded, open] = await Promise.all([
    startRegistry(join(folder, 'guarded'), { tls: true, login: true }),
    startRegistry(join(folder, 'open'), {}),
  ])
  await mkdir(join(folder, 'context'))
  await writeFile(
    join(folder, 'context/Dockerfile'),
    'FROM scratch\nLABEL org.opencontainers.image.revision=abc\nCOPY Dockerfile /\n',
  )
  const names = [guarded, open].map(({ local }) => `${local}/group/sub/shop:v1`)
  const tags = names.flatMap((name) => ['--tag', name])
  const docker = (...args: string[]) => must('docker', args, { env: stack.env })
  await docker('build', '--quiet', ...tags, join(folder, 'context'))
  await writeConfig('home', { auths: { [guarded.local]: { auth }, [guarded.host]: { auth } } })
  const pushed = await Promise.all(
    names.map((name) => docker('--config', join(folder, 'home/.docker'), 'push', name)),
  )
  await docker('image', 'rm', ...names)
  digest = /digest: (sha256:[0-9a-f]{64})/.exec(pushed.join('\n'))?.[1] ?? ''
})

afterAll(async () => {
  await Promise.all([guarded.stop(), open.stop()])
  await rm(folder, { recursive: true, force: true })
})

const auth = Buffer.from('ada:secret').toString('base64')

async function writeConfig(home: string, config: object): Promise<void> {
  await mkdir(join(folder, home, '.docker'), { recursive: true })
  await writeFile(join(folder, home, '.docker/config.json'), JSON.stringify(config))
}

/** Writes programs into a folder for PATH. */
async function programs(name: string, texts: Readonly<Record<string, string>>): Promise<string> {
  const bin = join(folder, name)
  await mkdir(bin)
  for (const [program, text] of Object.entries(texts)) {
    await writeFile(join(bin, program), text, { mode: 0o755 })
  }
  return bin
}

/** This machine for a user with this home. */
function machineOf(home: string, path = ''): Platform {
  const { DOCKER_CONFIG: _, ...env } = stack.env
  return realPlatform({ ...env, HOME: join(folder, home), PATH: `${path}:${env['PATH'] ?? ''}` })
}

/** Looks up, reads and tags; the way of a whole release. */
async function used(platform: Platform, { host }: OwnRegistry) {
  const repository = `${host}/group/sub/shop`
  const image = await findImage(platform, repository, 'v1', never)
  expect(image).toEqual({ repository, tag: 'v1', digest })
  expect(await originOf(platform, image!, never)).toEqual({ revision: 'abc' })
  await addTags(platform, image!, ['latest'], never)
  expect((await findImage(platform, repository, 'latest', never))?.digest).toBe(digest)
  expect(await findImage(platform, repository, 'missing', never)).toBeUndefined()
}

test('a registry with a private authority and a login, as docker has both', async () => {
  const platform = machineOf('home')
  const repository = `${guarded.host}/group/sub/shop`
  await expect(findImage(platform, repository, 'v1', never)).rejects.toMatchObject({
    cause: {
      sentence: expect.stringContaining(`this machine does not trust the certificate of ${guarded.host}`),
      hint: expect.stringContaining(`/etc/docker/certs.d/${guarded.host}/ca.crt`),
    },
  })
  const certificates = join(folder, 'home/.docker/certs.d', guarded.host)
  await mkdir(certificates, { recursive: true })
  await copyFile(guarded.ca ?? '', join(certificates, 'ca.crt'))
  await used(machineOf('home'), guarded)
  // As the engine, which requires no certificate of localhost.
  await used(machineOf('home'), { ...guarded, host: guarded.local })

  const helper = `#!/bin/sh\nread -r server\n[ "$1 $server" = "get ${guarded.host}" ] || exit 1\necho '${JSON.stringify({ Username: 'ada', Secret: 'secret' })}'\n`
  const bin = await programs('helper', { 'docker-credential-own': helper })
  await writeConfig('home', { auths: { [guarded.host]: {} }, credsStore: 'own' })
  await used(machineOf('home', bin), guarded)

  await writeConfig('home', {})
  await expect(findImage(machineOf('home'), repository, 'v1', never)).rejects.toMatchObject({
    cause: {
      sentence: expect.stringContaining('or this login may not read it'),
      hint: expect.stringContaining(`docker login ${guarded.host}`),
    },
  })
})

test('a registry without TLS on another address, where the engine allows that', async () => {
  const repository = `${open.host}/group/sub/shop`
  await expect(findImage(machineOf('home'), repository, 'v1', never)).rejects.toMatchObject({
    cause: {
      sentence: expect.stringContaining(`${open.host} does not answer with TLS`),
      hint: expect.stringContaining('insecure-registries'),
    },
  })
  // The engine belongs to all tests: what it says of its settings is changed, not the settings.
  const insecure = { IndexConfigs: { [open.host]: { Name: open.host, Secure: false } } }
  const docker = `#!/bin/sh\n[ "$1" = info ] && exec echo '${JSON.stringify(insecure)}'\nexit 1\n`
  const bin = await programs('engine', { docker })
  await used(machineOf('home', bin), open)
})
