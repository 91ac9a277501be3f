/** Keeps the history of an application in a ConfigMap of its namespace, one key per release. */
import { gunzipSync, gzipSync } from 'node:zlib'
import type { ConfigMap } from 'kubernetes-types/core/v1'
import { ApiError } from '../kubernetes/api-error.js'
import { isTransient, retryTransient } from '../kubernetes/retry.js'
import type { Cluster } from '../kubernetes/cluster.js'
import { isOfRepository } from '../kubernetes/image.js'
import { checkManaged, managed, nameFor } from '../kubernetes/managed.js'
import { collection } from '../kubernetes/paths.js'
import type { KeptNeeds } from '../django/inspector-env.js'
import type { Clock } from '../platform/platform.js'
import {
  added,
  foundBefore,
  wentLive,
  withFound,
  type ReleaseEnd,
  type Entry,
  type History,
} from './history.js'
import { type RunningVersion } from '../judge/running-digests.js'
import { wrongInEntry } from './record-schema.js'
import { hashOf, isWhole, keptBodies, needsBytes } from './needs.js'
import { bridgesOf } from '../django/contract.js'
import { fitOf, withSchema, type SchemaChange } from './fit.js'
import { isTemplates, type Templates } from '../undo/templates.js'

/** All that is kept of an application. */
export interface Archive {
  readonly history: History
  /** The pod templates of the versions that went live, by the numbers of their releases. */
  readonly templates: ReadonlyMap<number, Templates>
  /**
   * The databases that the last live version used, by alias: a migration of another one is refused. Remove the
   * annotation (`forgetDatabases`) to allow it.
   */
  readonly databases: unknown
  /** What versions need of the databases, packed, by the digests of their images. */
  readonly needs: ReadonlyMap<string, string>
  /** Their tasks, packed, in the same way. */
  readonly tasks: ReadonlyMap<string, string>
  /** The needs of those that went live, the newest first: a rollback may restore them. */
  readonly earlier: readonly KeptNeeds[]
}

/** Reads all that is kept of this image, by one request. Throws a Failure `name-taken` when that ConfigMap is not ours. */
export async function readArchive(
  cluster: Cluster,
  app: string,
  repository: string,
): Promise<Archive> {
  const live = await readLive(cluster, app)
  const history = historyOf(live).filter(({ image }) => isOfRepository(image, repository))
  const templates = history.flatMap(({ number }) => {
    const own = unpacked(live?.binaryData?.[templatesKeyOf(number)])
    return own ? [[number, own] as const] : []
  })
  const bodies = new Map(
    keptBodies(history).flatMap((hash) => {
      const own = live?.binaryData?.[needsKeyOf(hash)]
      return own !== undefined && isWhole(own, hash) ? [[hash, own] as const] : []
    }),
  )
  const byDigest = (of: 'needs' | 'tasks') =>
    new Map(
      history.flatMap(({ digest, [of]: hash = '' }) => {
        const own = bodies.get(hash)
        return own === undefined ? [] : [[digest, own] as const]
      }),
    )
  const liveNeeds = new Set(history.filter(wentLive).map(({ needs: hash }) => hash))
  return {
    history,
    templates: new Map(templates),
    databases: databasesOf(live),
    needs: byDigest('needs'),
    tasks: byDigest('tasks'),
    earlier: [...bodies].flatMap(([hash, own]) =>
      liveNeeds.has(hash) ? [{ hash, needs: own }] : [],
    ),
  }
}

/** Reads the history of this image: releases of another application with the name are left out. */
export async function readHistory(
  cluster: Cluster,
  app: string,
  repository: string,
): Promise<History> {
  const { history } = await readReleases(cluster, app)
  return history.filter(({ image }) => isOfRepository(image, repository))
}

/** The history as it was read: the write that follows is guarded by that version. */
export interface ReadHistory {
  readonly history: History
  readonly configMap: ConfigMap | undefined
}

/** Reads all releases under this name. Throws a Failure `name-taken` when that ConfigMap is not ours. */
export async function readReleases(cluster: Cluster, app: string): Promise<ReadHistory> {
  const configMap = await readLive(cluster, app)
  return { history: historyOf(configMap), configMap }
}

async function readLive(cluster: Cluster, app: string): Promise<ConfigMap | undefined> {
  const live = await cluster.find<ConfigMap>(`${configMapsOf(cluster)}/${nameFor(app)}`)
  if (live) checkManaged(cluster, 'configmap', live.metadata)
  return live
}

