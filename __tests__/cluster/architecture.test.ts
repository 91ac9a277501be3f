/** An image for linux/amd64, and a node of linux/arm64: known before the image is built, where the account may read nodes. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { Site, type Released } from '../e2e/site.js'
import { kubectl, must, stack } from '../e2e/stack.js'

const site = await Site.make('architecture')
const { namespace, image } = site
/** Of the node, and of what lets the account read it: neither is in a namespace. */
const name = namespace
const foreign = { 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'arm64' }

beforeAll(async () => {
  // Without room: nothing ever runs there.
  await apply({
    apiVersion: 'v1', kind: 'Node', metadata: { name, labels: { ...foreign, node: name } },
    spec: { taints: [{ key: 'django-rollout.test/foreign', effect: 'NoSchedule' }] },
  })
  for (const tag of ['v1', 'v2', 'v3']) await site.pushImage(tag, `ENV V=${tag}\nCMD exec sleep infinity`)
  await apply(deployment('web', {}))
})

afterAll(async () => {
  for (const kind of ['node', 'clusterrolebinding', 'clusterrole'])
    await kubectl('delete', kind, name, '--ignore-not-found', '--wait=false')
  await site.remove()
})

const alone = { 'migrate-command': 'none', bake: '0' }
const warning = `the image is for linux/amd64, but pods of deployment/web may come to nodes of linux/arm64 too (${name}): set their nodeSelector to kubernetes.io/os and kubernetes.io/arch of the image`
const sentence = (is: string) =>
  `the image ${is} for linux/amd64, but all nodes for deployment/worker are linux/arm64`

/** What a run came to; with its output, so that a failure shows it. */
const ends = ({ report, output }: Released) => ({ ...report, output })

test('an account that may not read nodes learns nothing of them', async () => {
  expect(ends(await site.deploy('v2', alone))).toMatchObject({ result: 'deployed', warnings: [] })
})

test('pods that may also come to a foreign node are a warning', async () => {
  await kubectl('create', 'clusterrole', name, '--verb=list', '--resource=nodes')
  const account = `--serviceaccount=${namespace}:django-rollout`
  await kubectl('create', 'clusterrolebinding', name, `--clusterrole=${name}`, account)

  expect(ends(await site.deploy('v3', alone))).toMatchObject({
    result: 'deployed',
    warnings: [warning],
  })
  const doctor = await site.cli('doctor', { image, namespace, tag: 'v3' })
  expect(doctor.output).toContain(`! ${warning}`)
})

test('a workload that has no other node ends a release before anything is built or written', async () => {
  await apply(deployment('worker', { nodeSelector: { node: name } }))
  const before = await site.state()

  expect(ends(await site.deploy('v1', alone))).toMatchObject({
    result: 'failed',
    cause: { code: 'wrong-platform', sentence: sentence('is') },
  })
  const tag = 'not-built'
  const built = await site.cli('release', { image, namespace, tag, 'test-command': 'none', ...alone })
  expect(ends(built)).toMatchObject({
    result: 'failed',
    cause: { code: 'wrong-platform', sentence: sentence('will be') },
  })
  expect(built.output).toContain('set "platforms" to linux/arm64')
  expect(await site.isPushed(tag)).toBe(false)
  const doctor = await site.cli('doctor', { image, namespace, tag: 'v1' })
  expect(doctor.output).toContain(`✗ ${sentence('is')}`)

  expect(await site.state()).toEqual(before)
  expect(await site.leftovers()).toEqual([])
})

function deployment(app: string, pod: object) {
  return {
    apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: app, namespace },
    spec: {
      replicas: app === 'web' ? 1 : 0,
      selector: { matchLabels: { app } },
      template: {
        metadata: { labels: { app } },
        spec: {
          terminationGracePeriodSeconds: 1,
          tolerations: [{ operator: 'Exists' }],
          containers: [{ name: app, image: `${image}:v1` }],
          ...pod,
        },
      },
    },
  }
}

async function apply(object: object): Promise<void> {
  await must('kubectl', ['apply', '-f', '-'], { env: stack.env, input: JSON.stringify(object) })
}
