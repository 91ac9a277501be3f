/** Images that a real cosign has signed, or has not: what is not verified changes nothing in the cluster. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { privateRegistry, type FaultyRegistry } from '../e2e/faulty-registry.js'
import { Site } from '../e2e/site.js'
import { kubectl, must, root, run, stack } from '../e2e/stack.js'

const site = await Site.make('sign')
const { namespace, image } = site
const home = dirname(site.folder)
const alone = { 'migrate-command': 'none', bake: '0' }
const password = 'correct-horse-battery'
const digests: Record<string, string> = {}
let registry: FaultyRegistry | undefined

/** Nothing is sent to the public log: the registry is on this machine. */
const cosignEnv = { ...stack.env, COSIGN_PASSWORD: '', HOME: home }
const cosign = (args: readonly string[], cwd = home) =>
  must('cosign', args, { cwd, env: cosignEnv })
const insecurely = ['--allow-insecure-registry', '--allow-http-registry']
const withoutLog = ['--use-signing-config=false', '--tlog-upload=false']
const sign = (reference: string, ...more: readonly string[]) =>
  cosign([
    'sign',
    '--yes',
    '--key',
    'ours/cosign.key',
    ...withoutLog,
    ...insecurely,
    ...more,
    reference,
  ])

const attest = (reference: string) =>
  cosign([
    ...['attest', '--yes', '--key', 'ours/cosign.key', ...withoutLog, ...insecurely],
    ...['--type', 'custom', '--predicate', 'scan.json', reference],
  ])

/** The public key of a pair. */
const key = (name: string) => `key=${join(home, name, 'cosign.pub')} tlog=ignore`

beforeAll(async () => {
  await must(join(root, 'cluster/stack'), ['tools', 'cosign'])
  for (const name of ['ours', 'others']) {
    await mkdir(join(home, name))
    await cosign(['generate-key-pair'], join(home, name))
  }
  const runs = 'CMD exec sleep infinity'
  for (const tag of ['v0', 'v1', 'v2', 'v3', 'v4'])
    digests[tag] = await site.pushImage(tag, `ENV V=${tag}\n${runs}`)
  await sign(`${image}@${digests['v2']}`)
  // cosign 3 itself takes this for a signature.
  await writeFile(join(home, 'scan.json'), '{}')
  await attest(`${image}@${digests['v4']}`)
  const [metadata, labels] = [{ name: 'web', namespace }, { app: 'web' }]
  const containers = [{ name: 'web', image: `${image}:v0` }]
  const template = { metadata: { labels }, spec: { terminationGracePeriodSeconds: 1, containers } }
  const spec = { selector: { matchLabels: labels }, template }
  const input = JSON.stringify({ apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec })
  await must('kubectl', ['apply', '-f', '-'], { env: stack.env, input })
  await kubectl('-n', namespace, 'rollout', 'status', 'deployment/web')
  const first = await site.deploy('v1', alone)
  expect({ ...first.report, output: first.output }).toMatchObject({ result: 'deployed' })
  registry = await privateRegistry('ada', password)
}, 1_800_000)

afterAll(async () => {
  registry?.close()
  await site.remove()
})

/** All that a run could write, with the number of each writing. */
const written = () =>
  kubectl(
    ...['-n', namespace, 'get', 'deploy,jobs,leases,configmaps,secrets'],
    ...[
      '-o',
      'jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.resourceVersion}{"\\n"}{end}',
    ],
  )

test.each([
  ['deploy', 'v3', 'ours', 'no signatures found'],
  ['plan', 'v3', 'ours', 'no signatures found'],
  ['migrate', 'v3', 'ours', 'no signatures found'],
  ['deploy', 'v2', 'others', 'no matching attestations: .*'],
  ['deploy', 'v4', 'ours', 'no signatures found, only other statements'],
])(
  '%s of %s with the key of %s is stopped before the first write',
  async (command, tag, by, said) => {
    const before = await written()
    const ended = await site.cli(command, { image, namespace, tag, 'verify-signature': key(by) })
    expect({ ...ended.report, output: ended.output }).toMatchObject({
      result: 'failed',
      cause: {
        code: 'image-unverified',
        sentence: expect.stringMatching(
          `^${image}@${digests[tag]} could not be verified as signed with the key .*${by}/cosign.pub: cosign: ${said}`,
        ),
      },
    })
    expect(await written()).toBe(before)
  },
)

