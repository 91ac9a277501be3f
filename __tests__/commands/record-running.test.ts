/** What the user learns of a release whose version runs already. */
import { expect, test } from '@jest/globals'
import { recordRunningVersion } from '../../src/commands/record-running.js'
import type { Run } from '../../src/commands/run.js'
import type { PreflightResult } from '../../src/stages/preflight.js'
import { memoryCluster } from '../support/cluster.js'
import { scripted } from '../support/scripted.js'
import { contextOf } from '../support/settings.js'

const image = { repository: 'ghcr.io/acme/shop', tag: 'v2', digest: 'sha256:2' }

test.each<[string, string, string[], string[], object | undefined]>([
  ['nothing is held back', 'next', [], [], undefined],
  [
    'the same image does not apply what is held back',
    'next',
    ['shop.0012_no_note'],
    ['shop.0012_no_note: still held back; the next release of another image applies it'],
    undefined,
  ],
  [
    'no release does',
    'manual',
    ['shop.0012_no_note'],
    ['shop.0012_no_note: still held back; only the command "migrate" applies it'],
    undefined,
  ],
  [
    'another version held it back, and was undone',
    'next',
    [],
    [],
    { result: 'undone', tag: 'v3', digest: 'sha256:3', held: ['shop.0012_no_note'] },
  ],
])('a version that runs already: %s', async (_, contract, held, warnings, later) => {
  const entry = {
    number: 1,
    run: 'run-0',
    command: 'release',
    who: 'ada',
    at: '2026-01-31T12:00:00.000Z',
    image: image.repository,
    tag: image.tag,
    digest: image.digest,
    result: 'deployed',
    seconds: 1,
    migrations: [],
    held,
  }
  const { cluster, asked } = memoryCluster({
    '/api/v1/namespaces/shop/configmaps/django-rollout-shop': {
      metadata: { labels: { 'app.kubernetes.io/managed-by': 'django-rollout' } },
      data: {
        'release-000001': JSON.stringify(entry),
        ...(later && {
          'release-000002': JSON.stringify({ ...entry, number: 2, run: 'run-1', ...later }),
        }),
      },
    } as object,
  })
  const context = contextOf(scripted([]).platform, { contract }).with({ cluster })
  const said: string[] = []
  const run = { warn: (sentence: string) => void said.push(sentence) } as unknown as Run
  const checked = {} as unknown as PreflightResult
  await recordRunningVersion(run, context, checked, { command: 'release', image })
  expect(said).toEqual(warnings)
  // It is in the history: nothing is written.
  expect(asked).toHaveLength(1)
})
