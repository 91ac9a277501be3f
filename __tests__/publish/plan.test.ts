import { describe, expect, test } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isNewest, planOf, type RawInputs } from '../../scripts/publish/plan.js'

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
  project: project('1.2.0'),
  changelog,
  tags: ['v1.1.9', 'v1.2.0'],
  tag: 'v1.2.0',
  ...more,
})

test('a version is published with its section of the changelog', () => {
  expect(planOf(given({}))).toEqual({
    name: 'boat',
    version: '1.2.0',
    tag: 'v1.2.0',
    npmTag: 'latest',
    movingTag: 'v1',
    notes: '### Added\n\n- Sails ([#7]).',
  })
})

test.each([
  [['v1.10.0', 'v1.2.0'], 'release-1.2', undefined],
  [['v2.0.0', 'v1.1.0'], 'release-1.2', 'v1'],
])('among %j a fix of an older version is %s on npm, and moves %s', (tags, npmTag, movingTag) => {
  expect(planOf(given({ tags }))).toMatchObject({ npmTag, movingTag })
})

describe('a version is not published', () => {
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
  ])('in the case "%s"', (_, more, sentence) => {
    expect(() => planOf(given(more))).toThrow(new Error(sentence))
  })
})

test('a dry run accepts a section that has no date yet', () => {
  expect(planOf(given({ project: project('1.1.0'), tag: undefined })).notes).toBe('- A keel.')
})

test('this repository could be published', () => {
  const text = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
  const plan = planOf({ project: text('package.json'), changelog: text('CHANGELOG.md'), tags: [] })
  expect(plan).toMatchObject({ name: 'django-rollout', movingTag: 'v1' })
})

test.each([
  ['v1.0.0', [], true],
  ['v1.0.0', ['v1.0.0'], true],
  ['v1.9.1', ['v1.9.0', 'v1.10.0', 'v1.9.2'], false],
  ['v1.10.0', ['v1.9.9', 'v0.20.0'], true],
  ['v1.0.0', ['v2.0.0'], false],
  ['v1.0.0', ['v1', 'nightly', ''], true],
])('%s is the newest version beside %j: %s', (tag, others, newest) => {
  expect(isNewest(tag, others)).toBe(newest)
})

test('a workflow gets the plan as outputs', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'plan-'))
  const outputs = join(folder, 'outputs')
  execFileSync(process.execPath, ['scripts/publish/main.ts'], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env: { PATH: process.env['PATH'], GITHUB_OUTPUT: outputs },
  })
  const text = await readFile(outputs, 'utf8')
  await rm(folder, { recursive: true })

  const named = [...text.matchAll(/^([a-z-]+)<<(.+)\n([\s\S]*?)\n\2$/gm)]
  expect(named.map(([, name]) => name).join(' ')).toBe('version tag npm-tag moving-tag notes')
})
