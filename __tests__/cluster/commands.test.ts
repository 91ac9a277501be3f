/** Commands before and after a rollout, in Jobs of the new version. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Pod } from 'kubernetes-types/core/v1'
import { catalogMigration, Site } from '../e2e/site.js'
import { kubectl, must, stack } from '../e2e/stack.js'
import { startWebhook } from '../e2e/webhook.js'
import { seldom } from '../support/seldom.js'

let shop: Site
let tag: string

const prints = (text: string) => `python manage.py shell -c "print('${text}')"`
const fails = 'python manage.py no_such_command'

beforeAll(async () => {
  shop = await Site.make('commands')
  const web = await readFile(join(shop.folder, 'k8s/web.yaml'), 'utf8')
  const profile = 'runAsNonRoot: true\n        seccompProfile: { type: RuntimeDefault }'
  tag = await shop.commit('First', { 'k8s/web.yaml': web.replace('runAsNonRoot: true', profile) })
})

afterAll(() => shop.remove())

test('commands run one after the other, before the rollout and after it', async () => {
  const released = await shop.release({
    bake: '0',
    'before-rollout': `${prints('before')}\npython manage.py check`,
    'after-rollout': prints('after'),
  })
  expect(released).toMatchObject({
    code: 0,
    report: {
      result: 'deployed',
      commands: [
        { when: 'before-rollout', command: 'line 1', ended: 'done' },
        { when: 'before-rollout', command: 'python manage.py check', ended: 'done' },
        { when: 'after-rollout', command: 'line 1', ended: 'done' },
      ],
      warnings: [],
    },
  })
  const stages = released.report.stages.map(({ name }) => name)
  expect(stages.filter((name) => /migrate|rollout/.test(name))).toEqual([
    'migrate',
    'before-rollout',
    'rollout',
    'after-rollout',
  ])
  expect(released.output).toMatch(/^.*\bbefore$[^]*no issues[^]*^.*\bafter$/m)
})

test('a command before the rollout that fails leaves the workloads as they were', async () => {
  const before = await shop.state()
  await shop.commit('Second', { 'README.md': 'Second\n' })
  const failed = await shop.release({ bake: '0', 'before-rollout': `${fails}\n${prints('next')}` })
  expect(failed).toMatchObject({
    code: 1,
    report: {
      result: 'failed',
      cause: {
        code: 'command-failed',
        sentence: expect.stringMatching(/^before-rollout \(python manage\.py no_such_command\) failed: /),
        logs: [{ lines: expect.arrayContaining([expect.stringContaining('Unknown command')]) }],
      },
      commands: [{ ended: 'failed' }],
    },
  })
  expect(failed.output).not.toContain('next\n')
  expect(await shop.state()).toEqual(before)
  expect(await shop.leftovers()).toEqual([])
  expect(new Set(Object.values(await shop.tags()))).toEqual(new Set([tag]))
})

test('a command after the rollout that fails is a warning, and nothing runs when nothing is released', async () => {
  const options = { bake: '0', 'after-rollout': `${fails}\n${prints('next')}` }
  const released = await shop.release(options)
  expect(released).toMatchObject({
    code: 0,
    report: {
      result: 'deployed',
      commands: [{ when: 'after-rollout', ended: 'failed' }],
      warnings: [
        expect.stringMatching(/^after-rollout \(.*\) failed: .* The new version is live and stays$/),
      ],
    },
  })
  const again = await shop.release(options)
  expect(again).toMatchObject({ code: 0, report: { result: 'unchanged' } })
  expect(again.report.commands).toBeUndefined()
})

test('a migration runs in the Job of a manifest of its own', async () => {
  await shop.commit('A migration that reads its environment', {
    'deploy/migrate.yaml': `apiVersion: batch/v1
kind: Job
metadata: { name: migrate }
spec:
  template:
    spec:
      containers:
        - name: migrate
          command: [python, manage.py, migrate]
          envFrom: [{ configMapRef: { name: shop-config } }, { secretRef: { name: shop-secrets } }]
          env: [{ name: OWN, value: from the manifest }]
`,
    'catalog/migrations/0003_own.py': `import os

from django.db import migrations


def show(apps, editor):
    print(os.environ["OWN"])


class Migration(migrations.Migration):
    dependencies = [("catalog", "0002_product_weight_grams")]

    operations = [migrations.RunPython(show, migrations.RunPython.noop)]
`,
  })
  const released = await shop.release({ bake: '0', 'migrate-manifest': 'deploy/migrate.yaml' })
  expect(released).toMatchObject({
    code: 0,
    report: { result: 'deployed', migrations: ['catalog.0003_own'], warnings: [] },
  })
  expect(released.output).toContain('created from deploy/migrate.yaml')
  expect(released.output).toContain('from the manifest')

  const missing = await shop.release({ bake: '0', 'migrate-manifest': 'deploy/none.yaml' })
  expect(missing).toMatchObject({
    report: {
      cause: { code: 'manifest-invalid', sentence: 'deploy/none.yaml: there is no such file' },
    },
  })
})

seldom('the pod of a Job gets no requests and is counted nowhere, or is not Ready where a policy requires its labels', async () => {
  const own = (...args: readonly string[]) => kubectl('-n', shop.namespace, ...args)
  const apply = (...objects: readonly object[]) =>
    must('kubectl', ['-n', shop.namespace, 'apply', '-f', '-'], { env: stack.env, input: objects.map((one) => JSON.stringify(one)).join('\n---\n') })
  const untilTable = (name: string) =>
    `python manage.py shell -c "import time; from django.db import connection as c; [time.sleep(.1) for _ in iter(lambda: '${name}' in c.introspection.table_names(), True)]"`
  /** The running pod of the Job: its label, and how the Service `web` knows it. */
  const look = async (attempt: number) => {
    const job = `shop-command-${third.slice(0, 7)}-${attempt}`
    const pod = `--selector=job-name=${job}`
    await own('wait', `job/${job}`, '--for=create', '--timeout=90s')
    await own('wait', `job/${job}`, '--for=jsonpath={.status.active}=1', '--timeout=60s')
    await own('wait', 'pods', pod, '--for=jsonpath={.status.phase}=Running', '--timeout=60s')
    const [name = '', app] = (await own('get', 'pods', pod, '-o', 'jsonpath={.items[0].metadata.name} {.items[0].metadata.labels.app}')).split(' ')
    const slices = ['endpointslices', '-l', 'kubernetes.io/service-name=web']
    const endpoint = `jsonpath={.items[*].endpoints[?(@.targetRef.name=="${name}")].conditions.ready}`
    return { name, app, ready: await own('get', ...slices, '-o', endpoint) }
  }
  const scaled = async () => {
    const scale = await own('get', '--raw', `/apis/apps/v1/namespaces/${shop.namespace}/deployments/web/scale`)
    const { status } = JSON.parse(scale) as { readonly status: { readonly selector: string } }
    return own('get', 'pods', '-l', status.selector, '-o', 'name')
  }
  const selector = { matchLabels: { app: 'web' } }
  const budget = { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata: { name: 'web' }, spec: { maxUnavailable: 1, selector } }
  const policy = (name: string, podSelector: object, egress: readonly object[]) => ({
    apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name },
    spec: { podSelector, policyTypes: ['Egress'], egress },
  })
  const allowed = ['wait', 'pdb/web', '--for=jsonpath={.status.disruptionsAllowed}=1', '--timeout=60s']

  const third = await shop.commit('Third', { 'README.md': 'Third\n' })
  const running = shop.release({ bake: '0', 'before-rollout': `${untilTable('go')}\n${untilTable('go_on')}` })
  const free = await look(1)
  expect(free).toMatchObject({ app: 'web-migrate', ready: '' })
  expect(await scaled()).not.toContain(free.name)
  // It is created beside the pod: where it selects a Job's pod too, it is never computed.
  await apply(budget)
  await own(...allowed)

  await apply(policy('none', {}, []), policy('web', selector, [{}]), policy('postgres', { matchLabels: { app: 'postgres' } }, [{}]))
  await shop.sql('CREATE TABLE go ()')
  expect(await look(2)).toMatchObject({ app: 'web', ready: 'false' })
  await shop.sql('CREATE TABLE go_on ()')

  const released = await running
  expect(released).toMatchObject({ code: 0, report: { result: 'deployed', warnings: [] } })
  expect(released.output).toContain(
    "poddisruptionbudget/web selects the migration's pod too, by labels that networkpolicy/web requires: the pod is never Ready, and is removed when it has ended",
  )
  expect(await own('get', 'jobs', '-o', 'name')).not.toContain(`-command-${third.slice(0, 7)}-2`)
  await own(...allowed)
  await own('delete', 'pdb,networkpolicies', '--all')
  await shop.sql('DROP TABLE go, go_on')
})

