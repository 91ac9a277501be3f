/** Releases that fail after something has changed: everything goes back, and visitors notice nothing. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { whileAsking, type Asked } from '../e2e/client.js'
import { exited, waitsWith, watchPods, type SeenPod } from '../e2e/sightings.js'
import { failingMigration, Site, type Changes, type Released } from '../e2e/site.js'
import { acceptManifests, must, stack } from '../e2e/stack.js'
import { seldom } from '../support/seldom.js'

let shop: Site
let good: string

beforeAll(async () => {
  shop = await Site.make('undone')
  // A StatefulSet of our image too: its pods are replaced one by one, and a broken one blocks the rest.
  good = await shop.commit('Good', {
    'k8s/queue.yaml': queue,
    'orders/queueing.py': '',
    'orders/management/commands/process_queue.py':
      'import orders.queueing, pathlib\npathlib.Path("/tmp/queue").touch()\nfrom orders.management.commands.process_orders import Command\n',
  })
  const released = await shop.release({ version: 'good' })
  if (released.report.result !== 'deployed') throw new Error(released.output)
})

afterEach(() => shop.drop())
afterAll(() => shop.remove())

interface Tried {
  readonly sha: string
  readonly released: Released
  readonly asked: Asked
  /** From the cluster's first sight of the rule to the verdict, in seconds. */
  readonly reaction: number | undefined
}

/** On a busy machine a worker needs some seconds to come to what is broken, and it has no probe. */
const bad = { version: 'bad', bake: '60s' }

/** Releases a commit that is broken while a client asks; all must be as before afterwards. */
async function broken(
  message: string,
  changes: Changes,
  meets: (pod: SeenPod) => boolean,
  release: () => Promise<Released> = () => shop.release(bad),
): Promise<Tried> {
  const sha = await shop.commit(message, changes)
  const before = await shop.state()
  const sightings = watchPods(shop.namespace, meets)
  const { result: released, asked } = await whileAsking(await shop.url(), release).finally(
    sightings.stop,
  )
  const first = sightings.first()
  const { detectedAt } = released.report
  const reaction = first === undefined || detectedAt === undefined ? undefined : (detectedAt - first) / 1000
  console.log(
    `${message}: reaction ${reaction?.toFixed(2) ?? 'not seen'} s, ` +
      `${asked.count} requests, ${asked.failures.length} failed`,
  )

  expect(await shop.tags()).toEqual({
    'deployment/web': good,
    'deployment/worker': good,
    'statefulset/queue': good,
    'cronjob/expire-orders': good,
  })
  expect(await shop.state()).toEqual(before)
  expect(asked.failures).toEqual([])
  return { sha, released, asked, reaction }
}

/** In seconds, on a busy machine: no deadline of Kubernetes was waited for. How fast it is tells `make bench`. */
const noDeadline = 20

const isOf = (pod: SeenPod, app: string) => pod.metadata.labels?.['app'] === app

