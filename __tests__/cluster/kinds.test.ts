/** Workloads of all kinds in one release, by their image alone and by manifests: all new, or all as before. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Site, type Released } from '../e2e/site.js'
import { kubectl, kubectlJson, must, stack, type How } from '../e2e/stack.js'
import { seldom } from '../support/seldom.js'

let site: Site
/** Repository of the workloads of all kinds, and of those that run by a tag that moves. */
let ours: string
let moving: string

beforeAll(async () => {
  site = await Site.make('kinds')
  ours = `${stack.registry}/${site.namespace}/kinds`
  moving = `${stack.registry}/${site.namespace}/moving`
  await push(`${ours}:v1`, '')
  await push(`${ours}:v2`, '# Another version.')
  await push(`${ours}:broken`, broken('queue'))
  await site.commit('Manifests of the second version', manifests('v2'))
  await apply(Object.values(everything(ours, 'v1')))
})

afterAll(() => site.remove())

describe('with workloads of all kinds', () => {
  test('a successful release changes every container of ours, and nothing else', async () => {
    const before = await pods()
    const { code, report, output } = await deploy('v2')
    expect({ code, result: report.result, output }).toMatchObject({ code: 0, result: 'deployed' })

    expect(await images()).toEqual(expectedImages('v2'))
    const after = await pods()
    // Below the partition, and where only a person deletes pods, the old ones go on.
    expect(after['canary-0']).toEqual(before['canary-0'])
    expect(after['manual-0']).toEqual(before['manual-0'])
    expect(await runningTags()).toEqual({
      web: ['v2'], api: ['v2'], queue: ['v2'], agent: ['v2'],
      canary: ['v1', 'v2'], manual: ['v1'],
    })
    expect(report.exceptions).toEqual([
      { object: 'statefulset/canary', is: 'another version', pods: 1, message: expect.stringContaining('its partition is 1'), fix: expect.any(String) },
      { object: 'statefulset/manual', is: 'another version', pods: 1, message: expect.stringContaining('OnDelete'), fix: expect.stringMatching(/delete pod manual-0$/) },
    ])
    expect(output).toMatch(/is deployed: .*; on another version: statefulset\/canary, statefulset\/manual \(/)
    for (const id of withHistory) {
      expect(await history(id)).toEqual(['<none>', 'release of v2 by ada, https://ci.example/acme/shop/actions/runs/7'])
    }
  })

  test('a release of the same version again is `unchanged`, whatever user runs it', async () => {
    const before = await objects()
    const { report, output } = await deploy('v2', { env: { GITHUB_ACTOR: 'grace' } })
    expect({ result: report.result, output }).toMatchObject({ result: 'unchanged' })
    expect(await objects()).toEqual(before)
  })

  test('a broken release restores every object exactly, and the pods of the old version', async () => {
    await site.commit('Manifests of the third version', manifests('v3', { more: true }))
    const before = { objects: await objects(), pods: await pods() }
    let scaled: Promise<unknown> | undefined
    const { code, report, output } = await deploy('broken', {
      onOutput: (soFar) => {
        if (soFar.includes('by one write over the version in the snapshot')) scaled ??= scale(3, 'web', 'api')
      },
    })
    await scaled
    expect({ code, result: report.result, output }).toMatchObject({ code: 1, result: 'undone' })
    expect(report.cause?.sentence).toContain("queue: ModuleNotFoundError: No module named 'no_such_module'")
    expect(output).toContain('pod/queue-2 of the broken version blocks the restore: deleted')
    expect(report.restored).toEqual(
      expect.arrayContaining([
        ...[...withHistory, 'cronjob/clean', 'configmap/settings'].map((object) => ({ object, action: 'restored' })),
        ...['deployment/fresh', 'configmap/extra'].map((object) => ({ object, action: 'removed' })),
      ]),
    )

    // The number of replicas is a person's: it stays as it was chosen in the middle.
    expect(await objects()).toEqual(
      before.objects.map((one) =>
        ['web', 'api'].includes(one.name) ? { ...one, spec: { ...(one.spec as object), replicas: 3 } } : one,
      ),
    )
    const after = await pods()
    for (const name of ['canary-0', 'manual-0', 'queue-0', 'queue-1']) {
      expect([name, after[name]]).toEqual([name, before.pods[name]])
    }
    expect(await runningTags()).toEqual({
      web: ['v2'], api: ['v2'], queue: ['v2'], agent: ['v2'],
      canary: ['v1', 'v2'], manual: ['v1'],
    })
    for (const id of withHistory) {
      const [first, second, third, ...more] = await history(id)
      expect([id, first, second, third, more]).toEqual([
        id,
        '<none>',
        'release of broken by ada, https://ci.example/acme/shop/actions/runs/7',
        'release of v2 by ada, https://ci.example/acme/shop/actions/runs/7',
        [],
      ])
    }
  })
})

test('everything that runs the image outside of the release is named, with the way to end or move it', async () => {
  const image = `${ours}:v2`
  const pod = podSpec(container('app', image, 'shell'), ', restartPolicy: Never')
  const idle = (name: string, use: string, more = '') =>
    workload({ kind: 'Deployment', name, spec: 'replicas: 0', pods: podSpec(container('app', use, name)) }).replace('{name: ', `{${more}name: `)
  await apply([
    `apiVersion: v1\nkind: Pod\nmetadata: {name: shell}\nspec: ${pod}\n`,
    `apiVersion: batch/v1\nkind: Job\nmetadata: {name: import}\nspec: {template: {spec: ${pod}}}\n`,
    idle('legacy', image, "annotations: {django-rollout/ignore: 'true'}, "),
    idle('cdn', `${ours}-static:v2`),
  ])
  const { report, output } = await site.cli('deploy', {
    image: ours, namespace: site.namespace, tag: 'v1', 'migrate-command': '', bake: '1s',
  })
  expect({ result: report.result, output }).toMatchObject({ result: 'deployed' })
  const named = ['deployment/cdn', 'deployment/legacy', 'job/import', 'pod/shell']
  expect(report.exceptions?.map(({ object }) => object).sort()).toEqual(named)
  for (const { message, fix = '' } of report.exceptions ?? []) {
    expect(output).toContain(`warning: ${message}: ${fix}`)
    await must('bash', ['-c', `${fix} --dry-run=server`], { env: stack.env })
  }
})

describe('a mutable tag', () => {
  let old: string

  beforeAll(async () => {
    old = await push(`${moving}:latest`, '# Of yesterday.')
    await push(`${moving}:broken`, broken('site'))
    await apply(byTag(`${moving}:latest`))
  })

  const deployMoving = () =>
    site.cli('deploy', {
      image: moving, namespace: site.namespace, tag: 'broken', app: 'moving',
      'migrate-command': '', bake: '60s',
    })

  seldom('that has not moved is restored to the letter, and pods that were not replaced stay', async () => {
    const before = { objects: await objects(), site: await site.pods('site') }
    const { report, output } = await deployMoving()
    expect({ result: report.result, output }).toMatchObject({ result: "undone" })
    expect(await objects()).toEqual(before.objects)
    expect(await site.pods('site')).toEqual(before.site)
  })

  test('that has moved is restored by the digest that ran', async () => {
    const now = await push(`${moving}:latest`, '# Of today.')
    expect(now).not.toBe(old)
    const { report, output } = await deployMoving()
    expect({ result: report.result, output }).toMatchObject({ result: "undone" })
    const short = old.slice(0, 19)
    expect(output).toContain(`deployment/site restored (latest as ${short} that ran before)`)

    const pinned = `${moving}:latest@${old}`
    const all = await images()
    expect(Object.fromEntries(['deployment/site', 'statefulset/store', 'cronjob/tidy'].map((id) => [id, all[id]]))).toEqual({
      'deployment/site': { app: pinned },
      'statefulset/store': { app: pinned },
      'cronjob/tidy': { app: pinned },
    })
    const items = await get<Pod>('pods', '-l', 'app in (site, store)')
    const stay = items.filter(({ metadata }) => !metadata.deletionTimestamp)
    const run = stay.flatMap(({ status }) => status.containerStatuses.map(({ imageID }) => imageID))
    expect(new Set(run)).toEqual(new Set([`${moving}@${old}`]))
  })
})

const withHistory = [
  'deployment/web', 'deployment/api', 'statefulset/queue', 'statefulset/canary',
  'statefulset/manual', 'daemonset/agent',
]

function deploy(tag: string, how: How = {}): Promise<Released> {
  const env = {
    GITHUB_ACTOR: 'ada', GITHUB_SERVER_URL: 'https://ci.example',
    GITHUB_REPOSITORY: 'acme/shop', GITHUB_RUN_ID: '7',
  }
  return site.cli(
    'deploy',
    {
      image: ours, namespace: site.namespace, tag, manifests: 'release',
      // Long enough for what is broken to end.
      'migrate-command': '', bake: tag === 'broken' ? '60s' : '1s',
    },
    { ...how, env: { ...env, ...how.env } },
  )
}

/** In this role the process ends by an error: late, so that all others have come to their end. */
const broken = (role: string) => `if role == "${role}":\n    time.sleep(5)\n    import no_such_module\n`

/** Builds and pushes; the digest in the registry. */
async function push(image: string, lines: string): Promise<string> {
  const folder = join(dirname(site.folder), 'image')
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'Dockerfile'), 'FROM python:3.13-slim\nCOPY run.py /run.py\n')
  await writeFile(
    join(folder, 'run.py'),
    `import pathlib, signal, sys, time
role = sys.argv[1]
if role == "init":
    sys.exit()
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
# Of ${site.namespace}: a node names an image that it knows already by the repository that it had it from.
${lines}
pathlib.Path("/tmp/ready").touch()
signal.pause()
`,
  )
  await must('docker', ['build', '--quiet', '--tag', image, folder], { env: stack.env })
  const pushed = await must('docker', ['push', image], { env: stack.env })
  return /digest: (sha256:[0-9a-f]{64})/.exec(pushed)?.[1] ?? ''
}

