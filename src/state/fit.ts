/**
 * Whether the versions of the history fit the schema that the databases have now. Migrations that are applied change
 * it, and the pod that applies them compares the schema with what each version needs. Pure.
 */
import { misfitOf, type ChangeOfFit, type Misfit, type Verified } from '../django/verdict.js'
import { wentLive, type Entry, type History } from './history.js'
import { isPlain } from './schema.js'

/** What a version that was live lacks since then. Missing in the history: not known. */
export interface Fit {
  /** None: it fits as well as when it was released. */
  readonly misfits: readonly KeptMisfit[]
  /** Migrations were applied since it was released. */
  readonly changed?: true
}

export interface KeptMisfit extends Misfit {
  /** The number of the release whose migration has done it. */
  readonly release?: number
}

/** What a run's migrations have changed for the versions of the history. */
export type SchemaChange =
  /** Something may have been applied, and was not compared. */
  | { readonly is: 'unknown' }
  /** Something may be applied from now on, and the run that would say it later may be killed. */
  | { readonly is: 'begun' }
  | {
      readonly is: 'compared'
      readonly databases: readonly Verified[]
      /** `shop.0102_note` */
      readonly applied: readonly string[]
    }

/** Of one version; the most severe are kept. */
const mostMisfits = 30

/** Returns the fit that is kept; nothing for what cannot be read (a person's edit, a later version of this program). */
export function fitOf(value: unknown): Fit | undefined {
  if (!isPlain(value) || !Array.isArray(value['misfits'])) return undefined
  const misfits = value['misfits'].map((one: unknown): KeptMisfit | undefined => {
    const misfit = misfitOf(one)
    const release = isPlain(one) ? one['release'] : undefined
    return misfit && { ...misfit, ...(typeof release === 'number' && { release }) }
  })
  const whole = misfits.filter((one) => one !== undefined)
  if (whole.length < misfits.length) return undefined
  return { misfits: whole, ...(value['changed'] === true && { changed: true }) }
}

/**
 * Returns the history after migrations. `own`: the run of the release that applied them, whose own version fits;
 * applied by no release where it is missing.
 */
export function withSchema(history: History, change: SchemaChange, own?: string): History {
  const number = history.find(({ run }) => run === own)?.number
  return history.map((entry) => {
    if (entry.run === own || !wentLive(entry)) return entry
    const { fit, ...others } = entry
    const now = fit && fitAfter(fit, entry, change, number)
    return { ...others, ...(now && { fit: now }) }
  })
}

function fitAfter(
  fit: Fit,
  { needs = '' }: Entry,
  change: SchemaChange,
  release: number | undefined,
): Fit | undefined {
  if (change.is === 'unknown') return undefined
  if (change.is === 'begun') return { ...fit, changed: true }
  const { databases, applied } = change
  const changes = databases.map(({ database, earlier }) => ({ database, own: earlier[needs] }))
  const known = changes.filter((one) => one.own !== undefined)
  // Not all databases were compared with it.
  if (known.length < changes.length) return undefined
  const misfits = known.reduce<readonly KeptMisfit[]>(
    (before, { database, own }) => (own ? misfitsAfter(before, database, own) : before),
    fit.misfits,
  )
  const only = applied.length === 1 ? applied[0] : undefined
  const named = misfits.map((misfit): KeptMisfit => {
    if (fit.misfits.includes(misfit)) return misfit
    const migration = misfit.migration ?? only
    return {
      ...misfit,
      ...(migration !== undefined && { migration }),
      ...(release !== undefined && { release }),
    }
  })
  const changed = fit.changed === true || applied.length > 0 || !isSame(named, fit.misfits)
  const ordered = named.toSorted((one, other) => Number(isMild(one)) - Number(isMild(other)))
  return { misfits: ordered.slice(0, mostMisfits), ...(changed && { changed }) }
}

function misfitsAfter(
  before: readonly KeptMisfit[],
  database: string,
  { added, gone }: ChangeOfFit,
): readonly KeptMisfit[] {
  const nameOf = ({ rule, object }: Misfit) => `${rule} ${object}`
  const kept = before.filter((one) => one.database !== database || !gone.includes(nameOf(one)))
  const isKnown = (misfit: Misfit) =>
    kept.some((one) => one.database === database && nameOf(one) === nameOf(misfit))
  return [...kept, ...added.filter((misfit) => !isKnown(misfit))]
}

function isMild({ severity }: Misfit): boolean {
  return severity !== 'breaks'
}

function isSame(one: readonly KeptMisfit[], other: readonly KeptMisfit[]): boolean {
  return one.length === other.length && one.every((misfit) => other.includes(misfit))
}

export function breaking(misfits: readonly KeptMisfit[]): readonly KeptMisfit[] {
  return misfits.filter((misfit) => !isMild(misfit))
}

/** What has to be done before a rollback to a version. */
export type WayBack =
  /** Its queries would fail. */
  | { readonly is: 'unfit'; readonly breaks: readonly KeptMisfit[] }
  /** Nothing was migrated since it was live. */
  | { readonly is: 'unchanged' }
  /** The schema is another one, or it is not known: the image itself shows it. */
  | { readonly is: 'to prove' }

/** `release`: none for an image that the history does not have; `applied`: migrations that were applied since. */
export function wayBack(release: Entry | undefined, applied: readonly string[]): WayBack {
  const fit = release?.fit
  // Versions of this program before the needs were kept knew only what was applied.
  if (release && !fit && release.needs === undefined && applied.length === 0) {
    return { is: 'unchanged' }
  }
  if (!fit) return { is: 'to prove' }
  const breaks = breaking(fit.misfits)
  if (breaks.length > 0) return { is: 'unfit', breaks }
  return fit.changed === true || applied.length > 0 ? { is: 'to prove' } : { is: 'unchanged' }
}
