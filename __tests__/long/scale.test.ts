/** Releases of 300 workloads in a namespace with 1,000 pods and 5,000 events, on nodes without machines. */
import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import type { Pod } from 'kubernetes-types/core/v1'
import { call, changesOf, json } from '../bench/api.js'
import { isComplete, type Deployment } from '../bench/observer.js'
import { Site, type Released } from '../e2e/site.js'
import { kubectl, must, root, stack } from '../e2e/stack.js'
import { until } from '../e2e/until.js'
import { FakeNodes, onFakeNodes, tell, type Fate, type Served } from './fake-nodes.js'

const ofThisTest = 'scale.example.org/namespace'
const replicas = 3
const leastEvents = 5000
const numbered = (name: string, count: number) =>
  Array.from({ length: count }, (_, nth) => `${name}-${String(nth + 1).padStart(3, '0')}`)
const names = numbered('app', 300)
const podsOfOthers = numbered('other', 100)

let site: Site
let nodes: FakeNodes
const over = new AbortController()
/** By name. */
const deployments = new Map<string, Deployment>()
/** When a Deployment last got another image, and when one was last complete after it had not been. */
const lastAt = { image: 0, complete: 0 }

beforeAll(async () => {
  await removeLeftovers('--wait=false')
  site = await Site.make('scale')
  await kubectl('label', 'namespace', site.namespace, `${ofThisTest}=yes`)
  const digest = await site.pushImage('before', 'LABEL version=before')
  for (const tag of ['next', 'broken']) await site.pushImage(tag, `LABEL version=${tag}`)
  nodes = await FakeNodes.start(fateOf)
  void follow()
  const image = `${site.image}:before@${digest}`
  await create(podsOfOthers.map(podOfOthers))
  await create(names.map((name) => workload(name, image)))
  await rest(() => deployments.size === names.length && isAtRest())
  await fillEvents()
}, 900_000)

afterAll(async () => {
  over.abort()
  await site.remove()
  // Its pods end as long as their nodes are served.
  await removeLeftovers('--timeout=240s')
  await nodes.stop()
}, 300_000)

test('a release ends within 1 s of its last pod that is Ready, as soon as the cluster has noticed', async () => {
  const { report, output, measured } = await deploy('next', '0')
  const { lastReadyAt } = nodes
  await rest()
  say('A release', {
    'seconds in all': report.seconds,
    'from the last pod Ready to its Deployment complete': secondsTo(lastAt.complete, lastReadyAt),
    'from the last pod Ready to the end': secondsTo(measured.endedAt, lastReadyAt),
    ...costs(measured),
  })
  expect({ result: report.result, output }).toMatchObject({ result: 'deployed' })
  // What the controllers take to count that pod is the cluster's own time.
  expect(measured.endedAt - Math.max(lastReadyAt, lastAt.complete)).toBeLessThan(1000)
  expectModest(measured)
})

test('an undo writes everything within 10 s', async () => {
  const { report, output, measured } = await deploy('broken', '0')
  await rest()
  const { detectedAt = 0 } = report
  say('A release that is undone', {
    'seconds in all': report.seconds,
    'from the verdict to the last write': secondsTo(lastAt.image, detectedAt),
    'from the last write to the end': secondsTo(measured.endedAt, lastAt.image),
    ...costs(measured),
  })
  expect({ result: report.result, output }).toMatchObject({ result: 'undone' })
  expect(lastAt.image - detectedAt).toBeLessThan(10_000)
  expectModest(measured)
})

test("other people's pods cost nothing that grows with each of their events", async () => {
  const rates = [0, 50, 150]
  const seconds = 15
  const windows: (readonly [rate: number, from: number, to: number])[] = []
  let churned: Promise<void> | undefined
  const { report, output, measured } = await deploy('before', '75s', (soFar) => {
    if (!soFar.includes('watched for another')) return
    churned ??= (async () => {
      await rest()
      for (const rate of rates) {
        const from = Date.now()
        const refused = await churn(rate, seconds)
        windows.push([rate, from, Date.now()])
        // A server that has much to do may refuse some: no watch sees those.
        expect(refused).toBeLessThanOrEqual((rate * seconds) / 10)
      }
    })()
  })
  await churned
  const used = windows.map(([rate, from, to]) => ({ rate, share: shareOf(measured, from, to) }))
  say('The watch while nothing but pods of others changes', {
    ...Object.fromEntries(
      used.map(({ rate, share }) => [`% of a processor, ${rate} changes a second`, share * 100]),
    ),
    ...costs(measured),
  })
  expect({ result: report.result, output }).toMatchObject({ result: 'deployed' })
  // Three times as many changes cost what it takes to read them, and no more looks.
  const [, some = NaN, many = NaN] = used.map(({ share }) => share)
  expect(many - some).toBeLessThan(0.1)
  expectModest(measured)
})

/** What measured.mjs writes; times in ms. */
interface Measured {
  readonly blocks: readonly {
    readonly at: number
    readonly lasted: number
    readonly took: number
  }[]
  readonly used: readonly { readonly at: number; readonly processor: number }[]
  readonly processor: number
  /** In bytes. */
  readonly memory: number
  readonly endedAt: number
}

async function deploy(
  tag: string,
  bake: string,
  onOutput: (soFar: string) => void = () => undefined,
): Promise<Released & { readonly measured: Measured }> {
  const file = join(await mkdtemp(join(tmpdir(), 'measured-')), 'measured.json')
  const { image, namespace } = site
  const options = { image, namespace, tag, bake, 'migrate-command': '' }
  const env = {
    NODE_OPTIONS: `--import=${join(root, '__tests__/long/measured.mjs')} ${process.env['SCALE_NODE_OPTIONS'] ?? ''}`,
    MEASURE_FILE: file,
  }
  const released = await site.cli('deploy', options, { env, onOutput })
  return { ...released, measured: JSON.parse(await readFile(file, 'utf8')) as Measured }
}

