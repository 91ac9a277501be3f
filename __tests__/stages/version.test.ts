/** Which version a rollback brings back, and whether it is the wanted one still when its turn comes. */
import { expect, test } from '@jest/globals'
import { Failure } from '../../src/failure/failure.js'
import type { Entry } from '../../src/state/history.js'
import { checkStillPrevious } from '../../src/stages/version.js'
import { scripted } from '../support/scripted.js'
import { contextOf } from '../support/settings.js'

const entry = (number: number): Entry => ({
  number,
  run: `run ${number}`,
  command: 'release',
  who: 'ada',
  at: '2026-01-31T12:00:00.000Z',
  image: 'shop',
  tag: `v${number}`,
  digest: `sha256:${number}`,
  result: 'deployed',
  seconds: 30,
  migrations: [],
})
const [one, two, three] = [entry(1), entry(2), entry(3)]

function check(to: string, now: readonly Entry[]) {
  const context = contextOf(scripted([]).platform)
  const settings = { ...context.settings, to }
  checkStillPrevious({ settings }, { history: [one, two] }, now)
}

test('a release that goes live while a rollback to the previous version waits ends the rollback', () => {
  expect(() => check('previous', [one, two, three])).toThrow(Failure)
  expect(() => check('previous', [one, two, three])).toThrow(
    'release 3 (v3) by ada went live while this rollback waited',
  )
})

test.each([
  ['nothing went live since', 'previous', [one, two]],
  ['the version was named', 'v1', [one, two, three]],
])('the rollback goes on when %s', (_, to, now) => {
  expect(() => check(to, now)).not.toThrow()
})
