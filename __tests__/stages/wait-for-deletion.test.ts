import { describe, expect, test } from '@jest/globals'
import type { KubeObject, WorkloadObject } from '../../src/kubernetes/objects.js'
import { liveAfterDeletion, targetsAfterDeletion } from '../../src/stages/wait-for-deletion.js'
import { clusterOf } from '../support/cluster.js'
import { notebook } from '../support/journal.js'
import { scripted } from '../support/scripted.js'
import { target } from '../support/targets.js'

const leaving = (object: KubeObject): KubeObject => ({
  ...object,
  metadata: {
    ...object.metadata,
    deletionTimestamp: '2026-07-01T10:00:00Z',
    finalizers: ['acme.com/backup'],
  },
})
const volume: KubeObject = {
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name: 'media' },
  spec: {},
}
const web = target('web', ['web']).live!

/** A server that shows these, one after the other; the last one from then on. */
function showing(...shown: readonly (KubeObject | undefined)[]) {
  const { platform, slept } = scripted([])
  const { signal } = new AbortController()
  const log = notebook()
  const left = [...shown]
  const cluster = clusterOf({
    kubectl: () => {
      const now = left.length > 1 ? left.shift() : left[0]
      return Promise.resolve({ code: 0, stdout: now ? JSON.stringify(now) : '', stderr: '' })
    },
    commandLine: (args) => ['kubectl', ...args].join(' '),
  })
  return { context: { platform, signal, cluster, log }, lines: log.lines, slept }
}

describe('an object of the manifests that is being deleted', () => {
  test('is waited for, and created again', async () => {
    const { context, lines } = showing(leaving(volume), leaving(volume), undefined)
    expect(await liveAfterDeletion(context, [volume])).toEqual([])
    expect(lines).toEqual([
      'persistentvolumeclaim/media is being deleted: waiting until it is gone',
    ])
  })

  test('is refused when it does not disappear, with the finalizer that keeps it', async () => {
    const { context, slept } = showing(leaving(volume))
    await expect(liveAfterDeletion(context, [volume])).rejects.toMatchObject({
      cause: {
        code: 'manifest-invalid',
        sentence:
          'persistentvolumeclaim/media is being deleted, and waits for acme.com/backup: a write to it would be lost',
        hint: 'nothing was changed. Wait until it is gone, or check why it stays: kubectl get persistentvolumeclaim/media -o jsonpath={.metadata.finalizers}',
      },
    })
    expect(slept).toHaveLength(60)
  })

  test('is not waited for when it stays', async () => {
    const { context, slept } = showing(volume)
    expect(await liveAfterDeletion(context, [volume])).toEqual([volume])
    expect(slept).toEqual([])
  })
})

describe('a workload that is being deleted', () => {
  const live = leaving(web) as WorkloadObject
  const worker = target('worker', ['worker'])

  test('is refused when no manifest creates it again', async () => {
    const { context } = showing()
    const targets = [worker, target('web', ['web'], { live })]
    await expect(targetsAfterDeletion(context, targets)).rejects.toMatchObject({
      cause: {
        code: 'workload-unfit',
        sentence: expect.stringContaining('deployment/web is being'),
      },
    })
  })

  test.each([
    ['gone, and created by the release', undefined, []],
    ['created again by another client', web, ['ghcr.io/acme/shop:old']],
  ])('is then handled as "%s"', async (_, then, running) => {
    const { context } = showing(leaving(web), then)
    const targets = [worker, target('web', ['web'], { live, manifest: web })]
    const [other, one] = await targetsAfterDeletion(context, targets)
    expect(other).toBe(worker)
    expect({ live: one?.live, running: one?.running }).toEqual({ live: then, running })
  })
})
