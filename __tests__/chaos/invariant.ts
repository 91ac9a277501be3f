/** All old or all new: what may stand in a namespace after a round, given what each run said. Pure. */
import { isDeepStrictEqual } from 'node:util'
import type { State } from './state.js'

/** What a release makes of the objects when it comes about. */
export interface Effect {
  /** Into every container: tag and digest. */
  readonly image: string
  /** By `configmap/name`: the data that comes with it. */
  readonly configMaps: Readonly<Record<string, unknown>>
  /** The web's variables, where its manifest comes with the release. */
  readonly webEnv?: readonly { readonly name: string; readonly value: string }[]
}

/** A release that was begun, and what it said of its end: nothing when it was killed. */
export interface Told {
  readonly name: string
  readonly effect: Effect
  readonly isGood: boolean
  readonly result?: string
  readonly began: number
  readonly ended: number
}

export function after(state: State, { image, configMaps, webEnv }: Effect): State {
  const changed = Object.entries(state).map(([id, content]) => [
    id,
    JSON.parse(JSON.stringify(content), (_key, value: unknown) =>
      isContainer(value)
        ? { ...value, image, ...(id === 'deployment/web' && webEnv && { env: webEnv }) }
        : value,
    ) as unknown,
  ])
  return { ...(Object.fromEntries(changed) as State), ...configMaps }
}

function isContainer(value: unknown): value is object {
  return typeof value === 'object' && value !== null && 'image' in value && 'name' in value
}

/** Results that say that the new version runs, and those that say that nothing of it is left. */
const saysNew = ['deployed', 'unchanged']
const saysOld = ['undone', 'failed', 'cancelled', 'locked', 'superseded']

/**
 * Each way in which the releases may have come about, one after the other: all that said so, none that
 * said otherwise, and no bad one. The shortest first.
 */
export function histories(told: readonly Told[]): readonly (readonly Told[])[] {
  const may = told.filter(({ isGood, result = '' }) => isGood && !saysOld.includes(result))
  const must = told.filter(({ result = '' }) => saysNew.includes(result))
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

export type Judgement =
  | { readonly is: 'whole'; readonly as: string }
  /** What differs from the histories that come nearest. */
  | { readonly is: 'torn'; readonly differences: readonly string[] }

export function judgeState(before: State, now: State, told: readonly Told[]): Judgement {
  const possible = histories(told).map((order) => ({
    as: order.map(({ name }) => name).join(', then ') || 'old',
    state: order.reduce((state, { effect }) => after(state, effect), before),
  }))
  const found = possible.find(({ state }) => isDeepStrictEqual(state, now))
  if (found) return { is: 'whole', as: found.as }
  return {
    is: 'torn',
    differences: possible.map(
      ({ as, state }) => `not "${as}": ${differing(state, now).join(', ')} differ`,
    ),
  }
}

function differing(one: State, other: State): readonly string[] {
  return [...new Set([...Object.keys(one), ...Object.keys(other)])].filter(
    (id) => !isDeepStrictEqual(one[id], other[id]),
  )
}