test('in a restricted namespace with a small quota and a LimitRange, a migration may request less than the web', async () => {
  const { image, namespace } = shop
  const own = (...args: readonly string[]) => kubectl('-n', namespace, ...args)
  const restricted = 'pod-security.kubernetes.io/enforce'
  await kubectl('label', 'namespace', namespace, `${restricted}=restricted`)
  await must('kubectl', ['-n', namespace, 'apply', '-f', '-'], {
    env: stack.env,
    input: 'apiVersion: v1\nkind: LimitRange\nmetadata: { name: least }\nspec: { limits: [{ type: Container, min: { cpu: 5m } }] }\n',
  })
  // The shop has four pods of 20m each, and now and then that of its CronJob.
  await own('create', 'quota', 'small', '--hard=requests.cpu=90m')
  await own('wait', 'quota/small', '--for=jsonpath={.status.used}', '--timeout=30s')

  const migrate = (options: Readonly<Record<string, string>>) =>
    shop.cli('migrate', { image, namespace, ...options })
  expect(await migrate({ grace: 'Quota=1s' })).toMatchObject({
    code: 1,
    report: {
      cause: {
        code: 'quota',
        hint: 'The quota small has no room for requests.cpu=20m: lower it with "migrate-resources", or raise the quota',
      },
    },
  })
  expect(await migrate({ 'migrate-resources': 'cpu=5m' })).toMatchObject({ code: 0, report: { result: 'unchanged' } })
  await own('delete', 'quota,limitrange', '--all')
  await kubectl('label', 'namespace', namespace, `${restricted}-`)
})

