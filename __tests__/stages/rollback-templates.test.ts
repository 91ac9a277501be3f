/** What a rollback brings back besides the image, and what keeps it from that. */
import { describe, expect, test } from '@jest/globals'
import type { PodTemplateSpec, Service } from 'kubernetes-types/core/v1'
import { parse } from 'yaml'
import { ApiError } from '../../src/kubernetes/api-error.js'
import { templateOf, usesOf, type WorkloadObject } from '../../src/kubernetes/objects.js'
import { Failure } from '../../src/failure/failure.js'
import { saveRelease } from '../../src/state/history-store.js'
import type { ReleaseEnd, Entry } from '../../src/state/history.js'
import { rollbackTargets } from '../../src/stages/rollback-templates.js'
import type { Target } from '../../src/kubernetes/target.js'
import { handClock } from '../support/clock.js'
import { memoryCluster } from '../support/cluster.js'
import { notebook } from '../support/journal.js'
import { refuses } from '../support/registry.js'
import { scripted } from '../support/scripted.js'
import { contextOf } from '../support/settings.js'

const shop = 'ghcr.io/acme/shop'
const digest = `sha256:${'1'.repeat(64)}`
const imageOfThen = `${shop}:a@${digest}`
const maps = '/api/v1/namespaces/shop/configmaps'

interface Scene {
  /** Fields of the container, as release 1, the last release and today have them; none: not kept. */
  readonly then?: string
  readonly released?: string
  readonly now?: string
  /** A later release; people have brought back the one before it since. */
  readonly withdrawn?: string
  readonly objects?: Readonly<Record<string, object>>
  readonly services?: readonly Service[]
  readonly registry?: number
  readonly forbidden?: true
}

const template = (text: string, image: string): PodTemplateSpec => ({
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'web', image, ...(parse(text) as object) }, ...side(text)] },
})
const side = (text: string) =>
  text.includes('OLD') ? [{ name: 'side', image: 'docker.io/acme/side:1' }] : []

async function brought({
  now = '{}',
  then,
  released,
  withdrawn,
  objects = {},
  services = [],
  ...more
}: Scene) {
  const memory = memoryCluster(objects)
  const runs = { a: then, b: released, ...(withdrawn !== undefined && { c: withdrawn }) }
  for (const [run, text] of Object.entries(runs)) {
    const ended: ReleaseEnd = {
      run,
      command: 'release',
      who: 'ada',
      at: '2026-01-31T12:00:00.000Z',
      image: shop,
      tag: run,
      digest: run === 'c' ? `sha256:${'3'.repeat(64)}` : digest,
      result: 'deployed',
      seconds: 1,
      migrations: [],
    }
    const kept =
      text === undefined ? undefined : { 'deployment/web': template(text, `${shop}:${run}`) }
    await saveRelease({ cluster: memory.cluster, clock: handClock(), app: 'shop' }, ended, {
      templates: kept,
    })
  }
  const live: WorkloadObject = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: { template: template(now, `${shop}:b`) },
  }
  const uses = usesOf(templateOf(live), (image) => image.startsWith(shop))
  const id = { kind: 'Deployment', name: 'web' } as const
  const target: Target = { id, path: '/web', uses, running: [`${shop}:b@${digest}`], live }
  const stageLog = notebook()
  const platform = scripted([refuses('.*', more.registry ?? 403)]).platform
  const find = (path: string) =>
    more.forbidden && path.endsWith('/own')
      ? Promise.reject(new ApiError(403, 'Forbidden', 'no'))
      : memory.cluster.find(path)
  const cluster = { ...memory.cluster, find, commandLine: () => 'kubectl' } as typeof memory.cluster
  const version = {
    image: { repository: shop, tag: 'a', digest },
    release: { number: 1 } as Entry,
    appliedSince: [],
  }
  const context = contextOf(platform).with({ log: stageLog, cluster })
  const back = await rollbackTargets(context, { targets: [target], services }, version)
  return { ...back, lines: stageLog.lines, web: back.targets[0]?.back?.spec?.containers[0] }
}