/** The databases of the last live version, as JSON by alias. */
const databasesAnnotation = 'django-rollout/databases'

function databasesOf(live: ConfigMap | undefined): unknown {
  try {
    return JSON.parse(live?.metadata?.annotations?.[databasesAnnotation] ?? '{}') as unknown
  } catch {
    return {}
  }
}

/** Returns the arguments of kubectl that allow another database. */
export function forgetDatabases(app: string): readonly string[] {
  return ['annotate', 'configmap', nameFor(app), `${databasesAnnotation}-`]
}

/** What a version has reported of itself, packed. */
interface Bodies {
  /** What it needs of the databases. Kept of a release that did not go live too: its image may run yet. */
  readonly needs?: string | undefined
  /** Its tasks; kept in the same way. */
  readonly tasks?: string | undefined
}

/** What is kept of a version that went live, for the releases after it. */
export interface LiveVersion extends Bodies {
  /** As the release wrote them. */
  readonly templates?: Templates | undefined
  /** The databases that it uses, by alias. */
  readonly databases?: unknown
  /** What ran before it, which the history may lack. */
  readonly before?: Before | undefined
  /** What its migrations have changed for the other versions, however the release ended. */
  readonly schema?: SchemaChange | undefined
}

export interface Before extends RunningVersion, Bodies {
  readonly templates: Templates
}

export interface HistoryContext {
  readonly cluster: Cluster
  readonly clock: Clock
  readonly app: string
}

/**
 * Adds a release, or replaces the entry of the same run; for one that went live with what is kept of it. `read`: the
 * history as this run has read it under its lock, which is read again only where it has changed since.
 */
export async function saveRelease(
  { cluster, clock, app }: HistoryContext,
  release: ReleaseEnd,
  { templates, databases, before, schema, ...bodies }: LiveVersion = {},
  read?: ReadHistory,
): Promise<void> {
  const ended = { ...release, ...hashesOf(bodies) }
  const used = databases === undefined ? {} : { [databasesAnnotation]: JSON.stringify(databases) }
  const configMaps = configMapsOf(cluster)
  const path = `${configMaps}/${nameFor(app)}`
  const write = async (live: ConfigMap | undefined) => {
    const found = before && { ...foundBefore(ended, before), ...hashesOf(before) }
    const after = withRelease(historyOf(live), ended, found)
    const history = schema ? withSchema(after, schema, ended.run) : after
    const data = dataOf(history)
    const kept = live?.binaryData ?? {}
    const binaryData = {
      ...withTemplates(history, kept, {
        [ended.run]: templates,
        ...(found && { [found.run]: before.templates }),
      }),
      ...withBodies(history, kept, [...bodiesOf(bodies), ...bodiesOf(before ?? {})]),
    }
    await (live
      ? cluster.put(path, {
          ...live,
          metadata: {
            ...live.metadata,
            annotations: { ...live.metadata?.annotations, ...used },
          },
          data,
          binaryData,
        })
      : cluster.post(configMaps, {
          apiVersion: 'v1',
          kind: 'ConfigMap',
          metadata: {
            name: nameFor(app),
            labels: managed,
            ...(databases !== undefined && { annotations: used }),
          },
          data,
          binaryData,
        }))
  }
  if (read && (await isWritten(() => write(read.configMap)))) return
  await retryTransient(
    clock,
    cluster.life,
    async () => write(await readLive(cluster, app)),
    isConflict,
  )
}

function hashesOf({ needs, tasks }: Bodies): Pick<ReleaseEnd, 'needs' | 'tasks'> {
  return {
    ...(needs !== undefined && { needs: hashOf(needs) }),
    ...(tasks !== undefined && { tasks: hashOf(tasks) }),
  }
}

function bodiesOf({ needs, tasks }: Bodies): readonly string[] {
  return [needs ?? [], tasks ?? []].flat()
}

/** Returns false where it has to be read first: it was changed or deleted, or no answer came. */
async function isWritten(write: () => Promise<void>): Promise<boolean> {
  try {
    await write()
    return true
  } catch (error) {
    if (isConflict(error) || (error instanceof ApiError && error.status === 404)) return false
    throw error
  }
}

