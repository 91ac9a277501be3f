/** Why a release did not go through. Codes are stable: docs, tests and other programs may rely on them. */
export const causeCodes = [
  // before anything is written
  'usage',
  'tool-missing',
  'cluster-unreachable',
  'namespace-missing',
  'right-missing',
  'no-workload',
  'workload-unfit',
  'wrong-platform',
  'manifest-invalid',
  'selector-conflict',
  'build-failed',
  'tests-failed',
  'push-failed',
  'registry',
  'image-missing',
  'image-unverified',
  // seen in pods
  'image-not-found',
  'image-pull',
  'crash',
  'crash-after-ready',
  'init-crash',
  'out-of-memory',
  'cannot-start',
  'config-missing',
  'pod-refused',
  'quota',
  'unschedulable',
  'not-ready',
  'progress-deadline',
  'timeout',
  'wrong-image',
  'smoke-failed',
  // the database's part
  'plan-failed',
  'backup-failed',
  'wrong-database',
  'unsafe-migration',
  'lock-not-free',
  'schema-unfit',
  'migration-failed',
  'job-failed',
  'command-failed',
  // everything else
  'apply-failed',
  'write-failed',
  'restore-failed',
  'record-unusable',
  'name-taken',
  'locked',
  'lock-lost',
  'superseded',
  'stale-commit',
  'no-release',
  'cancelled',
  'internal',
] as const

export type CauseCode = (typeof causeCodes)[number]

/** Where a cause is explained: what was seen, how long it was waited for, what to do. */
export function pageOf({ code }: Pick<Cause, 'code'>): string {
  return `https://github.com/django-rollout/django-rollout/blob/v1/docs/failures.md#${code}`
}

/** A line in a file of the user's repository that a cause or a failed test points at. */
export interface Annotation {
  /** Path from the repository's root. */
  readonly file: string
  readonly line: number
  readonly title: string
  readonly message: string
}

/** The last lines of a container or a program. */
export interface Log {
  /** Whose they are, where several may have written: `container nginx`. */
  readonly source?: string
  /** Untrusted text. */
  readonly lines: readonly string[]
}

export interface Cause {
  readonly code: CauseCode
  /** One sentence for a person at 3 a.m.: who, what, where. No full stop at the end. */
  readonly sentence: string
  /** How long it was waited for, and the evidence that decided that: `3 s: no controller …`. */
  readonly waited?: string
  /** What to do now. */
  readonly hint?: string
  /** Names, where the cause is about one of them. */
  readonly workload?: string
  readonly pod?: string
  readonly container?: string
  /** The output of the failed containers, that of the sentence first. */
  readonly logs?: readonly Log[]
  /** The cluster's warnings about it, a line each, oldest first: untrusted text. */
  readonly events?: readonly string[]
  readonly annotations?: readonly Annotation[]
}

/** The one error that stages throw: what went wrong as data, ready to be shown. */
export class Failure extends Error {
  override readonly name = 'Failure'

  constructor(
    override readonly cause: Cause,
    options?: ErrorOptions,
  ) {
    super(cause.sentence, options)
  }
}

/** Throws a `Failure`: reads better where an expression is wanted. */
export function fail(cause: Cause): never {
  throw new Failure(cause)
}