function expectModest({ blocks, memory }: Measured): void {
  expect(blocks[0]?.took ?? 0).toBeLessThan(100)
  expect(memory).toBeLessThan(400 * 1024 * 1024)
}

function costs({ blocks, processor, memory }: Measured) {
  return {
    'ms that the event loop was blocked at most': blocks[0]?.took ?? 0,
    'seconds of processor': processor / 1000,
    'MB of memory at most': memory / 1024 / 1024,
  }
}

/** Returns which share of a processor was used between two times. */
function shareOf({ used }: Measured, from: number, to: number): number {
  const inside = used.filter(({ at }) => at >= from && at <= to)
  const [first, last] = [inside[0], inside.at(-1)]
  if (!first || !last || last.at === first.at) return NaN
  return (last.processor - first.processor) / (last.at - first.at)
}

function say(what: string, figures: Readonly<Record<string, number>>): void {
  const lines = Object.entries(figures).map(([name, value]) => `  ${name}: ${value.toFixed(2)}\n`)
  process.stdout.write(`${what}:\n${lines.join('')}`)
}

function secondsTo(to: number, from: number): number {
  return (to - from) / 1000
}

function fateOf({ metadata, spec }: Pod): Fate {
  const isBroken = spec?.containers[0]?.image?.includes(':broken@') ?? false
  return isBroken && metadata?.labels?.['app'] === 'app-150'
    ? { is: 'image-missing' }
    : { is: 'ready', afterMs: 1000 }
}

async function follow(): Promise<void> {
  const path = `/apis/apps/v1/namespaces/${site.namespace}/deployments`
  for await (const { type, object } of changesOf<Deployment>(path, over.signal)) {
    const { name } = object.metadata
    const before = deployments.get(name)
    if (type === 'DELETED') deployments.delete(name)
    else deployments.set(name, object)
    if (before && imageOf(before) !== imageOf(object)) lastAt.image = Date.now()
    if (before && !isComplete(before) && isComplete(object)) lastAt.complete = Date.now()
  }
}

/** Hundreds of Deployments take minutes: the test's own limit is as long. */
const rest = (holds = isAtRest) => until('all Deployments complete', holds, 1_200_000)

function isAtRest(): boolean {
  return [...deployments.values()].every(isComplete)
}

function imageOf({ spec }: Deployment): string {
  const { spec: pod } = spec.template as Pick<Pod, 'spec'>
  return pod?.containers[0]?.image ?? ''
}

function workload(name: string, image: string): object {
  const labels = { app: name, 'app.kubernetes.io/part-of': 'shop', tier: 'backend' }
  const selector = { matchLabels: { app: name } }
  const env = numbered('SETTING', 12).map((name) => ({ name, value: `the value of ${name}` }))
  const probe = { httpGet: { path: '/health/', port: 8000 }, periodSeconds: 5, failureThreshold: 3 }
  const container = {
    name: 'app',
    image,
    env,
    ports: [{ containerPort: 8000 }],
    readinessProbe: probe,
    livenessProbe: probe,
    resources: { requests: { cpu: '10m', memory: '64Mi' } },
  }
  const spec = { ...onFakeNodes, terminationGracePeriodSeconds: 5, containers: [container] }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, labels },
    spec: { replicas, selector, template: { metadata: { labels }, spec } },
  }
}

function podOfOthers(name: string): object {
  const containers = [{ name: 'main', image: `${stack.registry}/others/app:1` }]
  const metadata = { name, labels: { app: 'other' } }
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec: { ...onFakeNodes, containers } }
}

async function create(items: readonly object[]): Promise<void> {
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
  await must('kubectl', ['-n', site.namespace, 'create', '-f', '-'], { env: stack.env, input })
}

/** Events of the past, about pods of the workloads. */
async function fillEvents(): Promise<void> {
  const of = async <T>(kind: string) =>
    (await json<{ items: readonly T[] }>(`/api/v1/namespaces/${site.namespace}/${kind}`)).items
  const pods = await of<Served>('pods')
  for (let missing = leastEvents - (await of('events')).length; missing > 0; missing -= 10) {
    await Promise.all(
      pods
        .slice(missing % 800)
        .slice(0, 10)
        .map((pod) => tell(pod, 'Pulled', 'Container image already present on machine')),
    )
  }
}

/** Pods of others change so often, half of the time by an event about them. Returns how many changes were refused. */
async function churn(rate: number, seconds: number): Promise<number> {
  const path = `/api/v1/namespaces/${site.namespace}/pods`
  const { items } = await json<{ items: readonly Served[] }>(`${path}?labelSelector=app%3Dother`)
  const changes: Promise<unknown>[] = []
  const from = Date.now()
  while (Date.now() - from < seconds * 1000) {
    const due = ((Date.now() - from) / 1000) * rate
    while (changes.length < due) {
      const nth = changes.length
      const pod = items[nth % items.length]
      if (!pod) break
      const beat = { metadata: { annotations: { beat: String(nth) } } }
      changes.push(
        nth % 2 === 0
          ? call('PATCH', `${path}/${pod.metadata.name}`, beat)
          : tell(pod, 'Unhealthy', `Readiness probe failed: HTTP probe failed (${nth})`, 'Warning'),
      )
    }
    await sleep(20)
  }
  const ended = await Promise.allSettled(changes)
  return ended.filter(({ status }) => status === 'rejected').length
}

/** Removes what a test has left that was killed, or this one. */
async function removeLeftovers(how: string): Promise<void> {
  await kubectl('delete', 'namespaces', '-l', ofThisTest, how)
}
