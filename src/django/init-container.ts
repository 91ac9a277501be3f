/** What an init container of our image does where the Job of a migration copies it. Pure. */
import type { Container } from 'kubernetes-types/core/v1'
import { isSidecar } from '../kubernetes/objects.js'
import { migrates } from './contract.js'
import { base } from './launch.js'
import { words } from './migrate-command.js'

/** Which init containers of our image run: those that visibly do not migrate, or all but those that visibly do. */
export type InitChoice = 'visible' | 'all'

/**
 * Returns why a container does not run before the migration is planned: it would migrate by itself, or wait forever
 * for the migration that comes after it. `undefined`: it runs.
 */
export function whySkipped(container: Container, choice: InitChoice): string | undefined {
  // A file may have null.
  const command = container.command ?? []
  const all = [...command, ...(container.args ?? [])]
  if (migrates.test(all.join(' '))) return 'it runs or awaits the migration itself'
  if (choice === 'all') return undefined
  const hidden = command.length === 0 ? "the image's entrypoint" : hiddenIn(all)
  const why = isSidecar(container)
    ? 'it would run the same code during the migration'
    : hidden && `${hidden} may run the migration`
  return why && `${why} (a Job in "migrate-manifest" keeps it)`
}

const shell = /^(|ba|da|a|k|z)sh$/
const python = /^(python|pypy)[\d.]*$/
const django = /^(manage\.py|django-admin(\.py)?)$/

/** What they do is in a file of the image. */
const builders = /^(make|just|invoke|honcho|supervisord)$/

/** Words that come before a program, and run none themselves. */
const prefix = /^(if|then|elif|else|do|while|until|!|\{|time|exec|command|nohup|\w+=.*)$/s

/** Programs that run another one, behind their own options and values. */
const runners =
  /^(env|tini|dumb-init|docker-init|catatonit|timeout|nice|xargs|su|sudo|gosu|su-exec|setpriv|runuser|poetry|uv|pipenv|pdm|hatch|doppler|dockerize|ddtrace-run|opentelemetry-instrument|newrelic-admin|eval|source|\.)$/

/** Returns the script or program of the image that a command runs, whose content cannot be seen, if any. */
function hiddenIn(all: readonly string[]): string | undefined {
  const start = all.findIndex((word) => !prefix.test(word))
  const [first = '', ...rest] = start === -1 ? [] : all.slice(start)
  const program = base(first)
  if (django.test(program)) return undefined
  if (shell.test(program) || python.test(program)) return hiddenOfInterpreter(first, rest)
  if (builders.test(program)) return [first, ...rest].join(' ')
  if (runners.test(program)) {
    const at = rest.findIndex(
      (word) => isFile(word) || shell.test(base(word)) || python.test(base(word)),
    )
    return at === -1 ? undefined : hiddenIn(rest.slice(at))
  }
  const isOfSystem = /^\/(usr\/)?s?bin\/[^/]+$/.test(first)
  return first.includes('$') || (isFile(first) && !isOfSystem) ? first : undefined
}

/** An interpreter runs the text of `-c`, or a file, or what it reads. */
function hiddenOfInterpreter(first: string, rest: readonly string[]): string | undefined {
  // `bash -o pipefail`, `python -W error`
  const at = rest.findIndex(
    (word, i) => !word.startsWith('-') && !/^-(\w*o|W|X)$/.test(rest[i - 1] ?? ''),
  )
  const [flag = '', operand = ''] = [rest[at - 1], rest[at]]
  if (shell.test(base(first)) && /^-\w*c$/.test(flag)) return hiddenInText(operand)
  if (python.test(base(first))) {
    if (/^-\w*c$/.test(flag) || django.test(base(operand))) return undefined
    if (flag === '-m' && operand === 'django') return undefined
  }
  return [first, ...rest.slice(0, at + 1)].join(' ')
}

/** The same of a shell's text. Quotes are left out: what is in them may be a command, too. */
function hiddenInText(text: string): string | undefined {
  return text
    .replaceAll(/\\\n|["')]|\d?[<>]+&?\s*[\w./-]+/g, ' ')
    .split(/[;&|\n(`]+/)
    .map((command) => hiddenIn(words(command)))
    .find((hidden) => hidden !== undefined)
}

/** A path, or a script by its name; no address, assignment or option. */
function isFile(word: string): boolean {
  return /\/|\.(sh|py)$/.test(word) && !/^-|^\w+=|^\w+:\/\//.test(word)
}
