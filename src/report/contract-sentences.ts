/** What is held back of a release's migrations, and what makes up for it, in sentences. Pure. */
import type {
  Bridge,
  BridgeKind,
  ContractPolicy,
  HeldMigration,
  MadeBridge,
} from '../django/contract.js'
import type { DatabasePlan } from '../django/plan.js'
import type { JudgedVersion } from '../django/verdict.js'
import { versionName } from './migration-sentences.js'

/** `shop.0102_note is held back: version 4f2c (deployment/web) still uses shop_order.note. The next release applies it` */
export function heldSentence(
  { name, rule, object, versions, after, operations }: HeldMigration,
  all: readonly JudgedVersion[],
  policy: ContractPolicy,
): string {
  const who = versions.flatMap((place) => all[place] ?? []).map((one) => versionName(one))
  const why =
    after !== undefined
      ? `it depends on ${after}`
      : object === undefined
        ? 'an earlier release held it back'
        : `${who.join(' and ')} ${stillDoes(rule, object)}`
  const leftOut = versions.flatMap((place) => all[place]?.leftOut ?? [])
  const when =
    leftOut.length > 0 && policy !== 'manual'
      ? `It waits until ${leftOut.join(', ')}, which no release updates, has another image`
      : whenOf[policy]
  return `${name} (${operations.join(', ')}) is held back: ${why}. ${when}`
}

function stillDoes(rule: HeldMigration['rule'], object: string): string {
  if (rule === 'null-refused') return `may still write NULL into ${object}`
  if (rule === 'narrowed') return `may still write more into ${object} than fits then`
  if (rule === 'fk-added') return `may still write values into ${object} that refer to no row`
  return `still needs ${object} as it is`
}

const whenOf: Readonly<Record<ContractPolicy, string>> = {
  off: '',
  next: 'The next release applies it',
  after: 'It is applied when the rollout is done',
  manual: 'Only the command "migrate" applies it',
}

/** Returns what cannot stay held back, a sentence each. */
export function unheldWarnings(
  databases: readonly Pick<DatabasePlan, 'unheld'>[],
): readonly string[] {
  return databases.flatMap(({ unheld }) =>
    unheld.map(
      ({ app, name, why }) => `${app}.${name} is applied now, although it was held back: ${why}`,
    ),
  )
}

/** Returns what is held back still, where there is anything. */
export function stillHeldWarning(
  held: readonly string[],
  policy: ContractPolicy,
): string | undefined {
  if (held.length === 0) return undefined
  // The same image again is nothing to release.
  const who =
    policy === 'manual' ? 'only the command "migrate"' : 'the next release of another image'
  return `${held.join(', ')}: still held back; ${who} applies ${held.length === 1 ? 'it' : 'them'}`
}

/** Returns what became of it after the rollout, where that failed. */
export function notAppliedWarning(applied: readonly string[], why: string): string {
  return applied.length === 0
    ? `what was held back was not applied, and the next release of another image does it: ${why}`
    : `what was held back was not all applied, and the next release of another image does the rest: ${why}`
}

const meanwhile: Readonly<Record<BridgeKind, string>> = {
  'default-kept':
    'the new column keeps its default in the database, because a running version does not set it',
  'default-set':
    'the column gets a default in the database until it is dropped, because the new version does not set it',
  'null-allowed':
    'NULL is allowed until the column is dropped, because the new version does not set it',
  'on-delete':
    'the foreign key lets go of rows that the new version deletes, until the column is dropped',
}

/** `shop_order.note: NULL is allowed until the column is dropped, because the new version does not set it` */
export function bridgeSentence({ kind, table, column }: Omit<Bridge, 'migration'>): string {
  return `${table}.${column}: ${meanwhile[kind]}`
}

/** Returns which rows of the new version the running one may not expect, a sentence each. */
export function nullWarnings(
  databases: readonly Pick<DatabasePlan, 'bridges'>[],
): readonly string[] {
  return databases.flatMap(({ bridges }) =>
    bridges
      .filter(({ kind }) => kind === 'null-allowed')
      .map(
        ({ table, column }) =>
          `rows that the new version writes have NULL in ${table}.${column}: code of the running version that reads them may not expect it`,
      ),
  )
}

/** Returns what was done in the database. */
export function madeBridgeSentence(made: MadeBridge): string {
  const { table, column, isEnded, failed } = made
  if (failed !== undefined)
    return `${table}.${column}: its default stays in the database until the next release (${failed})`
  return isEnded
    ? `${table}.${column}: the default that an earlier release left in the database is dropped`
    : bridgeSentence(made)
}
