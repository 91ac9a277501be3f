/**
 * What an undo does about the databases before it restores a pod: the pods that come back have to fit them. The run
 * that failed and one that recovers it do the same, from the record.
 */
import { fail, Failure } from '../../failure/failure.js'
import type { Image } from '../../docker/image.js'
import type { Reversal, ReverseHow } from '../../django/reversal.js'
import type { Misfit } from '../../django/verdict.js'
import { shortTag } from '../../kubernetes/image.js'
import {
  isWorkload,
  templateOf,
  usesOfRepository,
  workloadId,
  type WorkloadObject,
} from '../../kubernetes/objects.js'
import type { Target, Web } from '../../kubernetes/target.js'
import { idOf } from '../../kubernetes/workload.js'
import { parseImage } from '../../kubernetes/image.js'
import { liveOf } from '../../judge/objects.js'
import { commandLine } from '../../options/command-line.js'
import type { Settings } from '../../options/table.js'
import { messageOf } from '../../platform/error-message.js'
import { unheldWarnings } from '../../report/contract-sentences.js'
import { misfitSentence } from '../../report/migration-sentences.js'
import { impossibleWords, reversalWords } from '../../report/reversal-sentences.js'
import type { NamespaceWatch } from '../../rollout/namespace-watch.js'
import { readArchive } from '../../state/history-store.js'
import type { OpenRecord, SchemaWork } from '../../state/record.js'
import type { ObjectSnapshot, Snapshot } from '../../undo/snapshot.js'
import { logWarning, type ClusterContext } from '../context.js'
import { servicesIn } from '../inspect.js'
import { backupFlag, makeBackup, type Backup } from './backup.js'
import type { MigrationInput } from './job.js'
import { reverse, type OnReversed } from './reverse.js'
import { startMigration } from './run.js'

export interface SchemaBackInput extends Pick<OpenRecord, 'begun' | 'snapshot' | 'schema'> {
  readonly live: NamespaceWatch
}

/** What became of the databases. */
export interface SchemaBack {
  /** What the version that comes back does not fit; missing: it fits, or that is not known. */
  readonly unfit?: string
}

/** Receives what was done before anything was restored. */
export interface SchemaBackDone {
  readonly onReversed: OnReversed
  readonly onBackup: (backup: Backup) => void
}

/** What the undo of a release does whose migrations the previous version does not fit, by `on-unsafe-undo`. */
const hows: Readonly<Record<Settings['on-unsafe-undo'], ReverseHow>> = {
  auto: 'lossless',
  stop: 'tell',
  reverse: 'any',
  undo: 'tell',
}

/**
 * Makes the databases such that the version fits them which the undo restores. Throws a Failure `restore-failed` where
 * that cannot be, or may not: nothing is restored then, and the sentence says what does not work.
 */
export async function schemaBack(
  context: ClusterContext,
  input: SchemaBackInput,
  done: SchemaBackDone,
): Promise<SchemaBack> {
  const { schema } = input
  if (!schema || isKnownToFit(schema)) return {}
  if (schema.is === 'again') {
    await migrateAgain(context, input, schema)
    return {}
  }
  return backOf(context, input, schema, done)
}

/** Returns whether the databases themselves have shown that the previous version fits. */
export function isKnownToFit(schema: SchemaWork): boolean {
  return schema.is === 'back' && schema.misfits?.length === 0
}

/** Returns whether the databases may have changed, by what the run itself has written into its record. */
export function hasBegun(schema: SchemaWork): boolean {
  return schema.is === 'again' || schema.migrations !== undefined
}

type Work<Is extends SchemaWork['is']> = Extract<SchemaWork, { is: Is }>

