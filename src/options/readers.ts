/**
 * How the text of an option becomes its value. A reader returns the value, or a `Problem` that says what
 * a right value looks like; it never throws.
 */
import { isServiceKind, serviceVersions, usualService, type TestService } from './services.js'
import { signatureCheckOf, signatureForm, type SignatureCheck } from './signatures.js'

export class Problem {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** What an option takes, in the forms that the file of options may write it in (file.ts, schema.ts). */
export type Takes =
  /** `word` represents it in help; a pattern is the whole rule, for editors. */
  | { readonly is: 'text'; readonly word: string; readonly pattern?: RegExp }
  | { readonly is: 'duration' }
  | { readonly is: 'yes or no' }
  | { readonly is: 'choice'; readonly of: readonly string[] }
  /** A list, or one text with its entries between blanks, commas or line ends. */
  | { readonly is: 'list'; readonly pattern?: RegExp }
  /** A mapping, or one text of `name=value`. */
  | { readonly is: 'mapping'; readonly to: 'text' }
  | { readonly is: 'mapping'; readonly to: 'duration'; readonly of: readonly string[] }

export interface Reader<T> {
  (text: string): T | Problem
  readonly takes: Takes
}

function reader<T>(takes: Takes, read: (text: string) => T | Problem): Reader<T> {
  return Object.assign((value: string) => read(value), { takes })
}

/** Reads texts of a pattern; `problem` explains what is wrong with all others. */
function matching(word: string, pattern: RegExp, problem: string): Reader<string> {
  return reader({ is: 'text', word, pattern }, (value) =>
    pattern.test(value) ? value : new Problem(problem),
  )
}

/** Any text at all; help calls it by the word. */
export function anyText(word: string): Reader<string> {
  return reader<string>({ is: 'text', word }, (value) => value)
}

const repository = /^[a-z0-9._-]+((:\d+)?(\/[a-z0-9._-]+)+)?$/

/** The name of an image without tag and digest: `ghcr.io/acme/shop`. */
export const imageRepository = reader<string>(
  { is: 'text', word: 'image', pattern: repository },
  (value) => {
    if (value.includes('@sha256:') || /:[^/]+$/.test(value)) {
      return new Problem('must have no tag and no digest; set the tag with "tag"')
    }
    return repository.test(value)
      ? value
      : new Problem('is not the name of an image (only lowercase letters, digits, and . _ - /)')
  },
)

const tag = /^\w[\w.-]{0,127}$/
const notATag = 'is not a tag (only letters, digits, and . _ -, at most 128)'

export const imageTag = matching('tag', tag, notATag)

export const imageDigest = matching(
  'digest',
  /^sha256:[0-9a-f]{64}$/,
  'is not a digest (sha256: and 64 hexadecimal digits)',
)

const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

/** A name as Kubernetes has them (RFC 1123 label). */
export const objectName = matching(
  'name',
  label,
  'is not a valid name in Kubernetes (lowercase letters, digits and -, at most 63)',
)

/** Twice this and more still fits into a timer, which holds 2^31 ms. */
const longest = 168 * 3_600_000

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** A duration such as `90s`, `10m` or `1m30s`, in ms. A bare `0` is none at all. */
export const duration = reader<number>({ is: 'duration' }, (value) => {
  if (value === '0') return 0
  const parts = [...value.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)]
  if (parts.length === 0 || parts.map((part) => part[0]).join('') !== value) {
    return new Problem('is not a duration; write it as 90s, 10m or 1m30s')
  }
  const ms = parts.reduce(
    (sum, [, count, unit]) => sum + Number(count) * (units[unit ?? ''] ?? 0),
    0,
  )
  return ms > longest ? new Problem('is longer than 168h (a week)') : ms
})

/** A duration that is a limit: none at all would end at once what it limits. */
export const someTime = reader<number>({ is: 'duration' }, (value) => {
  const ms = duration(value)
  return ms === 0 ? new Problem('is zero; remove the option to use the default') : ms
})

/** Words between commas, spaces or line ends. */
export const words = reader<readonly string[]>({ is: 'list' }, (value) =>
  value.split(/[\s,]+/).filter((word) => word !== ''),
)

/** Reads words of a pattern; `what` continues the sentence about one that is none: `is not …`. */
function wordsOf(pattern: RegExp, what: string): Reader<readonly string[]> {
  return reader<readonly string[]>({ is: 'list', pattern }, (value) => {
    const given = words(value) as readonly string[]
    const wrong = given.find((word) => !pattern.test(word))
    return wrong === undefined ? given : new Problem(`has "${wrong}", which ${what}`)
  })
}

