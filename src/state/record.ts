/**
 * The record of an unfinished release: all that an undo needs, kept in the cluster from before the first write until
 * the release has ended. A run that finds an open record whose run is gone can finish the undo.
 */
import { promisify } from 'node:util'
import { gunzipSync, gzip, gzipSync } from 'node:zlib'
import type { ConfigMap, Secret } from 'kubernetes-types/core/v1'
import { ApiError } from '../kubernetes/api-error.js'
import { isTransient, retryTransient } from '../kubernetes/retry.js'
import type { Cluster } from '../kubernetes/cluster.js'
import { isOfRepository } from '../kubernetes/image.js'
import type { KubeObject } from '../kubernetes/objects.js'
import { checkManaged, isManaged, managed, nameFor, twoOfOneName } from '../kubernetes/managed.js'
import { collection, namespacePath } from '../kubernetes/paths.js'
import { fail } from '../failure/failure.js'
import { misfitOf, type Misfit } from '../django/verdict.js'
import type { Clock } from '../platform/platform.js'
import type { ReleaseEnd, ReleaseStart } from './history.js'
import { locate, type Entry } from './locate.js'
import { wrongInRecord } from './record-schema.js'
import { depthOf } from './schema.js'
import type { Snapshot } from '../undo/snapshot.js'
import type { ReleaseTimeouts } from '../judge/types.js'

export interface OpenRecord {
  /** The release that wrote it. */
  readonly begun: ReleaseStart
  /** Where it ran. */
  readonly namespace: Namespace
  /** Its own timeouts, in ms: an undo waits as long, and at least ten minutes. */
  readonly timeouts: ReleaseTimeouts
  readonly snapshot: Snapshot
  /** What an undo does about the databases before it restores a pod; missing: nothing. */
  readonly schema?: SchemaWork
  /** Of its plan, once that is known: what the history gets of it if the run is cut off. */
  readonly contract?: Pick<ReleaseEnd, 'held' | 'bridges'>
}

/** What a Job has to do before the pods of the previous version can come back. Every part may be repeated. */
export type SchemaWork = {
  /** The workload that the Job is made from: `deployment/web`. */
  readonly web: string
  readonly container: string
  /** Calls Django's command line. */
  readonly command: string
} & (
  | {
      /** The release migrates: its own image reverses what the previous version does not fit. */
      readonly is: 'back'
      /** What it was to apply: `shop.0002_note`; missing: its migration has not begun, as far as it has come. */
      readonly migrations?: readonly string[]
      /** What the previous version does not fit, by the databases themselves; missing: not known. */
      readonly misfits?: readonly Misfit[]
      /** What running versions need that no release has written, packed. */
      readonly reported?: readonly {
        readonly digest: string
        readonly tag: string
        readonly needs: string
      }[]
    }
  | {
      /** The rollback reverses migrations which the version before it needs: its image applies them again. */
      readonly is: 'again'
      readonly tag: string
      readonly digest: string
    }
)

/** Distinguishes a namespace from a copy of it, and from one that had its name before. */
export interface Namespace {
  /** Its uid, which not every account may read. */
  readonly uid?: string
  /** The uid of the ConfigMap kube-root-ca.crt, which the cluster creates in each namespace. */
  readonly roots?: string
}

/** An object of the API has at most 1 MiB, with all its fields (etcd's limit is a little above). */
const longestBytes = 900 * 1024
/** The limit when unpacked: small data may be a decompression bomb. */
const longestText = 16 * 1024 * 1024
/** Objects of the API are not deeper than a few dozen. */
const deepest = 200

/** A record in the cluster. */
export interface KeptRecord extends OpenRecord {
  readonly uid: string
  readonly version: string
}

/** A record that was found: the paths of its objects are not known yet. */
export interface FoundRecord extends Omit<KeptRecord, 'snapshot'> {
  readonly entries: readonly Entry[]
}

/**
 * Writes the record; throws a Failure when the snapshot is too large to be kept. `namespaceUid`: where it is known.
 */
export async function openRecord(
  cluster: Cluster,
  clock: Clock,
  app: string,
  { namespaceUid, ...begun }: Omit<OpenRecord, 'namespace'> & { readonly namespaceUid?: string },
): Promise<KeptRecord> {
  const record = { ...begun, namespace: await namespaceOf(cluster, namespaceUid) }
  const secret = await secretOf(app, record)
  return retryTransient(clock, cluster.life, async () => {
    try {
      const { metadata } = await cluster.post<Secret>(secretsOf(cluster), secret)
      return keptAs(record, metadata)
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 409)) throw error
      // It is our own if the answer to the previous attempt was lost.
      const found = await readRecord(cluster, app, record.begun.image)
      if (found?.begun.run !== record.begun.run) throw error
      return { ...record, uid: found.uid, version: found.version }
    }
  })
}

