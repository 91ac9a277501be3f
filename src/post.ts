import * as core from '@actions/core'
import { removeOfRun } from './docker/test-services.js'
import { endStatus, recordedStatus } from './github/deployment.js'
import { deploymentRecord } from './github/deployments.js'
import {
  actionOf,
  inputsOf,
  maskSecrets,
  runnerSink,
  reportNothingLeft,
  reportToRunner,
} from './github/runner.js'
import { usualFile } from './options/file.js'
import type { Settings } from './options/table.js'
import { showHistory } from './commands/history.js'
import { recoverLeft } from './commands/recover.js'
import { readSettings } from './commands/settings.js'
import { warned } from './report/report.js'
import { exitCodes } from './failure/result.js'
import { Reporter } from './report/reporter.js'
import { notifyWebhook } from './report/notify.js'
import { holderOf } from './stages/lock.js'
import { cancelSignal, outliveReaders } from './platform/cancel.js'
import { realFiles } from './platform/files.js'
import { realPlatform } from './platform/real.js'
import type { Platform } from './platform/platform.js'

/** Runs after the job, however the job ended: restores what `main` left unfinished, and removes its containers and files. */
const folder = core.getState('folder')
const run = core.getState('run')

// No end was saved: main was killed, its undo was cut off, or the undo could not be verified.
if (run !== '' && core.getState('ended') === '') {
  // Main could read its options, so post can read them as options of the same command.
  const command = actionOf(process.env)
  const { config: _config, ...given } = inputsOf(command, process.env)
  maskSecrets(given)
  const files = realFiles(process.env)
  const kept = `${folder}/${usualFile}`
  const reading = await readSettings(
    command,
    files.exists(kept) ? { ...given, config: kept } : given,
    'action',
    files,
  )
  if (reading.is === 'read') await finish(reading.settings)
  else {
    core.warning(
      `what this run may have left open was not looked for (django-rollout recover does it): ${reading.problems.join('; ')}`,
    )
  }
}
// Containers are of this machine, and need none of the options.
const tests = core.getState('tests')
if (tests !== '' && core.getState('ended') === '')
  await removeOfRun(realPlatform(process.env), tests, (sentence) => {
    core.info(sentence)
  })
if (folder !== '') await realFiles(process.env).remove(folder)

async function finish(settings: Settings): Promise<void> {
  outliveReaders()
  // A second cancel ends neither this process nor the undo.
  cancelSignal((why) => {
    core.info(`${why}: the interrupted release is still restored`)
  })
  const platform = realPlatform({ ...process.env, RUNNER_TEMP: folder })
  await recoverOwn(platform, settings)
}

/** Recovers what main left unfinished in the cluster. */
async function recoverOwn(platform: Platform, settings: Settings): Promise<void> {
  const reporter = new Reporter(runnerSink(), platform.clock)
  const holder = await holderOf(platform, run)
  const start = { platform, reporter, settings, holder, signal: new AbortController().signal }
  const kept = core.getState('deployment')
  const record =
    kept === '' ? undefined : deploymentRecord(platform, settings, holder, { kept: Number(kept) })
  const report = await recoverLeft(start, 'own')
  // Runs before anything that may fail.
  process.exitCode = exitCodes[report.result] || process.exitCode
  const isRecovered = report.result === 'unchanged'
  const said = async () =>
    isRecovered ? recordedStatus((await showHistory(start)).history, run) : endStatus(report)
  const warnings = await Promise.all([
    record ? record.end(await said()) : [],
    // Nothing was left unfinished: main has reported its end, or there is nothing to report.
    isRecovered ? [] : notifyWebhook(platform, settings, { report, holder }),
  ])
  const ended = warned(report, warnings.flat())
  // The result of main stays: what is left may belong to another run.
  if (isRecovered) reportNothingLeft(ended)
  else await reportToRunner(ended, '')
}
