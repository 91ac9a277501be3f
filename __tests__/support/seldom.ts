import { describe, test } from '@jest/globals'

const isPlayed = process.env['PLAY'] === 'all'
// Called or read in whatever way jest's own is, it is itself again.
const nothing: unknown = new Proxy(() => nothing, { get: () => nothing })

/**
 * `test` for what another test already shows on the cluster in another form. `make test` would take twice as long
 * with them, so they are tests with PLAY=all alone, the first step of `make test-long`; without it they are not
 * there at all, since a skipped test counts as failed. A test after one of these must not build on what it leaves.
 */
export const seldom = isPlayed ? test : (nothing as typeof test)

/** The same for a whole `describe`: its preparations are not made either. */
export const describeSeldom = isPlayed ? describe : (nothing as typeof describe)