test('a signature that is not in the log needs a word of the user', async () => {
  const given = key('ours').replace(' tlog=ignore', '')
  const ended = await site.deploy('v2', { ...alone, 'verify-signature': given })
  expect(ended.report).toMatchObject({ result: 'failed', cause: { code: 'image-unverified' } })
})

/** Gives the tag `stable` to this very image: imagetools would make an index of it, which has another digest. */
async function moveStable(to: string): Promise<void> {
  await must('docker', ['tag', `${image}:${to}`, `${image}:stable`], { env: stack.env })
  await must('docker', ['push', '--quiet', `${image}:stable`], { env: stack.env })
}

test('a tag that names another image than the signed one is stopped', async () => {
  await moveStable('v2')
  const good = await site.cli('plan', {
    image,
    namespace,
    tag: 'stable',
    'verify-signature': key('ours'),
  })
  expect(good.output).toContain(`${image}@${digests['v2']} is signed with the key`)
  await moveStable('v3')
  const before = await written()
  const ended = await site.deploy('stable', { ...alone, 'verify-signature': key('ours') })
  expect(ended.report).toMatchObject({
    result: 'failed',
    cause: { sentence: expect.stringContaining(`${image}@${digests['v3']} could not be verified`) },
  })
  expect(await written()).toBe(before)
})

test('a release builds nothing, since its image could not be signed before it runs', async () => {
  const before = await written()
  const ended = await site.release({ 'verify-signature': key('ours') })
  expect(ended.report).toMatchObject({
    result: 'usage',
    cause: { sentence: expect.stringContaining('lets nothing run that is not signed yet') },
  })
  expect(ended.output).not.toContain('docker buildx')
  expect(await written()).toBe(before)
})

test('the signed image is deployed, and a rollback to the unsigned one is stopped', async () => {
  const good = await site.deploy('v2', { ...alone, 'verify-signature': key('ours') })
  expect({ ...good.report, output: good.output }).toMatchObject({ result: 'deployed' })
  expect(good.output).toContain(`${image}@${digests['v2']} is signed with the key`)

  const before = await written()
  const options = { image, namespace, 'verify-signature': key('ours') }
  const ended = await site.cli('rollback', options)
  expect({ ...ended.report, output: ended.output }).toMatchObject({
    result: 'failed',
    cause: {
      code: 'image-unverified',
      sentence: expect.stringContaining(`${image}@${digests['v1']} could not be verified`),
    },
  })
  expect(await written()).toBe(before)

  await sign(`${image}@${digests['v1']}`)
  const back = await site.cli('rollback', { ...options, bake: '0' })
  expect({ ...back.report, output: back.output }).toMatchObject({ result: 'deployed' })
})

test('cosign reads a private registry with the login of the run', async () => {
  const path = image.slice(image.indexOf('/'))
  const own = `${registry?.address}${path}`
  const options = {
    ...{ image: own, namespace, tag: 'v3', 'verify-signature': key('ours') },
    ...{ 'registry-username': 'ada', 'registry-password': password },
  }
  const unsigned = await site.cli('deploy', options)
  expect(unsigned.report).toMatchObject({
    cause: { code: 'image-unverified', sentence: expect.stringContaining('no signatures found') },
  })
  const login = ['--registry-username', 'ada', '--registry-password', password]
  await sign(`${own}@${digests['v3']}`, ...login)
  const signed = await site.cli('deploy', options)
  expect(signed.output).toContain(`${own}@${digests['v3']} is signed with the key`)
  expect(signed.report).toMatchObject({ cause: { code: 'no-workload' } })
})

test('without cosign the run says how to install it', async () => {
  const PATH = (stack.env['PATH'] ?? '').split(':').filter((folder) => folder !== stack.bin)
  const kubectlPath = (await run('which', ['kubectl'], { env: stack.env })).stdout.trim()
  await mkdir(join(home, 'bin'))
  await must('ln', ['-s', kubectlPath, join(home, 'bin/kubectl')])
  const env = { PATH: [join(home, 'bin'), ...PATH].join(':') }
  const ended = await site.deploy('v2', { ...alone, 'verify-signature': key('ours') }, { env })
  expect(ended.report).toMatchObject({
    result: 'failed',
    cause: { code: 'tool-missing', hint: expect.stringContaining('sigstore/cosign-installer') },
  })
})
