/** The Celery tasks of versions, as the inspector packs them (rollout_inspector/tasks.py). Pure. */
import { inflateSync } from 'node:zlib'
import { isRecord } from './json.js'

/** What a task may be called with. */
interface Parameters {
  readonly required: readonly string[]
  readonly optional: readonly string[]
  /** It also takes any other. */
  readonly takesAny: boolean
}

/** By the name that messages call it by. */
export type Tasks = ReadonlyMap<string, Parameters>

/** What one version sends and another one cannot run: a worker discards such a message, or its task fails. In words. */
export interface Mismatch {
  /** Tasks of the new version that a running worker does not know, or not with these parameters. */
  readonly added: readonly string[]
  /** Tasks of the running version that a new worker does not know, or not with these parameters. */
  readonly removed: readonly string[]
}

/** The limit when unpacked: others may have written it. */
const longestBytes = 1024 * 1024

/** Returns the tasks of a body; `undefined` for what cannot be read. */
export function tasksOf(body: string): Tasks | undefined {
  try {
    const bytes = Buffer.from(body, 'base64')
    const json: unknown = JSON.parse(
      inflateSync(bytes, { maxOutputLength: longestBytes }).toString(),
    )
    if (!areTasks(json)) return undefined
    return new Map(
      Object.entries(json).map(([name, { r = [], o = [], a }]) => [
        name,
        { required: r, optional: o, takesAny: a === 1 },
      ]),
    )
  } catch {
    return undefined
  }
}

interface Packed {
  readonly r?: readonly string[]
  readonly o?: readonly string[]
  readonly a?: 1
}

export function areTasks(json: unknown): json is Readonly<Record<string, Packed>> {
  return isRecord(json) && Object.values(json).every(isPacked)
}

function isPacked(json: unknown): json is Packed {
  if (!isRecord(json)) return false
  const { r = [], o = [], a = 1, ...more } = json
  return areNames(r) && areNames(o) && a === 1 && Object.keys(more).length === 0
}

function areNames(json: unknown): boolean {
  return Array.isArray(json) && json.every((one) => typeof one === 'string')
}

export function mismatch(running: Tasks, coming: Tasks): Mismatch {
  return { added: notIn(coming, running, 'new'), removed: notIn(running, coming, 'old') }
}

/** Returns the tasks that one version may send and the other cannot run. Sorted. */
function notIn(sent: Tasks, known: Tasks, age: 'new' | 'old'): readonly string[] {
  return [...sent]
    .flatMap(([name, parameters]) => {
      const other = known.get(name)
      if (!other) return [name]
      return takes(other, parameters) ? [] : [`${name} with its ${age} parameters`]
    })
    .sort()
}

/**
 * Returns whether a task may be called as another version of it. What may be left out need not be sent, but the code
 * that has added a parameter does send it.
 */
function takes(task: Parameters, as: Parameters): boolean {
  const known = [...task.required, ...task.optional]
  const sent = [...as.required, ...as.optional]
  const knowsAll = task.takesAny || sent.every((name) => known.includes(name))
  return knowsAll && (as.takesAny || task.required.every((name) => as.required.includes(name)))
}
