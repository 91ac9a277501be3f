/**
 * What running versions need that no release has written: the history does not know it, so a Job of the version's own
 * image reports it, while the new image builds. It is removed at its end.
 */
import {
  usesOfRepository,
  templateOf,
  workloadId,
  type WorkloadObject,
} from '../../kubernetes/objects.js'
import { parseImage, shortTag } from '../../kubernetes/image.js'
import { retryTransient } from '../../kubernetes/retry.js'
import type { Web } from '../../kubernetes/target.js'
import { idOf } from '../../kubernetes/workload.js'
import type { Image } from '../../docker/image.js'
import { versionsInUse } from '../../judge/versions-in-use.js'
import { messageOf } from '../../platform/error-message.js'
import { readArchive } from '../../state/history-store.js'
import type { ClusterContext, StageContext } from '../context.js'
import { isReleased } from '../other-applications.js'
import type { PreflightResult, Reported } from '../preflight.js'
import { workloadsIn } from '../targets.js'
import { isOfMigration } from './job.js'
import { startMigration } from './run.js'

/** More at once would fill a small cluster; the others are judged by the applied migrations. */
const mostAsked = 3

/** A Job that needs longer reports nothing: the release waits for it when the build is quicker, in ms. */
const longestMs = 30_000

/** A version that runs, and that another client has deployed. */
interface Unreleased {
  readonly image: Image
  readonly names: readonly string[]
  /** Who runs it: the Job is made from its template. */
  readonly web: Web
}

type Found = Pick<ClusterContext, 'cluster'> & { readonly checked: PreflightResult }

/** Adds what versions need that others have deployed. Throws the signal's reason; what cannot be learned is in the log. */
export async function withReported<F extends Found>(context: StageContext, found: F): Promise<F> {
  const { settings, platform, signal, app } = context
  const { cluster, checked } = found
  const versions = settings['migrate-command'] === '' ? [] : unreleasedIn(context, checked)
  if (versions.length === 0) return found
  const { needs } = await retryTransient(platform.clock, signal, () =>
    readArchive(cluster, app, settings.image),
  )
  const all = versions.filter(({ image }) => !needs.has(image.digest))
  const unknown = all.slice(0, mostAsked)
  for (const { image, names } of all.slice(mostAsked)) {
    context.log.say(
      `what ${titleOf(image, names)} needs is not known: only ${mostAsked} images report it`,
    )
  }
  const answers = await Promise.all(
    unknown.map(async (one) => {
      const answer = await ask(context.with({ cluster }), checked, one)
      return answer ? [[one.image.digest, answer] as const] : []
    }),
  )
  return { ...found, checked: { ...checked, reported: new Map(answers.flat()) } }
}

/** By what the cluster shows: a release names images by their digests, and notes itself in what has a history. */
export function unreleasedIn(
  { settings, app }: Pick<StageContext, 'settings' | 'app'>,
  { live, web }: Pick<PreflightResult, 'live' | 'web'>,
): readonly Unreleased[] {
  const { image: repository } = settings
  const clusterState = live.clusterState()
  const workloads = workloadsIn(clusterState)
  return versionsInUse(clusterState, repository, isOfMigration(app)).flatMap(
    ({ digest, tag, names, isIdle, goneAt }) => {
      const users = workloads.filter((object) => names.includes(idOf(workloadId(object))))
      const isKnown = users.every((object) => isOfRelease(object, repository))
      if (digest === undefined || isIdle === true || goneAt !== undefined || isKnown) return []
      const user =
        users.find((object) => web && idOf(workloadId(object)) === idOf(web.workload)) ?? users[0]
      const template = user && templateOf(user)
      const own = user ? usesOfRepository(user, repository).map(({ name }) => name) : []
      const container = template?.spec?.containers.find(({ name }) => own.includes(name))
      if (!user || !template || !container) return []
      const from = {
        workload: workloadId(user),
        template,
        container: container.name,
        containers: own,
      }
      return [{ image: { repository, tag, digest }, names, web: from }]
    },
  )
}

function isOfRelease(object: WorkloadObject, repository: string): boolean {
  const uses = usesOfRepository(object, repository)
  const isPinned = uses.every(({ image }) => parseImage(image).digest !== undefined)
  return isPinned && (object.kind === 'CronJob' || isReleased(object))
}

async function ask(
  context: ClusterContext,
  checked: PreflightResult,
  { image, names, web }: Unreleased,
): Promise<Reported | undefined> {
  const { settings, log, signal, warn } = context
  const who = titleOf(image, names)
  log.say(`${who} was deployed by others: a Job of its image reports what it needs`)
  const migration = startMigration(context, {
    checked,
    web,
    image,
    plansOnly: true,
    reports: {
      name: who,
      command: settings['migrate-command'],
      timeoutMs: Math.min(settings.timeout, longestMs),
    },
  })
  try {
    await migration.plan(log)
    const [needs, tasks] = [migration.needs(), migration.tasks()]
    if (needs === undefined) return undefined
    return { tag: image.tag, needs, ...(tasks !== undefined && { tasks }) }
  } catch (error) {
    signal.throwIfAborted()
    log.say(`what ${who} needs is not known: ${messageOf(error)}`)
    return undefined
  } finally {
    await migration.close().catch((error: unknown) => {
      warn(messageOf(error))
    })
  }
}

/** `version 4f2c1d9 (deployment/web)` */
function titleOf(image: Image, names: readonly string[]): string {
  return `version ${shortTag(image.tag)} (${names.join(', ')})`
}
