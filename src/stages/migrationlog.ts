/** What a migration's container says, for us and for people. */
import type { PodTemplateSpec } from 'kubernetes-types/core/v1'
import { isMarked, migrationBegins, readPlan, type Plan } from '../django/inspector.js'
import { migrated } from '../django/progress.js'
import type { Cause } from '../report/cause.js'
import type { Journal } from '../report/journal.js'
import type { JobVerdict } from '../rollout/job.js'

/** What the container says: the plan between markers for us, the rest for people. */
export class Output {
  /** All lines but the marked ones. */
  readonly lines: string[] = []
  readonly plan: Promise<Plan>
  private readonly found: (plan: Plan) => void
  private readonly held: string[] = []
  private journal: Journal | undefined
  private begun = false

  constructor(private readonly marker: string) {
    const { promise, resolve } = Promise.withResolvers<Plan>()
    this.plan = promise
    this.found = resolve
  }

  /** Lines go to this journal from now on, those held back first. */
  to(journal: Journal): void {
    this.journal = journal
    this.held.splice(0).forEach((line) => {
      journal.quote(line)
    })
  }

  /** Keeps lines back until the next stage listens. */
  hold(): void {
    this.journal = undefined
  }

  waiting(on: string): void {
    this.journal?.waiting(`waiting for the Job's pod: ${on}`)
  }

  line(line: string): void {
    if (isMarked(line, this.marker)) {
      if (migrationBegins(line, this.marker)) this.begun = true
      const plan = readPlan([line], this.marker)
      if (plan) this.found(plan)
      return
    }
    this.lines.push(line)
    if (this.journal) this.journal.quote(line)
    else this.held.push(line)
  }

  progress() {
    return this.begun ? migrated(this.lines) : { applied: [] }
  }
}

/** A new version that does not start: told as what it means for the release. */
export function planCause(cause: Cause): Cause {
  return {
    ...cause,
    code: 'plan-failed',
    sentence: `the new version does not start: ${withoutName(cause)}`,
  }
}

/** A migration that failed: which one, and what was applied before it. */
export function migrationCause(cause: Cause, lines: readonly string[]): Cause {
  const { open, applied } = migrated(lines)
  const kept = applied.length === 0 ? '' : `; applied before it: ${applied.join(', ')}`
  return {
    ...cause,
    code: 'migration-failed',
    sentence: `migration ${open ?? ''} failed: ${withoutName(cause)}${kept}`.replace('  ', ' '),
  }
}

/** Codes of a migration whose log cannot be read: before its plan was known, or behind it. */
export type Unread = 'plan-failed' | 'migration-failed'

/** How the Job ended is known; what it has applied is not, so nothing is claimed of that. */
export function unreadCause(
  code: Unread,
  job: string,
  verdict: JobVerdict,
  words: string,
  { lines, logs }: { readonly lines: readonly string[]; readonly logs: string },
): Cause {
  const { applied } = migrated(lines)
  const known =
    applied.length === 0
      ? 'what it has applied is not known'
      : `applied as far as it was read: ${applied.join(', ')}`
  const how =
    verdict.is === 'failed' ? `${verdict.cause.sentence}, and` : `${job}: it ended well, but`
  return {
    ...(verdict.is === 'failed' ? verdict.cause : { workload: `job/${job}` }),
    code,
    sentence: `${how} its log cannot be read: ${words}; ${known}`,
    hint: `"manage.py showmigrations" tells what is applied; run this again when the log can be read: ${logs}`,
  }
}

/** The sentence without the Job's name at its beginning, which tells people nothing. */
function withoutName({ sentence, workload }: Cause): string {
  const name = workload?.replace(/^job\//, '')
  return name !== undefined && sentence.startsWith(`${name}: `)
    ? sentence.slice(name.length + 2)
    : sentence
}

/** Whether `migrate` has anything to do: squashed ones are recorded by it, though nothing is run. */
export function hasWork({ pending, squashed }: Plan): boolean {
  return pending.length + squashed.length > 0
}

/** SQLite's file is the pod's own where no volume keeps it: what one pod migrates no other one sees. */
export function lostDatabase({ vendor }: Plan, { spec }: PodTemplateSpec): string | undefined {
  const keeps = (spec?.volumes ?? []).some(
    (volume) => volume.persistentVolumeClaim ?? volume.hostPath ?? volume.nfs ?? volume.csi,
  )
  return vendor === 'sqlite' && !keeps
    ? 'the database is SQLite, and no volume keeps its file: what was migrated is gone with the pod of the migration; take a database server, or a volume that all pods share'
    : undefined
}

export function tellPlan(journal: Journal, plan: Plan): void {
  journal.say(`Django ${plan.django} with ${plan.vendorName} ${plan.version ?? ''}`.trim())
  if (!hasWork(plan)) journal.say('no migrations to apply')
  for (const { app, name, operations } of plan.pending) {
    journal.say(`to apply: ${app}.${name} (${operations.join(', ')})`)
  }
  const newer = plan.unknown.filter((migration) => migration.newer)
  if (newer.length > 0) {
    const names = newer.map(({ app, name }) => `${app}.${name}`).join(', ')
    journal.say(`the database is newer than this version: it has ${names}`)
  }
}
