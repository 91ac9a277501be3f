/** Writes GitHub's deployment record beside the release; it never delays or fails the release. */
import type { Holder } from '../state/lease.js'
import { shortTag } from '../kubernetes/image.js'
import type { Settings } from '../options/table.js'
import type { ReleaseStart } from '../state/history.js'
import { abortable, TimeOver, withTimeout } from '../platform/time.js'
import type { Platform } from '../platform/platform.js'
import { apiOf } from './api.js'
import {
  startStatus,
  deploymentOf,
  isEnough,
  ownDeployments,
  recordOf,
  replaced,
  statusOf,
  task,
  type OwnDeployments,
  type Deployment,
  type StatusText,
  type Status,
} from './deployment.js'

/** Time limit for everything that is unfinished when the run has ended, in ms. */
const lastMs = 10_000
/** How many deployments of an environment are read, with a request for each. */
const mostSeen = 30

export interface DeploymentRecord {
  /** The version is about to be written. */
  readonly begin: (begun: ReleaseStart) => void
  /**
   * Reports how the run ended. Returns a sentence for what GitHub does not show correctly. Gives up when `signal`
   * is aborted. Sends no requests after that.
   */
  readonly end: (said: StatusText, signal?: AbortSignal) => Promise<readonly string[]>
}

interface OpenDeployment extends Omit<OwnDeployments, 'own'> {
  readonly id: number
}

/**
 * `kept`: the id of a record that this run has already. `onKept` receives the id of a new one as soon as it
 * exists. Returns `undefined` where no record is wanted: no requests are sent then.
 */
export function deploymentRecord(
  platform: Platform,
  settings: Pick<Settings, 'token' | 'environment' | 'environment-url'>,
  { id: run, url }: Holder,
  { kept, onKept }: { readonly kept?: number; readonly onKept?: (id: number) => void },
): DeploymentRecord | undefined {
  const { token, environment, 'environment-url': live } = settings
  if (token === undefined || environment === undefined) return undefined
  const over = new AbortController()
  const { ask, retryTransient } = apiOf(platform, token, over.signal)

  /** Reads them newest first, one after the other: GitHub does not like many requests at once. */
  const look = async (): Promise<readonly Deployment[]> => {
    const seen: Deployment[] = []
    const latest = await ask((repos, common) =>
      repos.listDeployments({ ...common, environment, task, per_page: mostSeen }),
    )
    for (const one of latest) {
      const statuses = await ask((repos, common) =>
        repos.listDeploymentStatuses({ ...common, deployment_id: one.id }),
      )
      seen.push(deploymentOf(one, statuses))
      if (isEnough(seen)) break
    }
    return seen
  }
  const postStatus = (id: number, status: Status) =>
    retryTransient(() =>
      ask((repos, common) =>
        repos.createDeploymentStatus({ ...common, deployment_id: id, ...status }),
      ),
    )
  const ofThisRun = { log: url, live }

  /** Returns the id of the new record. */
  const make = async (begun: ReleaseStart): Promise<number> => {
    const post = (ref?: string) =>
      ask((repos, common) =>
        repos.createDeployment({ ...common, ...recordOf(begun, environment, ref) }),
      )
    const workflowSha = platform.env['GITHUB_SHA']
    const made = await post().catch((error: unknown) => {
      // An image of another repository, or one that names no commit: the commit of the workflow represents it.
      if (workflowSha && (error as Error).message.includes('No ref found')) return post(workflowSha)
      throw error
    })
    // Otherwise GitHub has merged something (202), although the request turns that off.
    if (!('id' in made)) throw new Error('GitHub has made none')
    return made.id
  }

  const open = async (begun: ReleaseStart): Promise<OpenDeployment> => {
    // Read again with each attempt: the answer to the last one may have been lost.
    const opened = await retryTransient(async () => {
      const found = ownDeployments(await look(), begun)
      if (found.own !== undefined) return { ...found, id: found.own }
      return { ...found, id: await make(begun) }
    })
    onKept?.(opened.id)
    // When GitHub refuses it, it refuses the end too: that is reported then.
    await postStatus(opened.id, statusOf(startStatus(begun), ofThisRun)).catch(() => undefined)
    return opened
  }
  const again = (id: number): Promise<OpenDeployment> =>
    retryTransient(async () => ({
      ...ownDeployments(await look(), { run, ...(url && { url }) }, id),
      id,
    }))

  let opening: Promise<OpenDeployment> | undefined
  const beginBy = (work: Promise<OpenDeployment>): void => {
    opening = work
    // Its error is reported at the end.
    work.catch(() => undefined)
  }
  if (kept !== undefined) beginBy(again(kept))
  return {
    begin: (begun) => {
      beginBy(open(begun))
    },
    end: async (said, signal = over.signal) => {
      if (!opening) return []
      const work = opening
      let trouble = 'GitHub has no deployment record of this run'
      try {
        return await withTimeout(platform.clock, lastMs, signal, (late) =>
          abortable(late, async () => {
            const { id, over: earlier, wrong } = await work
            trouble = 'GitHub’s deployment record does not tell how this run ended'
            await postStatus(id, statusOf(said, ofThisRun))
            trouble = 'GitHub shows earlier deployments as active beside this one'
            if (said.state === 'success') {
              for (const one of earlier) await postStatus(one, statusOf(replaced))
            }
            return wrong === undefined ? [] : [aboutWrong(wrong)]
          }),
        )
      } catch (error) {
        const late = error instanceof TimeOver
        return [`${trouble}: ${late ? 'it does not answer in time' : (error as Error).message}`]
      } finally {
        over.abort()
      }
    },
  }
}

function aboutWrong(sha: string): string {
  return `the job has a deployment record of its own, of commit ${shortTag(sha)}, which is not what runs: give its environment "deployment: false"`
}
