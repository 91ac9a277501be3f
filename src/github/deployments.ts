/** Writes GitHub's deployment record beside the release; it never delays or fails the release. */
import type { Holder } from '../state/lease.js'
import { shortTag } from '../kubernetes/image.js'
import type { Settings } from '../options/table.js'
import type { ReleaseStart } from '../state/history.js'
import { abortable, TimeOver, withTimeout } from '../platform/time.js'
import type { Clock, Platform } from '../platform/platform.js'
import { apiOf, type Api } from './api.js'
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

/** A record that this run has already, and what receives the id of a new one as soon as it exists. */
interface RecordId {
  readonly kept?: number
  readonly onKept?: (id: number) => void
}

/** Returns `undefined` where no record is wanted: no requests are sent then. */
export function deploymentRecord(
  platform: Platform,
  settings: Pick<Settings, 'token' | 'environment' | 'environment-url'>,
  { id: run, url }: Holder,
  ids: RecordId,
): DeploymentRecord | undefined {
  const { token, environment, 'environment-url': live } = settings
  if (token === undefined || environment === undefined) return undefined
  const over = new AbortController()
  const requests = new DeploymentRequests(
    platform,
    environment,
    apiOf(platform, token, 'deployments', over.signal),
  )
  return new RunDeployment(platform.clock, requests, { run, url, live, over, ...ids })
}

/** The requests about the deployments of one environment. */
class DeploymentRequests {
  constructor(
    private readonly platform: Platform,
    private readonly environment: string,
    private readonly api: Api,
  ) {}

  /** Returns the deployment of a release; creates it when there is none. */
  openOf(begun: ReleaseStart): Promise<OpenDeployment> {
    // Read again with each attempt: the answer to the last one may have been lost.
    return this.api.retryTransient(async () => {
      const found = ownDeployments(await this.#list(), begun)
      if (found.own !== undefined) return { ...found, id: found.own }
      return { ...found, id: await this.#create(begun) }
    })
  }

  /** Returns the deployment of an earlier step of this run. */
  again(id: number, run: Pick<ReleaseStart, 'run' | 'url'>): Promise<OpenDeployment> {
    return this.api.retryTransient(async () => ({
      ...ownDeployments(await this.#list(), run, id),
      id,
    }))
  }

  async postStatus(id: number, status: Status): Promise<void> {
    await this.api.retryTransient(() =>
      this.api.ask(({ repos }, common) =>
        repos.createDeploymentStatus({ ...common, deployment_id: id, ...status }),
      ),
    )
  }

  /** Reads them newest first, one after the other: GitHub does not like many requests at once. */
  async #list(): Promise<readonly Deployment[]> {
    const { api, environment } = this
    const seen: Deployment[] = []
    const latest = await api.ask(({ repos }, common) =>
      repos.listDeployments({ ...common, environment, task, per_page: mostSeen }),
    )
    for (const one of latest) {
      const statuses = await api.ask(({ repos }, common) =>
        repos.listDeploymentStatuses({ ...common, deployment_id: one.id }),
      )
      seen.push(deploymentOf(one, statuses))
      if (isEnough(seen)) break
    }
    return seen
  }

  /** Returns the id of the new deployment. */
  async #create(begun: ReleaseStart): Promise<number> {
    const post = (ref?: string) =>
      this.api.ask(({ repos }, common) =>
        repos.createDeployment({ ...common, ...recordOf(begun, this.environment, ref) }),
      )
    const workflowSha = this.platform.env['GITHUB_SHA']
    const made = await post().catch((error: unknown) => {
      // An image of another repository, or one that names no commit: the commit of the workflow represents it.
      if (workflowSha && (error as Error).message.includes('No ref found')) return post(workflowSha)
      throw error
    })
    // Otherwise GitHub has merged something (202), although the request turns that off.
    if (!('id' in made)) throw new Error('GitHub created none')
    return made.id
  }
}

interface RunContext extends RecordId {
  readonly run: string
  readonly url: string | undefined
  /** Where the application is, for its link. */
  readonly live: string | undefined
  /** Aborted at the end: no requests are sent after that. */
  readonly over: AbortController
}

/**
 * The deployment of this run. Its states:
 *
 * - none (no `#opening`): nothing is about to be written, so there is nothing to report at the end.
 * - opening: the requests for it are on their way, or done. The release does not wait for them.
 * - over (`over` is aborted): its end is reported, or given up.
 */
class RunDeployment implements DeploymentRecord {
  #opening: Promise<OpenDeployment> | undefined

  constructor(
    private readonly clock: Clock,
    private readonly requests: DeploymentRequests,
    private readonly context: RunContext,
  ) {
    const { kept, run, url } = context
    if (kept !== undefined) this.#beginBy(requests.again(kept, { run, ...(url && { url }) }))
  }

  readonly begin = (begun: ReleaseStart): void => {
    this.#beginBy(this.#open(begun))
  }

  readonly end = async (
    said: StatusText,
    signal: AbortSignal = this.context.over.signal,
  ): Promise<readonly string[]> => {
    const opening = this.#opening
    if (!opening) return []
    let problem = 'GitHub has no deployment record of this run'
    try {
      return await withTimeout(this.clock, lastMs, signal, (late) =>
        abortable(late, async () => {
          const { id, over: earlier, wrong } = await opening
          problem = 'GitHub’s deployment record lacks the result of this run'
          await this.requests.postStatus(id, this.#statusOf(said))
          problem = 'GitHub still shows earlier deployments as active'
          if (said.state === 'success') {
            for (const one of earlier) await this.requests.postStatus(one, statusOf(replaced))
          }
          return wrong === undefined ? [] : [aboutWrong(wrong)]
        }),
      )
    } catch (error) {
      const late = error instanceof TimeOver
      return [`${problem}: ${late ? 'it does not answer in time' : (error as Error).message}`]
    } finally {
      this.context.over.abort()
    }
  }

  #beginBy(work: Promise<OpenDeployment>): void {
    this.#opening = work
    // Its error is reported at the end.
    work.catch(() => undefined)
  }

  async #open(begun: ReleaseStart): Promise<OpenDeployment> {
    const opened = await this.requests.openOf(begun)
    this.context.onKept?.(opened.id)
    // When GitHub refuses it, it refuses the end too: that is reported then.
    const status = this.#statusOf(startStatus(begun))
    await this.requests.postStatus(opened.id, status).catch(() => undefined)
    return opened
  }

  #statusOf(said: StatusText): Status {
    const { url: log, live } = this.context
    return statusOf(said, { log, live })
  }
}

function aboutWrong(sha: string): string {
  return `the job has a separate deployment record, of commit ${shortTag(sha)}, which is not running: set "deployment: false" in its environment`
}