const container = (name: string, image: string, role: string, more = '') =>
  `{name: ${name}, image: '${image}', command: [python, -u, /run.py, ${role}]${more}}`

const podSpec = (containers: string, more = '') =>
  `{terminationGracePeriodSeconds: 1, containers: [${containers}]${more}}`

const ready = `, readinessProbe: {exec: {command: [test, -f, /tmp/ready]}, periodSeconds: 1, timeoutSeconds: 10}`

interface Shape {
  readonly kind: 'Deployment' | 'StatefulSet' | 'DaemonSet'
  readonly name: string
  readonly pods: string
  readonly spec?: string
}

const workload = ({ kind, name, pods, spec = '' }: Shape) => `
apiVersion: apps/v1
kind: ${kind}
metadata: {name: ${name}}
spec:
  selector: {matchLabels: {app: ${name}}}
  ${spec}
  template:
    metadata: {labels: {app: ${name}}}
    spec: ${pods}
`

const cronJob = (name: string, image: string) => `
apiVersion: batch/v1
kind: CronJob
metadata: {name: ${name}}
spec:
  schedule: '0 0 1 1 *'
  jobTemplate: {spec: {template: {spec: ${podSpec(container('app', image, 'clean'), ', restartPolicy: Never')}}}}
`

const configMap = (name: string, version: string, more = '') => `
apiVersion: v1
kind: ConfigMap
metadata: {name: ${name}}
data: {VERSION: ${version}}
${more}`