/** Keeps what migrations have changed that no release applied. */
export async function saveSchemaChange(
  { cluster, clock, app }: HistoryContext,
  schema: SchemaChange | undefined,
  contract: Partial<Pick<ReleaseEnd, 'held' | 'bridges'>> = {},
  applied: readonly string[] = [],
): Promise<void> {
  await retryTransient(
    clock,
    cluster.life,
    async () => {
      const live = await readLive(cluster, app)
      const history = historyOf(live)
      if (!live || history.length === 0) return
      const changed = schema ? withSchema(history, schema) : history
      const data = dataOf(
        changed.map((entry, i) =>
          i === changed.length - 1
            ? {
                ...entry,
                ...contract,
                migrations: [...new Set([...entry.migrations, ...applied])],
              }
            : entry,
        ),
      )
      await cluster.put(`${configMapsOf(cluster)}/${nameFor(app)}`, { ...live, data })
    },
    isConflict,
  )
}

function isConflict(error: unknown): boolean {
  return isTransient(error) || (error instanceof ApiError && error.status === 409)
}

function dataOf(history: History): Readonly<Record<string, string>> {
  return Object.fromEntries(history.map((entry) => [keyOf(entry.number), JSON.stringify(entry)]))
}

/** Returns the history with the release; a repeated request gives the same. */
function withRelease(history: History, ended: ReleaseEnd, found: ReleaseEnd | undefined): History {
  if (history.some(({ run }) => run === ended.run)) return added(history, ended)
  if (ended.result === 'found') return withFound(history, ended)
  return added(found ? withFound(history, found) : history, ended)
}

/** The templates may use a third of a ConfigMap's limit, in bytes: the newest that fit are kept. */
const templatesBytes = 350 * 1024
/** The limit when unpacked. */
const longestBytes = 16 * 1024 * 1024

function withTemplates(
  history: History,
  before: Readonly<Record<string, string>>,
  byRun: Readonly<Record<string, Templates | undefined>>,
): Readonly<Record<string, string>> {
  let left = templatesBytes
  const kept = history
    .filter(wentLive)
    .toReversed()
    .flatMap((entry) => {
      const key = templatesKeyOf(entry.number)
      const templates = byRun[entry.run]
      const own = templates ? packed(templates) : before[key]
      left -= own?.length ?? 0
      return own === undefined || left < 0 ? [] : [[key, own] as const]
    })
  return Object.fromEntries(kept)
}

function withBodies(
  history: History,
  before: Readonly<Record<string, string>>,
  more: readonly string[],
): Readonly<Record<string, string>> {
  const bodies = {
    ...before,
    ...Object.fromEntries(more.map((body) => [needsKeyOf(hashOf(body)), body])),
  }
  return keptBodies(history).reduce<Readonly<Record<string, string>>>((kept, hash) => {
    const key = needsKeyOf(hash)
    const body = bodies[key]
    if (body === undefined || !isWhole(body, hash)) return kept
    const size = Object.values(kept).reduce((sum, { length }) => sum + length, body.length)
    return size > needsBytes ? kept : { ...kept, [key]: body }
  }, {})
}

function packed(templates: Templates): string {
  return gzipSync(JSON.stringify(templates)).toString('base64')
}

/** Returns nothing for what cannot be read (a person's edit). */
function unpacked(text: string | undefined): Templates | undefined {
  if (text === undefined) return undefined
  try {
    const json = gunzipSync(Buffer.from(text, 'base64'), { maxOutputLength: longestBytes })
    const templates: unknown = JSON.parse(json.toString())
    return isTemplates(templates) ? templates : undefined
  } catch {
    return undefined
  }
}

/** Returns the entries, without those that cannot be read (a person's edit) or are invalid. */
function historyOf(live: ConfigMap | undefined): History {
  return Object.entries(live?.data ?? {})
    .flatMap(([key, text]): readonly Entry[] => {
      try {
        const entry = JSON.parse(text) as unknown
        if (wrongInEntry(entry) !== undefined) return []
        const { fit: kept, bridges, ...others } = entry as Entry
        const fit = fitOf(kept)
        const read = {
          ...others,
          ...(fit && { fit }),
          ...(bridges && { bridges: bridgesOf(bridges) }),
        }
        return keyOf(others.number) === key ? [read] : []
      } catch {
        return []
      }
    })
    .sort((one, other) => one.number - other.number)
}

/** Returns a key that sorts by name as by number: `release-000012`. */
function keyOf(number: number): string {
  return `release-${String(number).padStart(6, '0')}`
}

function needsKeyOf(hash: string): string {
  return `needs-${hash}`
}

function templatesKeyOf(number: number): string {
  return keyOf(number).replace('release', 'templates')
}

function configMapsOf(cluster: Cluster): string {
  return collection('v1', cluster.namespace, 'configmaps')
}
