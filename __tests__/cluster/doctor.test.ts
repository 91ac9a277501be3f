/** `doctor` on a real cluster: what it says of a good place and of a bad one, and that its commands mend it. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { parseAllDocuments } from 'yaml'
import type { Finding } from '../../src/report/finding.js'
import { leastKubeconfig } from '../e2e/account.js'
import { Site } from '../e2e/site.js'
import { kubectl, kubectlJson, must, root, run, stack, type How } from '../e2e/stack.js'
import { seldom } from '../support/seldom.js'

let shop: Site
/** Where the command is found by its name. */
let bin: string

beforeAll(async () => {
  shop = await Site.make('doctor')
  await kubectl('-n', shop.namespace, 'delete', 'rolebinding', 'django-rollout-more')
  bin = join(dirname(shop.folder), 'bin')
  await mkdir(bin)
  await symlink(join(root, 'dist/cli/index.js'), join(bin, 'django-rollout'))
})

afterAll(() => shop.remove())

/** As a person calls it; what is not good, as `topic: sentence`. */
async function doctor(options: Readonly<Record<string, string>> = {}, how: How = {}) {
  const { image, namespace } = shop
  const ended = await shop.cli('doctor', { image, namespace, ...options }, how)
  const findings = ended.report.findings ?? []
  return { ...ended, findings, told: told(findings) }
}

const told = (findings: readonly Finding[]) =>
  findings.filter(({ severity }) => severity !== 'ok').map(({ about, message }) => `${about}: ${message}`)

test('doctor finds no error in a healthy namespace, and writes nothing', async () => {
  const docker = join(dirname(shop.folder), 'docker')
  await mkdir(docker)
  await symlink(join(stack.env['DOCKER_CONFIG'] ?? '', 'cli-plugins'), join(docker, 'cli-plugins'))
  await writeFile(join(docker, 'config.json'), '{"auths":{}}')
  const all = async () => [
    await shop.state(),
    await shop.leftovers(),
    await shop.git('status', '--porcelain', '--ignored'),
    await readFile(join(docker, 'config.json'), 'utf8'),
  ]
  const before = await all()
  const login = { 'registry-username': 'ada', 'registry-password': 'secret' }
  const { code, told, output, report } = await doctor(
    { manifests: 'k8s', ...login },
    { env: { DOCKER_CONFIG: docker } },
  )

  expect({ code, told, result: report.result }).toEqual({ code: 0, told: [], result: 'done' })
  expect(output).toMatch(/✓ Kubernetes v1\.\d+\.\d+\S*, context least, namespace t-doctor-/)
  expect(output).toMatch(/✓ the account system:serviceaccount:\S+:django-rollout may do everything/)
  expect(output).toMatch(/✓ deployment\/web \(container web\) serves the web/)
  expect(output).toMatch(/: nothing would go wrong \(\d+\.\d s\)\n$/)
  expect(await all()).toEqual(before)
})

test('doctor finds what the migration of a release would lack', async () => {
  const needs = { 'backup-cronjob': 'nightly', 'migrate-manifest': 'migrate.yaml' }
  const { code, told } = await doctor({ manifests: 'k8s', ...needs })
  expect(code).toBe(1)
  expect(told).toEqual([
    'workloads: migrate.yaml: there is no such file',
    `workloads: "backup-cronjob" names cronjob/nightly, but the namespace ${shop.namespace} has no such CronJob`,
  ])
})