const api = (image: string, version: string) =>
  workload({
    kind: 'Deployment',
    name: 'api',
    pods: podSpec(container('app', image, 'api', `, env: [{name: VERSION, value: ${version}}]`)),
  })

/** What `deploy` applies: the third version brings new objects too, and makes one immutable. */
function manifests(version: string, { more = false } = {}): Readonly<Record<string, string>> {
  return {
    'release/api.yaml': api('kinds', version),
    'release/settings.yaml': configMap('settings', version),
    ...(more && {
      'release/settings.yaml': configMap('settings', version, 'immutable: true\n'),
      'release/extra.yaml': configMap('extra', version),
      'release/fresh.yaml': workload({
        kind: 'Deployment',
        name: 'fresh',
        pods: podSpec(container('app', 'kinds', 'fresh')),
      }),
    }),
  }
}

function everything(repository: string, tag: string): Readonly<Record<string, string>> {
  const image = `${repository}:${tag}`
  const own = (name: string) => podSpec(container('app', image, name))
  const set = (name: string, spec: string, pods = own(name)) =>
    workload({ kind: 'StatefulSet', name, pods, spec: `serviceName: ${name}\n  ${spec}` })
  const several = [
    container('app', image, 'web'),
    container('proxy', 'python:3.13-slim', 'proxy').replace('/run.py, proxy', "-c, 'import signal; signal.pause()'"),
    container('helper', image, 'helper'),
  ]
  return {
    web: workload({
      kind: 'Deployment',
      name: 'web',
      spec: 'replicas: 2',
      pods: podSpec(several.join(', '), `, initContainers: [${container('prepare', image, 'init')}]`),
    }),
    api: api(image, tag),
    queue: set('queue', 'replicas: 3', podSpec(container('app', image, 'queue', ready))),
    canary: set('canary', 'replicas: 2\n  updateStrategy: {rollingUpdate: {partition: 1}}'),
    manual: set('manual', 'updateStrategy: {type: OnDelete}'),
    agent: workload({ kind: 'DaemonSet', name: 'agent', pods: own('agent') }),
    clean: cronJob('clean', image),
    settings: configMap('settings', tag),
  }
}

/** By a tag that moves: an unstarted Job of the CronJob tells no digest, so it follows the others. */
const byTag = (image: string): readonly string[] => [
  workload({ kind: 'Deployment', name: 'site', pods: podSpec(container('app', image, 'site', ready)) }),
  workload({ kind: 'StatefulSet', name: 'store', pods: podSpec(container('app', image, 'store')), spec: 'serviceName: store' }),
  cronJob('tidy', image),
]

