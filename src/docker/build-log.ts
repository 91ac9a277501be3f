import { plain, shortened, errorLine } from './text.js'

/** Why a build failed, as far as BuildKit's own words show it. */
export interface BuildFailure {
  /** The instruction of the Dockerfile: `RUN pip install -r requirements.txt`. */
  readonly instruction?: string
  /** Its line in the Dockerfile, from 1. */
  readonly line?: number
  readonly message: string
  /** The last lines that the failed step wrote, or the place in the Dockerfile. */
  readonly log: readonly string[]
}

interface Step {
  readonly name: string
  readonly output: string[]
  isCached?: true
}

/** Lines kept for a failure's log. */
const kept = 30

/** Steps of BuildKit's own, which say nothing to the author of the Dockerfile. */
const ownStep =
  /^(\[(internal|auth)\]|(ex|im)porting |resolve image config|docker-image:|building with )/

/** What apt prints for each package. */
const perPackage =
  /^(Get|Hit|Ign):\d+ |^Selecting previously unselected|^Preparing to unpack|^Unpacking |^\(Reading database/

/**
 * Reads what `docker buildx build --progress plain` writes: picks the lines that are worth showing, and
 * finds the cause when the build fails.
 *
 * Each line has the number of its step: `#5 [2/4] RUN make` begins it, `#5 0.51 text` is output of the
 * program, everything else (`#5 sha256:… 3MB / 9MB`, `#5 extracting …`) is BuildKit's own progress. After a
 * failure the output of the step comes again between two `------`, then the place in the Dockerfile,
 * then the error.
 */
export class BuildLog {
  readonly #steps = new Map<string, Step>()
  readonly #last: string[] = []
  #failed: { step: Step; message: string } | undefined
  #error: string | undefined
  #rules = 0
  #place: string | undefined
  #line: number | undefined
  #marked: string | undefined
  readonly #excerpt: string[] = []
  #now: string | undefined

  /** The instruction that spoke last. */
  get now(): string | undefined {
    return this.#now
  }

  /** Whether there are RUN instructions, and the layers of all came from a cache. */
  get isCached(): boolean {
    const runs = [...this.#steps.values()].filter(({ name }) =>
      withoutStage(name).startsWith('RUN '),
    )
    return runs.length > 0 && runs.every((one) => one.isCached)
  }

  /** Takes the next line; true when it is worth showing. */
  read(raw: string): boolean {
    const line = plain(raw).trimEnd()
    if (line === '') return false
    keep(this.#last, line)
    const [, number, rest] = /^#(\d+) (.*)$/.exec(line) ?? []
    return number === undefined || rest === undefined ? this.#end(line) : this.#step(number, rest)
  }

  /** Returns what is known of the failed build. */
  failure(): BuildFailure {
    const step = this.#failed?.step
    const instruction = this.#instruction(step?.name)
    const error = this.#failed?.message ?? this.#error ?? ''
    const output = step?.output ?? []
    const ended = /(?:did not complete successfully|^executor failed running \[.*\]): (.+)$/.exec(
      error,
    )
    const message = ended ? errorLine(output) || (ended[1] ?? '') : reworded(error)
    const line = this.#line ?? numberIn(/parse error(?: on)? line (\d+):/.exec(error))
    return {
      ...(instruction === undefined ? {} : { instruction }),
      ...(line === undefined ? {} : { line }),
      message: shortened(message || errorLine(this.#last) || 'no reason was given', 300),
      log: output.length > 0 ? output : error === '' ? this.#last : this.#excerpt,
    }
  }

  /** The failed instruction: where a step is BuildKit's own, the one that it was made for. */
  #instruction(step: string | undefined): string | undefined {
    if (step !== undefined && !ownStep.test(step)) return withoutStage(step)
    const base = /^\[internal\] load metadata for (?:docker\.io\/(?:library\/)?)?(\S+)$/.exec(
      step ?? '',
    )
    return this.#marked ?? (base ? `FROM ${base[1] ?? ''}` : undefined)
  }

  #step(number: string, text: string): boolean {
    const known = this.#steps.get(number)
    if (known === undefined) {
      this.#steps.set(number, { name: text, output: [] })
      if (ownStep.test(text)) return false
      this.#now = withoutStage(text)
      return true
    }
    const output = /^\d+\.\d+ ?(.*)$/.exec(text)?.[1]
    if (output !== undefined) {
      if (output.trim() === '') return false
      // A list of all versions that there are is one line of pip's.
      keep(known.output, shortened(output, 500))
      this.#now = withoutStage(known.name)
      return !perPackage.test(output)
    }
    if (text === 'CACHED') known.isCached = true
    if (text.startsWith('ERROR: ')) {
      // BuildKit builds on without it.
      if (known.name.startsWith('importing cache ')) return false
      this.#failed ??= { step: known, message: text.slice('ERROR: '.length) }
      return true
    }
    const seconds = /^DONE (\d+\.\d)s$/.exec(text)?.[1]
    if (ownStep.test(known.name)) return false
    return text === 'CACHED' || text.startsWith('WARN') || Number(seconds) >= 1
  }

  /** The lines without a number, which come last. */
  #end(line: string): boolean {
    if (/^-{6}$/.test(line)) this.#rules++
    else if (/^-{7,}$/.test(line))
      this.#line ??= Number(/:(\d+)$/.exec(this.#place ?? '')?.[1]) || undefined
    else if (line.startsWith('ERROR: ')) this.#error ??= line.slice('ERROR: '.length)
    else if (/^ *\d+ \|/.test(line)) {
      this.#excerpt.push(line)
      this.#marked ??= /\| >>> (.*?)\s*\\?$/.exec(line)?.[1]
    }
    this.#place = line
    // Between two rules is what was shown when it happened.
    return this.#rules % 2 === 0 && !/^-{6}$/.test(line)
  }
}

/** `[builder 2/3] RUN make` without its bracket. */
function withoutStage(name: string): string {
  return name.replace(/^\[[^\]]*\] /, '')
}

