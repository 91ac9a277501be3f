/**
 * What versions need of their databases, and which Celery tasks they have, kept with the history: the next release asks
 * whether it breaks the version that runs, without starting that. A body is what the inspector packs (needs.py and
 * tasks.py of rollout_inspector). Most releases share one, so it is kept under its hash.
 */
import { createHash } from 'node:crypto'
import { inflateSync } from 'node:zlib'
import { areTasks } from '../django/tasks.js'
import { isNeeds } from '../django/verdict.js'
import { wentLive, type History } from './history.js'
import { anyText, fields, mapOf, maybe, type Check } from './schema.js'

/** The needs may use a fifth of a ConfigMap's limit: those of a project with 400 models have 25 KiB. */
export const needsBytes = 200 * 1024
/** The limit when unpacked: small data may be a decompression bomb. */
const longestBytes = 4 * 1024 * 1024

export function hashOf(needs: string): string {
  return createHash('sha256').update(needs).digest('hex').slice(0, 32)
}

/** Returns the hashes of the bodies to keep, the most wanted first: of live versions, the newest before older ones. */
export function keptBodies(history: History): readonly string[] {
  const newest = history.toReversed()
  const ordered = [...newest.filter(wentLive), ...newest.filter((entry) => !wentLive(entry))]
  return [...new Set(ordered.flatMap(({ needs, tasks }) => [needs ?? [], tasks ?? []].flat()))]
}

/** Returns whether a body is what was kept under this hash, and has the expected shape: others may have written it. */
export function isWhole(body: string, hash: string): boolean {
  if (!isNeeds(body) || hashOf(body) !== hash) return false
  try {
    const json = inflateSync(Buffer.from(body, 'base64'), { maxOutputLength: longestBytes })
    const read: unknown = JSON.parse(json.toString())
    return needs(read, 'needs') === undefined || areTasks(read)
  } catch {
    return false
  }
}

const flag = (value: unknown, at: string) => (value === 1 ? undefined : `${at} is not 1`)
const reference: Check = (value, at) =>
  Array.isArray(value) && typeof value[0] === 'string' ? undefined : `${at} is not a reference`

const column = fields(
  {
    t: anyText,
    n: maybe(flag),
    d: maybe(flag),
    p: maybe(flag),
    g: maybe(flag),
    r: maybe(reference),
  },
  'left',
)
const table = fields({ m: anyText, u: maybe(flag), o: maybe(flag), c: mapOf(column) }, 'left')
/** By alias of the database, table and column. */
const needs = mapOf(mapOf(table))