/** Image tags between commas, spaces or line ends. */
export const imageTags = wordsOf(tag, notATag)

/** What images of Linux are built for, in the words of Go, and of the labels of nodes. */
export const platforms = wordsOf(
  /^linux\/(386|amd64|arm|arm64|loong64|mips64le|ppc64le|riscv64|s390x)(\/v\d)?$/,
  'is not a platform such as linux/amd64, linux/arm64 or linux/arm/v7',
)

/** One entry a line, for values that hold spaces. */
export const lines = reader<readonly string[]>({ is: 'list' }, (value) =>
  value
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== ''),
)

/** Reads pairs of a form (name, value), one a line. Reports a wrong line by its number: it may hold a key. */
function pairs<T extends string | undefined>(
  form: RegExp,
  problem: (line: string) => string,
): Reader<Readonly<Record<string, T>>> {
  return reader<Readonly<Record<string, T>>>({ is: 'mapping', to: 'text' }, (value) => {
    const read: Record<string, T> = {}
    for (const [i, line] of value.split('\n').entries()) {
      if (line.trim() === '') continue
      const [, name, text] = form.exec(line.trimEnd()) ?? []
      if (name === undefined) return new Problem(problem(`line ${i + 1}`))
      read[name] = text as T
    }
    return read
  })
}

/** `NAME=value` */
export const assignments = pairs<string>(
  /^\s*([^\s=]+)=(.*)$/,
  (line) => `is not of the form NAME=value in ${line}, without spaces in NAME`,
)

/** The same, or `NAME` alone: its value is that of the variable of this name in the environment, which may have several lines. */
export const secretAssignments = pairs<string | undefined>(
  /^\s*([\w.-]+)(?:=(.*))?$/,
  (line) =>
    `is not of the form NAME=value or NAME in ${line}, with letters, digits, and . _ - in NAME`,
)

