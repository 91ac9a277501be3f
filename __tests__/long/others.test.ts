/** An undo among others: what they have written since stays, with all that it needs. */
import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { Site, type Released } from '../e2e/site.js'
import { kubectl, kubectlJson, stack } from '../e2e/stack.js'

let site: Site
/** Two applications in one namespace, which share a ConfigMap. */
let front: string
let back: string
/** A kind that nobody knows: cluster-wide, so with a name of its own. */
let group: string

beforeAll(async () => {
  site = await Site.make('others')
  front = `${stack.registry}/${site.namespace}/front`
  back = `${stack.registry}/${site.namespace}/back`
  group = `${site.namespace}.example.com`
  await push('v1', 'CMD touch /ready && exec sleep infinity')
  // Never Ready: its release goes on until it is ended.
  await push('slow', 'CMD exec sleep infinity')
  await kubectl('apply', '-f', await file('crd', definition()))
  // Its pod is of another revision than its template, and not Ready.
  await apply('before', [
    config('shared', 'old'),
    config('front-old', 'old'),
    deployment('front', front, 'v1', 'front-old'),
    deployment('back', back, 'v1', 'shared'),
    onDelete('slow'),
  ])
  await kubectl('-n', site.namespace, 'rollout', 'status', 'deployment/front', '--timeout=120s')
  await kubectl('-n', site.namespace, 'rollout', 'status', 'deployment/back', '--timeout=120s')
  await kubectl('-n', site.namespace, 'wait', '--for=create', 'pod/manual-0', '--timeout=60s')
  await apply('then', [onDelete('v1')])
  await kubectl('wait', '--for=condition=established', `crd/databases.${group}`, '--timeout=60s')
})

afterAll(async () => {
  await kubectl('delete', 'crd', `databases.${group}`, '--ignore-not-found', '--wait=false')
  await site.remove()
})

test('the changes of other clients since a release stay, with the objects that they need', async () => {
  const pod = await uidOf('pod', 'manual-0')
  const manifests = await file('front', [
    config('shared', 'front'),
    config('front-new', 'front'),
    deployment('front', front, 'v1', 'front-new'),
    { apiVersion: `${group}/v1`, kind: 'Database', metadata: { name: 'data' }, spec: { size: 1 } },
  ])
  const others: { ended?: Promise<Released> } = {}
  const ended = await deploy(front, 'slow', manifests, (soFar, kill) => {
    if (!soFar.includes('deployment/front: 0 of 1')) return
    others.ended ??= meanwhile().finally(() => {
      kill('SIGINT')
    })
  })
  const other = await others.ended

  expect({ result: other?.report.result, output: other?.output }).toMatchObject({
    result: 'deployed',
  })
  expect({ code: ended.code, result: ended.report.result, output: ended.output }).toMatchObject({
    code: 5,
    result: 'superseded',
  })
  for (const line of [
    'deployment/front has another pod template, set by another client: not restored',
    'configmap/front-new kept, because deployment/front needs it',
    'configmap/shared has another data.COLOR, set by another client: not restored',
    'database/data kept, because removing a Database may remove data',
    'statefulset/manual restored',
  ]) {
    expect(ended.output).toContain(line)
  }
  expect(await colors()).toEqual({ shared: 'back', 'front-old': 'old', 'front-new': 'front' })
  expect(await uidOf(`databases.${group}`, 'data')).not.toBe('')
  // The pod was there before the release, which has not touched it.
  expect(await uidOf('pod', 'manual-0')).toBe(pod)
  expect(ended.output).not.toContain('pod/manual-0')
  expect(await image('statefulset', 'manual')).toBe(`${front}:v1`)
  expect(await image('deployment', 'front')).toContain(`${front}:slow@`)
})

/** Somebody looks into the front by hand; the other application is released, with what both share. */
async function meanwhile(): Promise<Released> {
  await kubectl('-n', site.namespace, 'set', 'env', 'deployment/front', 'DEBUG=1')
  const manifests = await file('back', [
    config('shared', 'back'),
    deployment('back', back, 'v1', 'shared'),
  ])
  return deploy(back, 'v1', manifests)
}

function deploy(
  repository: string,
  tag: string,
  manifests: string,
  onOutput: (soFar: string, kill: (signal: NodeJS.Signals) => void) => void = () => undefined,
): Promise<Released> {
  const { namespace } = site
  const options = { image: repository, namespace, tag, manifests, 'migrate-command': 'none' }
  // The least account knows no such kind.
  const env = { KUBECONFIG: stack.env['KUBECONFIG'] ?? '' }
  return site.cli('deploy', { ...options, bake: '1s' }, { env, onOutput })
}

/** Builds and pushes it for both applications. */
const push = (tag: string, command: string) =>
  site.pushImage(tag, `STOPSIGNAL SIGKILL\n${command}`, [front, back])

async function apply(name: string, objects: readonly object[]): Promise<void> {
  await kubectl('-n', site.namespace, 'apply', '-f', await file(name, objects))
}

async function file(name: string, objects: readonly object[]): Promise<string> {
  const path = join(dirname(site.folder), `${name}.json`)
  await writeFile(path, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }))
  return path
}

async function uidOf(kind: string, name: string): Promise<string> {
  const wanted = ['get', kind, name, '--ignore-not-found', '-o', 'jsonpath={.metadata.uid}']
  return kubectl('-n', site.namespace, ...wanted)
}

function image(kind: string, name: string): Promise<string> {
  const path = 'jsonpath={.spec.template.spec.containers[0].image}'
  return kubectl('-n', site.namespace, 'get', kind, name, '-o', path)
}

async function colors(): Promise<Record<string, string | undefined>> {
  interface List {
    readonly items: readonly { metadata: { name: string }; data?: Record<string, string> }[]
  }
  const { items } = await kubectlJson<List>('-n', site.namespace, 'get', 'configmaps')
  const ours = items.filter(({ data }) => data?.['COLOR'] !== undefined)
  return Object.fromEntries(ours.map(({ metadata, data }) => [metadata.name, data?.['COLOR']]))
}

function config(name: string, color: string) {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { COLOR: color } }
}

function template(name: string, image: string, from?: string) {
  const probe = { exec: { command: ['test', '-f', '/ready'] }, periodSeconds: 1 }
  const envFrom = from === undefined ? [] : [{ configMapRef: { name: from } }]
  return {
    metadata: { labels: { app: name } },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [{ name, image, envFrom, readinessProbe: probe }],
    },
  }
}

function deployment(name: string, repository: string, tag: string, from: string) {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: {
      selector: { matchLabels: { app: name } },
      template: template(name, `${repository}:${tag}`, from),
    },
  }
}

function onDelete(tag: string) {
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'manual' },
    spec: {
      serviceName: 'manual',
      updateStrategy: { type: 'OnDelete' },
      selector: { matchLabels: { app: 'manual' } },
      template: template('manual', `${front}:${tag}`),
    },
  }
}

function definition() {
  const schema = {
    openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
  }
  return [
    {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: `databases.${group}` },
      spec: {
        group,
        scope: 'Namespaced',
        names: { kind: 'Database', plural: 'databases', singular: 'database' },
        versions: [{ name: 'v1', served: true, storage: true, schema }],
      },
    },
  ]
}