/**
 * The line (from 1) on which an instruction begins in a Dockerfile: for builders that do not report it. Where an ARG
 * was substituted, the one that it may have been. `undefined` when there are several; of the same FROM, the first is
 * the one.
 */
export function lineOf(instruction: string, dockerfile: string): number | undefined {
  const wanted = words(instruction)
  const all: { readonly line: number; readonly text: string }[] = []
  let open: { readonly line: number; text: string } | undefined
  for (const [at, line] of dockerfile.split(/\r?\n/).entries()) {
    // A comment or an empty line does not end an instruction that continues.
    if (/^\s*(#|$)/.test(line)) continue
    open ??= { line: at + 1, text: '' }
    open.text += ` ${line.replace(/\\\s*$/, '')}`
    if (/\\\s*$/.test(line)) continue
    all.push({ line: open.line, text: words(open.text) })
    open = undefined
  }
  const same = all.filter(({ text }) => text === wanted)
  const found = same.length > 0 ? same : all.filter(({ text }) => mayBe(text).test(wanted))
  const [first, ...others] = found
  const isOne = others.every(({ text }) => wanted.startsWith('FROM ') && text === first?.text)
  return isOne ? first?.line : undefined
}

/** What an instruction may be once its ARGs are substituted. */
function mayBe(text: string): RegExp {
  const parts = text
    .split(/\$(?:\w+|\{[^}]*\})/)
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`)
}

function words(text: string): string {
  return text
    .trim()
    .replace(/^(FROM .*?) AS \S+$/i, '$1')
    .split(/\s+/)
    .join(' ')
}

function numberIn(match: RegExpExecArray | null): number | undefined {
  return Number(match?.[1]) || undefined
}

/** BuildKit's errors without what only BuildKit understands. */
function reworded(error: string): string {
  return error.replace(
    /^(failed to (build|solve|compute cache key|load cache key|create LLB definition|solve with frontend [^:]+)( with frontend [^:]+)?: |failed to calculate checksum of ref [^"]*(?=")|rpc error: code = \w+ desc = |dockerfile parse error( on)? line \d+: )+/,
    '',
  )
}

function keep(lines: string[], line: string): void {
  lines.push(line)
  if (lines.length > kept) lines.shift()
}
