/** Rolls back to a version that ran before: the same transaction as a release, without build and migrations. */
import { shortTag } from '../kubernetes/image.js'
import type { Report } from '../report/report.js'
import { rollbackTargets } from '../stages/rollback-templates.js'
import { runsUndisturbed } from '../stages/already-deployed.js'
import { otherVersions } from '../stages/exceptions.js'
import {
  checkFits,
  prove,
  refuse,
  titleOf,
  wayTo,
  type Restores,
} from '../stages/migration/prove.js'
import { makeBackup } from '../stages/migration/backup.js'
import {
  findReversal,
  mayReverse,
  reverseFirst,
  waysToReverse,
  workOf,
  type ReversalAnswer,
  type RollbackReversal,
} from '../stages/migration/rollback-reversal.js'
import { preflight, type PreflightResult } from '../stages/preflight.js'
import { rollout } from '../stages/rollout.js'
import { verifySignature } from '../stages/signature.js'
import { wavesFor } from '../stages/waves.js'
import { ReleaseContext, type OpenContext } from '../stages/context.js'
import { lossOf, reversalWords } from '../report/reversal-sentences.js'
import { misfitSentence } from '../report/migration-sentences.js'
import { table } from '../options/table.js'
import type { KeptMisfit, WayBack } from '../state/fit.js'
import type { History } from '../state/history.js'
import { readHistory } from '../state/history-store.js'
import type { Image } from '../docker/image.js'
import { describe } from '../stages/targets.js'
import type { Target } from '../kubernetes/target.js'
import { checkStillPrevious, readVersions, chooseVersion, type Version } from '../stages/version.js'
import { sentenceOf } from './causes.js'
import { reported, type Run, type Start } from './run.js'
import type { Outcome } from './run-state.js'
import { transaction } from './transaction.js'

export function rollBack(start: Start): Promise<Report> {
  return reported('rollback', start, toVersion)
}

async function toVersion(run: Run): Promise<Outcome> {
  const { platform, reporter, state, resources } = run
  const requested = new ReleaseContext({
    ...run,
    // Old code does not migrate a newer database: its schema stays as it is.
    settings: { ...run.settings, 'migrate-command': '' },
    source: { tag: '' },
  })
  const { cluster, checked } = await reporter.stage('preflight', (log) =>
    preflight(requested.with({ log }), () =>
      resources.openCluster(platform, run.settings, run.signal),
    ),
  )
  state.passPreflight(checked)
  const context = requested.with({ cluster })
  const { chosen, version } = await reporter.stage('version', async (log) => {
    await resources.login(run.settings)
    const chosen = await readVersions(context.with({ log }), checked)
    const version = await chooseVersion(context.with({ log }), chosen)
    await verifySignature(context.with({ log }), version.image)
    return { chosen, version }
  })
  const { image, sha, appliedSince } = version
  const command = commandFor(run, version, chosen.history)
  const source = { tag: image.tag, ...(sha !== undefined && { sha }) }
  state.source = source
  state.haveImage(image)
  // A reversal says later what it has left.
  if (!run.settings['reverse-migrations']) warnOfApplied(run, appliedSince)
  const { targets, warnings } = await reporter.stage('templates', (log) =>
    rollbackTargets(context.with({ log }), checked, version),
  )
  warnings.forEach(run.warn)
  const differs = targets.some(({ back }) => back !== undefined)
  if (!differs && (await runsUndisturbed(context, checked, image))) {
    state.exceptions = otherVersions(context, checked, image)
    return { result: 'unchanged' }
  }
  if (run.settings['dry-run']) {
    const restores = { version, history: chosen.history, command }
    const way = run.settings['reverse-migrations'] ? wayTo(restores) : checkFits(context, restores)
    return dryRun(run, { targets, image, way })
  }
  let reversal: RollbackReversal | undefined
  return transaction(run, context.with({ source }), checked, {
    command: 'rollback',
    image,
    ...backOf(version),
    check: (_, now) => {
      checkStillPrevious(context, chosen, now)
    },
    prove: async (locked) => {
      reversal = await proveFit(run, locked, { ...checked, targets }, { version, command })
      if (reversal) await backupBefore(run, locked, checked, reversal)
    },
    schema: () => reversal && workOf(reversal),
    targets: async (locked, now) => {
      // It was logged before the lock was taken.
      const log = { ...locked.log, say: () => undefined }
      return (await rollbackTargets(locked.with({ log }), now, version)).targets
    },
    write: async (locked, { checked }, wrote) => {
      if (reversal) await reverseBefore(run, locked, reversal)
      await reporter.stage('rollout', async (log) => {
        const logged = locked.with({ log })
        const waves = await wavesFor(logged, checked, image, undefined)
        const input = { checked, image, beside: [], waves, starts: state.knownStarts }
        await rollout(logged, input, state.listener(wrote))
      })
      state.exceptions = otherVersions(locked, checked, image)
      if (run.settings['reverse-migrations']) {
        warnOfApplied(
          run,
          appliedSince.filter((name) => !state.reversed.includes(name)),
        )
      }
    },
  })
}

