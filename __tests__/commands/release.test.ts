/** What becomes of more tags when they cannot be set. */
import { expect, test } from '@jest/globals'
import { LeaseLost } from '../../src/state/held-lease.js'
import { moveTags } from '../../src/commands/release.js'
import { Reporter } from '../../src/report/reporter.js'
import { handClock } from '../support/clock.js'
import { scripted } from '../support/scripted.js'
import { contextOf } from '../support/settings.js'

const silent = { open: () => {}, say: () => {}, quote: () => {}, close: () => {} }

async function warnings(tags: string, reason: Error) {
  const warnings: string[] = []
  const signal = AbortSignal.abort(reason)
  const warn = (sentence: string) => warnings.push(sentence)
  const context = contextOf(scripted([]).platform, { 'extra-tags': tags }, signal).with({ warn })
  const image = { repository: 'shop', tag: 'v2', digest: 'sha256:2' }
  await moveTags({ reporter: new Reporter(silent, handClock(0)) }, context, image)
  return warnings
}

test('a cancelled run says that a tag was not set', async () => {
  expect(await warnings('latest', new Error('ended by SIGINT'))).toEqual([
    'the tag latest was not set: ended by SIGINT',
  ])
})

test('a run that has lost the lock sets no tag, because another version may be live', async () => {
  expect(await warnings('latest stable', new LeaseLost('taken', 'ada'))).toEqual([
    'the tags latest, stable were not all set: another run has taken the lock (ada)',
  ])
})
