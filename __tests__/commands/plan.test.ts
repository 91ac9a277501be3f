/** Where a plan refuses to begin. */
import { expect, test } from '@jest/globals'
import { planOnly } from '../../src/commands/plan.js'
import { readOptions, type RawInputs } from '../../src/options/read.js'
import { Reporter } from '../../src/report/reporter.js'
import { handClock } from '../support/clock.js'
import { scripted } from '../support/scripted.js'

const silent = { open: () => {}, say: () => {}, quote: () => {}, close: () => {} }

test.each<[string, RawInputs, Readonly<Record<string, string>>, RegExp]>([
  ['without a command', { 'migrate-command': 'none' }, {}, /"migrate-command" is none/],
  [
    'for the code of any fork',
    {},
    { GITHUB_EVENT_NAME: 'pull_request_target' },
    /does not run on pull_request_target/,
  ],
  [
    'without a cluster that has to save what it has not asked',
    { needs: 'needs.json', 'save-needs': 'new.json' },
    {},
    /"save-needs" asks the cluster, and "needs" plans without one/,
  ],
  ['with a file that is none of its own', { needs: 'needs.json' }, {}, /"needs" is no file/],
])('a plan %s is refused before anything is asked', async (_, given, env, sentence) => {
  const reading = readOptions('plan', {
    image: 'acme/shop',
    namespace: 'shop',
    tag: 'v1',
    ...given,
  })
  if (reading.is === 'wrong') throw new Error(reading.problems.join('\n'))
  const { platform } = scripted([])
  const report = await planOnly({
    platform: { ...platform, env },
    settings: reading.settings,
    reporter: new Reporter(silent, handClock(0)),
    signal: new AbortController().signal,
    holder: { id: 'run-1', who: 'ada' },
  })
  expect(report).toMatchObject({
    command: 'plan',
    result: 'usage',
    cause: { code: 'usage', sentence: expect.stringMatching(sentence) },
    stages: [],
  })
})
