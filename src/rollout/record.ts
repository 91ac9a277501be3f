/**
 * The record of a release that is under way: all that an undo needs, kept in the cluster from before the
 * first write until the release has ended. Whoever finds an open one whose run is gone can finish the undo.
 */
import { gunzipSync, gzipSync } from 'node:zlib'
import type { Secret } from 'kubernetes-types/core/v1'
import { ApiError } from '../kubernetes/apierror.js'
import { isPassing, patiently } from '../kubernetes/away.js'
import type { Cluster } from '../kubernetes/cluster.js'
import { collection } from '../kubernetes/paths.js'
import { fail } from '../report/cause.js'
import type { Clock } from '../world/world.js'
import type { Begun } from './history.js'
import type { Snapshot } from './snapshot.js'
import type { Patience } from './types.js'

export interface OpenRecord {
  /** The release that wrote it. */
  readonly begun: Begun
  /** Its own: whoever takes it back waits as long, and ten minutes at least. In ms. */
  readonly patience: Pick<Patience, 'timeout' | 'grace'>
  readonly snapshot: Snapshot
}

/** An object of the API holds 1 MiB at most, with all its fields (etcd's limit is a little above). */
const longestBytes = 900 * 1024

/** A record that stands in the cluster. */
export interface KeptRecord extends OpenRecord {
  readonly uid: string
  readonly version: string
}

/** Writes the record; throws a Failure when the snapshot is too large to be kept. */
export async function openRecord(
  cluster: Cluster,
  clock: Clock,
  app: string,
  record: OpenRecord,
): Promise<KeptRecord> {
  const secret = secretOf(app, record)
  return patiently(clock, cluster.life, async () => {
    try {
      const { metadata } = await cluster.post<Secret>(secretsOf(cluster), secret)
      return keptAs(record, metadata)
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 409)) throw error
      // It is our own when the answer to the try before was lost.
      const there = await readRecord(cluster, app)
      if (there?.begun.run !== record.begun.run) throw error
      return there
    }
  })
}

/** The open record of the application; `undefined` when no release is under way or was left unfinished. */
export async function readRecord(cluster: Cluster, app: string): Promise<KeptRecord | undefined> {
  const secret = await cluster.find<Secret>(`${secretsOf(cluster)}/${nameOf(app)}`)
  const data = secret?.data?.['record']
  if (data === undefined) return undefined
  const record = JSON.parse(gunzipSync(Buffer.from(data, 'base64')).toString()) as OpenRecord
  return keptAs(record, secret?.metadata)
}

/**
 * Writes the record anew, with what the server has answered to writes since. The caller holds the lock. Only
 * into the Secret that it stands in: another one of its name is a conflict, which is thrown.
 */
export async function updateRecord(
  cluster: Cluster,
  clock: Clock,
  app: string,
  { uid, version, ...record }: KeptRecord,
): Promise<KeptRecord> {
  const secret = secretOf(app, record)
  let resourceVersion = version
  return patiently(
    clock,
    cluster.life,
    async () => {
      try {
        const { metadata } = await cluster.put<Secret>(`${secretsOf(cluster)}/${nameOf(app)}`, {
          ...secret,
          metadata: { ...secret.metadata, uid, resourceVersion },
        })
        return keptAs(record, metadata)
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 409)) throw error
        // It is our own write when the answer to the try before was lost: nobody else writes there.
        const there = await readRecord(cluster, app)
        if (there?.uid !== uid || there.version === resourceVersion) throw error
        resourceVersion = there.version
        throw new Unsettled('the record was written by a request whose answer was lost')
      }
    },
    (error) => error instanceof Unsettled || isPassing(error),
  )
}

class Unsettled extends Error {}

function keptAs(record: OpenRecord, metadata: Secret['metadata']): KeptRecord {
  return { ...record, uid: metadata?.uid ?? '', version: metadata?.resourceVersion ?? '' }
}

/** A Secret, since it may hold Secrets as they were. */
function secretOf(app: string, record: OpenRecord): Secret {
  const data = gzipSync(JSON.stringify(record)).toString('base64')
  if (data.length > longestBytes) {
    fail({
      code: 'write-failed',
      sentence: `the objects of this release are too large to be remembered in the cluster (${Math.ceil(data.length / 1024)} kB)`,
      hint: 'split the manifests over several releases',
    })
  }
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: nameOf(app), labels: { 'app.kubernetes.io/managed-by': 'django-rollout' } },
    data: { record: data },
  }
}

/** The release has ended, one way or the other: nothing is left to be settled. No other's record is meant. */
export async function closeRecord(
  cluster: Cluster,
  clock: Clock,
  app: string,
  { uid }: KeptRecord,
): Promise<void> {
  const path = `${secretsOf(cluster)}/${nameOf(app)}`
  await patiently(clock, cluster.life, () => cluster.remove(path, { uid }))
}

function nameOf(app: string): string {
  return `django-rollout-${app}`
}

function secretsOf(cluster: Cluster): string {
  return collection('v1', cluster.namespace, 'secrets')
}