describe('doctor reports a cluster that it cannot reach once, and everything else as usual', () => {
  test.each<[string, (text: string) => string, Record<string, string>, RegExp]>([
    ['no server', (text) => text.replace(/"server":"[^"]+"/, '"server":"https://127.0.0.1:9"'), {}, /the cluster does not answer: .*refused/],
    ['no such token', (text) => text.replace(/"token":"[^"]+"/, '"token":"x"'), {}, /the cluster does not answer: .*(Unauthorized|provide credentials)/],
    ['no such context', (text) => text, { 'kube-context': 'prod' }, /the cluster does not answer: context "prod" does not exist/],
  ])('with %s', async (_, change, options, says) => {
    const kubeconfig = change(await leastKubeconfig(shop.namespace))
    const { code, told, findings } = await doctor({ kubeconfig: `${kubeconfig}\n`, ...options })

    expect(code).toBe(1)
    expect(told).toEqual([
      expect.stringMatching(says),
      'cluster: skipped because of the findings above: rights, workloads, probes and release',
    ])
    expect(findings.map(({ about }) => about)).toEqual(expect.arrayContaining(['tools', 'commit', 'registry']))
  })
})

test('doctor tells a missing docker from a missing engine', async () => {
  const { told } = await doctor({ manifests: 'k8s' }, { env: { DOCKER_HOST: 'tcp://127.0.0.1:9' } })
  expect(told).toEqual(['tools: no Docker engine answers at tcp://127.0.0.1:9'])
})

test('doctor reports each error of a broken namespace, and its printed commands fix them word for word', async () => {
  await must('docker', ['tag', 'python:3.13-slim', `${shop.image}:v1`], { env: stack.env })
  await must('docker', ['push', '--quiet', `${shop.image}:v1`], { env: stack.env })
  await kubectl(
    ...['-n', shop.namespace, 'patch', 'role', 'django-rollout', '--type=json', '-p'],
    '[{"op": "replace", "path": "/rules/0/verbs", "value": ["get", "list", "watch", "create", "update", "delete"]}]',
  )
  const file = join(dirname(shop.folder), 'bad.yaml')
  await writeFile(file, await badPlace())
  await kubectl('-n', shop.namespace, 'apply', '-f', file)
  await rm(join(shop.folder, '.dockerignore'))
  await kubectl('-n', shop.namespace, 'rollout', 'status', 'deployment/beat', '--timeout=60s')
  const ended = 'jsonpath={.status.containerStatuses[0].lastState.terminated.exitCode}=1'
  const wait = ['wait', 'pods', '--selector=app=worker', `--for=${ended}`, '--timeout=60s']
  await kubectl('-n', shop.namespace, ...wait)

  const bad = await doctor()
  expect(bad.code).toBe(1)
  expect(bad.told).toEqual([
    expect.stringMatching(/^commit: there are uncommitted changes, so the tag of the image is/),
    'commit: there is no .dockerignore in ".": the builder receives .git, and a COPY of the folder includes it in the image',
    `rights: the account system:serviceaccount:${shop.namespace}:django-rollout may not patch deployments in the namespace "${shop.namespace}": an administrator must grant it`,
    "workloads: deployment/beat, container beat: the old and the new Celery beat run side by side for a moment in each release, so tasks that are due then are sent twice: set strategy: Recreate",
    'workloads: deployment/web is paused, so a new version would never roll out',
    'workloads: deployment/web has revisionHistoryLimit: 0, so Kubernetes keeps no earlier version, and "kubectl rollout undo" cannot work',
    'workloads: deployment/web may lose its only pod while the new one starts (maxUnavailable: 1): there is downtime until then',
    'workloads: deployment/worker, container worker: a Celery task that takes longer than 30 s is killed by each release (terminationGracePeriodSeconds)',
    "workloads: Celery's beat runs 2 times (deployment/beat), so every scheduled task is sent that often",
    'workloads: deployment/web, container web has imagePullPolicy: Always, so none of its pods can start while the registry is unavailable, although a release pins the image by its digest',
    "workloads: deployment/worker is unhealthy before the release: worker: ModuleNotFoundError: No module named 'shop.tasks'",
    'probes: deployment/web, container web has no readinessProbe: its new pods receive requests before they can answer, and a rollout counts them as Ready at once',
    expect.stringMatching(/^release: the release of v0 by ada, started at 2026-01-31T12:00:00.000Z, has not ended/),
  ])
  expect(bad.output).toMatch(/: 2 things would go wrong, 11 warnings \(/)

  const mending = bad.findings.filter(
    ({ severity, message, fix }) => severity !== 'ok' && fix && !/uncommitted|unhealthy/.test(message),
  )
  expect(mending).toHaveLength(11)
  for (const { fix = '' } of mending) {
    // As they stand in the log, too: each line is indented.
    expect(bad.output).toContain(fix.replace(/^/gm, '    '))
    const typed = await run('bash', ['-c', fix.replace(/^/gm, '    ')], {
      cwd: shop.folder,
      env: { ...stack.env, PATH: `${bin}:${stack.env['PATH'] ?? ''}` },
    })
    // What `recover` has put back was no success of that release.
    expect({ code: typed.code, mend: fix, output: typed.output }).toMatchObject({
      code: fix.startsWith('django-rollout recover') ? 1 : 0,
    })
  }
  const mended = await doctor()
  expect(mended.code).toBe(0)
  const left = mended.told.filter((line) => !/uncommitted changes|is unhealthy before/.test(line))
  expect(left).toEqual([])
})

seldom('a release reports the same errors before it changes anything', async () => {
  const { namespace } = shop
  await kubectl('-n', namespace, 'delete', 'deployment', 'worker')
  const unlimited = ['patch', 'deployment/web', '--patch', '{"spec":{"revisionHistoryLimit":0}}']
  await kubectl('-n', namespace, ...unlimited)
  const next = ['build', '--quiet', '--tag', `${shop.image}:v2`, '-']
  await must('docker', next, { env: stack.env, input: 'FROM python:3.13-slim\nLABEL version=2\n' })
  await must('docker', ['push', '--quiet', `${shop.image}:v2`], { env: stack.env })
  const { code, report, output } = await shop.deploy('v2', { 'migrate-command': 'none' })

  expect({ code, result: report.result, output }).toMatchObject({ code: 0, result: 'deployed' })
  expect(report.warnings).toEqual([
    expect.stringMatching(/^deployment\/web has revisionHistoryLimit: 0, so /),
  ])
  const says = `warning: ${report.warnings[0] ?? ''}`
  expect(output.indexOf(says)).toBeLessThan(output.indexOf('▸ rollout'))
  expect(output.split(says)).toHaveLength(3)
})

/** A web that is paused and has no probe, a worker that cannot start, two beats, and a release that was left. */
async function badPlace(): Promise<string> {
  const labels = (name: string) => ({ labels: { app: name } })
  const deployment = (name: string, container: object, spec: object) => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: {
      ...spec,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: labels(name),
        spec: { containers: [{ name, image: `${shop.image}:v1`, ...container }] },
      },
    },
  })
  const shell = (script: string, ...words: readonly string[]) => ({
    command: ['sh', '-c', script, ...words],
  })
  const begun = {
    run: 'gone', command: 'deploy', who: 'ada', at: '2026-01-31T12:00:00.000Z',
    image: shop.image, tag: 'v0', digest: `sha256:${'0'.repeat(64)}`,
  }
  const timeouts = { timeout: 600_000, grace: {} }
  const roots = ['-n', shop.namespace, 'get', 'configmap', 'kube-root-ca.crt']
  const { metadata } = await kubectlJson<{ metadata: { uid: string } }>(...roots)
  const open = { begun, namespace: { roots: metadata.uid }, timeouts, snapshot: [] }
  const record = gzipSync(JSON.stringify(open)).toString('base64')
  const failing = "raise ModuleNotFoundError(\"No module named 'shop.tasks'\")"
  const items = [
    deployment(
      'web',
      {
        command: ['python', '-m', 'http.server', '8000'],
        imagePullPolicy: 'Always',
        ports: [{ name: 'http', containerPort: 8000 }],
      },
      {
        replicas: 1, paused: true, revisionHistoryLimit: 0,
        strategy: { rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } },
      },
    ),
    deployment('worker', { command: ['python', '-c', failing, 'celery', 'worker'] }, {}),
    deployment('beat', shell('exec sleep 3600', 'celery', 'beat'), { replicas: 2 }),
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web' },
      spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 'http' }] },
    },
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: {
        name: 'django-rollout-shop',
        labels: { 'app.kubernetes.io/managed-by': 'django-rollout' },
      },
      data: { record },
    },
  ]
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
}

