import { readOptions, type RawInputs } from '../../src/options/read.js'
import { ReleaseContext } from '../../src/stages/context.js'
import type { Platform } from '../../src/platform/platform.js'

/** The context of a release of the commit `sha` (40 times `a`) with the options that a user gave. */
export function contextOf(
  platform: Platform,
  given: RawInputs = {},
  signal?: AbortSignal,
): ReleaseContext {
  const reading = readOptions('release', {
    image: 'ghcr.io/acme/shop',
    namespace: 'shop',
    ...given,
  })
  if (reading.is === 'wrong') throw new Error(reading.problems.join('\n'))
  const sha = 'a'.repeat(40)
  return new ReleaseContext({
    platform,
    settings: reading.settings,
    source: { sha, tag: sha },
    app: 'shop',
    command: 'release',
    holder: { id: 'run-1', who: 'ada', url: 'https://ci.example/1' },
    signal: signal ?? new AbortController().signal,
    warn: () => undefined,
  })
}
