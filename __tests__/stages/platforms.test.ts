import { expect, test } from '@jest/globals'
import { Failure } from '../../src/failure/failure.js'
import { ApiError } from '../../src/kubernetes/api-error.js'
import { checkPlatforms } from '../../src/stages/platforms.js'
import { subject } from '../checks/subjects.js'
import { clusterOf } from '../support/cluster.js'
import { notebook } from '../support/journal.js'
import { nothing } from '../support/live.js'
import { imageWith } from '../support/registry.js'
import { running } from '../support/running.js'
import { scripted, type Line } from '../support/scripted.js'
import { contextOf } from '../support/settings.js'

const node = (name: string, arch: string) => ({
  metadata: { name, labels: { 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': arch } },
})
const arm = [node('one', 'arm64'), node('two', 'arm64')]
const both = [...arm, node('three', 'amd64')]

const amd64 = imageWith({}, { os: 'linux', architecture: 'amd64' })
const arm64 = imageWith({}, { os: 'linux', architecture: 'arm64' })
const unknown = imageWith({})

interface Given {
  readonly nodes?: readonly object[] | Error
  /** By default `release`. */
  readonly command?: 'deploy'
  /** Of the registry; none: it will be built. */
  readonly image?: { readonly digest: string; readonly lines: readonly Line[] }
  /** What it will be built for; null: unknown. */
  readonly built?: readonly string[] | null
  /** A Ready pod on the node `one` runs this image. */
  readonly running?: { readonly digest: string; readonly lines: readonly Line[] }
}

/** Returns the warning, or the sentence and hint of the failure. */
async function checked(given: Given): Promise<readonly string[]> {
  const { nodes = arm, command = 'release', image, built = ['linux/amd64'] } = given
  const { platform } = scripted([...(image?.lines ?? []), ...(given.running?.lines ?? [])])
  const find = <T>() =>
    nodes instanceof Error ? Promise.reject(nodes) : Promise.resolve({ items: nodes } as T)
  const repository = 'ghcr.io/acme/shop'
  const { clusterState } = given.running
    ? running(
        `web: {image: '${repository}:v1', pods: ['${repository}@${given.running.digest}'], node: one}`,
      )
    : { clusterState: nothing }
  const context = contextOf(platform).with({
    log: notebook(),
    cluster: clusterOf({ find }),
    command,
  })
  const found = image && { repository, tag: 'v2', digest: image.digest }
  const input = {
    subjects: [subject(), subject({}, 'worker')],
    image: () =>
      Promise.resolve({ ...(found && { image: found }), ...(built && { platforms: built }) }),
    clusterState,
  }
  return checkPlatforms(context, input).catch((error: unknown) => {
    if (!(error instanceof Failure)) throw error
    const { code, sentence, hint = '' } = error.cause
    return [code, sentence, hint]
  })
}

const foreign = (is: string, hint: string) => [
  'wrong-platform',
  `the image ${is} for linux/amd64, but all nodes for deployment/web, deployment/worker are linux/arm64`,
  hint,
]
const build = foreign('will be', 'build it for linux/arm64: set "platforms" to linux/arm64')

test.each<[string, Given, readonly string[]]>([
  ['the build is for others', {}, build],
  ['the build is for these', { built: ['linux/arm64'] }, []],
  ['it is unknown what the build is for', { built: null }, []],
  [
    'the registry has it for others',
    { image: amd64 },
    foreign('is', 'build it for linux/arm64: set "platforms" to linux/arm64'),
  ],
  [
    'a deploy, which builds nothing',
    { command: 'deploy', image: amd64 },
    foreign('is', 'release an image that is built for linux/arm64, or add a node of linux/amd64'),
  ],
  ['the registry has it for these', { image: arm64 }, []],
  ['the registry does not say it', { image: unknown }, []],
  ['the account may not read nodes', { nodes: new ApiError(403, 'Forbidden', 'no') }, []],
  [
    'some nodes fit',
    { nodes: both },
    [
      'the image will be for linux/amd64, but pods of deployment/web, deployment/worker may come to nodes of linux/arm64 too (one, two): set their nodeSelector to kubernetes.io/os and kubernetes.io/arch of the image',
    ],
  ],
  [
    'the only node may emulate it',
    { nodes: arm.slice(0, 1) },
    [
      'the image will be for linux/amd64, but all nodes for deployment/web, deployment/worker are linux/arm64: it only starts if this node emulates it',
    ],
  ],
  ['nodes that run such an image already', { running: amd64 }, []],
  ['nodes that run one of their own', { running: arm64 }, build],
  ['nodes that run an unknown one', { running: unknown }, build],
])('%s', async (_, given, expected) => {
  expect(await checked(given)).toEqual(expected)
})
