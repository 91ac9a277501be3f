/** What a failed migration has left in the database, and what puts it right, in sentences. Pure. */
import { placed, type Half, type HalfStep, type Placed } from '../django/half.js'
import type { Verified } from '../django/verdict.js'
import type { Cause } from '../failure/failure.js'

/** Adds to the cause of a failed migration what it has left behind, where it has. */
export function withLeft(cause: Cause, verified: readonly Verified[]): Cause {
  for (const { half, database } of verified) {
    const steps = half && placed(half)
    if (!steps || !hasLeft(half, steps)) continue
    const hint = halfHint(half, steps, database)
    return {
      ...cause,
      sentence: `${cause.sentence}; ${halfSentence(steps)}`,
      hint: cause.hint === undefined ? hint : `${cause.hint}\n${hint}`,
    }
  }
  return cause
}

/** Code that fails is taken back, and where no table has changed, SQL has changed none. */
function hasLeft({ tables }: Half, { there, unknown }: Placed): boolean {
  const isSeen = there.length > 0 || unknown.some(({ seen }) => seen === true)
  return isSeen || (tables.length > 0 && unknown.some(({ isCode }) => !isCode))
}

function halfSentence(steps: Placed): string {
  const lists = [
    ['done, and kept by the database', namesOf(steps.there)],
    ['not done', [...namesOf(steps.absent), ...lateOf(steps)]],
    ['perhaps done', namesOf(steps.unknown)],
  ] as const
  return lists
    .filter(([, names]) => names.length > 0)
    .map(([what, names]) => `${what}: ${names.join(', ')}`)
    .join('; ')
}

const namesOf = (steps: readonly HalfStep[]) => steps.map(({ name }) => name)
const codeIn = (steps: readonly HalfStep[]) => namesOf(steps.filter(({ isCode }) => isCode))

/** Of a migration whose operations are all there. */
function lateOf({ there, unknown, absent }: Placed): readonly string[] {
  return unknown.length + absent.length > 0 ? [] : there.flatMap(({ late }) => late)
}

function halfHint(half: Half, steps: Placed, database: string): string {
  const { app, name, tables } = half
  const { there, unknown, absent } = steps
  const of = database === 'default' ? '' : ` --database=${database}`
  const fake = `python manage.py migrate${of} --fake ${app} ${name}`
  const show = `python manage.py sqlmigrate${of} ${app} ${name}`
  if (unknown.length + absent.length + lateOf(steps).length === 0)
    return `All of ${app}.${name} is there, but it is not recorded, so the next release would fail at it. Record it:\n${fake}`
  const done = [...there, ...unknown]
  if (there.length > 0 && done.every(isReversible))
    return `The next release fails at what is there; ${whenOf(done)}this takes it back in the database, without loss of data:\n${reversalOf(there).join('\n')}`
  if (unknown.length === 0)
    return `The next release fails at what is there, and what takes it back is not known, or would lose data. Apply the rest by hand, as this shows it${codeAlso(absent)}:\n${show}\nThen record it:\n${fake}`
  const differ = tables.length === 0 ? 'none' : tables.join(', ')
  return `What is there is not certain. Tables that are not as before this release: ${differ}. Compare them with what it does:\n${show}`
}

/** Code is no SQL. */
function codeAlso(steps: readonly HalfStep[]): string {
  const names = codeIn(steps)
  return names.length === 0 ? '' : `, and run by hand what it does not show (${names.join(', ')})`
}

function isReversible({ isCode, seen, loses, sql }: HalfStep): boolean {
  return isCode || (seen === true && !loses && sql.length > 0)
}

/** Under which condition it is taken back. */
function whenOf(done: readonly HalfStep[]): string {
  const code = codeIn(done)
  const again = code.length === 0 ? [] : [`${code.join(', ')} may run again`]
  const earlier = done.some((step) => step.earlier)
    ? ['an earlier failure has left what was there before this release']
    : []
  const ifs = [...earlier, ...again]
  return ifs.length === 0 ? '' : `if ${ifs.join(', and ')}, `
}

function reversalOf(there: readonly HalfStep[]): readonly string[] {
  return there.toReversed().flatMap(({ sql }) => sql)
}
