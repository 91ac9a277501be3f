/** What a rollback reverses before its pods change, by the version that runs. */
import { liveNow } from '../../state/history.js'
import { appliedSince, type History } from '../../state/history.js'
import type { Reversal } from '../../django/reversal.js'
import { parseImage, shortTag } from '../../kubernetes/image.js'
import { templateOf } from '../../kubernetes/objects.js'
import { idOf } from '../../kubernetes/workload.js'
import { liveOf } from '../../judge/objects.js'
import type { WorkloadObject } from '../../kubernetes/objects.js'
import { commandLine } from '../../options/command-line.js'
import {
  impossibleWords,
  isBetween,
  lossOf,
  reversalWords,
  reversedNames,
} from '../../report/reversal-sentences.js'
import type { KeptMisfit } from '../../state/fit.js'
import { readArchive } from '../../state/history-store.js'
import type { SchemaWork } from '../../state/record.js'
import type { ClusterContext, ReleaseContext } from '../context.js'
import type { PreflightResult } from '../preflight.js'
import { backupFlag } from './backup.js'
import { titleOf, webNow, type Restores } from './prove.js'
import { reverse, type OnReversed, type ReversalInput } from './reverse.js'

/** What is known of the reversal before the first write. */
export interface RollbackReversal {
  readonly input: ReversalInput
  readonly found: Reversal
}

/** `why`: there is no Job that can tell. */
export type ReversalAnswer = RollbackReversal | { readonly why: string }

export interface Unfit {
  readonly breaks: readonly KeptMisfit[]
  /** What the version needs, packed, where its own Job has reported it. */
  readonly needs?: string | undefined
}

/** Asks the running version, by a Job that writes nothing. Returns why it cannot be answer, if so. */
export async function findReversal(
  context: ClusterContext,
  checked: PreflightResult,
  restores: Restores,
  unfit: Unfit,
): Promise<ReversalAnswer> {
  const input = await inputOf(context, checked, restores, unfit)
  if ('why' in input) return input
  return { input, found: await reverse(context, input) }
}

/** Returns what is said to a user who has to decide, a line each. */
export function waysToReverse(
  { settings }: ReleaseContext,
  to: string,
  answer: ReversalAnswer,
): readonly string[] {
  if ('why' in answer) return [`The running version cannot reverse its migrations: ${answer.why}`]
  const { found } = answer
  const names = reversedNames(found).join(', ')
  if (found.does === 'impossible')
    return [`The running version cannot reverse what is in the way: ${impossibleWords(found)}`]
  const isDown = !isBetween(found)
  const line = commandLine('rollback', settings, {
    to,
    'reverse-migrations': 'true',
    ...(isDown && { 'accept-downtime': 'true' }),
    ...backupFlag(settings),
  })
  const loss = lossOf(found)
  return [
    `To let the running version reverse ${names} first${loss === undefined ? ', which drops no stored value' : `, which ${loss}`}: ${line}`,
    ...(isDown
      ? [
          'The running version does not work without them: it fails from the reversal until the rollback has ended, which takes about as long as a rollout',
        ]
      : []),
  ]
}

/** Returns whether a rollback with these options may reverse. */
export function mayReverse({ settings }: ReleaseContext, { found }: RollbackReversal): boolean {
  return (
    settings['reverse-migrations'] &&
    found.does === 'told' &&
    (settings['accept-downtime'] || isBetween(found))
  )
}

/** Returns what an undo of the rollback has to do, if anything. */
export function workOf({ input, found }: RollbackReversal): SchemaWork | undefined {
  if (isBetween(found)) return undefined
  const { web, image, command } = input
  const { tag, digest } = image
  return {
    is: 'again',
    web: idOf(web.workload),
    container: web.container,
    command,
    tag,
    digest,
  }
}

/** Reverses what was found. Throws a Failure when that is not what the databases have now. */
export async function reverseFirst(
  context: ClusterContext,
  { input, found }: RollbackReversal,
  onReversed: OnReversed,
): Promise<void> {
  const downtime = !isBetween(found)
  const task = { ...input.task, how: 'any' as const, downtime }
  const now = await reverse(context, { ...input, task }, onReversed)
  if (now.does === 'reverse' || now.does === 'fits') return
  context.log.say(reversalWords(now))
  throw new Error('the migrations could not be reversed as it was planned')
}

async function inputOf(
  { cluster, app, settings }: ClusterContext,
  checked: PreflightResult,
  restores: Restores,
  { breaks, needs: own }: Unfit,
): Promise<ReversalInput | { readonly why: string }> {
  const { version, history, command } = restores
  const web = webNow(settings, restores, checked)
  if (!web) return { why: 'set "migrate-from" to the workload that serves the web' }
  const { needs } = await readArchive(cluster, app, settings.image)
  const wanted = own ?? needs.get(version.image.digest)
  if (wanted === undefined) return { why: 'what that version needs of the database was not kept' }
  const now = liveOf(checked.live.clusterState(), web.workload)?.object as
    WorkloadObject | undefined
  const template = now ? templateOf(now) : web.template
  const running = template.spec?.containers.find(({ name }) => name === web.container)?.image
  const { digest, tag = '' } = parseImage(running ?? '')
  const live = liveNow(history)
  const runs = digest ?? (live?.tag === tag ? live.digest : undefined)
  if (runs === undefined) return { why: `the digest of ${running ?? 'its image'} is not known` }
  return {
    checked,
    web: { ...web, template },
    image: { repository: settings.image, tag, digest: runs },
    name: live?.digest === runs ? `release ${live.number}` : `version ${shortTag(tag)}`,
    back: titleOf(version),
    command,
    timeoutMs: settings['migrate-timeout'],
    task: {
      wanted: [wanted],
      since: sinceOf(history, restores, breaks),
      how: 'tell',
      downtime: true,
    },
  }
}

/** Migrations that were applied since the version ran, and those that are known to break it. */
function sinceOf(
  history: History,
  { version }: Restores,
  breaks: readonly KeptMisfit[],
): readonly string[] {
  const release = history.find(({ number }) => number === version.release?.number)
  const applied = release ? appliedSince(history, release) : []
  return [...new Set([...applied, ...breaks.flatMap(({ migration }) => migration ?? [])])]
}
