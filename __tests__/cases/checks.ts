/** Checks of what a case has told. Each gives what is not right, in words; nothing when all is. */
import type { Told, ToolRun } from './told.js'

export type Check = (told: Told) => readonly string[]

/** One fact, by a sentence that says what should be. */
export function that(sentence: string, holds: (told: Told) => boolean): Check {
  return (told) => (holds(told) ? [] : [sentence])
}

export function all(...checks: readonly Check[]): Check {
  return (told) => checks.flatMap((check) => check(told))
}

/** Several ends are right: what is not right of each is told when none is met. */
export function either(...checks: readonly Check[]): Check {
  return (told) => {
    const wrong = checks.map((check) => check(told))
    return wrong.some((one) => one.length === 0)
      ? []
      : [wrong.map((one) => one.join('; and ')).join(' — or else: ')]
  }
}

export function says(pattern: RegExp): Check {
  return that(`it says ${pattern}`, ({ output }) => pattern.test(output))
}

export function neverSays(pattern: RegExp): Check {
  return that(`it never says ${pattern}`, ({ output }) => !pattern.test(output))
}

/** What the script itself has seen in the cluster. */
export function current(pattern: RegExp): Check {
  return that(`the cluster shows ${pattern}`, ({ seen }) => pattern.test(seen))
}

export function neverStands(pattern: RegExp): Check {
  return that(`the cluster never shows ${pattern}`, ({ seen }) => !pattern.test(seen))
}

/** The image that is the last word of the script on a workload of ours ends with this tag. */
export function runsTag(tag: string): Check {
  return that(`the workload runs :${tag}`, ({ seen, image }) =>
    seen.split('\n').some((line) => line.startsWith(`${image}:${tag}`)),
  )
}

export interface OfRun {
  readonly says: (pattern: RegExp) => Check
  readonly neverSays: (pattern: RegExp) => Check
  readonly ends: (...codes: readonly number[]) => Check
  /** Any end but a good one. */
  readonly fails: Check
}

/** The n-th call of django-rollout. */
export function run(n: number): OfRun {
  const of = (sentence: string, holds: (run: ToolRun) => boolean): Check =>
    that(`run ${n} ${sentence}`, ({ runs }) => {
      const one = runs[n - 1]
      return one !== undefined && holds(one)
    })
  return {
    says: (pattern) => of(`says ${pattern}`, ({ output }) => pattern.test(output)),
    neverSays: (pattern) => of(`never says ${pattern}`, ({ output }) => !pattern.test(output)),
    ends: (...codes) =>
      of(`ends with ${codes.join(' or ')}`, ({ code = -1 }) => codes.includes(code)),
    fails: of('fails', ({ code }) => code !== undefined && code !== 0),
  }
}

/** A failure that nobody has thought of, whatever else a case expects. */
export const isThoughtOf: Check = all(
  neverSays(/failures\.md#internal\b/),
  neverSays(/^\W*at .*\.[cm]?[jt]s:\d+/m),
)
