import { describe, expect, test } from '@jest/globals'
import { inputsLabel, inputsOf } from '../../src/docker/build-inputs.js'
import { Resources } from '../../src/commands/resources.js'
import { lookInRegistry, inspectMachine, examineMachine } from '../../src/doctor/machine.js'
import { has as tagged, imageWith, lacks, refuses } from '../support/registry.js'
import { scripted, type Line } from '../support/scripted.js'
import { contextOf } from '../support/settings.js'

const sha = 'd'.repeat(40)
const kubectl = '{"clientVersion":{"gitVersion":"v1.34.4"}}'
const docker = '{"Client":{"Version":"28.2.2"},"Server":{"Version":"27.1.0"}}'
const good: Readonly<Record<string, Line>> = {
  version: { when: /^git --version$/, stdout: 'git version 2.39.5' },
  head: { when: /^git .*rev-parse --verify/, stdout: `${sha}\n` },
  place: { when: /^git .*--show-prefix/, always: true },
  top: { when: /^git .*--show-toplevel/, stdout: '/shop\n' },
  status: { when: /^git .*status/ },
  docker: { when: /^docker version .*json/, stdout: docker },
  engine: { when: /^docker version .*Arch/, stdout: 'linux/amd64' },
  buildx: { when: /^docker buildx version/, stdout: 'buildx v0.13.1' },
  kubectl: { when: /kubectl version --client/, stdout: kubectl },
  registry: lacks(sha),
}
const files = { Dockerfile: '', 'manage.py': '' }
const auth = Buffer.from('ada:secret').toString('base64')
const config = JSON.stringify({ auths: { 'ghcr.io': { auth } } })
const env = { HOME: '/home/ada' }
const all = { ...files, '/home/ada/.docker/config.json': config }

async function examined(
  lines: Readonly<Record<string, Line>>,
  more: { readonly files?: Readonly<Record<string, string>>; readonly given?: object } = {},
) {
  const script = scripted(Object.values({ ...lines, ...good, ...lines }), {
    env,
    files: more.files ?? all,
  })
  const { settings, signal } = contextOf(script.platform, { ...more.given })
  const resources = new Resources(script.platform)
  const asking = { platform: resources.platform, settings, signal }
  const machine = await inspectMachine(asking)
  const { source } = machine
  const registry =
    source && lookInRegistry({ ...asking, source }, () => resources.keepLogin(settings))
  const findings = await examineMachine(asking, machine, registry)
  const wrong = findings
    .filter(({ severity }) => severity !== 'ok')
    .map(({ severity, message }) => `${severity}: ${message}`)
  return { ...script, wrong }
}

const { platform: bare } = scripted(
  [
    { when: /--show-prefix/, always: true },
    { when: /^docker version /, code: 1 },
  ],
  { files: {} },
)
const ofBare = contextOf(bare)
const { own: ofThisBuild } = await inputsOf(bare, ofBare.settings, ofBare.signal)

const gone: Line = { when: /^git --version$/, code: 127 }
const noHead: Line = { when: /rev-parse --verify/, code: 127 }
/** A registry with an image of these labels. */
function having(labels: object): Readonly<Record<string, Line>> {
  const { digest, lines } = imageWith({ Labels: labels })
  const [manifest, blob] = lines as [Line, Line]
  return { registry: tagged('.*', digest), manifest, blob }
}

describe('the findings about a machine', () => {
  test.each<[string, Parameters<typeof examined>[0], Parameters<typeof examined>[1], string[]]>([
    ['that has all', {}, {}, []],
    [
      'without git: the commit is reported as missing once, and the check that needs it once',
      { version: gone, head: noHead },
      {},
      [
        'error: git was not found, so the commit is not known',
        'warning: ghcr.io was not checked because of the findings above',
      ],
    ],
    [
      'without a git checkout',
      { head: { ...noHead, code: 128, stderr: 'fatal: not a git repository' } },
      {},
      [
        "error: this folder is not in a git checkout, so there is no commit for the image's tag",
        'warning: ghcr.io was not checked because of the findings above',
      ],
    ],
    [
      'without docker, which the registry does not need',
      { docker: { ...good['docker']!, code: 127, stdout: '', stderr: 'docker was not found' } },
      {},
      ['error: docker was not found'],
    ],
    [
      'without a Dockerfile',
      {},
      { files: { '/home/ada/.docker/config.json': config } },
      ['error: build: there is no Dockerfile at "Dockerfile"'],
    ],
    [
      'without a Dockerfile, which is not needed: the registry has the image',
      having({ [inputsLabel]: ofThisBuild }),
      { files: {} },
      [],
    ],
    [
      'without a Dockerfile, which is needed: the tag names an image of another commit',
      having({ 'org.opencontainers.image.revision': 'abc' }),
      { files: {}, given: { tag: 'v1' } },
      ['error: build: there is no Dockerfile at "Dockerfile"'],
    ],
    [
      'whose image is not signed',
      {
        ...having({ [inputsLabel]: ofThisBuild }),
        info: { when: /^docker info/, stdout: '{}' },
        cosign: { when: /^cosign/, code: 10, stderr: 'Error: no signatures found' },
      },
      { given: { 'verify-signature': 'key=cosign.pub' } },
      [
        `error: ghcr.io/acme/shop@${imageWith({ Labels: { [inputsLabel]: ofThisBuild } }).digest} could not be verified as signed with the key cosign.pub: cosign: no signatures found`,
      ],
    ],
    [
      'whose image is signed',
      {
        ...having({ [inputsLabel]: ofThisBuild }),
        info: { when: /^docker info/, stdout: '{}' },
        cosign: {
          when: /^cosign/,
          stdout: '[{"critical":{"type":"cosign container image signature"}}]',
        },
      },
      { given: { 'verify-signature': 'key=cosign.pub' } },
      [],
    ],
    [
      'whose login is denied',
      { registry: refuses(sha, 403) },
      { files },
      ['error: ghcr.io denies ghcr.io/acme/shop, and docker has no login there'],
    ],
  ])('are right for a machine %s', async (_, lines, more, expected) => {
    expect((await examined(lines, more)).wrong).toEqual(expected)
  })
})

test('a password that is given is in no command line, and in no file', async () => {
  const given = { 'registry-username': 'ada', 'registry-password': 'secret' }
  const { wrong, ran, written } = await examined({}, { given, files })
  expect(wrong).toEqual([])
  expect(ran.join('\n')).not.toMatch(/secret|login/)
  expect(written).toEqual({ '/private/config.json': expect.not.stringContaining('secret') })
})