async function backOf(
  context: ClusterContext,
  input: SchemaBackInput,
  schema: Work<'back'>,
  done: SchemaBackDone,
): Promise<SchemaBack> {
  const { settings } = context
  const { begun, snapshot } = input
  let known = schema.misfits ?? []
  const option = settings['on-unsafe-undo']
  if (option === 'undo' && known.length > 0) return unfitOf(known)
  if (workloadsBack(snapshot).length === 0) return {}
  const wanted = await neededBack(context, snapshot, schema.reported)
  const job = wanted && (await jobInput(context, input, schema, ({ written }) => written))
  if (!job) {
    const why = wanted
      ? `${schema.web} is not in its record`
      : 'what the previous version needs of the database was not kept'
    if (known.length > 0) return stop(context, snapshot, known, { why: [why] })
    logWarning(context, `whether the previous version fits the schema is not known: ${why}`)
    return {}
  }
  let reversed: readonly string[] = []
  const image = { repository: begun.image, tag: begun.tag, digest: begun.digest }
  /** Resolves with nothing where whether it fits is not known. */
  const reverseBy = (how: ReverseHow): Promise<Reversal | undefined> =>
    reverse(
      context,
      {
        ...job,
        image,
        name: 'the new version',
        back: 'the previous version',
        command: schema.command,
        timeoutMs: settings['migrate-timeout'],
        task: {
          wanted,
          since: schema.migrations ?? [],
          how,
          downtime: true,
          // Where it is not known what the release was to apply, nothing is known to be older.
          ...(schema.migrations && { onlyNew: true }),
        },
      },
      (names) => {
        reversed = names
        done.onReversed(names)
      },
    ).catch((error: unknown) => {
      context.signal.throwIfAborted()
      const why = messageOf(error)
      if (known.length === 0 && reversed.length === 0) {
        logWarning(context, `whether the previous version fits the schema is not known: ${why}`)
        return undefined
      }
      const partly = reversed.length === 0 ? '' : `; reversed before that: ${reversed.join(', ')}`
      return stop(context, snapshot, known, { why: [`reversing them failed: ${why}${partly}`] })
    })
  const how = schema.migrations ? hows[option] : 'tell'
  const isBackedUp = how === 'any' && settings['backup-cronjob'] !== undefined
  // A Job that would drop stored values ends without a write.
  let reversal = await reverseBy(isBackedUp ? 'lossless' : how)
  if (isBackedUp && reversal?.does === 'loss') {
    known = misfitsOf(reversal)
    await backupBefore(context, input, { reversal, image }, done.onBackup)
    reversal = await reverseBy('any')
  }
  if (!reversal || reversal.does === 'reverse') return {}
  if (reversal.does === 'fits') {
    // What is left has another origin, and no reversal helps. The rest was reversed by a run that was killed since.
    const excused = new Set(reversal.databases.flatMap((one) => one.excused))
    return unfitOf(known.filter(({ rule, object }) => excused.has(`${rule} ${object}`)))
  }
  // Without a plan no pod of the release was written: those that run are the ones that come back.
  if (option === 'undo' || !schema.migrations) return unfitOf(misfitsOf(reversal))
  const isPossible = reversal.does !== 'impossible'
  return stop(context, snapshot, misfitsOf(reversal), { why: whyNot(reversal), isPossible })
}

/** Throws a Failure `restore-failed` where the backup fails: the databases and the pods stay as they are. */
async function backupBefore(
  context: ClusterContext,
  { live, snapshot }: SchemaBackInput,
  { reversal, image }: { readonly reversal: Reversal; readonly image: Image },
  onBackup: SchemaBackDone['onBackup'],
): Promise<void> {
  try {
    const reasons = [reversalWords(reversal)]
    onBackup(await makeBackup(context, { live }, { image, reasons, work: 'reversed' }))
  } catch (error) {
    context.signal.throwIfAborted()
    stop(context, snapshot, misfitsOf(reversal), { why: [messageOf(error)], isPossible: true })
  }
}

function misfitsOf({ databases }: Reversal): readonly Misfit[] {
  return databases.flatMap(({ misfits }) => misfits)
}

function whyNot(reversal: Reversal): readonly string[] {
  switch (reversal.does) {
    case 'impossible':
      return [impossibleWords(reversal)]
    case 'loss':
      return [reversalWords(reversal)]
    default:
      return ['"on-unsafe-undo" is "stop"', reversalWords(reversal)]
  }
}

/** Ends the undo: nothing is restored, since it could not work. */
function stop(
  { settings }: ClusterContext,
  snapshot: Snapshot,
  misfits: readonly Misfit[],
  { why, isPossible = false }: { readonly why: readonly string[]; readonly isPossible?: boolean },
): never {
  const names = workloadsBack(snapshot).map((object) => idOf(workloadId(object)))
  const recover = (how: 'reverse' | 'undo') =>
    commandLine('recover', settings, {
      ...(how === 'reverse' && backupFlag(settings)),
      'on-unsafe-undo': how,
    })
  return fail({
    code: 'restore-failed',
    sentence: `${names.join(' and ')} cannot work: the new version failed, and the previous version was not restored: ${unfitWords(misfits) ?? 'it does not fit the schema'}`,
    hint: [
      `the migrations were not reversed: ${why.join('; ')}`,
      ...(isPossible
        ? [`to reverse them, and restore the previous version: ${recover('reverse')}`]
        : []),
      `to restore the previous version on this schema: ${recover('undo')}`,
    ].join('\n'),
  })
}

