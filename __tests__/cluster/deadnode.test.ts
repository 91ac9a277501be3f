/** A DaemonSet in a cluster of which one node does not answer any more. */
import { afterAll, expect, test } from '@jest/globals'
import { Site } from '../e2e/site.js'
import { kubectl, kubectlJson, must, stack } from '../e2e/stack.js'
import { until } from '../e2e/until.js'

const site = await Site.make('deadnode')
/** A node of which nothing was ever heard. Only what tolerates everything comes to it. */
const node = site.namespace
const image = `${stack.registry}/${site.namespace}/agent`

afterAll(async () => {
  await kubectl('delete', 'node', node, '--ignore-not-found', '--wait=false')
  await site.remove()
})

test('a node that was dead before the release is left out, and the live nodes are judged', async () => {
  await push('v1')
  await push('v2')
  await makeNode()
  await apply({
    apiVersion: 'apps/v1', kind: 'DaemonSet',
    metadata: { name: 'agent', namespace: site.namespace }, spec: agent,
  })
  await until('a pod on each node', async () => (await pods()).length === 2)
  const lost = (await pods()).find(({ spec }) => spec.nodeName === node)
  if (!lost) throw new Error('no pod on the dead node')
  // As its kubelet has left it, and the node's controller after it.
  await patchStatus(['-n', site.namespace, 'pod', lost.metadata.name], {
    phase: 'Running',
    conditions: [{ type: 'Ready', status: 'False' }],
    containerStatuses: [
      {
        name: 'agent', image: `${image}:v1`, imageID: '', ready: true, restartCount: 0,
        started: true, state: { running: { startedAt: new Date().toISOString() } },
      },
    ],
  })
  await until('the pod that lives', async () =>
    (await pods()).some(({ status }) => status.conditions?.some(isReady)),
  )

  const { report, output } = await site.cli('deploy', {
    image, namespace: site.namespace, tag: 'v2', app: 'agent',
    'migrate-command': 'none', bake: '1s', timeout: '90s',
  })
  expect({ result: report.result, output }).toMatchObject({ result: 'deployed' })
  const live = (await pods()).filter(({ spec }) => spec.nodeName !== node)
  expect(live.map(({ spec }) => spec.containers[0]?.image)).toEqual([
    expect.stringContaining(`${image}:v2`),
  ])
})

/** `cluster/architecture` has a node of its own meanwhile, where nothing ever runs. */
const notOfOthers = {
  nodeSelectorTerms: [{ matchExpressions: [{ key: 'node', operator: 'DoesNotExist' }] }],
}

const agent = {
  selector: { matchLabels: { app: 'agent' } },
  updateStrategy: { rollingUpdate: { maxUnavailable: 2 } },
  template: {
    metadata: { labels: { app: 'agent' } },
    spec: {
      terminationGracePeriodSeconds: 1,
      tolerations: [{ operator: 'Exists' }],
      affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: notOfOthers } },
      containers: [{ name: 'agent', image: `${image}:v1`, command: ['sleep', 'infinity'] }],
    },
  },
}

interface Condition {
  readonly type: string
  readonly status: string
}

interface Pod {
  readonly metadata: { readonly name: string }
  readonly spec: {
    readonly nodeName?: string
    readonly containers: readonly { readonly image: string }[]
  }
  readonly status: { readonly conditions?: readonly Condition[] }
}

const isReady = ({ type, status }: Condition) => type === 'Ready' && status === 'True'

async function pods(): Promise<readonly Pod[]> {
  const { items } = await kubectlJson<{ items: Pod[] }>('-n', site.namespace, 'get', 'pods')
  return items.filter(({ spec }) => spec.nodeName !== undefined)
}

async function push(tag: string): Promise<void> {
  const input = `FROM python:3.13-slim\nENV VERSION=${tag} OF=${site.namespace}\n`
  await must('docker', ['build', '--quiet', '--tag', `${image}:${tag}`, '-'], {
    env: stack.env,
    input,
  })
  await must('docker', ['push', '--quiet', `${image}:${tag}`], { env: stack.env })
}

async function makeNode(): Promise<void> {
  await apply({
    apiVersion: 'v1', kind: 'Node', metadata: { name: node },
    spec: { taints: [{ key: 'django-rollout.test/dead', effect: 'NoSchedule' }] },
  })
  const room = { cpu: '1', memory: '1Gi', pods: '10' }
  await patchStatus(['node', node], { allocatable: room, capacity: room })
}

async function apply(object: object): Promise<void> {
  await must('kubectl', ['apply', '-f', '-'], { env: stack.env, input: JSON.stringify(object) })
}

async function patchStatus(of: readonly string[], status: object): Promise<void> {
  const patch = ['--subresource=status', '--type=merge', '--patch', JSON.stringify({ status })]
  await kubectl('patch', ...of, ...patch)
}
