/** What ran is what counts: by the digest of the pods, with the command and environment of then. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { at } from '../e2e/moment.js'
import { Site, type Released } from '../e2e/site.js'
import { kubectl, must, stack, type How } from '../e2e/stack.js'

let site: Site
let ours: string

beforeAll(async () => {
  site = await Site.make('ran')
  ours = `${stack.registry}/${site.namespace}/plain`
  await push('v1', 'one')
  await push('v2', 'two')
  await apply(workloads('v1'))
  await ready()
})

afterAll(() => site.remove())

describe('the image that is already running', () => {
  test('is not recorded when another one goes live while its release waits for the lock', async () => {
    const inside = (...args: readonly string[]) => kubectl('-n', site.namespace, ...args)
    await must('kubectl', ['-n', site.namespace, 'create', '-f', '-'], { env: stack.env, input: lease })
    const { how, done } = at(/another release is in progress: ada/, async () => {
      await inside('set', 'image', 'deployment/web', `*=${ours}:v2`)
      await ready()
      await inside('patch', 'lease', 'django-rollout-plain', '--patch={"spec": {"holderIdentity": ""}}')
    })
    const { code, report, output } = await cli('deploy', { tag: 'v1' }, how)
    await done()
    expect({ code, cause: report.cause?.code, output }).toMatchObject({ code: 5, cause: 'stale-commit' })
    expect(await container('{.image}')).toBe(`${ours}:v2`)
    expect((await cli('history', {})).output).not.toContain('found')
    await inside('set', 'image', 'deployment/web', `*=${ours}:v1`)
    await ready()
  })

  test('is not rolled out when it is released for the first time, and is reported to have no digest', async () => {
    const before = await objects()
    const { code, report, output } = await cli('deploy', { tag: 'v1' })
    expect({ code, result: report.result, output }).toMatchObject({ code: 0, result: 'unchanged' })
    expect(await objects()).toBe(before)
    expect(report.warnings.join('\n')).toContain(`names ${ours}:v1 without a digest`)
    expect((await cli('history', {})).output).toMatch(/^\* +1 .* v1 +found/m)
  })

  test('is rolled out when its tag has moved since', async () => {
    await must('docker', ['tag', `${ours}:v2`, `${ours}:v1`], { env: stack.env })
    await must('docker', ['push', '--quiet', `${ours}:v1`], { env: stack.env })
    const { report, output } = await cli('deploy', { tag: 'v1' })
    expect({ result: report.result, output }).toMatchObject({ result: 'deployed' })
  })

  test('is restored by a rollback, even after another client has set another image by hand', async () => {
    const moved = await container('{.image}')
    await deployed(await cli('rollback', {}))
    const runs = await container('{.image}')
    expect(runs).not.toBe(moved)
    await kubectl('-n', site.namespace, 'set', 'image', 'deployment/web', 'cronjob/clean', `*=${ours}:v2`)
    await ready()
    await deployed(await cli('rollback', {}))
    expect(await container('{.image}')).toBe(runs)
    expect((await cli('history', {})).output).toMatch(/ 4 .* found .*back to 2/)
  })
})

describe('a rollback', () => {
  const env = '[{name: A, valueFrom: {configMapKeyRef: {name: settings, key: a}}}]'

  test('to the same image with another command keeps what other clients have set since', async () => {
    await kubectl('-n', site.namespace, 'create', 'configmap', 'settings', '--from-literal=a=1')
    await manifest(workload('v1', `command: [sh, -c, 'test "$A" = 1 && exec sleep 3600']\n          env: ${env}`))
    await deployed(await cli('deploy', { tag: 'v1', manifests: 'plain.yaml' }))
    await manifest(workload('v1', `command: [sleep, "7200"]`))
    await deployed(await cli('deploy', { tag: 'v1', manifests: 'plain.yaml' }))
    await kubectl('-n', site.namespace, 'set', 'env', 'deployment/web', 'HAND=1')
    await ready()

    const dry = await cli('rollback', { 'dry-run': 'true' })
    expect(dry.output).toContain('deployment/web gets its template of release 6: web: command, env A')
    expect(dry.output).toContain('deployment/web was changed since the last release: web: env HAND (kept)')
    await deployed(await cli('rollback', {}))
    expect(await container('{.command[0]} {.env[*].name}')).toBe('sh A HAND')
  })

  test('that does not become ready is undone, and the current template is restored', async () => {
    await deployed(await cli('rollback', { to: '7' }))
    await settings('{"op": "replace", "path": "/data/a", "value": "2"}')
    const before = await template()
    const { report, output } = await cli('rollback', { to: '6' })
    expect({ result: report.result, output }).toMatchObject({ result: 'undone' })
    expect(await template()).toBe(before)
  })

  test('to a template whose ConfigMap has lost its key is refused before any write', async () => {
    await settings('{"op": "remove", "path": "/data/a"}')
    const before = await objects()
    const { code, report, output } = await cli('rollback', { to: '6' })
    expect({ code, cause: report.cause?.code, output }).toMatchObject({ code: 1, cause: 'config-missing' })
    expect(report.cause?.sentence).toContain('needs the key "a" of configmap/settings')
    expect(await objects()).toBe(before)
  })
})

test('an image that the registry has lost is reported by doctor and by a release, and refused by a rollback', async () => {
  await push('v3', 'three')
  const runs = await container('{.image}')
  const lost = `http://${stack.registry}/v2/${site.namespace}/plain/manifests/${runs.split('@')[1] ?? ''}`
  expect((await fetch(lost, { method: 'DELETE' })).status).toBe(202)
  const said = `the registry no longer has ${runs}`

  const { image, namespace } = { image: ours, namespace: site.namespace }
  expect((await site.cli('doctor', { image, namespace })).output).toContain(said)
  const released = await cli('deploy', { tag: 'v3' })
  await deployed(released)
  expect(released.report.warnings.join('\n')).toContain(said)
  const before = await objects()
  const back = await cli('rollback', {})
  expect(back).toMatchObject({ code: 1, report: { cause: { code: 'image-missing' } } })
  expect(await objects()).toBe(before)
})

const cli = (command: string, options: Readonly<Record<string, string>>, how: How = {}) =>
  site.cli(
    command,
    {
      image: ours, namespace: site.namespace,
      ...(command !== 'history' && { bake: '1s' }),
      ...(command === 'deploy' && { 'migrate-command': 'none' }),
      ...options,
    },
    how,
  )

async function deployed({ report, output }: Released): Promise<void> {
  if (report.result !== 'deployed') throw new Error(output)
  return Promise.resolve()
}

/** The lock, held by another run. */
const lease = `apiVersion: coordination.k8s.io/v1
kind: Lease
metadata:
  name: django-rollout-plain
  labels: {app.kubernetes.io/managed-by: django-rollout}
  annotations: {django-rollout/holder: ada}
spec: {holderIdentity: another-run, leaseDurationSeconds: 30}
`

