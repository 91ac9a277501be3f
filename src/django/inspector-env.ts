/** What the inspector is to do, as variables of its container. Pure. */
import { isRecord, isText } from './json.js'
import { type Bridge, type ContractPolicy, type Starts } from './contract.js'
import { type Databases } from './identity.js'
import { databasesOf, isPlain, optionOf, words } from './migrate-command.js'
import { type BackupWhen } from './plan.js'
import { type ReverseTask } from './reversal.js'
import { isNeeds, type Policy } from './verdict.js'

/** The task of the inspector. */
export interface InspectorTask {
  /** Random text that the project cannot print by chance: letters, digits and `-` only. */
  readonly marker: string
  /** The option `migrate-command`; missing: the plan only. */
  readonly migrate?: string
  /** How long it retries a database that does not answer, in seconds (a proxy beside it may still start). */
  readonly waitSeconds?: number
  /** Folders in the container that outlive the pod. */
  readonly volumes?: readonly string[]
  /** The web's own command, program and arguments, so far as it is known; missing: its databases are not compared. */
  readonly web?: readonly string[]
  /** The databases of the release before, by alias. */
  readonly kept?: Databases
  /** The versions that run, which the migrations must not break; none on a first deploy. */
  readonly running?: readonly RunningVersion[]
  /** What becomes of migrations that break one of them. */
  readonly unsafe?: Policy
  /** How long a migration waits for tables that it locks, in seconds; 0: as Django does. */
  readonly lockWaitSeconds?: number
  /** When the last release has ended, in seconds since 1970: what is applied later was applied by others. */
  readonly ended?: number
  /** What the versions need that a rollback may restore, the most wanted first. */
  readonly earlier?: readonly KeptNeeds[]
  /** Nothing is migrated: this version is older than the database, and is compared with it as it is. */
  readonly proves?: true
  /** Nothing is planned: this version runs, and reports what it needs. */
  readonly reports?: true
  /** Whether migrations are held back. */
  readonly contract?: Contract
  /** What earlier releases have left in the databases. */
  readonly bridges?: readonly Bridge[]
  /** Nothing is migrated, whatever the plan is. */
  readonly plansOnly?: boolean
  /** The database is empty: it is first migrated to these, and no further. */
  readonly leaves?: Leaves
  /** When a backup comes first; missing: never, or it was made. */
  readonly backup?: BackupWhen
  /** Nothing is migrated: migrations of this version are reversed for an older one. */
  readonly reverses?: ReverseTask
}

/** The last applied migration of each app, by alias in `DATABASES`. */
export type Leaves = Readonly<Record<string, Readonly<Record<string, string>>>>

export interface Contract extends Starts {
  /** `stay`: what stays held back, and no more. */
  readonly policy: ContractPolicy | 'stay'
  readonly hasBridges: boolean
  /** Names that stay held back. */
  readonly stay?: readonly string[]
}

/** Needs as they are kept, packed. */
export interface KeptNeeds {
  readonly hash: string
  readonly needs: string
}

export interface RunningVersion {
  /** Who runs it: `deployment/web`. */
  readonly names: readonly string[]
  readonly tag: string
  /** Its needs, where they were kept. */
  readonly needs?: string
  /** When its pods were the only ones, if that is known: `2026-01-31T12:00:00.000Z`. */
  readonly since?: string
  /** It is the image that is released. */
  readonly isOwn?: true
  /** Nothing runs it before a person starts it: what breaks it stops no release. */
  readonly isIdle?: true
}

/**
 * The variables that the inspector's container needs. Dollar signs are written as JSON escapes, since
 * Kubernetes expands `$(NAME)` in values
 * (https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/).
 */
