/** Keeps one comment on a pull request: the plan of its migrations. It never fails the run. */
import type { Settings } from '../options/table.js'
import { withoutSecrets } from '../platform/lines.js'
import type { Platform } from '../platform/platform.js'
import { withTimeout } from '../platform/time.js'
import { planText } from '../report/plan-text.js'
import type { Report } from '../report/report.js'
import { apiOf, type Api } from './api.js'

/** Of a whole comment; GitHub refuses a longer one. */
const longestBody = 65_536
/** Time limit of all requests, in ms. */
const allMs = 30_000
const perPage = 100
/** A pull request with more comments has had its own in these. */
const mostPages = 50

export interface PlanToTell {
  readonly report: Report
  /** The page of the run. */
  readonly url: string | undefined
  /** The runner hides them in its log, and nowhere else. */
  readonly secrets: readonly string[]
}

interface Comment {
  readonly id: number
  readonly body?: string
  readonly user: { readonly login: string; readonly type: string } | null
}

/**
 * Writes the plan into the comment of this pull request. Returns a sentence when that failed. Does nothing where the
 * run has no pull request or no token, and for a cancelled run: a newer one follows.
 */
export async function commentPlan(
  platform: Platform,
  settings: Pick<Settings, 'token' | 'kube-context'>,
  { report, url, secrets }: PlanToTell,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { token } = settings
  const [, pull] = /^refs\/pull\/(\d+)\//.exec(platform.env['GITHUB_REF'] ?? '') ?? []
  if (token === undefined || pull === undefined || report.result === 'cancelled') return []
  const marker = markerOf(report, settings['kube-context'])
  const longest = longestBody - marker.length - 2
  const text = planText(without(secrets, report), {
    longest,
    hasLogs: false,
    ...(url !== undefined && { url }),
  })
  try {
    await withTimeout(platform.clock, allMs, signal, async (late) => {
      const api = apiOf(platform, token, 'pull-requests', late)
      await new PullComment(api, Number(pull), marker).write(`${text}\n${marker}`)
    })
    return []
  } catch (error) {
    return [`the plan is not on the pull request: ${(error as Error).message}`]
  }
}

/** One comment for each application and target. Not seen on the page. */
export function markerOf(
  { app, namespace }: Pick<Report, 'app' | 'namespace'>,
  context: string | undefined,
): string {
  const where = context === undefined ? '' : ` at ${encodeURIComponent(context)}`
  return `<!-- django-rollout: plan of ${app} in ${namespace}${where} -->`
}

function without(secrets: readonly string[], report: Report): Report {
  return JSON.parse(JSON.stringify(report), (_, value: unknown) =>
    typeof value === 'string' ? withoutSecrets(secrets, value) : value,
  ) as Report
}

/** The comment of a pull request that ends with a marker, and is this token's own. */
class PullComment {
  constructor(
    private readonly api: Api,
    private readonly pull: number,
    private readonly marker: string,
  ) {}

  /** Updates it, or creates it when there is none. Looks again with each attempt: an answer may have been lost. */
  async write(body: string): Promise<void> {
    const me = await this.#me()
    await this.api.retryTransient(async () => {
      const [first] = await this.#own(me)
      if (first !== undefined) {
        await this.#update(first, body)
        return
      }
      const made = await this.#create(body)
      // Another run may have created one at the same time: the oldest stays, of both runs alike.
      const [oldest = made] = await this.#own(me)
      if (oldest === made) return
      await this.#update(oldest, body)
      await this.#remove(made)
    })
  }

  /** Returns the name of the token's user; nothing for a token of an app, such as the workflow's own. */
  #me(): Promise<string | undefined> {
    return this.api
      .retryTransient(async () => {
        const { login } = await this.api.ask(
          ({ users }, { owner: _owner, repo: _repo, ...common }) => users.getAuthenticated(common),
        )
        return login
      })
      .catch(() => undefined)
  }

  /** Returns ids, the oldest first. A person who quotes the comment owns it: it is left alone. */
  async #own(me: string | undefined): Promise<readonly number[]> {
    const own: number[] = []
    for (let page = 1; page <= mostPages; page++) {
      const comments: readonly Comment[] = await this.api.ask(({ issues }, common) =>
        issues.listComments({ ...common, issue_number: this.pull, per_page: perPage, page }),
      )
      const found = comments.filter(
        ({ body = '', user }) =>
          body.trimEnd().endsWith(this.marker) &&
          (me === undefined ? user?.type === 'Bot' : user?.login === me),
      )
      own.push(...found.map(({ id }) => id))
      if (comments.length < perPage) break
    }
    return own.toSorted((one, other) => one - other)
  }

  async #create(body: string): Promise<number> {
    const { id } = await this.api.ask(({ issues }, common) =>
      issues.createComment({ ...common, issue_number: this.pull, body }),
    )
    return id
  }

  async #update(id: number, body: string): Promise<void> {
    await this.api.ask(({ issues }, common) =>
      issues.updateComment({ ...common, comment_id: id, body }),
    )
  }

  async #remove(id: number): Promise<void> {
    await this.api.ask(
      ({ issues }, common) => issues.deleteComment({ ...common, comment_id: id }),
      true,
    )
  }
}