/** A workload with pods, and one without. */
const workloads = (tag: string) => `${workload(tag, 'command: [sleep, "3600"]')}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: clean}
spec:
  schedule: '0 0 1 1 *'
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: clean, image: '${ours}:${tag}'}]}}}}
`

const workload = (tag: string, more: string) => `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - name: web
          image: '${ours}:${tag}'
          ${more}
`

async function apply(text: string): Promise<void> {
  await must('kubectl', ['-n', site.namespace, 'apply', '-f', '-'], { env: stack.env, input: text })
}

const manifest = (text: string) => writeFile(join(site.folder, 'plain.yaml'), text)

const ready = () =>
  kubectl('-n', site.namespace, 'rollout', 'status', 'deployment/web', '--timeout=120s')

const objects = () =>
  kubectl('-n', site.namespace, 'get', 'deployment/web', 'cronjob/clean', '-o', 'jsonpath={.items[*].metadata.generation} {.items[*].metadata.annotations}')

const template = () =>
  kubectl('-n', site.namespace, 'get', 'deployment/web', '-o', 'jsonpath={.spec.template}')

const settings = (patch: string) =>
  kubectl('-n', site.namespace, 'patch', 'configmap', 'settings', '--type=json', '--patch', `[${patch}]`)

const container = async (path: string) =>
  kubectl('-n', site.namespace, 'get', 'deployment/web', '-o', `jsonpath=${path.replaceAll('{.', '{.spec.template.spec.containers[0].')}`)

const push = (tag: string, text: string) => site.pushImage(tag, `ENV TEXT=${text}`, [ours])
