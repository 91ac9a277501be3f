/** What the inspector prints for this program, among what the project prints for people. Pure. */
import { madeBridgeOf, type MadeBridge } from './contract.js'
import { type Identity } from './identity.js'
import { lockingOf, type Locking } from './locking.js'
import { planOf, type Plan } from './plan.js'
import { reversedOf } from './reversal.js'
import {
  isNeeds,
  triedOf,
  type MigrationFinding,
  type Misfit,
  type Verified,
  verifiedOf,
} from './verdict.js'

/** Why the inspector does not run the command. */
export type Refused = {
  readonly alias: string
  /** The database that would have been migrated. */
  readonly migration: Identity
} & (
  | {
      /** The module that the web's server imports names another one. */
      readonly refused: 'web'
      readonly other: Identity
      readonly module: string
      /** `DJANGO_SETTINGS_MODULE` of the migration and of the web. */
      readonly settings: readonly [string, string]
      /** Whether the web has its settings from outside, rather than those that its module falls back to. */
      readonly given: boolean
    }
  /** The release before had another one. */
  | { readonly refused: 'before'; readonly other: Identity }
  /** SQLite's file is deleted with the pod. */
  | { readonly refused: 'file' }
)

/** The plan in a container's log; `undefined` when there is none, or none that is whole. */
export function readPlan(lines: readonly string[], marker: string): Plan | undefined {
  for (const line of lines) {
    const text = marked(line, marker)
    if (text?.startsWith('{') === true) {
      const plan = planOf(text)
      if (plan) return plan
    }
  }
  return undefined
}

/** What the new image reports of itself for later releases, packed: its needs, or its tasks, where this line has them. */
export function readPacked(
  line: string,
  marker: string,
): { readonly of: 'needs' | 'tasks'; readonly body: string } | undefined {
  const text = marked(line, marker)
  const [, of, body] = /^\{"(needs|tasks)": "([^"]*)"\}$/.exec(text ?? '') ?? []
  return (of === 'needs' || of === 'tasks') && isNeeds(body) ? { of, body } : undefined
}

/** What a migration says about its locks, where this line has it. */
export function readLocking(line: string, marker: string): Locking | undefined {
  const text = marked(line, marker)
  return text?.startsWith('{"locking"') === true ? lockingOf(text) : undefined
}

/** What a table has refused before a migration's commit, where this line has it. */
export function readTried(line: string, marker: string): MigrationFinding | undefined {
  const text = marked(line, marker)
  return text?.startsWith('{"tried"') === true ? triedOf(text) : undefined
}

/** What was done for both versions in a database, where this line has it. */
export function readBridge(line: string, marker: string): MadeBridge | undefined {
  const text = marked(line, marker)
  return text?.startsWith('{"bridge"') === true ? madeBridgeOf(text) : undefined
}

/** What the migration really made of the databases, where this line says so. */
export function readVerified(
  line: string,
  marker: string,
): readonly Verified[] | { readonly why: string } | undefined {
  const text = marked(line, marker)
  if (text?.startsWith('{"verified"') !== true) return undefined
  try {
    return verifiedOf(JSON.parse(text))
  } catch {
    return { why: 'the comparison cannot be read' }
  }
}

/** What the versions that come back do not fit after a reversal, where this line says so. */
export function readReversed(line: string, marker: string): readonly Misfit[] | undefined {
  const text = marked(line, marker)
  return text?.startsWith('{"reversed"') === true ? reversedOf(text) : undefined
}

/** Why the command is not run, where this line says so. */
export function readRefused(line: string, marker: string): Refused | undefined {
  const text = marked(line, marker)
  if (text?.startsWith('{"refused"') !== true) return undefined
  // Its own words: whatever they are, nothing was run.
  return JSON.parse(text) as Refused
}

/** Why the script that starts the web was skipped, where this line says so. */
export function readPassed(line: string, marker: string): string | undefined {
  return /^\{"past":"(.*)"\}$/.exec(marked(line, marker) ?? '')?.[1]
}

/** Whether this line says that the inspector now becomes the migrate command. */
export function migrationBegins(line: string, marker: string): boolean {
  return marked(line, marker) === 'migrate'
}

/** Whether this line says that all has been done, and that the pod ends now. */
export function hasEnded(line: string, marker: string): boolean {
  return marked(line, marker) === 'ended'
}

/** Returns whether a line is for this program, not for people. */
export function isMarked(line: string, marker: string): boolean {
  return marked(line, marker) !== undefined
}

/**
 * Returns what a line has for people: all of it, or the text before its markers. That text has no line end,
 * such as the name of a migration that has failed.
 */
export function unmarked(line: string, marker: string): string | undefined {
  if (!isMarked(line, marker)) return line
  const before = line.slice(0, line.indexOf(marker))
  return before === '' ? undefined : before
}

/** Returns what is between two markers. Text may precede them. */
function marked(line: string, marker: string): string | undefined {
  const start = line.indexOf(marker)
  const end = line.lastIndexOf(marker)
  return marker === '' || end <= start ? undefined : line.slice(start + marker.length, end)
}
