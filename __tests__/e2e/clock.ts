/** A run whose clock is wrong. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from './stack.js'

export const hourMs = 3_600_000
export const wrongBy = (ms: number) => ({
  NODE_OPTIONS: `--import=${pathToFileURL(join(root, '__tests__/e2e/wrongclock.mjs')).href}`,
  CLOCK_SHIFT_MS: String(ms),
})