function expectedImages(tag: string): Readonly<Record<string, Readonly<Record<string, string>>>> {
  const image = expect.stringMatching(`^${ours}:${tag}@sha256:[0-9a-f]{64}$`) as unknown as string
  const app = { app: image }
  return {
    'deployment/web': { prepare: image, app: image, proxy: 'python:3.13-slim', helper: image },
    'deployment/api': app, 'statefulset/queue': app, 'statefulset/canary': app,
    'statefulset/manual': app, 'daemonset/agent': app, 'cronjob/clean': app,
  }
}

/** Applies as a person would, and waits until all runs. */
async function apply(texts: readonly string[]): Promise<void> {
  const inNamespace = ['-n', site.namespace]
  await must('kubectl', [...inNamespace, 'apply', '-f', '-'], { env: stack.env, input: texts.join('---\n') })
  const items = await get<KubeObject>('deploy,daemonset,statefulset')
  const rolling = items.filter(({ metadata }) => metadata.name !== 'manual')
  await Promise.all(
    rolling.map(({ kind, metadata }) =>
      kubectl(...inNamespace, 'rollout', 'status', `${kind.toLowerCase()}/${metadata.name}`, '--timeout=120s'),
    ),
  )
}

function scale(replicas: number, ...names: readonly string[]): Promise<unknown> {
  return kubectl('-n', site.namespace, 'scale', 'deployment', ...names, `--replicas=${replicas}`)
}

interface Container {
  readonly name: string
  readonly image: string
}

interface PodSpec {
  readonly containers: readonly Container[]
  readonly initContainers?: readonly Container[]
}

interface Meta {
  readonly name: string
  readonly uid: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly deletionTimestamp?: string
}

interface KubeObject {
  readonly kind: string
  readonly metadata: Meta
  readonly data?: unknown
  readonly spec: {
    readonly template?: { readonly spec: PodSpec }
    readonly jobTemplate?: { readonly spec: { readonly template: { readonly spec: PodSpec } } }
  }
}

interface Pod {
  readonly metadata: Meta
  readonly spec: PodSpec
  readonly status: { readonly containerStatuses: readonly { readonly imageID: string }[] }
}

async function get<T>(...what: readonly string[]): Promise<readonly T[]> {
  const list = await kubectlJson<{ items: readonly T[] }>('-n', site.namespace, 'get', ...what)
  return list.items
}

const workloads = 'deploy,statefulset,daemonset,cronjob'

/** All that people decide, object by object; our own history is none of it. */
async function objects() {
  const items = await get<KubeObject>(`${workloads},configmap`)
  const counted = ['deployment.kubernetes.io/revision', 'deprecated.daemonset.template.generation']
  const decided = items.filter(({ metadata }) => !metadata.name.startsWith('django-rollout-'))
  return decided.map(({ kind, metadata: { name, labels, annotations = {} }, spec, data }) => ({
    kind, name, labels, spec, data,
    annotations: Object.fromEntries(Object.entries(annotations).filter(([key]) => !counted.includes(key))),
  }))
}

/** The image of each container, by `kind/name` of the workload. */
async function images() {
  const items = await get<KubeObject>(workloads)
  return Object.fromEntries(
    items.map(({ kind, metadata, spec }) => {
      const template = (spec.template ?? spec.jobTemplate?.spec.template)?.spec
      const all = [...(template?.initContainers ?? []), ...(template?.containers ?? [])]
      return [
        `${kind.toLowerCase()}/${metadata.name}`,
        Object.fromEntries(all.map(({ name, image }) => [name, image])),
      ]
    }),
  )
}

/** The uid of each pod that stays, by its name. */
async function pods(): Promise<Readonly<Record<string, string>>> {
  const items = await get<Pod>('pods')
  return Object.fromEntries(
    items
      .filter(({ metadata }) => !metadata.deletionTimestamp)
      .map(({ metadata }) => [metadata.name, metadata.uid]),
  )
}

/** The tags of our image in the pods of each workload. */
async function runningTags(): Promise<Readonly<Record<string, readonly string[]>>> {
  const items = await get<Pod>('pods')
  const tags: Record<string, string[]> = {}
  for (const { metadata, spec } of items) {
    if (metadata.deletionTimestamp) continue
    const app = metadata.labels?.['app'] ?? ''
    const found = [...spec.containers, ...(spec.initContainers ?? [])].flatMap(
      ({ image }) => new RegExp(`^${ours}:(\\w+)`).exec(image)?.[1] ?? [],
    )
    tags[app] = [...new Set([...(tags[app] ?? []), ...found])].sort()
  }
  return tags
}

/** The causes in `kubectl rollout history`, oldest first. */
async function history(id: string): Promise<readonly string[]> {
  const told = await kubectl('-n', site.namespace, 'rollout', 'history', id)
  return told
    .split('\n')
    .flatMap((line) => /^\d+\s+(.*?)\s*$/.exec(line)?.[1] ?? [])
}
