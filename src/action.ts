import * as core from '@actions/core'
import { commentPlan } from './github/comments.js'
import { endStatus } from './github/deployment.js'
import { deploymentRecord } from './github/deployments.js'
import {
  actionOf,
  harmless,
  inputsOf,
  maskSecrets,
  mistypedInputs,
  runnerSink,
  reportToRunner,
} from './github/runner.js'
import { secretsOf } from './github/secrets.js'
import { locking, testing, type Command } from './options/commands.js'
import { usualFile } from './options/file.js'
import { runCommand } from './commands/run-command.js'
import { readSettings } from './commands/settings.js'
import { warned, type Report } from './report/report.js'
import { exitCodes } from './failure/result.js'
import { Reporter } from './report/reporter.js'
import { notifyWebhook } from './report/notify.js'
import { oneLine } from './report/sentences.js'
import { holderOf } from './stages/lock.js'
import { cancelSignal, outliveReaders } from './platform/cancel.js'
import { withGracePeriod } from './platform/time.js'
import { realFiles } from './platform/files.js'
import { realPlatform } from './platform/real.js'

const command = actionOf(process.env)

/** Time limit of the notifications after a cancelled run, in ms. */
const notificationTimeoutMs = 3_000

const given = inputsOf(command, process.env)
maskSecrets(given)
mistypedInputs(command, process.env).forEach((problem) => {
  core.warning(problem)
})
const files = realFiles(process.env)
const reading = await readSettings(command, given, 'action', files)
if (reading.is === 'wrong') {
  reading.problems.forEach((problem) => {
    core.error(harmless(oneLine(problem)))
  })
  core.setOutput('result', 'usage')
  core.setOutput('cause', oneLine(reading.problems.join('; ')))
  process.exitCode = exitCodes.usage
} else {
  // All temporary files of the run are in one folder, which post removes even when this process is killed.
  const folder = await files.privateFolder()
  core.saveState('folder', folder)
  // Post needs the same options, and the checkout may be another one by then.
  const config = await files.read(given['config'] ?? usualFile)
  if (config !== undefined) await files.write(`${folder}/${usualFile}`, config)
  const platform = realPlatform({ ...process.env, RUNNER_TEMP: folder })
  outliveReaders()
  const signal = cancelSignal((why) => {
    core.info(why)
  })
  const reporter = new Reporter(runnerSink(), platform.clock)
  // Post looks for the record of this very run, in case the run does not reach its end.
  const holder = await holderOf(platform)
  if ((locking as readonly Command[]).includes(command)) core.saveState('run', holder.id)
  if (([...testing, 'plan'] as readonly Command[]).includes(command))
    core.saveState('tests', holder.id)
  const { settings } = reading
  const record = deploymentRecord(platform, settings, holder, {
    onKept: (id) => {
      core.saveState('deployment', id)
    },
  })
  const ended = await runCommand(command, {
    platform,
    settings,
    reporter,
    signal,
    holder,
    ...(record && { onBegin: record.begin }),
  })
  // Runs before anything that may fail.
  process.exitCode = exitCodes[ended.result] || process.exitCode
  // Local results are reported first: GitHub does not wait long when it cancels a job.
  const path = settings.report ?? `${folder}/report.json`
  const write = (report: Report) =>
    platform.files.write(path, `${JSON.stringify(report, null, 2)}\n`).catch((error: unknown) => {
      core.warning(`the report could not be written: ${String(error)}`)
    })
  await write(ended)
  await reportToRunner(ended, path)
  const warnings = await withGracePeriod(platform.clock, notificationTimeoutMs, signal, (late) =>
    Promise.all([
      record?.end(endStatus(ended), late) ?? [],
      notifyWebhook(platform, settings, { report: ended, holder }, late),
      command === 'plan'
        ? commentPlan(
            platform,
            settings,
            { report: ended, url: holder.url, secrets: secretsOf(given) },
            late,
          )
        : [],
    ]),
  )
  // Set only after everything is reported: post reports what is missing.
  if (ended.result !== 'stuck') core.saveState('ended', ended.result)
  if (warnings.flat().length > 0) {
    warnings.flat().forEach((warning) => {
      core.warning(harmless(warning))
    })
    await write(warned(ended, warnings.flat()))
  }
}
