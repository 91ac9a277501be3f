/** Migrations that are held back until no running version needs what they remove, and what makes up for them. Pure. */
import type { Container, PodSpec } from 'kubernetes-types/core/v1'
import { isRecord, isText } from './json.js'
import type { ImageCommand } from './launch.js'
import type { Rule } from './verdict.js'

/** When a migration that breaks a running version is applied. */
export type ContractPolicy =
  /** Never: it stops the release. */
  | 'off'
  /** By the next release, before its rollout. */
  | 'next'
  /** When the rollout is done. */
  | 'after'
  /** By the command `migrate` alone. */
  | 'manual'

/** A migration that is held back. */
export interface HeldMigration {
  /** The alias in `DATABASES`. */
  readonly database: string
  /** `shop.0102_note` */
  readonly name: string
  readonly operations: readonly string[]
  /** What it breaks; missing where another one is the reason. */
  readonly rule?: Rule
  /** `shop_order.note` */
  readonly object?: string
  /** Places in `Judged.versions`. */
  readonly versions: readonly number[]
  /** It depends on this one, which is held back. */
  readonly after?: string
}

/** How both versions work meanwhile (bridges.py). */
export interface Bridge {
  readonly kind: BridgeKind
  readonly database: string
  readonly table: string
  readonly column: string
  readonly migration: string
}

const bridgeKinds = ['default-kept', 'default-set', 'null-allowed', 'on-delete'] as const
export type BridgeKind = (typeof bridgeKinds)[number]

/** What became of one that the pod has made, or ended. */
export interface MadeBridge extends Omit<Bridge, 'migration'> {
  readonly isEnded: boolean
  /** Why it could not be ended. */
  readonly failed?: string
}

/** What a release starts beside its migration. `programs`: for the pod to look into, where they are scripts. */
export interface Starts {
  /** `deployment/web migrates when it starts (python manage.py migrate)` */
  readonly refused?: string
  readonly programs: readonly string[]
}

/** A command that applies migrations, as one of the project's may whose name begins so, or waits until they are. */
export const migrates = /\b(migrate(_\w+)?|showmigrations)\b/

/**
 * Returns what a release starts: its pods, and the user's `commands` around the rollout. What migrates by itself
 * would apply what is held back. `isOurs`: whether an image is the one that is released, whose own command is `image`.
 */
export function startsOf(
  pods: readonly { readonly name: string; readonly spec: PodSpec | undefined }[],
  commands: readonly string[],
  isOurs: (image: string) => boolean,
  image: ImageCommand | undefined,
): Starts {
  const all = pods.flatMap(({ name, spec }) =>
    [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].map((container) => ({
      name,
      own: isOurs(container.image ?? ''),
      words: wordsOf(container, isOurs(container.image ?? '') ? image : undefined),
    })),
  )
  const refused = refusalOf(all, commands)
  const texts = [...commands, ...all.flatMap(({ own, words }) => (own ? words : []))]
  const programs = texts
    .flatMap((text) => text.split(/[\s;&|"'`()]+/))
    .filter((word) => /^[\w./-]+$/.test(word) && !word.startsWith('-'))
  return {
    ...(refused !== undefined && { refused }),
    programs: [...new Set(programs)].slice(0, 100),
  }
}

function refusalOf(
  pods: readonly { readonly name: string; readonly words: readonly string[] }[],
  commands: readonly string[],
): string | undefined {
  if (commands.some((command) => migrates.test(command)))
    return '"before-rollout" or "after-rollout" migrates'
  const found = pods.find(({ words }) => migrates.test(words.join(' ')))
  return found && `${found.name} migrates when it starts (${short(found.words.join(' '))})`
}

function wordsOf({ command, args }: Container, image: ImageCommand | undefined): readonly string[] {
  const first = command ?? image?.entrypoint ?? []
  return [...first, ...(args ?? (command === undefined ? (image?.cmd ?? []) : []))]
}

function short(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ')
  return line.length > 80 ? `${line.slice(0, 80)}…` : line
}

/** Returns what a plan says of one migration; `undefined` for what is no such thing. */
export function heldMigrationOf(database: string, json: unknown): HeldMigration | undefined {
  if (!isRecord(json)) return undefined
  const { app, name, operations, versions = [], rule, object, after } = json
  if (typeof app !== 'string' || typeof name !== 'string') return undefined
  if (!isListOf(operations, isText) || !isListOf(versions, isCount)) return undefined
  return {
    database,
    name: `${app}.${name}`,
    operations,
    versions,
    ...(isText(rule) && { rule: rule as Rule }),
    ...(isText(object) && { object }),
    ...(isText(after) && { after }),
  }
}

/** Returns a bridge as a plan, or a person's edit of the history, has it; `undefined` for what is none. */
export function bridgeOf(json: unknown): Bridge | undefined {
  if (!isRecord(json)) return undefined
  const { kind, database, table, column, migration } = json
  const known = bridgeKinds.find((one) => one === kind)
  return known && isText(database) && isText(table) && isText(column) && isText(migration)
    ? { kind: known, database, table, column, migration }
    : undefined
}

type PlaceOfBridge = Omit<Bridge, 'migration'>

export function isSameBridge(one: PlaceOfBridge, other: PlaceOfBridge): boolean {
  return (['kind', 'database', 'table', 'column'] as const).every((key) => one[key] === other[key])
}

/** Returns what a line of the pod says; `undefined` where it cannot be read. */
export function madeBridgeOf(text: string): MadeBridge | undefined {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return undefined
  }
  const made = isRecord(json) ? json['bridge'] : undefined
  if (!isRecord(made)) return undefined
  const { migration: _, ...bridge } = bridgeOf({ migration: '', ...made }) ?? {}
  const { ended, failed } = made
  return 'kind' in bridge
    ? { ...bridge, isEnded: ended === true, ...(isText(failed) && { failed }) }
    : undefined
}

/** Returns all that can be read of a list. */
export function bridgesOf(json: unknown): readonly Bridge[] {
  return Array.isArray(json) ? json.flatMap((one: unknown) => bridgeOf(one) ?? []) : []
}

function isListOf<T>(json: unknown, is: (one: unknown) => one is T): json is T[] {
  return Array.isArray(json) && json.every(is)
}

function isCount(json: unknown): json is number {
  return typeof json === 'number'
}