/**
 * Returns the open record of the application; `undefined` if no release is unfinished. Throws a Failure
 * `record-unusable` for a record that cannot be read, or was not written in this namespace, and `usage` for that of
 * another application.
 */
export async function readRecord(
  cluster: Cluster,
  app: string,
  repository: string,
): Promise<FoundRecord | undefined> {
  const secret = await cluster.find<Secret>(`${secretsOf(cluster)}/${nameFor(app)}`)
  if (!secret) return undefined
  const data = secret.data?.['record']
  if (data === undefined) checkManaged(cluster, 'secret', secret.metadata)
  if (!isManaged(secret.metadata))
    return unusable(
      cluster,
      app,
      'it has no label app.kubernetes.io/managed-by=django-rollout, so another client wrote it',
    )
  const read = unpacked(data ?? '')
  if (read.is === 'wrong') return unusable(cluster, app, read.why)
  const { snapshot: entries, ...record } = read.record
  const here = await namespaceOf(cluster)
  if (!isSame(here, record.namespace)) {
    return unusable(
      cluster,
      app,
      'it was written in another namespace, of which this one is a copy, or which had this name before: its release wrote nothing here',
    )
  }
  const { image } = record.begun
  if (!isOfRepository(image, repository)) {
    const what = `the unfinished release in secret/${nameFor(app)}`
    const so = `if it is the same application and its registry has moved, finish that release first: django-rollout recover --image ${image} --namespace ${cluster.namespace} --app ${app}`
    return twoOfOneName(cluster, app, { image, what, so }, repository)
  }
  const { uid = '', resourceVersion: version = '' } = secret.metadata ?? {}
  return { ...record, entries, uid, version }
}

/**
 * Returns the record with the paths of its objects. Throws a Failure `record-unusable` if a release would not write
 * one of them. `brought`: the objects of this run's manifests.
 */
export async function withPaths(
  cluster: Cluster,
  app: string,
  { entries, ...record }: FoundRecord,
  brought: readonly KubeObject[],
): Promise<KeptRecord> {
  const located = await locate(cluster, entries, brought)
  if (located.is === 'refused') return unusable(cluster, app, located.why, located.wayOut)
  return { ...record, snapshot: located.snapshot }
}

type Unpacked =
  | {
      readonly is: 'record'
      readonly record: ReadRecord
    }
  | { readonly is: 'wrong'; readonly why: string }

