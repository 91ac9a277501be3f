/** What the API server makes of a release is not always what was sent: admission webhooks, finalizers. */
import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Site, type Released } from '../e2e/site.js'
import { kubectl } from '../e2e/stack.js'
import { startWebhook, type Edit } from '../e2e/webhook.js'

let site: Site
let digest: string
let stopWebhook: () => Promise<void> = () => Promise.resolve()

interface Web {
  readonly spec: {
    readonly template: { readonly spec: { readonly containers: readonly { image: string }[] } }
  }
}

beforeAll(async () => {
  site = await Site.make('admission')
  digest = await site.pushImage('v1', 'STOPSIGNAL SIGKILL\nCMD touch /ready && exec sleep infinity')
  // Never Ready: its release goes on until it is ended.
  await site.pushImage('slow', 'STOPSIGNAL SIGKILL\nCMD exec sleep infinity')
  await apply(deployment('web'))
  await own('rollout', 'status', 'deployment/web', '--timeout=120s')
  // Newer than what runs: it stamps whatever is written from now on, and pins what has no digest.
  stopWebhook = await startWebhook(site.namespace, dirname(site.folder), (object): readonly Edit[] => {
    const { template } = (object as Web).spec
    const { image = '' } = template.spec.containers[0] ?? {}
    const at = '/spec/template/spec/containers/0/image'
    return [
      { op: 'add', path: '/spec/template/metadata/annotations', value: { stamp: image.slice(-8) } },
      ...(image.includes('@') ? [] : [{ op: 'replace', path: at, value: `${image}@${digest}` } as const]),
    ]
  })
  // The API server learns of it a moment later.
  const tried = ['annotate', 'deployment/web', 'tried=yes', '--dry-run=server', '-o', 'yaml']
  while (!(await own(...tried)).includes(digest));
})

afterAll(async () => {
  await stopWebhook()
  await own('patch', 'deployment/web', '--type=merge', '--patch', finalizers([])).catch(() => '')
  await site.remove()
})

describe('with templates that a webhook stamps and pins', () => {
  test('a release that is killed in its rollout is restored by recover, as the webhook changes it', async () => {
    const killed = await deploySlow((kill) => kill('SIGKILL'))
    expect(killed.output).not.toContain('▸ undo')
    expect(await image()).toContain('shop:slow@')

    const recovered = await recover()
    expect({ result: recovered.report.result, output: recovered.output }).toMatchObject({
      result: 'undone',
    })
    expect(recovered.output).toContain('deployment/web restored')
    expect(recovered.output).not.toContain('another client')
    expect(await image()).toBe(`${site.image}:v1@${digest}`)
    expect(await site.leftovers()).toEqual([])
  })

  test('a release that is killed in its undo is found to be restored by the next run', async () => {
    let isEnded = false
    const killed = await deploySlow((kill, soFar) => {
      if (soFar.includes('deployment/web restored')) kill('SIGKILL')
      else if (!isEnded) kill('SIGINT')
      isEnded = true
    })
    expect(killed.output).toContain('deployment/web restored')

    const recovered = await recover()
    // It may have come to its end before it was killed.
    expect(['undone', 'unchanged']).toContain(recovered.report.result)
    expect(await image()).toBe(`${site.image}:v1@${digest}`)
    expect(await site.leftovers()).toEqual([])
  })

  test('a change that a user makes during the rollout stays with the user', async () => {
    let changed: Promise<string> | undefined
    const ended = await deploySlow((kill) => {
      changed ??= own('set', 'env', 'deployment/web', 'DEBUG=1').finally(() => {
        kill('SIGINT')
      })
    })
    await changed
    expect(ended.report.result).toBe('superseded')
    expect(ended.output).toContain('deployment/web has another pod template')
    expect(await image()).toContain('shop:slow@')
    await own('set', 'env', 'deployment/web', 'DEBUG-')
    await own('set', 'image', 'deployment/web', `web=${site.image}:v1`)
  })
})

describe('a workload that waits for a finalizer', () => {
  test('counts as deleted during the rollout', async () => {
    await own('patch', 'deployment/web', '--type=merge', '--patch', finalizers([hold]))
    let deleted: Promise<string> | undefined
    const ended = await deploySlow(() => {
      deleted ??= own('delete', 'deployment/web', '--wait=false')
    })
    await deleted
    expect(ended.report.result).toBe('superseded')
    expect(ended.output).toContain('deployment/web was deleted')
    expect(ended.output).not.toContain('verified')
    expect(await own('get', 'deployment/web', '-o', 'jsonpath={.metadata.finalizers}')).toContain(hold)
  })

  test('is refused before the release', async () => {
    const ended = await site.deploy('v1', { 'migrate-command': 'none' })
    expect(ended.report.cause).toMatchObject({
      code: 'workload-unfit',
      sentence: `deployment/web is being deleted, and waits for ${hold}: a write to it would be lost`,
    })
    expect(ended.output).toContain(
      `kubectl -n ${site.namespace} get deployment/web -o 'jsonpath={.metadata.finalizers}'`,
    )
  })

  test('is created again from its manifest once it is gone', async () => {
    const uid = await uidOf()
    const manifests = await file(deployment('web'))
    let released: Promise<string> | undefined
    const ended = await site.deploy(
      'v1',
      { 'migrate-command': 'none', manifests, bake: '0' },
      {
        onOutput: (soFar) => {
          if (!soFar.includes('deployment/web is being deleted: waiting until it is gone')) return
          released ??= own('patch', 'deployment/web', '--type=merge', '--patch', finalizers([]))
        },
      },
    )
    await released
    expect({ result: ended.report.result, output: ended.output }).toMatchObject({
      result: 'deployed',
    })
    expect(await uidOf()).not.toBe(uid)
  })
})

const hold = 'example.com/hold'

function finalizers(names: readonly string[]): string {
  return JSON.stringify({ metadata: { finalizers: names } })
}

/** `then` is called with each piece of output from the moment on when it has been written. */
function deploySlow(
  then: (kill: (signal: NodeJS.Signals) => void, soFar: string) => unknown,
): Promise<Released> {
  return site.deploy('slow', { 'migrate-command': 'none' }, {
    onOutput: (soFar, kill) => {
      if (soFar.includes('deployment/web: 0 of 1')) then(kill, soFar)
    },
  })
}

function own(...args: readonly string[]): Promise<string> {
  return kubectl('-n', site.namespace, ...args)
}

/** At once: nobody holds the lock of a run that was killed. */
async function recover(): Promise<Released> {
  await own('delete', 'lease', 'django-rollout-shop', '--ignore-not-found')
  return site.recover()
}

function image(): Promise<string> {
  return own('get', 'deployment/web', '-o', 'jsonpath={.spec.template.spec.containers[0].image}')
}

function uidOf(): Promise<string> {
  return own('get', 'deployment/web', '-o', 'jsonpath={.metadata.uid}')
}

async function apply(object: object): Promise<void> {
  await own('apply', '-f', await file(object))
}

async function file(object: object): Promise<string> {
  const path = join(dirname(site.folder), 'manifest.json')
  await writeFile(path, JSON.stringify(object))
  return path
}

function deployment(name: string) {
  const probe = { exec: { command: ['test', '-f', '/ready'] }, periodSeconds: 1 }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: {
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          terminationGracePeriodSeconds: 1,
          containers: [{ name, image: `${site.image}:v1`, readinessProbe: probe }],
        },
      },
    },
  }
}
