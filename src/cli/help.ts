/** The text of `--help`, but for the lists that commander makes. Pure. */
import { Help } from 'commander'
import { commandDescriptions } from '../options/command-descriptions.js'
import type { Command } from '../options/commands.js'
import { exits, helpContent, words, type Example } from './help-content.js'

/** Where help is read. */
export interface Page {
  /** In characters. */
  readonly columns: number
  readonly color: boolean
}

export function title(text: string): string {
  return `\u001b[1m${text}\u001b[22m`
}

/** Renders the text above the options of a command. */
export function introduction(command: Command, page: Page): string {
  const { steps } = helpContent[command]
  const numbered = steps.map((step, i) => item(`${i + 1}.`, step, 2, page))
  return [wrapped(commandDescriptions[command], page), '', title('Steps:'), ...numbered].join('\n')
}

/** Renders the text below the options. */
export function examples(command: Command, page: Page): string {
  return [title('Examples:'), ...helpContent[command].examples.map((one) => shown(one, page))].join(
    '\n',
  )
}

export function aboutAll(page: Page): string {
  return wrapped(
    'Takes a commit of a Django project to a running Kubernetes cluster as one transaction: either all workloads run the new version, or everything is restored and the log names the cause.',
    page,
  )
}

/** Renders the text below the commands. */
export function moreOfAll(page: Page): string {
  const codes = Object.entries(exits).map(
    ([code, { means, results }]) => [code, `${means} (${results.join(', ')})`] as const,
  )
  return [
    title('Example:'),
    shown(
      {
        what: 'In a checkout, with docker and kubectl logged in',
        args: helpContent.release.examples[0]?.args ?? [],
      },
      page,
    ),
    title('Where to set options:'),
    wrapped(
      'On the command line, or in django-rollout.yml in the current folder, one "name: value" per line. A flag overrides the file, and the file overrides the default. Passwords do not belong in the file.',
      page,
      2,
    ),
    '',
    title('Words:'),
    ...list(words, page),
    '',
    title('Exit codes:'),
    ...list(codes, page),
    '',
    wrapped('django-rollout help release describes a command; --version shows the version.', page),
  ].join('\n')
}

function list(items: readonly (readonly [string, string])[], page: Page): readonly string[] {
  const width = Math.max(...items.map(([term]) => term.length))
  return items.map(([term, text]) => item(term, text, width, page))
}

/** As a shell takes it; broken between options, so that it can be copied. */
function shown({ what, args }: Example, page: Page): string {
  const parts: string[] = ['django-rollout']
  for (const word of args) {
    const isValue = !word.startsWith('--')
    const last = parts.pop() ?? ''
    if (isValue) parts.push(`${last} ${word}`)
    else parts.push(last, word)
  }
  const lines: string[] = []
  for (const part of parts) {
    const last = lines.at(-1)
    // The indent, and ` \` at the end.
    if (last !== undefined && last.length + part.length + 7 <= page.columns) {
      lines[lines.length - 1] = `${last} ${part}`
    } else lines.push(last === undefined ? part : `  ${part}`)
  }
  return `${wrapped(`${what}:`, page, 2)}\n${lines.map((line) => `    ${line}`).join(' \\\n')}\n`
}

function item(term: string, text: string, width: number, page: Page): string {
  return `  ${term.padEnd(width)}  ${wrapped(text, page, width + 4).trimStart()}`
}

function wrapped(text: string, { columns }: Page, indent = 0): string {
  const margin = ' '.repeat(indent)
  return new Help()
    .boxWrap(text, columns - indent)
    .split('\n')
    .map((line) => `${margin}${line}`)
    .join('\n')
}
