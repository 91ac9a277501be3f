/** What each command does. */
import type { Command } from '../options/table.js'
import type { Report } from '../report/report.js'
import { tellHistory } from './history.js'
import { release } from './release.js'
import { rollBack } from './rollback.js'
import type { Start } from './run.js'
import { settleLeft } from './settle.js'

export function runCommand(command: Command, start: Start): Promise<Report> {
  switch (command) {
    case 'release':
    case 'deploy':
      return release(command, start)
    case 'rollback':
      return rollBack(start)
    case 'history':
      return tellHistory(start)
    case 'settle':
      return settleLeft(start, 'any')
  }
}
