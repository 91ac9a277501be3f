import { expect, test } from '@jest/globals'
import type { RunningVersion } from '../../src/django/inspector-env.js'
import { needsFileOf, readNeedsFile } from '../../src/state/needs-file.js'

const databases = [{ database: 'default', applied: { shop: '0002_note' } }] as never
const kept: RunningVersion = { names: ['deployment/web'], tag: 'v1', needs: 'bmVlZHM=' }

test.each<[string, RunningVersion, RunningVersion]>([
  ['a version of the history', kept, kept],
  [
    'the planned version itself',
    { names: ['pod/a'], tag: 'v2', isOwn: true },
    { names: ['pod/a'], tag: 'v2', needs: 'b3du' },
  ],
  ['a version that is not known', { names: ['pod/a'], tag: '' }, { names: ['pod/a'], tag: '' }],
  ['one that nothing runs now', { ...kept, isIdle: true }, { ...kept, isIdle: true }],
])('the file has %s', (_, version, read) => {
  expect(readNeedsFile(needsFileOf([version], 'b3du', { databases }))).toEqual({
    versions: [read],
    applied: { default: { shop: '0002_note' } },
  })
})

test.each([
  ['nothing', undefined],
  ['no JSON', 'needs'],
  ['a list', '[]'],
  ['no migrations', '{"versions": []}'],
  ['a migration that is no name', '{"versions": [], "applied": {"default": {"shop": 2}}}'],
  [
    'needs that are not packed',
    '{"versions": [{"names": [], "tag": "", "needs": "$(id)"}], "applied": {}}',
  ],
  ['names that are no list', '{"versions": [{"names": "web", "tag": ""}], "applied": {}}'],
])('%s is no such file', (_, text) => {
  expect(readNeedsFile(text)).toBeUndefined()
})
