import { realClock } from '../../src/platform/clock.js'
import type { Platform } from '../../src/platform/platform.js'
import { realWeb } from '../../src/platform/web.js'
import { scripted } from './scripted.js'

/** What a busy machine is given to answer itself, in ms. */
const least = 3_000

/** A world with the real web, in which pauses take a tenth of their time, and limits less than they are. */
export function hastyWorld(env: Platform['env'] = {}): Platform {
  const clock = {
    ...realClock,
    sleep: (ms: number, signal?: AbortSignal) =>
      realClock.sleep(ms < 10_000 ? ms / 10 : least, signal),
  }
  return { ...scripted([]).platform, clock, web: realWeb(env), env }
}
