/** What each command does, in a line: for `--help` and the actions. */
import type { Command } from './commands.js'

export const commandDescriptions: Readonly<Record<Command, string>> = {
  release:
    'Build, test, push, migrate and roll out a commit; put everything back when anything fails',
  build: 'Build the image of a commit, tagged with its SHA',
  test: 'Run the tests in a container of an image that was built before',
  migrate: 'Apply the migrations of an image, in a Job made from the web workload',
  deploy: 'Roll out an image that the registry has already: the release without build and tests',
  rollback:
    'Bring a version back that ran before: all workloads together, watched, and undone when it fails',
  history: 'Show the releases of the application: what ran when, who wanted it, how it ended',
  recover: 'Restore the previous version after an interrupted release',
  doctor: 'Look at everything that a release needs, and say what would go wrong; writes nothing',
}
