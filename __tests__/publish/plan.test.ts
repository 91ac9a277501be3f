import { describe, expect, test } from '@jest/globals'
import { readFileSync } from 'node:fs'
import { newerThan, planOf, type RawInputs } from '../../scripts/publish/plan.js'

const changelog = `# Changelog

## [Unreleased]

## [1.2.0] - 2026-03-01

### Added

- Sails ([#7]).

## [1.1.9] - 2026-02-01

- An anchor.

## [1.1.0] - unreleased

- A keel.

## [1.0.0] - 2026-01-01

[#7]: https://example.org/7
[1.2.0]: https://example.org/1.2.0
`
const project = (version: string) => JSON.stringify({ name: 'boat', version })
const given = (more: Partial<RawInputs>): RawInputs => ({
  ...{ project: project('1.2.0'), changelog, tag: 'v1.2.0' },
  ...more,
})

test('a version is published with its section of the changelog', () => {
  expect(planOf(given({}))).toEqual({
    ...{ name: 'boat', version: '1.2.0', tag: 'v1.2.0', movingTag: 'v1' },
    notes: '### Added\n\n- Sails ([#7]).',
  })
})

describe('what keeps a version from being published', () => {
  test.each<[string, Partial<RawInputs>, string]>([
    ['another tag', { tag: 'v1.2.1' }, 'the tag v1.2.1 is not the version of package.json, 1.2.0'],
    [
      'a tag without v',
      { tag: '1.2.0' },
      'the tag 1.2.0 is not the version of package.json, 1.2.0',
    ],
    [
      'a version that is no release',
      { project: project('2.0.0-rc.1'), tag: 'v2.0.0-rc.1' },
      'package.json: version 2.0.0-rc.1 is not of the form 1.2.3',
    ],
    [
      'no section',
      { project: project('1.3.0'), tag: 'v1.3.0' },
      'CHANGELOG.md has no section "## [1.3.0] - date"',
    ],
    [
      'no section, but one that begins the same',
      { project: project('1.1.99'), tag: 'v1.1.99' },
      'CHANGELOG.md has no section "## [1.1.99] - date"',
    ],
    [
      'no date',
      { project: project('1.1.0'), tag: 'v1.1.0' },
      'CHANGELOG.md: the heading "## [1.1.0] - unreleased" has no date (2026-01-31)',
    ],
    [
      'nothing in the section but links',
      { project: project('1.0.0'), tag: 'v1.0.0' },
      'CHANGELOG.md: the section of 1.0.0 is empty',
    ],
  ])('%s', (_, more, sentence) => {
    expect(() => planOf(given(more))).toThrow(new Error(sentence))
  })
})

test('a dry run takes a section that has no date yet', () => {
  expect(planOf(given({ project: project('1.1.0'), tag: undefined })).notes).toBe('- A keel.')
})

test('this repository could be published', () => {
  const text = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
  const plan = planOf({ project: text('package.json'), changelog: text('CHANGELOG.md') })
  expect(plan).toMatchObject({ name: 'django-rollout', movingTag: 'v1' })
})

test.each([
  ['v1.0.0', [], undefined],
  ['v1.0.0', ['v1.0.0'], undefined],
  ['v1.9.1', ['v1.9.0', 'v1.10.0', 'v1.9.2'], 'v1.10.0'],
  ['v1.10.0', ['v1.9.9', 'v0.20.0'], undefined],
  ['v1.0.0', ['v2.0.0', 'v1', 'nightly'], undefined],
])('newer than %s among %j: %s', (tag, others, newer) => {
  expect(newerThan(tag, others)).toBe(newer)
})