describe('the rules of examples/rbac.yaml', () => {
  interface Rule {
    readonly resources: readonly string[]
    readonly resourceNames?: readonly string[]
    readonly verbs: readonly string[]
  }
  const rightsOf = ({ resources, verbs, resourceNames = ['*'] }: Rule) =>
    resources.flatMap((resource) =>
      verbs.flatMap((verb) => resourceNames.map((name) => ({ verb, resource, name }))),
    )
  type Right = ReturnType<typeof rightsOf>[number]
  const holds = (all: readonly Right[], { verb, resource, name }: Right) =>
    all.some((one) => one.verb === verb && one.resource === resource && ['*', name].includes(one.name))
  let rules: readonly Rule[]
  let kinds: string

  beforeAll(async () => {
    // The mends of the tests above have granted more, in Roles of their own.
    const bindings = await kubectl('-n', shop.namespace, 'get', 'rolebindings', '-o', 'name')
    const others = bindings.split('\n').filter((name) => name.includes("django-rollout-"))
    for (const name of others) await kubectl('-n', shop.namespace, 'delete', name)
    const documents = parseAllDocuments(await readFile(join(root, 'examples/rbac.yaml'), 'utf8'))
    const objects = documents.map((one) => one.toJS() as { kind: string; rules: readonly Rule[] })
    rules = objects.find(({ kind }) => kind === 'Role')?.rules ?? []
    expect(rules.length).toBeGreaterThan(0)
    kinds = join(dirname(shop.folder), 'kinds.yaml')
    const pod = (image: string, restartPolicy: string) =>
      `{ metadata: { labels: { app: agent } }, spec: { restartPolicy: ${restartPolicy}, containers: [{ name: a, image: "${image}" }] } }`
    await writeFile(
      kinds,
      `apiVersion: apps/v1
kind: DaemonSet
metadata: { name: agent }
spec: { selector: { matchLabels: { app: agent } }, template: ${pod('pause', 'Always')} }
---
apiVersion: batch/v1
kind: Job
metadata: { name: seed }
spec: { template: ${pod(shop.image, 'Never')} }
`,
    )
  })

  afterAll(() => allow(rules))

  const allow = (rules: readonly Rule[]) => {
    const patch = JSON.stringify([{ op: 'replace', path: '/rules', value: rules }])
    return kubectl('-n', shop.namespace, 'patch', 'role', 'django-rollout', '--type=json', '-p', patch)
  }

  /** What doctor says that these rules lack, `patch deployments` each. */
  async function lacking(rules: readonly Rule[], manifests: string): Promise<readonly string[]> {
    await allow(rules)
    const { told } = await doctor({ manifests, 'smoke-path': '/healthz/' })
    const words = told.flatMap((one) => /^rights: .* may not (.*) in the namespace/.exec(one)?.[1] ?? [])
    return words
      .flatMap((all) => all.split('; '))
      .flatMap((one) => {
        const [, verbs = '', resource = ''] = /^(.*) (\S+)$/.exec(one) ?? []
        return verbs.split(', ').map((verb) => `${verb} ${resource}`)
      })
  }

  // Without them a claim that the web mounts counts as one of a single node, a release warns that its record is old,
  // a copy of the namespace is not told from it, and the migration's pod is let in where no policy knows the web by
  // the labels of its Service.
  const better = [
    'get persistentvolumeclaims *', 'update secrets django-rollout-shop', 'get configmaps kube-root-ca.crt',
    'list networkpolicies *', 'list poddisruptionbudgets *',
  ]

  async function isNeeded(rule: Rule): Promise<void> {
    const left = rules.filter((one) => one !== rule)
    const granted = left.flatMap(rightsOf)
    const gone = rightsOf(rule).filter(
      (right) => !holds(granted, right) && !better.includes(`${right.verb} ${right.resource} ${right.name}`),
    )
    const needed = new Set(gone.map(({ verb, resource }) => `${verb} ${resource}`))
    expect([...(await lacking(left, `k8s\n${kinds}`))].sort()).toEqual([...needed].sort())
  }

  test('are enough, and the last one is needed for manifests alone', async () => {
    expect(await lacking(rules.slice(0, -1), '')).toEqual([])
    expect(await lacking(rules, `k8s\n${kinds}`)).toEqual([])
    for (const rule of rules.slice(-1)) await isNeeded(rule)
  })

  seldom('are all needed, and a release without one is refused with its name', async () => {
    for (const rule of rules.slice(0, -1)) await isNeeded(rule)
  })
})
