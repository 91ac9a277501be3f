import { describe, expect, test } from '@jest/globals'
import { commands } from '../../src/options/commands.js'
import { Problem } from '../../src/options/readers.js'
import { optionsOf, table, type Option } from '../../src/options/table.js'
import { failureReasons } from '../../src/options/failure-reasons.js'
import { RULES } from '../../src/judge/rules.js'

const all = Object.entries(table) as [string, Option<unknown>][]

describe.each(all)(
  'the option %s',
  (_, { read, example, default: standard, help, required, on }) => {
    // An expression of a workflow is no text yet.
    test('has a valid example', () => {
      if (!example.includes('${{')) expect(read(example)).not.toBeInstanceOf(Problem)
    })

    test('has a valid default, unless it is required', () => {
      if (standard !== undefined) expect(read(standard)).not.toBeInstanceOf(Problem)
      expect(required && standard !== undefined).not.toBe(true)
    })

    test('has a help text of one line without a full stop', () => {
      expect(help).toMatch(/^\S[^\n]*[^.\n]$/)
    })

    test('belongs to some command', () => {
      expect(on.length).toBeGreaterThan(0)
    })
  },
)

test('all names are valid as inputs and flags', () => {
  // A flag that begins with no- is the negation of another one for the parser.
  for (const [name] of all) expect(name).toMatch(/^(?!no-)[a-z]+(-[a-z]+)*$/)
})

test('the options with credentials are secret', () => {
  expect(all.filter(([, { secret }]) => secret).map(([name]) => name)).toEqual([
    'build-secrets',
    'registry-password',
    'kubeconfig',
    'token',
    'webhook',
  ])
})

test('deploy takes all options of release except those for build and tests, and also the digest', () => {
  const names = (command: (typeof commands)[number]): string[] =>
    optionsOf(command).map(([name]) => name)
  expect(names('deploy').filter((name) => !names('release').includes(name))).toEqual(['digest'])
  expect(names('release').filter((name) => !names('deploy').includes(name))).toEqual([
    'context',
    'file',
    'target',
    'build-contexts',
    'build-args',
    'build-secrets',
    'build-ssh',
    'cache',
    'platforms',
    'provenance',
    'sbom',
    'image-labels',
    'skip-unchanged',
    'test-command',
    'test-services',
    'test-env',
    'missing-migrations',
    'test-files',
    'test-timeout',
  ])
})

test.each(['action', 'command'] as const)(
  'the surface of the %s has no option of the other one',
  (surface) => {
    for (const command of commands) {
      const others = optionsOf(command, surface).filter(([, { only }]) => only && only !== surface)
      expect(others).toEqual([])
    }
  },
)

test('a rollback takes the options of a rollout and its target', () => {
  const names = optionsOf('rollback').map(([name]) => name)
  expect(names.filter((name) => !optionsOf('deploy').some(([other]) => other === name))).toEqual([
    'to',
    'reverse-migrations',
    'accept-downtime',
    'dry-run',
  ])
})

test('each symptom that has a rule can be given a grace', () => {
  expect([...failureReasons].sort()).toEqual(Object.keys(RULES).sort())
})
