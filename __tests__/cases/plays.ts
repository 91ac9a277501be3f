/** What there is to play: each case in each of its forms. */
import { expect } from '@jest/globals'
import { readdirSync } from 'node:fs'
import { isThoughtOf, type Check } from './checks.js'
import { expectations } from './expectations.js'
import { folder, play } from './play.js'

export interface Play {
  readonly title: string
  /** Ends when the case has ended as its `expected` says; throws when it has not. */
  readonly judged: () => Promise<void>
}

/** The cases of the folder, by name. */
export const found: readonly string[] = readdirSync(folder, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)

// The longest first: the others have their turn beside it.
const first = ['jobs-of-a-withdrawn-cronjob', 'claim-of-one-pod', 'kept-database-needs-its-config']
const inOrder = [...new Set([...first, ...found])].filter((name) => found.includes(name))

const playsOf = (name: string): readonly Play[] =>
  Object.entries(expectations[name] ?? {}).map(([form, check]) => ({
    title: `the case ${form === '' ? name : `${name}, form ${form},`} ends as expected`,
    judged: () => judge(name, form, check),
  }))

async function judge(name: string, form: string, check: Check): Promise<void> {
  const told = await play(name, form)
  const wrong = [...check(told), ...isThoughtOf(told)]
  // Whoever reads it has the whole story at hand.
  expect({ wrong, read: told.file }).toEqual({ wrong: [], read: told.file })
}

/**
 * Whose trouble another test of `make test` shows too, or a unit test judges. Of the others each is played in the
 * form that its `expected` has first; a case that is new here is played, so that it is noticed.
 */
const seldom = new Set([
  'busybox-setpriv',
  'claim-of-one-pod',
  'custom-migrate-command-failed',
  'job-in-the-manifests',
  'jobs-of-a-withdrawn-cronjob',
  'kept-database-needs-its-config',
  'label-decides-the-database',
  'manage-py-and-wsgi-differ',
  'manifest-names-another-image',
  'record-is-untrusted',
  'replicas-in-last-applied',
  'rollback-over-a-changed-command',
  'same-commit-other-build-args',
  'secret-changed-same-image',
  'secret-rotated-meanwhile',
  'service-changes-with-its-pods',
  'two-beats',
])

export const oftenPlayed: readonly Play[] = inOrder
  .filter((name) => !seldom.has(name))
  .flatMap((name) => playsOf(name).slice(0, 1))

export const seldomPlayed: readonly Play[] = inOrder.flatMap((name) =>
  playsOf(name).slice(seldom.has(name) ? 0 : 1),
)
