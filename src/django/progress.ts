/** What one line of `migrate` says about one migration. */
export interface MigrationProgress {
  /** `orders.0002_note` */
  readonly migration: string
  readonly direction: 'forwards' | 'backwards'
  /** `begun`: the line breaks off before it says how it ended; a traceback may follow. */
  readonly is: 'applied' | 'faked' | 'begun'
}

/** What a whole log of `migrate` says: names as `orders.0002_note`, in order. */
export interface Migrated {
  readonly applied: readonly string[]
  /** The one that was begun and not ended: it failed, or it is running still. */
  readonly open?: string
}

/** django-tenants puts the schema before it: `[1/9 (11%) standard:acme]`. */
const line = /^\s*(?:\[[^\]]*\]\s+)?(Applying|Unapplying) (\w+\.\w+)\.\.\.(.*)$/
const end = /^ (OK|FAKED)( \([\d.]+s\))?$/

/**
 * Reads a line such as `  Applying orders.0002_note... OK` (`django/core/management/commands/migrate.py`,
 * `migration_progress_callback`; from verbosity 2 on it has the seconds too).
 */
export function migrationProgress(text: string): MigrationProgress | undefined {
  const [, verb, migration, rest = ''] = line.exec(text.trimEnd()) ?? []
  if (migration === undefined) return undefined
  const direction = verb === 'Applying' ? 'forwards' : 'backwards'
  return { migration, direction, is: endOf(rest) ?? 'begun' }
}

/** Which migrations a log says were applied (faked and unapplied ones too), and which one was left open. */
export class MigrationLog {
  // Each database has all of them.
  readonly #applied = new Set<string>()
  #open: string | undefined

  get migrated(): Migrated {
    const open = this.#open
    return { applied: [...this.#applied], ...(open !== undefined && { open }) }
  }

  read(text: string): void {
    const progress = migrationProgress(text)
    // The output of a migration itself is between its name and its end, which is then a line ` OK`.
    if (this.#open !== undefined && (progress ?? endOf(text.trimEnd()))) {
      this.#applied.add(this.#open)
      this.#open = undefined
    }
    if (progress?.is === 'begun') this.#open = progress.migration
    else if (progress) this.#applied.add(progress.migration)
  }
}

function endOf(rest: string): 'applied' | 'faked' | undefined {
  const word = end.exec(rest)?.[1]
  return word === undefined ? undefined : word === 'OK' ? 'applied' : 'faked'
}
