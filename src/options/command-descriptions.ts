/** What each command does, in a line: for `--help` and the actions. */
import type { Command } from './commands.js'

export const commandDescriptions: Readonly<Record<Command, string>> = {
  release: 'Build, test, push, migrate and roll out a commit; restore everything if anything fails',
  build: 'Build the image of a commit, tagged with its SHA',
  test: 'Run the tests in a container of an existing image',
  plan: 'Show which migrations a release would apply, and what they would break; applies nothing',
  migrate: 'Apply the migrations of an image, in a Job made from the web workload',
  deploy: 'Roll out an image of the registry: a release without build and tests',
  rollback: 'Roll all workloads back to an earlier version; undo the rollback if it fails',
  history: 'Show the releases of the application: version, time, author, result',
  recover: 'Restore the previous version after an interrupted release',
  doctor: 'Check everything that a release needs, and report what would go wrong; writes nothing',
}