function unfitOf(misfits: readonly Misfit[]): SchemaBack {
  const unfit = unfitWords(misfits)
  return unfit === undefined ? {} : { unfit }
}

function unfitWords(misfits: readonly Misfit[]): string | undefined {
  const [first] = misfits
  if (!first) return undefined
  const more = misfits.length > 1 ? ` (and ${misfits.length - 1} more)` : ''
  return `${misfitSentence('the previous version', first)}${more}`
}

/** Applies again what a rollback has reversed, by the version that comes back. */
async function migrateAgain(
  context: ClusterContext,
  input: SchemaBackInput,
  { tag, digest, ...schema }: Work<'again'>,
): Promise<void> {
  const { settings, log } = context
  const job = await jobInput(context, input, schema, ({ object }) => object)
  if (!job) {
    return fail({
      code: 'restore-failed',
      sentence: `the migrations that this rollback may have reversed cannot be applied again: ${schema.web} is not in its record`,
    })
  }
  const again = {
    name: `version ${shortTag(tag)}`,
    command: schema.command,
    timeoutMs: settings['migrate-timeout'],
  }
  const image = { repository: input.begun.image, tag, digest }
  const migration = startMigration(context, { ...job, image, again })
  try {
    log.say('applying again what this rollback has reversed')
    const plan = await migration.plan(log)
    unheldWarnings(plan.databases).forEach((sentence) => {
      logWarning(context, sentence)
    })
    if (plan.runs) await migration.migrate(log)
  } catch (error) {
    context.signal.throwIfAborted()
    const known = error instanceof Failure ? error.cause : undefined
    fail({
      ...known,
      code: 'restore-failed',
      sentence: `the migrations that this rollback reversed could not be applied again: ${messageOf(error)}`,
    })
  } finally {
    await migration.close()
  }
}

/** The workloads that come back with pods. */
function workloadsBack(snapshot: Snapshot): readonly WorkloadObject[] {
  return snapshot.flatMap(({ object, of, change }) => {
    if (of !== 'workload' || change === 'create' || !isWorkload(object)) return []
    const { replicas, suspend } = object.spec as { replicas?: number; suspend?: boolean }
    return replicas === 0 || suspend === true ? [] : [object]
  })
}

/** Returns the needs of all versions that come back, packed; nothing where one is not known. */
async function neededBack(
  { cluster, app, settings }: ClusterContext,
  snapshot: Snapshot,
  reported: Work<'back'>['reported'] = [],
): Promise<readonly string[] | undefined> {
  const { needs } = await readArchive(cluster, app, settings.image)
  const ran = new Map(snapshot.map(({ object, ran = {} }) => [object, ran] as const))
  const images = workloadsBack(snapshot).flatMap((object) =>
    usesOfRepository(object, settings.image).map(
      ({ name, image }) => ran.get(object)?.[name] ?? image,
    ),
  )
  const kept = [...new Set(images)].map((image) => {
    const { digest, tag = 'latest' } = parseImage(image)
    if (digest === undefined) return reported.find((one) => one.tag === tag)?.needs
    return needs.get(digest) ?? reported.find((one) => one.digest === digest)?.needs
  })
  const whole = kept.filter((one) => one !== undefined)
  return whole.length === kept.length && whole.length > 0 ? [...new Set(whole)] : undefined
}

/** Returns what a Job is made from: the web as it was, or as the release wrote it. */
async function jobInput(
  { cluster, settings }: ClusterContext,
  { live, snapshot }: SchemaBackInput,
  { web: named, container }: Pick<SchemaWork, 'web' | 'container'>,
  side: (entry: ObjectSnapshot) => unknown,
): Promise<Pick<MigrationInput, 'checked' | 'web'> | undefined> {
  const entry = snapshot.find(
    ({ object }) => isWorkload(object) && idOf(workloadId(object)) === named,
  )
  const object = entry && (side(entry) as WorkloadObject)
  if (!entry || !object || !isWorkload(object)) return undefined
  const id = workloadId(object)
  const uses = usesOfRepository(object, settings.image)
  const template = templateOf(object)
  if (!template.spec?.containers.some(({ name }) => name === container)) return undefined
  const web: Web = { workload: id, template, container, containers: uses.map(({ name }) => name) }
  const now = liveOf(live.clusterState(), id)?.object as WorkloadObject | undefined
  const target: Target = { id, path: entry.path, uses, running: [], ...(now && { live: now }) }
  // An account that may not read them loses a check of labels.
  const services = await servicesIn(cluster).catch(() => [])
  return { web, checked: { live, targets: [target], services } }
}