export function inspectorEnv(task: InspectorTask): { name: string; value: string }[] {
  const { marker, migrate, waitSeconds = 0, volumes = [], web, kept = {}, unsafe = 'block' } = task
  const { lockWaitSeconds = 0, proves = false, reverses } = task
  const databases = migrate === undefined ? ['default'] : databasesOf(migrate)
  const plain = migrate === undefined || isPlain(migrate)
  // Those of the versions that come back are passed as needs of earlier ones.
  const earlierNeeds = reverses?.wanted.map((needs) => ({ hash: '', needs })) ?? task.earlier ?? []
  const { running, earlier, bodies } = withBodies(task.running ?? [], earlierNeeds)
  const spec = {
    marker,
    migrate: proves || reverses || task.leaves ? null : (migrate ?? null),
    databases,
    always: !plain,
    only: plain && optionOf('--database', words(migrate ?? '')) !== undefined,
    volumes,
    web: web ?? null,
    kept,
    wait: waitSeconds,
    running,
    unsafe,
    locks: lockWaitSeconds > 0 ? lockWaitSeconds : null,
    ...(reverses
      ? {
          reverse: {
            since: reverses.since,
            how: reverses.how,
            downtime: reverses.downtime,
            'only-new': reverses.onlyNew === true,
            // One that is too large is not passed: the pod must not take the rest for all.
            wanted:
              earlier.length === reverses.wanted.length ? earlier.map(({ needs }) => needs) : [-1],
          },
        }
      : earlier.length > 0 && { earlier }),
    ...(proves && { prove: true }),
    ...(task.reports && { report: true }),
    ...(task.ended !== undefined && { ended: task.ended }),
    ...(task.plansOnly === true && { 'only-plan': true }),
    ...(task.leaves && { leaves: task.leaves }),
    ...(task.backup !== undefined && { backup: task.backup }),
    ...(task.contract && { contract: contractSpec(task.contract) }),
    ...(task.bridges && task.bridges.length > 0 && { bridges: task.bridges }),
  }
  return [
    {
      name: 'DJANGO_ROLLOUT_SPEC',
      value: JSON.stringify(spec).replaceAll('$', String.raw`\u0024`),
    },
    ...bodies.map((value, i) => ({ name: `DJANGO_ROLLOUT_NEEDS_${i}`, value })),
  ]
}

/** What a container's variables tell the inspector, as far as others read it. */
export function specOf(
  env: readonly { readonly name: string; readonly value?: string }[],
): { readonly marker: string } | undefined {
  const text = env.find(({ name }) => name === 'DJANGO_ROLLOUT_SPEC')?.value
  if (text === undefined) return undefined
  try {
    const spec: unknown = JSON.parse(text)
    return isRecord(spec) && isText(spec['marker']) ? { marker: spec['marker'] } : undefined
  } catch {
    return undefined
  }
}

function contractSpec({ policy, hasBridges, refused, programs, stay = [] }: Contract) {
  return {
    policy,
    bridge: hasBridges ? 'on' : 'off',
    starts: programs,
    ...(refused !== undefined && { refused }),
    ...(stay.length > 0 && { stay }),
  }
}

/** The needs of all versions together: an object of the API has at most 1.5 MiB. */
const longestBodies = 400_000

/** More versions at once share needs, or are judged without them: the history has 20 at most. */
export const mostBodies = 24

/** Returns the versions with the number of the variable that has their needs: one for all that share them. */
function withBodies(versions: readonly RunningVersion[], kept: readonly KeptNeeds[]) {
  const own = [...versions, ...kept].flatMap(({ needs }) => (isNeeds(needs) ? [needs] : []))
  const bodies = [...new Set(own)].reduce<readonly string[]>((kept, one) => {
    const size = [...kept, one].reduce((sum, { length }) => sum + length, 0)
    return size > longestBodies || kept.length >= mostBodies ? kept : [...kept, one]
  }, [])
  const running = versions.map(({ names, tag, needs = '', since, isOwn, isIdle }) => {
    const index = bodies.indexOf(needs)
    return {
      names,
      tag,
      ...(isOwn && { own: true }),
      ...(isIdle && { idle: true }),
      ...(since !== undefined && { since }),
      ...(index >= 0 && { needs: index }),
    }
  })
  const earlier = kept.flatMap(({ hash, needs }) => {
    const index = bodies.indexOf(needs)
    return index >= 0 ? [{ hash, needs: index }] : []
  })
  return { running, earlier, bodies }
}