/** `cpu=100m` is a request, `limits.cpu=1` a limit: as a ResourceQuota names them. */
const resource =
  /^(requests\.|limits\.)?(cpu|memory|ephemeral-storage|hugepages-\w+|[a-z0-9.-]+\/[\w.-]+)=(\d+(\.\d*)?|\.\d+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?$/

/** Requests and limits of a container: `cpu=100m, limits.memory=1Gi`, between commas, blanks or line ends. */
export const quantities = reader<Readonly<Record<string, string>>>(
  { is: 'mapping', to: 'text' },
  (value) => {
    const given = words(value) as readonly string[]
    const wrong = given.find((word) => !resource.test(word))
    return wrong === undefined
      ? Object.fromEntries(given.map((word) => word.split('=') as [string, string]))
      : new Problem(
          `has "${wrong}", which is not of the form cpu=100m, memory=256Mi or limits.memory=1Gi`,
        )
  },
)

/** Paths, one per line, without a slash at the end. */
export const paths = reader<readonly string[]>({ is: 'list' }, (value) => {
  const given = lines(value) as readonly string[]
  const wrong = given.find((path) => path.split('/').includes('..') || /^[./]*$|\*/.test(path))
  return wrong === undefined
    ? given.map((path) => path.replace(/\/+$/, ''))
    : new Problem(`has "${wrong}"; it takes paths of files and folders, without ".." and "*"`)
})

/** `a`, `a or b`, `a, b or c` */
function choices(of: readonly string[]): string {
  return [of.slice(0, -1).join(', '), ...of.slice(-1)].filter((part) => part !== '').join(' or ')
}

/** One of some words. */
export function oneOf<const T extends string>(...of: readonly T[]): Reader<T> {
  return reader<T>(
    { is: 'choice', of },
    (value) => of.find((choice) => choice === value) ?? new Problem(`is not ${choices(of)}`),
  )
}

const kinds = Object.keys(serviceVersions)
const inner = ({ source }: RegExp) => source.slice(1, -1)
const version = String.raw`(:\w[\w.-]{0,127})?(@sha256:[0-9a-f]{64})?`
const entryForm = `(${kinds.join('|')}|${inner(label)}=${inner(repository)})${version}`
const serviceEntry = new RegExp(`^${entryForm}$`)

/**
 * Servers between commas, blanks or line ends: a known one, with its version or without, or `NAME=IMAGE`. On a line of
 * its own ` -- ` and a command may follow. The kind is that of the name, else that of the last part of the image.
 */
export const testServices = reader<readonly TestService[]>(
  { is: 'list', pattern: new RegExp(`^${entryForm}( -- .+)?$`) },
  (value) => {
    const read: TestService[] = []
    for (const line of lines(value) as readonly string[]) {
      const [, given = '', health] = /^(.*?)(?:\s--\s+(.*))?$/.exec(line) ?? []
      const entries = words(given) as readonly string[]
      if (health !== undefined && entries.length !== 1) {
        return new Problem(
          `has ${entries.length} services before "-- ${health}"; it takes one there`,
        )
      }
      for (const entry of entries) {
        const service = serviceOf(entry)
        if (!service) {
          return new Problem(
            `has "${entry}", which is neither ${choices(kinds)}, with a version or without, nor NAME=IMAGE with a NAME of lowercase letters, digits and -`,
          )
        }
        if (read.some(({ name }) => name === service.name)) {
          return new Problem(`has two services with the name "${service.name}"; write NAME=IMAGE`)
        }
        read.push(health === undefined ? service : { ...service, health })
      }
    }
    return read
  },
)

function serviceOf(entry: string): TestService | undefined {
  if (!serviceEntry.test(entry)) return undefined
  const [first = '', second] = entry.split('=')
  const image = second ?? first
  const [, last = ''] = /([^/:@]+)(:[^/]*)?$/.exec(image.replace(/@.*/, '')) ?? []
  const name = second === undefined ? last : first
  const kind = [name, last].find(isServiceKind)
  return { name, image: isServiceKind(image) ? usualService(image).image : image, kind }
}

/** One check a line: all of them have to hold. */
export const signatureChecks = reader<readonly SignatureCheck[]>(
  { is: 'list', pattern: signatureForm },
  (value) => {
    const read: SignatureCheck[] = []
    for (const line of lines(value) as readonly string[]) {
      const check = signatureCheckOf(line)
      if (!check) {
        return new Problem(
          `has "${line}", which is none of key=FILE, identity=IDENTITY issuer=URL, and github=OWNER/REPOSITORY`,
        )
      }
      read.push(check)
    }
    return read
  },
)

/** `symptom=duration`, between commas, blanks or line ends; durations in ms. */
export function graces<const T extends string>(
  ...of: readonly T[]
): Reader<Readonly<Partial<Record<T, number>>>> {
  return reader<Readonly<Partial<Record<T, number>>>>(
    { is: 'mapping', to: 'duration', of },
    (value) => {
      const found: Partial<Record<T, number>> = {}
      for (const word of words(value) as readonly string[]) {
        const [name = '', time = '', ...rest] = word.split('=')
        const known = of.find((one) => one.toLowerCase() === name.toLowerCase())
        if (known === undefined) {
          return new Problem(`has "${name}"; it takes ${of.join(', ')}`)
        }
        const length = duration(time)
        if (rest.length > 0 || length instanceof Problem) {
          return new Problem(`has "${word}", which is not of the form symptom=duration`)
        }
        found[known] = length
      }
      return found
    },
  )
}

/** Written as YAML writes it. */
export const yesOrNo = reader<boolean>({ is: 'yes or no' }, (value) =>
  value === 'true' || value === 'false' ? value === 'true' : new Problem('is not true or false'),
)

/** The path of a URL, with a query where one is needed. */
export const urlPath = matching(
  'path',
  /^\/(?!.*#)[!-~]*$/,
  'is not a path; it must begin with /, without spaces and #, in ASCII',
)

const address = /^https?:\/\/[^\s/]+(\/\S*)?$/

/** An address on the web. Secrets are pasted with a line end often enough. */
export const webAddress = reader<string>(
  { is: 'text', word: 'address', pattern: address },
  (value) =>
    address.test(value.trim())
      ? value.trim()
      : new Problem('is not a URL; it must begin with https://'),
)

/** Reads the value of `Host`: a name or an address, and a port where one is needed. */
export const hostName = matching(
  'host',
  /^([\w.-]+|\[[\da-fA-F:.]+\])(:\d{1,5})?$/,
  'is not a host; write it without https:// and path, with a port if needed',
)

/** Returns the placeholder of a value in help: `duration`, `undo|keep`, `NAME=value`. */
export function wordFor(takes: Takes): string {
  switch (takes.is) {
    case 'text':
      return takes.word
    case 'duration':
      return 'duration'
    case 'yes or no':
      return 'true|false'
    case 'choice':
      return choiceWord(takes.of)
    case 'list':
      return 'list'
    case 'mapping':
      return takes.to === 'duration' ? 'symptom=duration' : 'NAME=value'
  }
}

/** The longest term moves the texts of all options in the help to the right: such an option's own text has the choices. */
function choiceWord(of: readonly string[]): string {
  const all = of.join('|')
  return all.length > 21 ? 'choice' : all
}
