import { readOptions, type RawInputs } from '../../src/options/read.js'
import type { Release } from '../../src/stages/release.js'
import type { Platform } from '../../src/platform/platform.js'

/** A release of the commit `sha` (40 times `a`) with the options that a user gave. */
export function releaseOf(
  platform: Platform,
  given: RawInputs = {},
  signal?: AbortSignal,
): Release {
  const reading = readOptions('release', {
    image: 'ghcr.io/acme/shop',
    namespace: 'shop',
    ...given,
  })
  if (reading.is === 'wrong') throw new Error(reading.problems.join('\n'))
  const sha = 'a'.repeat(40)
  return {
    platform,
    settings: reading.settings,
    source: { sha, tag: sha },
    app: 'shop',
    holder: { id: 'run-1', who: 'ada', url: 'https://ci.example/1' },
    signal: signal ?? new AbortController().signal,
  }
}