const sentence = async (scene: Scene): Promise<string> => {
  const ended = await brought(scene).catch((error: unknown) => error)
  if (!(ended instanceof Failure)) throw new Error('it went on')
  return `${ended.cause.code}: ${ended.cause.sentence}`
}

describe('a rollback', () => {
  test('restores the template of that release, with its image', async () => {
    const { web, lines, warnings } = await brought({
      then: '{command: [a]}',
      released: '{command: [b]}',
      now: '{command: [b], args: [hand]}',
    })
    expect(web).toEqual({ name: 'web', image: imageOfThen, command: ['a'], args: ['hand'] })
    expect(warnings).toEqual([])
    expect(lines).toEqual([
      'deployment/web gets its template of release 1: web: command',
      'deployment/web was changed since the last release: web: args (kept)',
    ])
  })

  test('does not treat a `kubectl rollout undo` as a change', async () => {
    const { web, lines } = await brought({
      then: '{command: [a]}',
      released: '{command: [b]}',
      withdrawn: '{command: [c]}',
      now: '{command: [b]}',
    })
    expect(web).toEqual({ name: 'web', image: imageOfThen, command: ['a'] })
    expect(lines).toEqual(['deployment/web gets its template of release 1: web: command'])
  })

  test('writes only the image where nothing else differs', async () => {
    const { web, warnings } = await brought({ then: '{}', released: '{}' })
    expect([web, warnings]).toEqual([undefined, []])
  })

  test.each<[string, Scene, string]>([
    ['of then', { released: '{}' }, 'the history has no pod templates of release 1'],
    ['of the last release', { then: '{}' }, 'the history has no pod templates of release 2'],
  ])('without the templates %s says that only the image is restored', async (_, scene, why) => {
    const { web, warnings } = await brought(scene)
    expect(web).toBe(undefined)
    expect(warnings).toEqual([
      `only the image is rolled back: ${why}; command, environment and probes do not change`,
    ])
  })

  const needs = { then: '{envFrom: [{configMapRef: {name: own}}]}', released: '{}' }
  const needsKey = {
    then: '{env: [{name: A, valueFrom: {configMapKeyRef: {name: own, key: a}}}]}',
    released: '{}',
  }
  const named = {
    then: '{ports: [{containerPort: 1, name: web}]}',
    released: '{ports: [{containerPort: 1, name: http}]}',
  }
  const service = {
    metadata: { name: 'web' },
    spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 'http' }] },
  }
  test.each<[string, Scene, string]>([
    [
      'a ConfigMap is gone',
      needs,
      'config-missing: deployment/web of release 1 needs configmap/own, which does not exist',
    ],
    [
      'a key is gone',
      { ...needsKey, objects: { [`${maps}/own`]: { data: { b: '' } } } },
      'config-missing: deployment/web of release 1 needs the key "a" of configmap/own, which does not have it',
    ],
    [
      'a Service has a port name that only today’s template has',
      { ...named, now: named.released, services: [service] },
      'workload-unfit: service/web uses the port "http", which deployment/web of release 1 does not have',
    ],
    [
      'the registry has lost another image of then',
      {
        then: '{env: [{name: OLD, value: x}]}',
        released: '{}',
        registry: 404,
      },
      'image-missing: the registry no longer has docker.io/acme/side:1, which deployment/web of release 1 needs',
    ],
  ])('is refused when %s', async (_, scene, said) => {
    expect(await sentence(scene)).toBe(said)
  })

  test('goes on where it may not look', async () => {
    const { web, lines } = await brought({ ...needs, forbidden: true })
    expect(web?.envFrom).toHaveLength(1)
    expect(lines).toContain(
      'configmap/own, which deployment/web of release 1 needs, may not be read by this account',
    )
  })

  test('requires no key that exists', async () => {
    const there = { [`${maps}/own`]: { data: { a: '1' } } }
    expect((await brought({ ...needsKey, objects: there })).web?.env).toHaveLength(1)
  })
})
