/** Configuration that a release changes is what its pods run with afterwards; what finds pods goes on finding them. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Site } from '../e2e/site.js'
import { kubectl, kubectlJson, must, stack } from '../e2e/stack.js'
import { seldom } from '../support/seldom.js'

let site: Site

beforeAll(async () => {
  site = await Site.make('config')
  await push('v1')
  await push('v2', 'sys.exit("this version is broken")')
  await write({ password: 'one', mode: 'one' })
  await must('kubectl', ['-n', site.namespace, 'apply', '-f', '-'], {
    env: stack.env,
    input: [...live('v1'), ...configuration({ password: 'zero', mode: 'zero' })].join('---\n'),
  })
  for (const id of workloads) await kubectl('-n', site.namespace, 'rollout', 'status', id, '--timeout=120s')
  // From here on every template names the digest.
  expect((await deploy('v1')).report.result).toBe('deployed')
})

afterAll(() => site.remove())

test('only the workloads that read a changed value are replaced, each once', async () => {
  const before = { sets: await sets(), idle: await site.pods('idle') }
  await write({ password: 'two', mode: 'two' })
  const { report, output } = await deploy('v1')
  expect({ result: report.result, output }).toMatchObject({ result: 'deployed' })
  expect(output).toContain('deployment/web restarts: secret/shop has changed')
  expect(output).toContain('statefulset/queue restarts: configmap/shop has changed')

  expect(await read('deploy/web', 'printenv', 'PASSWORD')).toBe('two')
  expect(await read('queue-0', 'cat', '/mode')).toBe('two')
  expect(await site.pods('idle')).toEqual(before.idle)
  expect(await sets()).toBe(before.sets + 1)
  expect((await deploy('v1')).report.result).toBe('unchanged')
})

/** A release that changes the values and fails. */
async function fails(tag: string, options: Readonly<Record<string, string>> = {}): Promise<void> {
  const before = await site.state()
  await write({ password: 'three', mode: 'three' })
  const { report, output } = await deploy(tag, options)
  await write({ password: 'two', mode: 'two' })
  expect({ result: report.result, output }).toMatchObject({ result: 'undone' })
  expect(await site.state()).toEqual(before)
  expect(await read('deploy/web', 'printenv', 'PASSWORD')).toBe('two')
}

test('the pods have the previous values again after a version that does not start', () => fails('v2'))

test('the pods have the previous values again after the same image, which gives no good answer', () =>
  fails('v1', { 'smoke-path': '/missing', 'smoke-timeout': '2s' }),
)

test('doctor reports a Secret that was changed by hand, and no other object', async () => {
  const patch = JSON.stringify({ stringData: { PASSWORD: 'four' } })
  // A pod of the version that was taken back may still be ending: it has no such time.
  const pods = await kubectlJson<Pods>('-n', site.namespace, 'get', 'pods', '-l', 'app=web')
  const started = pods.items.flatMap(({ status: { containerStatuses = [] } }) =>
    containerStatuses.flatMap(({ state: { running } }) => (running ? Date.parse(running.startedAt) : [])),
  )
  expect(started).toContainEqual(expect.any(Number))
  // doctor allows for clocks that differ by 5 s.
  const early = Math.max(...started) + 7_000 - Date.now()
  if (early > 0) await new Promise((resolve) => setTimeout(resolve, early))
  await kubectl('-n', site.namespace, 'patch', 'secret', 'shop', '--patch', patch)
  const { output } = await site.cli('doctor', { image: site.image, namespace: site.namespace, tag: 'v1' })
  expect(output).toContain(
    'deployment/web: secret/shop changed after the start of its pods, which may still use the old values',
  )
  expect(output).toContain('rollout restart deployment/web')
  expect(output).not.toContain('statefulset/queue: secret/shop')
})

test('a Service that would lose its pods during the rollout is refused before any write', async () => {
  const before = await site.state()
  await site.commit('Other labels', {
    'release/web.yaml': workload('Deployment', 'web', 'shop', web, 'app: web, tier: back'),
    'release/service.yaml': service('tier: back'),
  })
  const { code, report } = await deploy('v1')
  expect({ code, cause: report.cause }).toMatchObject({
    code: 1,
    cause: {
      code: 'selector-conflict',
      sentence: expect.stringContaining('service/web changes together with the pods of deployment/web') as unknown as string,
    },
  })
  expect(await site.state()).toEqual(before)
})