function unpacked(data: string): Unpacked {
  const wrong = (why: string): Unpacked => ({ is: 'wrong', why })
  if (data === '') return wrong('it has no key "record"')
  let json: string
  try {
    json = gunzipSync(Buffer.from(data, 'base64'), { maxOutputLength: longestText }).toString()
  } catch (error) {
    return (error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE'
      ? wrong(`it is larger than ${longestText / 1024 / 1024} MiB unpacked`)
      : wrong('its key "record" is not gzip')
  }
  if (depthOf(json) > deepest) return wrong('it is nested too deeply')
  let record: unknown
  try {
    record = JSON.parse(json)
  } catch {
    return wrong('its key "record" is not JSON')
  }
  const why = wrongInRecord(record)
  if (why !== undefined)
    return wrong(`${why}: another version of django-rollout, or another client, wrote it`)
  return { is: 'record', record: withReadSchema(record as ReadRecord) }
}

/** What cannot be read of the misfits is as if it were not known. */
function withReadSchema({ schema, ...record }: ReadRecord): ReadRecord {
  if (schema?.is !== 'back' || !schema.misfits) return { ...record, ...(schema && { schema }) }
  const { misfits, ...work } = schema
  const read = misfits.flatMap((one) => misfitOf(one) ?? [])
  return {
    ...record,
    schema: { ...work, ...(read.length === misfits.length && { misfits: read }) },
  }
}

type ReadRecord = Omit<OpenRecord, 'snapshot'> & { readonly snapshot: readonly Entry[] }

/** Throws the Failure. The hint has all steps: no run can resolve it. */
function unusable(cluster: Cluster, app: string, why: string, wayOut?: string): never {
  const name = nameFor(app)
  return fail({
    code: 'record-unusable',
    sentence: `secret/${name} is not a valid record: ${why}`,
    hint: [
      ...(wayOut === undefined ? [] : [`${wayOut}, which restores it. Otherwise:`]),
      'nothing was written. An incomplete release, if there is one, stays as it is',
      `see who wrote it: ${cluster.commandLine(['get', 'secret', name, '-o', 'yaml', '--show-managed-fields'])}`,
      `see what runs: ${cluster.commandLine(['get', 'deployments,statefulsets,daemonsets,cronjobs', '-o', 'wide'])}`,
      `delete it: ${cluster.commandLine(['delete', 'secret', name])}`,
      'then release, or roll back to, the version that should run',
    ].join('\n'),
  })
}

/** Returns what this account may read of the namespace's identity. */
async function namespaceOf(cluster: Cluster, known?: string): Promise<Namespace> {
  const uidAt = async (path: string) => {
    try {
      return (await cluster.find<ConfigMap>(path))?.metadata?.uid
    } catch (error) {
      if (error instanceof ApiError && error.status === 403) return undefined
      throw error
    }
  }
  const [uid, roots] = await Promise.all([
    known ?? uidAt(namespacePath(cluster.namespace)),
    uidAt(`${collection('v1', cluster.namespace, 'configmaps')}/kube-root-ca.crt`),
  ])
  return { ...(uid !== undefined && { uid }), ...(roots !== undefined && { roots }) }
}

/** Returns whether both are the same namespace, by what both accounts could read; true if one could read nothing. */
function isSame(here: Namespace, found: Namespace): boolean {
  if (here.uid !== undefined && found.uid !== undefined) return here.uid === found.uid
  if (here.roots !== undefined && found.roots !== undefined) return here.roots === found.roots
  return [here, found].some(({ uid, roots }) => uid === undefined && roots === undefined)
}

/**
 * Writes the record again, with the server's answers to writes since. The caller holds the lock. Only into the same
 * Secret: another one of its name is a conflict, which is thrown.
 */
export async function updateRecord(
  cluster: Cluster,
  clock: Clock,
  app: string,
  { uid, version, ...record }: KeptRecord,
): Promise<KeptRecord> {
  const secret = await secretOf(app, record)
  let resourceVersion = version
  return retryTransient(
    clock,
    cluster.life,
    async () => {
      try {
        const { metadata } = await cluster.put<Secret>(`${secretsOf(cluster)}/${nameFor(app)}`, {
          ...secret,
          metadata: { ...secret.metadata, uid, resourceVersion },
        })
        return keptAs(record, metadata)
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 409)) throw error
        // It is our own write if the answer to the previous attempt was lost: no other run writes there.
        const found = await readRecord(cluster, app, record.begun.image)
        if (found?.uid !== uid || found.version === resourceVersion) throw error
        resourceVersion = found.version
        throw new WrittenBefore('the record was written by a request whose response was lost')
      }
    },
    (error) => error instanceof WrittenBefore || isTransient(error),
  )
}

class WrittenBefore extends Error {}

function keptAs(record: OpenRecord, metadata: Secret['metadata']): KeptRecord {
  return { ...record, uid: metadata?.uid ?? '', version: metadata?.resourceVersion ?? '' }
}

/** From here on, in characters, packing takes so long that it is done in another thread. A smaller text has no such turn: the model could not repeat a play (docs/protocol.md). */
const longText = 256 * 1024
const packedAside = promisify(gzip)

async function packed(text: string): Promise<Buffer> {
  return text.length < longText ? gzipSync(text) : packedAside(text)
}

/** Returns the Secret of a record: it may contain Secrets as they were. Paths are left out: a reader builds them again. */
async function secretOf(app: string, { snapshot, ...record }: OpenRecord): Promise<Secret> {
  const entries = snapshot.map(({ path: _path, ...entry }): Entry => entry)
  const json = JSON.stringify({ ...record, snapshot: entries })
  const data = (await packed(json)).toString('base64')
  if (data.length > longestBytes || json.length > longestText) {
    fail({
      code: 'write-failed',
      sentence: `the objects of this release are too large for the record in the cluster (${Math.ceil(data.length / 1024)} kB)`,
      hint: 'split the manifests over several releases',
    })
  }
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: nameFor(app), labels: managed },
    data: { record: data },
  }
}

/** Deletes the record: the release has ended, and nothing is left to recover. Deletes no record of another run. */
export async function closeRecord(
  cluster: Cluster,
  clock: Clock,
  app: string,
  { uid }: KeptRecord,
): Promise<void> {
  const path = `${secretsOf(cluster)}/${nameFor(app)}`
  await retryTransient(clock, cluster.life, () => cluster.remove(path, { uid }))
}

function secretsOf(cluster: Cluster): string {
  return collection('v1', cluster.namespace, 'secrets')
}
