import { expect, test } from '@jest/globals'
import { desiredBack } from '../../src/judge/desired.js'
import { workloadId } from '../../src/kubernetes/objects.js'
import { checkRunningImage } from '../../src/stages/running-image.js'
import { imageWith, indexOf, lacks } from '../support/registry.js'
import { running } from '../support/running.js'
import { scripted } from '../support/scripted.js'
import { contextOf } from '../support/settings.js'

const repository = 'ghcr.io/acme/shop'
const [tested, other] = ['tested', 'other'].map((name) => imageWith({ Labels: { name } })) as [
  ReturnType<typeof imageWith>,
  ReturnType<typeof imageWith>,
]
const wrapped = indexOf(tested)
const lost = { digest: `sha256:${'0'.repeat(64)}`, lines: [lacks('sha256:0+')] }

/** Returns what is said where one pod runs what was tested, and another one this. */
async function saidOf({ digest, lines }: typeof wrapped): Promise<unknown> {
  const { platform, ran } = scripted([...tested.lines, ...lines])
  const pods = [tested.digest, digest].map((one) => `'${repository}@${one}'`).join(', ')
  const { clusterState, workloads } = running(
    `web: {image: '${repository}:v1@${tested.digest}', pods: [${pods}], node: one}`,
  )
  const desiredWorkloads = workloads.map((one) =>
    desiredBack(workloadId(one), one, one, clusterState),
  )
  const image = { repository, tag: 'v1', digest: tested.digest }
  const input = { clusterState, desiredWorkloads, image }
  const said = await checkRunningImage(contextOf(platform), input).then(
    () => 'nothing',
    (error: unknown) => (error as Error).cause,
  )
  return ran.length === 0 ? `${String(said)}, nothing asked` : said
}

test('another image ends the release', async () => {
  const short = (digest: string) => digest.slice(0, 19)
  expect(await saidOf(other)).toEqual({
    code: 'wrong-image',
    sentence: `statefulset/web runs ${short(other.digest)} and not what was tested (${short(tested.digest)})`,
    hint: expect.stringContaining('kubectl get mutatingwebhookconfigurations'),
    workload: 'statefulset/web',
    pod: 'web-1',
    container: 'app',
  })
})

test.each<[string, typeof wrapped, string]>([
  ['the digest itself', tested, 'nothing, nothing asked'],
  ['an index with the image', wrapped, 'nothing'],
  ['a digest that the registry does not have', lost, 'nothing'],
])('%s is no reason', async (_, one, said) => {
  expect(await saidOf(one)).toBe(said)
})
