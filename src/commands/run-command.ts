/** Runs a command by its name. */
import type { Command } from '../options/commands.js'
import type { Report } from '../report/report.js'
import { buildOnly } from './build.js'
import { runDoctor } from './doctor.js'
import { showHistory } from './history.js'
import { migrateOnly } from './migrate.js'
import { planOnly } from './plan.js'
import { release } from './release.js'
import { rollBack } from './rollback.js'
import type { Start } from './run.js'
import { recoverLeft } from './recover.js'
import { testOnly } from './test.js'

export function runCommand(command: Command, start: Start): Promise<Report> {
  switch (command) {
    case 'release':
    case 'deploy':
      return release(command, start)
    case 'build':
      return buildOnly(start)
    case 'test':
      return testOnly(start)
    case 'plan':
      return planOnly(start)
    case 'migrate':
      return migrateOnly(start)
    case 'rollback':
      return rollBack(start)
    case 'history':
      return showHistory(start)
    case 'recover':
      return recoverLeft(start, 'any')
    case 'doctor':
      return runDoctor(start)
  }
}
