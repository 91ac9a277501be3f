/** All old or all new: what may stand in a namespace after a round, given what each run said. Pure. */
import { isDeepStrictEqual } from 'node:util'
import type { Theirs } from './people.js'
import type { State } from './state.js'

/** What a release makes of the objects when it comes about. */
export interface Effect {
  /** Into every container: tag and digest. */
  readonly image: string
  /** By `configmap/name` and `secret/name`: the data that comes with it. */
  readonly data: Readonly<Record<string, unknown>>
  /** By `service/name`: the annotations that come with it. */
  readonly annotations: Readonly<Record<string, object>>
  /** The web's variables, where its manifest comes with the release. */
  readonly webEnv?: readonly { readonly name: string; readonly value: string }[]
}

/** A release that was begun, and what it said of its end: nothing when it was killed. */
export interface Told {
  readonly name: string
  readonly effect: Effect
  readonly isGood: boolean
  readonly result?: string
  /** `superseded` in the middle puts nothing back: the objects that it said it leaves as it has written them. */
  readonly leaves?: readonly string[]
  readonly began: number
  readonly ended: number
}

/** The manifest's variables come first, as it has them; the others stay. */
function withEnv(container: object, added: NonNullable<Effect['webEnv']>): object {
  const { env = [] } = container as { readonly env?: readonly { readonly name: string }[] }
  const names = added.map(({ name }) => name)
  return { env: [...added, ...env.filter(({ name }) => !names.includes(name))] }
}

export function after(state: State, { image, data, annotations, webEnv }: Effect): State {
  const changed = Object.entries(state).map(([id, content]) => [
    id,
    JSON.parse(JSON.stringify(content), (_key, value: unknown) =>
      isContainer(value)
        ? { ...value, image, ...(id === 'deployment/web' && webEnv && withEnv(value, webEnv)) }
        : value,
    ) as unknown,
  ])
  const known = Object.fromEntries(changed) as State
  const annotated = Object.entries(annotations).map(([id, more]) => {
    const one = known[id] as { readonly annotations?: object }
    return [id, { ...one, annotations: { ...one.annotations, ...more } }]
  })
  return { ...known, ...data, ...(Object.fromEntries(annotated) as State) }
}

/** What a release makes of the objects: of all of them, or of those that it said it leaves. */
function made(state: State, { effect, leaves }: Told): State {
  const whole = after(state, effect)
  if (leaves === undefined) return whole
  return Object.fromEntries(
    Object.keys(whole).flatMap((id) => {
      const content = leaves.includes(id) ? whole[id] : state[id]
      return content === undefined ? [] : [[id, content]]
    }),
  )
}

function isContainer(value: unknown): value is object {
  return typeof value === 'object' && value !== null && 'image' in value && 'name' in value
}

/** Results that say that the new version runs, and those that say that nothing of it is left. */
const saysNew = ['deployed', 'unchanged']
const saysOld = ['undone', 'failed', 'cancelled', 'locked', 'superseded']

/**
 * Each way in which the releases may have come about, one after the other: all that said so, none that
 * said otherwise, and no bad one; of one that was superseded in the middle, what it said it leaves. The
 * shortest first.
 */
export function histories(told: readonly Told[]): readonly (readonly Told[])[] {
  const leavesSome = ({ leaves = [] }: Told) => leaves.length > 0
  const may = told.filter(
    (one) => leavesSome(one) || (one.isGood && !saysOld.includes(one.result ?? '')),
  )
  const must = told.filter((one) => leavesSome(one) || saysNew.includes(one.result ?? ''))
  return ordersOf(may)
    .filter((order) => must.every((one) => order.includes(one)))
    .sort((one, other) => one.length - other.length)
}

/** Every selection in every order that the clock allows. */
function ordersOf(told: readonly Told[]): readonly (readonly Told[])[] {
  const longer = told.flatMap((first) =>
    ordersOf(told.filter((one) => one !== first))
      .filter((rest) => rest.every((one) => first.began < one.ended))
      .map((rest) => [first, ...rest]),
  )
  return [[], ...longer]
}

/** What somebody has written by hand meanwhile. */
export interface Meddled {
  readonly theirs: Theirs
  /** Whether this release may have brought its own over it: it had not looked yet, or wrote at that moment. */
  readonly mayCover: (one: Told) => boolean
}

export type Judgement =
  /** `left`: of the object that is somebody else's, something is of another version than all else. */
  | { readonly is: 'whole'; readonly as: string; readonly left: boolean }
  /** What differs from the histories that come nearest. */
  | { readonly is: 'torn'; readonly differences: readonly string[] }

export function judgeState(
  before: State,
  now: State,
  told: readonly Told[],
  meddled?: Meddled,
): Judgement {
  const possible = histories(told).map((order) => ({
    as: order.map(({ name }) => name).join(', then ') || 'old',
    state: order.reduce(made, before),
  }))
  const states = [before, ...told.map(({ effect }) => after(before, effect))]
  const found = possible
    .map(({ as, state }) => ({ as, match: matching(state, now, states, told, meddled) }))
    .filter(({ match }) => match !== 'no')
    .sort((one, other) => Number(one.match === 'left') - Number(other.match === 'left'))[0]
  if (found) return { is: 'whole', as: found.as, left: found.match === 'left' }
  return {
    is: 'torn',
    differences: possible.map(
      ({ as, state }) => `not "${as}": ${differing(state, now).join(', ')} differ`,
    ),
  }
}

/** Whether `now` is this state, but for what is somebody else's: that stands as they have written it. */
function matching(
  state: State,
  now: State,
  states: readonly State[],
  told: readonly Told[],
  meddled: Meddled | undefined,
): 'yes' | 'left' | 'no' {
  const differs = differing(state, now)
  if (!meddled) return differs.length === 0 ? 'yes' : 'no'
  const { theirs, mayCover } = meddled
  if (differs.some((id) => id !== theirs.id)) return 'no'
  const content = now[theirs.id]
  if (!theirs.current(content)) {
    return differs.length === 0 && told.some(mayCover) ? 'yes' : 'no'
  }
  const isRestOf = (one: State) =>
    isDeepStrictEqual(theirs.without(content), theirs.without(one[theirs.id]))
  if (isRestOf(state)) return 'yes'
  return states.some(isRestOf) ? 'left' : 'no'
}

function differing(one: State, other: State): readonly string[] {
  return [...new Set([...Object.keys(one), ...Object.keys(other)])].filter(
    (id) => !isDeepStrictEqual(one[id], other[id]),
  )
}