function warnOfApplied(run: Run, applied: readonly string[]): void {
  if (applied.length === 0) return
  run.warn(`the database is not changed; migrations applied since: ${applied.join(', ')}`)
}

/** Returns how this version was migrated, else the others, where this run was given nothing else. */
function commandFor({ settings }: Run, { release }: Version, history: History): string {
  const given = settings['migrate-command']
  if (given !== table['migrate-command'].default) return given
  const kept = history.findLast(({ migrate }) => migrate !== undefined)?.migrate
  return release?.migrate ?? kept ?? given
}

/**
 * Another release may have migrated while this run waited for the lock. Returns what has to be reversed first, if
 * anything; throws a Failure `schema-unfit` where the version does not fit and the user has not decided.
 */
async function proveFit(
  { reporter, state }: Run,
  context: OpenContext,
  checked: PreflightResult,
  wanted: Pick<Restores, 'version' | 'command'>,
): Promise<RollbackReversal | undefined> {
  const { cluster, app, settings, warn } = context
  const restores = { ...wanted, history: await readHistory(cluster, app, settings.image) }
  const way = wayTo(restores)
  const policy = settings['unsafe-migrations']
  const isDecided = policy !== 'block' && !settings['reverse-migrations']
  if (way.is === 'unchanged' || (policy === 'allow' && isDecided)) return undefined
  const who = titleOf(wanted.version)
  const known = way.is === 'unfit' ? way.breaks : []
  const isKnown = known.length > 0
  if (isDecided) known.forEach((misfit) => warn(misfitSentence(who, misfit)))
  return reporter.stage('plan', async (log) => {
    const own = context.with({ log })
    const proof = isKnown && !isDecided ? undefined : await prove(own, restores, checked)
    if (proof) {
      state.needs = proof.needs
      if (!wanted.version.release?.fit) state.fit = proof.fit
    }
    const breaks = isKnown ? known : (proof?.breaks ?? [])
    if (isDecided || breaks.length === 0) {
      if (!isKnown) proof?.warnings.forEach(warn)
      return undefined
    }
    const answer = await findReversal(own, checked, restores, {
      breaks,
      needs: proof?.needs,
    }).catch((error: unknown): ReversalAnswer => {
      context.signal.throwIfAborted()
      return { why: sentenceOf(error) }
    })
    if (!('why' in answer) && mayReverse(own, answer)) return answer
    // The database itself knows better than the history.
    if (!('why' in answer) && answer.found.does === 'fits') return undefined
    refuse(own, restores, withMigrations(breaks, answer), waysToReverse(own, toOf(wanted), answer))
  })
}

/** The number of a release means the same at any time. */
function toOf({ version }: Pick<Restores, 'version'>): string {
  return version.release ? String(version.release.number) : version.image.tag
}

/** Adds the migrations that the running version has found for what the history does not know. */
function withMigrations(
  breaks: readonly KeptMisfit[],
  answer: ReversalAnswer,
): readonly KeptMisfit[] {
  const found = 'why' in answer ? [] : answer.found.databases.flatMap(({ misfits }) => misfits)
  return breaks.map((misfit) => {
    const { migration } =
      found.find(({ rule, object }) => rule === misfit.rule && object === misfit.object) ?? {}
    return { ...(migration !== undefined && { migration }), ...misfit }
  })
}

/** Nothing is written yet: when the backup fails, all stays as it is. */
async function backupBefore(
  { reporter, state }: Run,
  context: OpenContext,
  checked: PreflightResult,
  { input, found }: RollbackReversal,
): Promise<void> {
  if (context.settings['backup-cronjob'] === undefined || lossOf(found) === undefined) return
  const { image } = input
  const reasons = [reversalWords(found)]
  state.backup = await reporter.stage('backup', (log) =>
    makeBackup(context.with({ log }), checked, { image, reasons, work: 'reversed' }),
  )
}

async function reverseBefore(
  { reporter, state }: Run,
  context: OpenContext,
  reversal: RollbackReversal,
): Promise<void> {
  await reporter.stage('migrate', (log) =>
    reverseFirst(context.with({ log }), reversal, (reversed) => {
      if (reversed.length === 0) return
      state.reversed = reversed
      state.schema = { is: 'unknown' }
    }),
  )
  state.fit = { misfits: [] }
}

/** Returns the number for the history: a rollback to a rollback goes back to the release of that one. */
function backOf({ release }: Version): { readonly back?: number } {
  return release ? { back: release.back ?? release.number } : {}
}

async function dryRun(
  { reporter }: Run,
  {
    targets,
    image: { tag },
    way,
  }: { readonly targets: readonly Target[]; readonly image: Image; readonly way: WayBack },
): Promise<Outcome> {
  await reporter.stage('dry run', (log) => {
    for (const target of targets) {
      const besides = target.back ? ', and its pod template of that release' : ''
      log.say(`${describe(target)}; would set ${shortTag(tag)}${besides}`)
    }
    if (way.is === 'unfit')
      log.say(
        'would first let the running version reverse as few of its migrations as needed, if it can',
      )
    if (way.is === 'to prove')
      log.say('would first prove in a Job that this version fits the schema')
    return Promise.resolve()
  })
  return { result: 'unchanged', dryRun: true }
}