seldom('a container that a webhook adds to every pod keeps no Job from ending', async () => {
  // The first process of a container gets no signal that it neither handles nor blocks.
  const program = 'import signal as s; s.pthread_sigmask(s.SIG_BLOCK, [s.SIGTERM]); s.sigwait([s.SIGTERM])'
  const proxy = { name: 'proxy', image: `${shop.image}:${tag}`, command: ['python', '-c', program] }
  const edit = { op: 'add', path: '/spec/containers/-', value: proxy } as const
  const entered: unknown[] = []
  const edits = (object: unknown) => {
    const { annotations, labels } = (object as Pod).metadata ?? {}
    // As Istio and Linkerd do.
    const isLeftOut = annotations?.['sidecar.istio.io/inject'] === 'false' || annotations?.['linkerd.io/inject'] === 'disabled'
    entered.push(isLeftOut ? 'left out' : labels?.['django-rollout/job'])
    return isLeftOut ? [] : [edit]
  }
  const pods = { group: '', resources: ['pods'], operations: ['CREATE'] } as const
  const stop = await startWebhook(shop.namespace, dirname(shop.folder), edits, [pods])
  try {
    const own = (...args: readonly string[]) => kubectl('-n', shop.namespace, ...args)
    const tried = ['run', 'tried', '--image=tried', '--dry-run=server', '-o', 'yaml']
    while (!(await own(...tried)).includes('name: proxy'));
    const operations = 'migrations.RunSQL("SELECT 1", "SELECT 1")'
    // Long enough for the proxy to listen to its end.
    const seed = `apiVersion: batch/v1\nkind: Job\nmetadata: {name: seed}\nspec: {template: {spec: {restartPolicy: Never, containers: [{name: seed, image: '${shop.image}', command: ['sleep', '3']}]}}}\n`
    await shop.commit('Another', { ...catalogMigration('0004_one', '0003_own', operations), 'k8s/seed.yaml': seed })
    const released = await shop.release({ bake: '0', 'before-rollout': prints('before') })
    expect(released).toMatchObject({
      code: 0,
      report: { result: 'deployed', migrations: ['catalog.0004_one'], warnings: [] },
    })
    expect(released.output).toMatch(/job\/seed\S* succeeded after .*; it is removed, since these containers do not end: proxy/)
    expect(await own('get', 'pods', '-l', 'app=web', '-o', 'jsonpath={..name}')).toContain('proxy')
    expect(entered).toContain('migrate')
    expect(entered).not.toContain('left out')
    expect(await own('get', 'jobs', '-l', 'django-rollout/job', '-o', 'jsonpath={.items[?(@.status.active)].metadata.name}')).toBe('')

    await shop.commit('Next', { 'README.md': 'Next\n' })
    const next = await shop.release({ bake: '0' })
    expect(next).toMatchObject({ code: 0, report: { result: 'deployed', warnings: [] } })
    expect(next.output).not.toContain('unfinished')
  } finally {
    await stop()
  }
})
