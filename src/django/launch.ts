/** How the web is started, by its container and by its image: what the migration has to begin with too. Pure. */
import type { Container } from 'kubernetes-types/core/v1'
import type { Starter } from './inspector-command.js'
import { startsRole } from './roles.js'

/** What an image runs by default. */
export interface ImageCommand {
  readonly entrypoint: readonly string[]
  readonly cmd: readonly string[]
}

export interface Launch {
  /** The whole command, program and arguments, as far as it is known. */
  readonly words: readonly string[]
  readonly starter?: Starter
  /** A script before the actual program that cannot be begun with: it needs a word that says what to start. */
  readonly skipped?: string
}

/** Programs that only exec their arguments and reap zombies: they set no variable. */
const inits = ['tini', 'dumb-init', 'docker-init', 'catatonit', 'exec']

/**
 * The command of a container, as Kubernetes assembles it
 * (https://kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container/), and what
 * precedes the actual program in it: a script of the image, as `/entrypoint`, or a program that runs
 * another one in an environment that it sets, as `doppler run --`.
 */
export function launchOf(container: Container, image: ImageCommand | undefined): Launch {
  const { command, args } = container
  const first = command ?? image?.entrypoint ?? []
  const rest = args ?? (command === undefined ? (image?.cmd ?? []) : [])
  const words = [...first, ...rest]
  const skipped = initsOf(words)
  const exported = shellOf(words.slice(skipped))
  if (exported) return { words, starter: exported }
  const at = words.findIndex((word, i) => i >= skipped && startsRole(word))
  // Where no program is known, an entrypoint ends where the arguments begin.
  const own = words.slice(skipped, at === -1 ? first.length : at)
  const starter = starterOf(own, words.length > skipped + own.length)
  if (starter) return { words, starter }
  return { words, ...(own.length > 1 && isFile(own[0]) && { skipped: own.join(' ') }) }
}

/**
 * What a shell exports before the web (`sh -c "export A=b && exec gunicorn …"`): it does so here too. Only what
 * it begins with and does in any case: behind a condition, or another program, it is unknown.
 */
function shellOf(words: readonly string[]): Starter | undefined {
  const [shell = '', flag = '', script = ''] = words
  if (!/^(|ba|da|a|k|z)sh$/.test(base(shell)) || !/^-\w*c$/.test(flag)) return undefined
  const parts = script.split(/&&|[;\n]/).map((part) => part.trim())
  if (parts.some(isTorn)) return undefined
  const end = parts.findIndex((part) => !/^(export \w+=|cd |set -)/.test(part) || isMore(part))
  const first = parts.slice(0, end === -1 ? parts.length : end)
  const exports = first.filter((part) => part.startsWith('export '))
  const assigned = /^((?:[A-Z_][A-Z0-9_]*=(?:"[^"]*"|'[^']*'|[^\s"']*)\s+)+)(?:exec\s+)?(\S+)/.exec(
    parts[first.length] ?? '',
  )
  const set =
    assigned && startsRole(assigned[2] ?? '') ? [`export ${(assigned[1] ?? '').trim()}`] : []
  const all = [...exports, ...set]
  if (all.length === 0) return undefined
  return { words: [shell, flag, `${all.join(' && ')} && exec "$@"`, 'sh'], isScript: false }
}

/** A part that was cut out of quotes, or out of a command within it. */
function isTorn(part: string): boolean {
  const count = (sign: string) => part.split(sign).length - 1
  return (
    count('"') % 2 === 1 ||
    count("'") % 2 === 1 ||
    count('`') % 2 === 1 ||
    count('(') !== count(')') ||
    part.endsWith('\\')
  )
}

/** `export A=b || exit 1` */
function isMore(part: string): boolean {
  return /[|&<>]/.test(part.replaceAll(/\$\([^()]*\)|"[^"]*"|'[^']*'/g, ''))
}

/** How many words an init takes, with its options: `tini -s --`. */
function initsOf(words: readonly string[]): number {
  if (!inits.includes(base(words[0] ?? ''))) return 0
  const at = words.findIndex((word, i) => i > 0 && (word === '--' || !word.startsWith('-')))
  return at === -1 ? words.length : at + (words[at] === '--' ? 1 : 0)
}

function starterOf(own: readonly string[], hasMore: boolean): Starter | undefined {
  const [program, ...options] = own
  if (program === undefined) return undefined
  // A name alone is a program that is installed (`ddtrace-run`): it needs no shell, and sets no variable.
  const isScript = options.length === 0 && isFile(program)
  // A script that starts the web itself: its exports are read from its text.
  if (!hasMore) return isScript ? { words: own, isScript } : undefined
  const last = own.at(-1)
  if (last === '--' || (last === 'run' && options.length > 0) || base(program) === 'env') {
    return { words: own, isScript: false }
  }
  return isScript ? { words: own, isScript } : undefined
}

function isFile(program = ''): boolean {
  return program.includes('/') || program.endsWith('.sh')
}

/** The name of a program, without its folder. */
export function base(word: string): string {
  return word.split('/').at(-1) ?? word
}