seldom('an Ingress that leads nowhere is refused, and a selector without pods is a warning, in doctor too', async () => {
  const before = await site.state()
  const owner = { env: { KUBECONFIG: stack.kubeconfig } }
  const ingress = (backend: string) =>
    `{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web}, spec: {defaultBackend: {service: {name: ${backend}}}}}\n`
  const policy = (name: string, spec: string) =>
    `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: ${name}}, spec: {${spec}}}\n`
  const routes = (backend: string) => ({
    'release/web.yaml': workload('Deployment', 'web', 'shop', web, 'app: web, tier: front'),
    'release/service.yaml': service('tier: front'),
    'release/routes.yaml': [
      ingress(backend),
      policy('none', 'podSelector: {}'),
      policy('queue', 'podSelector: {matchLabels: {app: queue}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]'),
      policy('idle', 'podSelector: {matchLabels: {app: idle}}, ingress: [{from: [{podSelector: {matchLabels: {app: wbe}}}]}]'),
      '{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: web}, spec: {maxUnavailable: 1, selector: {matchLabels: {app: wbe}}}}\n',
    ].join('---\n'),
  })
  const backends = [
    ['wbe, port: {number: 80}', 'ingress/web leads to service/wbe, which exists neither in the cluster nor in the manifests'],
    ['web, port: {number: 8080}', 'ingress/web leads to port 8080 of service/web, which has 80'],
  ] as const
  for (const [backend, sentence] of backends) {
    await site.commit('Routes', routes(backend))
    const { code, report } = await site.deploy('v1', { manifests: 'release', 'migrate-command': 'none' }, owner)
    expect({ code, cause: report.cause }).toMatchObject({ code: 1, cause: { code: 'selector-conflict', sentence } })
  }
  await site.commit('Routes', routes('web, port: {number: 80}'))
  const options = { image: site.image, namespace: site.namespace, tag: 'v1', manifests: 'release' }
  const { output } = await site.cli('doctor', options, owner)
  expect(output).toContain('networkpolicy/idle admits no pod after this release')
  expect(output).toContain('poddisruptionbudget/web protects no pod after this release')
  expect(output).not.toMatch(/networkpolicy\/(none|queue)|ingress\/web/)
  expect(await site.state()).toEqual(before)
})

interface Pods {
  readonly items: readonly {
    readonly status: {
      readonly containerStatuses?: readonly { readonly state: { readonly running?: { readonly startedAt: string } } }[]
    }
  }[]
}

const workloads = ['deployment/web', 'statefulset/queue', 'deployment/idle']

function deploy(tag: string, options: Readonly<Record<string, string>> = {}) {
  return site.deploy(tag, { manifests: 'release', 'migrate-command': 'none', bake: '1s', ...options })
}

async function read(of: string, ...command: readonly string[]): Promise<string> {
  return (await kubectl('-n', site.namespace, 'exec', of, '--', ...command)).trim()
}

/** How many pod templates web has had. */
async function sets(): Promise<number> {
  const names = await kubectl('-n', site.namespace, 'get', 'replicasets', '-l', 'app=web', '-o', 'name')
  return names.trim().split('\n').length
}

async function push(tag: string, first = ''): Promise<void> {
  const folder = join(dirname(site.folder), 'image')
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'Dockerfile'), 'FROM python:3.13-slim\nCOPY run.py /run.py\nCMD ["python", "/run.py"]\n')
  await writeFile(
    join(folder, 'run.py'),
    `import http.server, os, signal, sys
# Of ${site.namespace}
${first}
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(404 if self.path == "/missing" else 200)
        self.end_headers()
http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()
`,
  )
  const image = `${site.image}:${tag}`
  await must('docker', ['build', '--quiet', '--tag', image, folder], { env: stack.env })
  await must('docker', ['push', '--quiet', image], { env: stack.env })
}

interface Values {
  readonly password: string
  readonly mode: string
}

const configuration = ({ password, mode }: Values) => [
  `{apiVersion: v1, kind: Secret, metadata: {name: shop}, stringData: {PASSWORD: ${password}}}\n`,
  `{apiVersion: v1, kind: ConfigMap, metadata: {name: shop}, data: {mode: ${mode}}}\n`,
]

async function write(values: Values): Promise<void> {
  await site.commit('Configuration', { 'release/configuration.yaml': configuration(values).join('---\n') })
}

const web = 'env: [{name: PASSWORD, valueFrom: {secretKeyRef: {name: shop, key: PASSWORD}}}]'
const queue = 'volumeMounts: [{name: files, mountPath: /mode, subPath: mode}]'
const idle = 'volumeMounts: [{name: files, mountPath: /etc/shop}]'

const workload = (kind: string, name: string, image: string, reads: string, labels = `app: ${name}`) => `
apiVersion: apps/v1
kind: ${kind}
metadata: {name: ${name}}
spec:
  ${kind === 'StatefulSet' ? `serviceName: ${name}` : ''}
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {${labels}}}
    spec:
      terminationGracePeriodSeconds: 1
      volumes: [{name: files, configMap: {name: shop}}]
      containers:
        - name: ${name}
          image: '${image}'
          ports: [{containerPort: 8000}]
          readinessProbe: {tcpSocket: {port: 8000}, periodSeconds: 1, timeoutSeconds: 10}
          ${reads}
`

const service = (labels: string) =>
  `{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {${labels}}, ports: [{port: 80, targetPort: 8000}]}}\n`

const live = (tag: string): readonly string[] => {
  const image = `${site.image}:${tag}`
  return [
    workload('Deployment', 'web', image, web, 'app: web, tier: front'),
    workload('StatefulSet', 'queue', image, queue),
    workload('Deployment', 'idle', image, idle),
    service('tier: front'),
  ]
}