describe('a release is undone', () => {
  test('when its web process crashes at start, because tests and `manage.py check` never import wsgi.py', async () => {
    const worker = await shop.pods('worker')
    const { released, reaction } = await broken(
      'wsgi.py imports a module that is not there',
      { 'shop/wsgi.py': (old) => `import shop.telemetry\n${old}` },
      (pod) => isOf(pod, 'web') && exited(pod),
    )

    expect(released).toMatchObject({ code: 1, report: { result: 'undone' } })
    expect(released.report.cause?.sentence).toContain(
      "web: ModuleNotFoundError: No module named 'shop.telemetry' (shop/wsgi.py:1)",
    )
    expect(reaction).toBeLessThan(noDeadline)
    // The web goes first: a version that does not start has touched nothing else.
    expect(await shop.pods('worker')).toEqual(worker)
  })

  seldom('when only the worker is broken, and web and the CronJob are restored too', async () => {
    const { released, reaction } = await broken(
      'the worker imports a module that is not there',
      { 'orders/processing.py': (old) => `import orders.carriers\n${old}` },
      (pod) => isOf(pod, 'worker') && exited(pod),
    )

    expect(released).toMatchObject({ code: 1, report: { result: 'undone' } })
    expect(released.report.cause?.sentence).toContain(
      "worker: ModuleNotFoundError: No module named 'orders.carriers' (orders/processing.py:1)",
    )
    expect(new Set(released.report.workloads.map(({ now }) => now))).toEqual(new Set(['old']))
    expect(reaction).toBeLessThan(noDeadline)
  })

  seldom('when only a StatefulSet is broken, and its blocking pod is deleted', async () => {
    const { released, reaction } = await broken(
      'the queue imports a module that is not there',
      { 'orders/queueing.py': 'import orders.topics\n' },
      (pod) => isOf(pod, 'queue') && exited(pod),
    )

    expect(released).toMatchObject({ code: 1, report: { result: 'undone' } })
    expect(released.report.cause?.sentence).toContain(
      "queue: ModuleNotFoundError: No module named 'orders.topics' (orders/queueing.py:1)",
    )
    expect(released.output).toContain('pod/queue-1 of the broken version blocks the restore: deleted')
    expect(reaction).toBeLessThan(noDeadline)
  })

  seldom('when the registry loses the image before the nodes pull it', async () => {
    // The plan's pod pulls first: with this policy the rollout has to ask the registry again.
    const pullAlways = (old: string) =>
      old.replace('image: shop\n', 'image: shop\n          imagePullPolicy: Always\n')
    let deleted: Promise<void> | undefined
    const { released, reaction } = await broken(
      'the registry loses the image',
      { 'k8s/web.yaml': pullAlways },
      (pod) => isOf(pod, 'web') && waitsWith(pod, 'ErrImagePull', 'ImagePullBackOff'),
      () =>
        shop.release(
          bad,
          {
            onOutput: (soFar) => {
              if (soFar.includes('✓ plan')) deleted ??= deleteImage(soFar)
            },
          },
        ),
    )
    await deleted

    expect(released).toMatchObject({ code: 1, report: { result: 'undone' } })
    expect(released.report.cause?.code).toBe('image-not-found')
    expect(reaction).toBeLessThan(noDeadline)
  })

  test('when a migration fails after a ConfigMap was changed, and the ConfigMap is as before', async () => {
    const before = await shop.pods('web')
    const { released } = await broken(
      'a migration fails, with a changed ConfigMap',
      {
        'catalog/migrations/0003_broken.py': failingMigration,
        'k8s/configmap.yaml': (old) => `${old}  SHOP_BANNER: "Sale"\n`,
      },
      () => false,
    )

    expect(released).toMatchObject({ code: 1, report: { result: 'undone' } })
    expect(released.report.cause).toMatchObject({
      code: 'migration-failed',
      sentence: expect.stringContaining('catalog.0003_broken') as unknown,
    })
    expect(released.report.restored).toEqual([{ object: 'configmap/shop-config', action: 'restored' }])
    expect(await shop.pods('web')).toEqual(before)
  })
})

/** Deletes the manifest that the release has pushed, as a cleaning policy of a registry would. */
async function deleteImage(log: string): Promise<void> {
  const digest = /@(sha256:[0-9a-f]{64})|digest: (sha256:[0-9a-f]{64})/.exec(log)?.[1]
  const tag = (await shop.git('rev-parse', 'HEAD')).trim()
  const url = `http://${stack.registry}/v2/${shop.namespace}/shop/manifests`
  const head = await must('curl', ['-sS', '--head', '--header', acceptManifests, `${url}/${digest ?? tag}`])
  const found = /docker-content-digest: (\S+)/i.exec(head)?.[1] ?? ''
  await must('curl', ['-sS', '--fail', '-X', 'DELETE', `${url}/${found}`])
}

const queue = `apiVersion: apps/v1
kind: StatefulSet
metadata: {name: queue}
spec:
  replicas: 2
  serviceName: queue
  selector: {matchLabels: {app: queue}}
  template:
    metadata: {labels: {app: queue}}
    spec:
      containers:
        - name: queue
          image: shop
          command: [python, manage.py, process_queue]
          # Without it the broken pod is Ready until Python has failed, and the controller replaces it by itself.
          readinessProbe: {exec: {command: [test, -e, /tmp/queue]}, periodSeconds: 1}
          envFrom: [{configMapRef: {name: shop-config}}, {secretRef: {name: shop-secrets}}]
`
