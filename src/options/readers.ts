/**
 * How the text of an option becomes its value. A reader returns the value, or a `Problem` that says what
 * a right value looks like; it never throws.
 */
export class Problem {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

export type Reader<T> = (text: string) => T | Problem

export const text: Reader<string> = (value) => value

/** The name of an image without tag and digest: `ghcr.io/acme/shop`. */
export const imageRepository: Reader<string> = (value) => {
  if (value.includes('@sha256:') || /:[^/]+$/.test(value)) {
    return new Problem('is the image without tag and digest; give the tag by "tag"')
  }
  return /^[a-z0-9._-]+(:\d+)?(\/[a-z0-9._-]+)*$/.test(value)
    ? value
    : new Problem('is not the name of an image (small letters, digits, and . _ - / only)')
}

export const imageTag: Reader<string> = (value) =>
  /^\w[\w.-]{0,127}$/.test(value)
    ? value
    : new Problem('is not a tag (letters, digits, and . _ - only, at most 128)')

/** A name as Kubernetes has them (RFC 1123 label). */
export const objectName: Reader<string> = (value) =>
  /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(value)
    ? value
    : new Problem('is not a name that Kubernetes takes (small letters, digits and -, at most 63)')

/** Twice this and more still fits into a timer, which holds 2^31 ms. */
const longest = 168 * 3_600_000

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** A duration such as `90s`, `10m` or `1m30s`, in ms. A bare `0` is none at all. */
export const duration: Reader<number> = (value) => {
  if (value === '0') return 0
  const parts = [...value.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)]
  if (parts.length === 0 || parts.map((part) => part[0]).join('') !== value) {
    return new Problem('is not a duration; write it as 90s, 10m or 1m30s')
  }
  const ms = parts.reduce(
    (sum, [, count, unit]) => sum + Number(count) * (units[unit ?? ''] ?? 0),
    0,
  )
  return ms > longest ? new Problem('is longer than 168h, a week') : ms
}

/** A duration that is a limit: none at all would end at once what it limits. */
export const someTime: Reader<number> = (value) => {
  const ms = duration(value)
  return ms === 0 ? new Problem('is no time at all; leave it out for the default') : ms
}

/** Words between commas, spaces or line ends. */
export const words: Reader<readonly string[]> = (value) =>
  value.split(/[\s,]+/).filter((word) => word !== '')

/** Image tags between commas, spaces or line ends. */
export const imageTags: Reader<readonly string[]> = (value) => {
  const tags = words(value) as readonly string[]
  const wrong = tags.find((tag) => imageTag(tag) instanceof Problem)
  return wrong === undefined
    ? tags
    : new Problem(
        `has "${wrong}", which is not a tag (letters, digits, and . _ - only, at most 128)`,
      )
}

/** One entry a line, for values that hold spaces. */
export const lines: Reader<readonly string[]> = (value) =>
  value
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')

/** `NAME=value`, one a line. A wrong line is told by its number: it may hold a key. */
export const assignments: Reader<Readonly<Record<string, string>>> = (value) => {
  const pairs: Record<string, string> = {}
  for (const [i, line] of value.split('\n').entries()) {
    if (line.trim() === '') continue
    const [, name, text] = /^\s*([^\s=]+)=(.*)$/.exec(line.trimEnd()) ?? []
    if (name === undefined || text === undefined) {
      return new Problem(`is not of the form NAME=value in line ${i + 1}, with no blanks in NAME`)
    }
    pairs[name] = text
  }
  return pairs
}

/** One of some words. */
export function oneOf<const T extends string>(...choices: readonly T[]): Reader<T> {
  return (value) =>
    choices.find((choice) => choice === value) ?? new Problem(`is not ${choices.join(' or ')}`)
}

/** One of some words, or several of them. */
export function someOf<const T extends string>(...choices: readonly T[]): Reader<readonly T[]> {
  return (value) => {
    const given = words(value) as readonly string[]
    const wrong = given.find((word) => !(choices as readonly string[]).includes(word))
    return wrong === undefined
      ? (given as readonly T[])
      : new Problem(`has "${wrong}"; it takes ${choices.join(' and ')}`)
  }
}

/** `trouble=duration`, between commas, blanks or line ends; durations in ms. */
export function graces<const T extends string>(
  ...troubles: readonly T[]
): Reader<Readonly<Partial<Record<T, number>>>> {
  return (value) => {
    const found: Partial<Record<T, number>> = {}
    for (const word of words(value) as readonly string[]) {
      const [name = '', time = '', ...rest] = word.split('=')
      const trouble = troubles.find((one) => one.toLowerCase() === name.toLowerCase())
      if (trouble === undefined) {
        return new Problem(`has "${name}"; it takes ${troubles.join(', ')}`)
      }
      const length = duration(time)
      if (rest.length > 0 || length instanceof Problem) {
        return new Problem(`has "${word}", which is not of the form trouble=duration`)
      }
      found[trouble] = length
    }
    return found
  }
}

/** Written as YAML writes it. */
export const yesOrNo: Reader<boolean> = (value) =>
  value === 'true' || value === 'false' ? value === 'true' : new Problem('is not true or false')

/** The path of a URL, with a query where one is needed. */
export const urlPath: Reader<string> = (value) =>
  /^\/[!-~]*$/.test(value) && !value.includes('#')
    ? value
    : new Problem('is not a path; it begins with /, and has no blanks, no # and only ASCII')

/** What stands in `Host`: a name or an address, and a port where one is needed. */
export const hostName: Reader<string> = (value) =>
  /^([\w.-]+|\[[\da-f:.]+\])(:\d{1,5})?$/i.test(value)
    ? value
    : new Problem('is not a host; write it without https:// and path, with a port if need be')
