import { describe, expect, test } from '@jest/globals'
import { commands } from '../../src/options/commands.js'
import { Problem } from '../../src/options/readers.js'
import { optionsOf, table, type Option } from '../../src/options/table.js'
import { failureReasons } from '../../src/options/failure-reasons.js'
import { RULES } from '../../src/judge/rules.js'

const all = Object.entries(table) as [string, Option<unknown>][]

describe.each(all)('%s', (_, { read, example, default: standard, help, required, on }) => {
  // An expression of a workflow is no text yet.
  test('its example is a right value', () => {
    if (!example.includes('${{')) expect(read(example)).not.toBeInstanceOf(Problem)
  })

  test('its default is a right value, and a required one has none', () => {
    if (standard !== undefined) expect(read(standard)).not.toBeInstanceOf(Problem)
    expect(required && standard !== undefined).not.toBe(true)
  })

  test('its help is one line without a full stop', () => {
    expect(help).toMatch(/^\S[^\n]*[^.\n]$/)
  })

  test('some command takes the option', () => {
    expect(on.length).toBeGreaterThan(0)
  })
})

test('names are such as inputs and flags can have', () => {
  for (const [name] of all) expect(name).toMatch(/^[a-z]+(-[a-z]+)*$/)
})

test('the options with credentials are secret', () => {
  expect(all.filter(([, { secret }]) => secret).map(([name]) => name)).toEqual([
    'registry-password',
    'kubeconfig',
    'token',
    'webhook',
  ])
})

test('deploy takes all that release takes, but for build and tests; and the very image', () => {
  const names = (command: (typeof commands)[number]): string[] =>
    optionsOf(command).map(([name]) => name)
  expect(names('deploy').filter((name) => !names('release').includes(name))).toEqual(['digest'])
  expect(names('release').filter((name) => !names('deploy').includes(name))).toEqual([
    'context',
    'file',
    'target',
    'build-args',
    'test-command',
    'test-services',
    'test-env',
    'test-timeout',
  ])
})

test.each(['action', 'command'] as const)(
  'a face that is %s has no option of the other',
  (surface) => {
    for (const command of commands) {
      const others = optionsOf(command, surface).filter(([, { only }]) => only && only !== surface)
      expect(others).toEqual([])
    }
  },
)

test('a rollback takes what a rollout takes, and says where to', () => {
  const names = optionsOf('rollback').map(([name]) => name)
  expect(names.filter((name) => !optionsOf('deploy').some(([other]) => other === name))).toEqual([
    'to',
    'dry-run',
  ])
})

test('each trouble that has a rule can be given a grace', () => {
  expect([...failureReasons].sort()).toEqual(Object.keys(RULES).sort())
})
