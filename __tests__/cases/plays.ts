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

/** Each case in the form that its `expected` has first. */
export const firstForms: readonly Play[] = inOrder.flatMap((name) => playsOf(name).slice(0, 1))

/** Each case in its other forms. */
export const otherForms: readonly Play[] = inOrder.flatMap((name) => playsOf(name).slice(1))
