import { describe, expect, test } from '@jest/globals'
import { stripVTControlCharacters } from 'node:util'
import { helpContent, exits } from '../../src/cli/help-content.js'
import { readCommandLine, type Invocation } from '../../src/cli/parse-args.js'
import { commands } from '../../src/options/commands.js'
import { readOptions } from '../../src/options/read.js'
import { wordFor } from '../../src/options/readers.js'
import { groups, optionsOf } from '../../src/options/table.js'
import { exitCodes } from '../../src/failure/result.js'

function read(line: string, page = { columns: 80, color: false }): Invocation {
  return readCommandLine(line.split(' ').filter(Boolean), '1.2.3', page)
}

function answer(line: string, columns = 80): string {
  const asked = read(line, { columns, color: false })
  if (asked.is !== 'answer') throw new Error(`${line}: ${JSON.stringify(asked)}`)
  return asked.text
}

describe('the options are parsed', () => {
  test.each([
    ['history --image shop --namespace web', { image: 'shop', namespace: 'web' }],
    ['build --image=shop --build-args A=1', { image: 'shop', 'build-args': 'A=1' }],
    ['rollback --dry-run --to 12', { 'dry-run': 'true', to: '12' }],
    ['rollback --dry-run false', { 'dry-run': 'false' }],
    ['build --build-args A=1 --build-args B=2', { 'build-args': 'A=1\nB=2' }],
    ['deploy --extra-tags latest --extra-tags stable', { 'extra-tags': 'latest\nstable' }],
    ['deploy --bake 1s --bake 2s', { bake: '2s' }],
  ])('from "%s"', (line, given) => {
    expect(read(line)).toEqual({ is: 'run', command: line.split(' ')[0], given })
  })
})

describe('a mistyped command line is rejected in one sentence with the closest right name', () => {
  test.each([
    ['relase', '"relase" is not a command; did you mean "release"?'],
    ['help relase', '"relase" is not a command; did you mean "release"?'],
    ['launch', `"launch" is not a command; the commands are ${commands.join(', ')}`],
    ['release --imgae shop', '"--imgae" is not an option of release; did you mean "--image"?'],
    ['release --imgae=shop', '"--imgae" is not an option of release; did you mean "--image"?'],
    ['release -image shop', '"-image" is not an option of release; did you mean "--image"?'],
    [
      'deploy --context .',
      '"--context" is not an option of deploy; it is one of release, build, test, doctor',
    ],
    [
      'deploy --no-such-thing',
      '"--no-such-thing" is not an option of deploy; django-rollout deploy --help lists all options',
    ],
    ['release --image', '"--image" needs a value: for example --image ghcr.io/acme/shop'],
    ['release shop', '"shop" belongs to no option; quote a value that contains spaces'],
    [
      '--image shop release',
      '"--image" needs a command, for example: django-rollout release --image',
    ],
  ])('for "%s"', (line, sentence) => {
    const [command = ''] = line.split(' ')
    const who = (commands as readonly string[]).includes(command) ? ` ${command}` : ''
    expect(read(line)).toEqual({ is: 'wrong', problem: `django-rollout${who}: ${sentence}` })
  })

  test('when there is no command at all, with the help', () => {
    expect(read('')).toEqual({ is: 'lost', text: answer('--help') })
  })
})

test('--version prints the version', () => {
  expect(answer('--version')).toBe('1.2.3\n')
})

describe('the general help', () => {
  test('lists each command once, in its group', () => {
    const text = answer('--help')
    for (const command of commands) {
      expect(text.match(new RegExp(`^ {2}${command} +\\S`, 'gm'))).toHaveLength(1)
    }
    for (const heading of ['A whole release:', 'Afterwards:', 'Exit codes:', 'Words:']) {
      expect(text).toContain(`\n${heading}\n`)
    }
  })

  test('lists every exit code with its results', () => {
    const told = Object.entries(exits).flatMap(([code, { results }]) =>
      results.map((result) => [result, Number(code)]),
    )
    expect(Object.fromEntries(told)).toEqual(exitCodes)
  })

  test.each(['help', '-h', '--help'])('is printed by %s', (line) => {
    expect(answer(line)).toBe(answer('--help'))
  })
})

describe.each(commands)('the help of %s', (command) => {
  test('is the same by help and by --help', () => {
    expect(answer(`help ${command}`)).toBe(answer(`${command} --help`))
  })

  test('lists each option with its value, below its heading', () => {
    const text = answer(`${command} --help`)
    for (const [name, { group, read: reader }] of optionsOf(command, 'command')) {
      const at = text.search(new RegExp(`^ {2}--${name} `, 'm'))
      const heading = text
        .slice(0, at)
        .match(/^\S.*:$/gm)
        ?.at(-1)
      expect([name, heading]).toEqual([name, `${groups[group]}:`])
      expect(text.slice(at, at + 80)).toContain(wordFor(reader.takes))
    }
  })

  test.each([60, 80, 120])('is at most %d columns wide', (columns) => {
    const lines = answer(`${command} --help`, columns).split('\n')
    // An option that has no room beside its name is not broken.
    const wide = lines.filter((line) => line.length > columns && !/^ {2}--/.test(line))
    expect(wide).toEqual([])
  })

  test.each(helpContent[command].examples)('has a working example: $what', ({ args }) => {
    // Quotes are the shell's.
    const words = args.map((word) => word.replace(/^'(.*)'$/, '$1'))
    const asked = readCommandLine(words, '', { columns: 80, color: false })
    if (asked.is !== 'run') throw new Error(JSON.stringify(asked))
    expect(asked.command).toBe(command)
    expect(readOptions(command, asked.given, { surface: 'command' })).toMatchObject({ is: 'read' })
  })
})

test.each([
  ['a duration', '--bake <duration>', '15s'],
  ['a choice', '--on-failure <undo|keep>', 'undo'],
  ['a choice of many', '--order <choice>', 'auto'],
  ['pairs', '--build-args <NAME=value>', undefined],
  ['a list', '--test-services <list>', undefined],
])('the value of %s is written as %s', (_, term, standard) => {
  const text = answer('release --help').replace(/\n {3,}/g, ' ')
  const line = text.split('\n').find((one) => one.startsWith(`  ${term} `))
  expect(line).toBeDefined()
  if (standard !== undefined) expect(line).toContain(`(default: ${standard})`)
})

test('headings are bold on terminals with colors, and nothing else differs', () => {
  const colored = read('release --help', { columns: 80, color: true })
  expect(colored).toMatchObject({ text: expect.stringContaining('\u001b[1mImage:\u001b[22m') })
  expect(colored.is === 'answer' && stripVTControlCharacters(colored.text)).toBe(
    answer('release --help'),
  )
  expect(answer('release --help')).not.toContain('\u001b')
})
