import * as core from '@actions/core'
import { maskSecrets, inputsOf, runnerSink, tellRunner } from './github/runner.js'
import { readOptions } from './options/read.js'
import { commands } from './options/table.js'
import { run } from './pipeline/release.js'
import { settleLeft } from './pipeline/settle.js'
import { exitCodes } from './report/report.js'
import { Reporter } from './report/reporter.js'
import { holderOf } from './stages/lock.js'
import { realFiles } from './world/files.js'
import { realWorld } from './world/real.js'

/** Which action this is: a default in the sub-actions' action.yml that nobody is meant to set. */
const command = commands.find((name) => name === process.env['INPUT_COMMAND']) ?? 'release'

const given = inputsOf(command, process.env)
maskSecrets(given)
const reading = readOptions(command, given)
if (reading.is === 'wrong') {
  reading.problems.forEach((problem) => {
    core.error(problem)
  })
  core.setOutput('result', 'usage')
  process.exitCode = exitCodes.usage
} else {
  // All temporary files of the run lie in one folder, which post removes even when this process is killed.
  const folder = await realFiles(process.env).privateFolder()
  core.saveState('folder', folder)
  const world = realWorld({ ...process.env, RUNNER_TEMP: folder })
  const cancel = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      cancel.abort(new DOMException(`ended by ${signal}`, 'AbortError'))
    })
  }
  const reporter = new Reporter(runnerSink(), world.clock)
  // Post looks for the record of this very run, in case that it does not come to its end.
  const holder = holderOf(world)
  core.saveState('run', holder.id)
  const report =
    command === 'settle'
      ? await settleLeft(world, reading.settings, reporter, cancel.signal, holder, 'any')
      : await run(command, world, reading.settings, reporter, cancel.signal, holder)
  if (report.result !== 'stuck') core.saveState('ended', report.result)
  const path = reading.settings.report ?? `${folder}/report.json`
  await world.files.write(path, `${JSON.stringify(report, null, 2)}\n`)
  await tellRunner(report, path)
  process.exitCode = exitCodes[report.result]
}
