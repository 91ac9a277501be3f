import { realClock } from './clock.js'
import { realFiles } from './files.js'
import { realNetwork } from './network.js'
import { realProcesses } from './processes.js'
import { realTools } from './tools.js'
import { realWeb } from './web.js'
import type { Platform } from './platform.js'

/** This machine, seen with the variables of this process. */
export function realPlatform(env: Platform['env']): Platform {
  return {
    clock: realClock,
    processes: realProcesses(env),
    files: realFiles(env),
    network: realNetwork(),
    web: realWeb(env),
    tools: realTools(env),
    env,
  }
}
