/** What runs, in a file: a plan without a cluster compares with it. Pure. */
import type { Leaves, RunningVersion } from '../django/inspector-env.js'
import type { Plan } from '../django/plan.js'
import { isRecord, isText } from '../django/json.js'
import { isNeeds } from '../django/verdict.js'

export interface NeedsFile {
  readonly versions: readonly RunningVersion[]
  /** The last applied migration of each app. */
  readonly applied: Leaves
}

/** Returns the text of the file. `own`: the needs of the planned version, which may be among those that run. */
export function needsFileOf(
  running: readonly RunningVersion[],
  own: string | undefined,
  { databases }: Pick<Plan, 'databases'>,
): string {
  const versions = running.map(
    ({ names, tag, isOwn, isIdle, needs = isOwn ? own : undefined }) => ({
      names,
      tag,
      ...(isIdle && { isIdle }),
      ...(needs !== undefined && { needs }),
    }),
  )
  const applied = Object.fromEntries(databases.map(({ database, applied }) => [database, applied]))
  return `${JSON.stringify({ versions, applied }, null, 2)}\n`
}

/** Returns `undefined` for what is no such file: it comes from outside. */
export function readNeedsFile(text: string | undefined): NeedsFile | undefined {
  const json = parsed(text ?? '')
  if (!isRecord(json) || !Array.isArray(json['versions'])) return undefined
  const versions = json['versions'].map(versionOf)
  const { applied } = json
  const isWhole = versions.every((version) => version !== undefined)
  return isWhole && isRecord(applied) && isLeaves(applied) ? { versions, applied } : undefined
}

function versionOf(json: unknown): RunningVersion | undefined {
  if (!isRecord(json)) return undefined
  const { names, tag, needs, isIdle } = json
  if (!Array.isArray(names) || !names.every(isText) || !isText(tag)) return undefined
  if (needs !== undefined && !isNeeds(needs)) return undefined
  return { names, tag, ...(isIdle === true && { isIdle }), ...(needs !== undefined && { needs }) }
}

function isLeaves(json: Readonly<Record<string, unknown>>): json is Leaves {
  return Object.values(json).every((apps) => isRecord(apps) && Object.values(apps).every(isText))
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
