/** Checks whether external data has the expected shape. Pure: returns the first error, and where it is. */

/** Returns what is wrong with the value at this place: `begun.sha is no commit`; nothing if it is valid. */
export type Check = (value: unknown, at: string) => string | undefined

/** A check for each field of a type, so that no field is forgotten. */
export type Fields<T> = { readonly [K in keyof Required<T>]: Check }

const longestText = 4_000

/** Checks a text. `is`: what it must be, for people. */
export function text(pattern = /^/, is = 'a text'): Check {
  return (value, at) =>
    typeof value === 'string' && value.length <= longestText && pattern.test(value)
      ? undefined
      : `${at} is not ${is}`
}

export const anyText: Check = (value, at) =>
  typeof value === 'string' ? undefined : `${at} is not a string`

export function oneOf(...words: readonly string[]): Check {
  return (value, at) =>
    typeof value === 'string' && words.includes(value)
      ? undefined
      : `${at} is not one of ${words.join(', ')}`
}

/** Checks a time in ms, or a count. */
export const count: Check = (value, at) =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0
    ? undefined
    : `${at} is not a number`

export const anything: Check = () => undefined

/** Checks an optional field. Kubernetes treats null as absent. */
export function maybe(check: Check): Check {
  return (value, at) => (value === undefined || value === null ? undefined : check(value, at))
}

export function listOf(check: Check): Check {
  return (value, at) =>
    Array.isArray(value)
      ? firstOf(value.map((one: unknown, i) => [one, check, `${at}[${i}]`] as const))
      : `${at} is not a list`
}

export function mapOf(check: Check): Check {
  return (value, at) =>
    isPlain(value)
      ? firstOf(Object.entries(value).map(([key, one]) => [one, check, `${at}.${key}`] as const))
      : `${at} is not an object`
}

/** Checks an object with these fields, and with no others if `others` is `refused`. */
export function fields(checks: Readonly<Record<string, Check>>, others: 'refused' | 'left'): Check {
  return (value, at) => {
    if (!isPlain(value)) return `${at} is not an object`
    const strange = Object.keys(value).find((key) => !Object.hasOwn(checks, key))
    if (others === 'refused' && strange !== undefined) return `${at} has a field "${strange}"`
    return firstOf(
      Object.entries(checks).map(([key, check]) => {
        const own = Object.hasOwn(value, key) ? value[key] : undefined
        return [own, check, at === '' ? key : `${at}.${key}`] as const
      }),
    )
  }
}

/** Runs all checks in this order. */
export function all(...checks: readonly Check[]): Check {
  return (value, at) => firstOf(checks.map((check) => [value, check, at] as const))
}

function firstOf(
  checks: readonly (readonly [value: unknown, check: Check, at: string])[],
): string | undefined {
  for (const [value, check, at] of checks) {
    const wrong = check(value, at)
    if (wrong !== undefined) return wrong.slice(0, longestText)
  }
  return undefined
}

export function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Returns how deep lists and objects are nested in a text of JSON, before it is parsed. */
export function depthOf(json: string): number {
  let [depth, deepest, quoted] = [0, 0, false]
  for (let i = 0; i < json.length; i++) {
    const letter = json[i]
    if (quoted) {
      if (letter === '\\') i++
      else if (letter === '"') quoted = false
    } else if (letter === '"') quoted = true
    else if (letter === '[' || letter === '{') deepest = Math.max(deepest, ++depth)
    else if (letter === ']' || letter === '}') depth--
  }
  return deepest
}
