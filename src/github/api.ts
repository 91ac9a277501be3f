/** GitHub's REST API, for one repository: that of the workflow run, on GitHub or on a self-hosted server. */
import type { getOctokit } from '@actions/github'
import { retry, withTimeout } from '../platform/time.js'
import { nameOf } from '../platform/web.js'
import type { Platform } from '../platform/platform.js'
import { refusal } from './refusal.js'

/** For one request, in ms. */
const requestTimeoutMs = 10_000

type Rest = Pick<ReturnType<typeof getOctokit>['rest'], 'repos' | 'issues' | 'users'>

/** Parameters that every request takes. */
interface Common {
  readonly owner: string
  readonly repo: string
  readonly headers: Readonly<Record<string, string>>
  readonly request: { readonly signal: AbortSignal }
}

interface Answer {
  readonly status: number
  readonly data: unknown
}

/** Octokit's error. Without a `response` there was no answer; its `cause` is what `fetch` has thrown. */
interface Failed {
  readonly response?: Answer
  readonly cause?: unknown
}

export interface Api {
  /** Returns the data of the answer. Throws an Error that says in a few words why there is none. */
  readonly ask: <A extends Answer>(
    request: (rest: Rest, common: Common) => Promise<A>,
    /** The answer has no content. */
    isEmpty?: boolean,
  ) => Promise<A['data']>
  /** Retries when GitHub was away, or busy: three attempts in all. */
  readonly retryTransient: <T>(work: () => Promise<T>) => Promise<T>
}

class Unreachable extends Error {}

/** What a job grants its token: `permissions: deployments: write`. */
export type TokenRight = 'deployments' | 'pull-requests'

export function apiOf(
  platform: Platform,
  token: string,
  right: TokenRight,
  signal: AbortSignal,
): Api {
  const { clock, env } = platform
  const [owner, repo] = env['GITHUB_REPOSITORY']?.split('/') ?? []
  const auth = token.trim()
  let connected: Promise<Rest> | undefined
  return {
    ask: async (request, isEmpty = false) => {
      if (!owner || !repo) throw new Error('GITHUB_REPOSITORY is not set')
      if (auth === '') throw new Error('"token" is empty')
      const rest = await (connected ??= connect(platform, auth))
      const { status, data } = await withTimeout(clock, requestTimeoutMs, signal, (late) =>
        request(rest, {
          owner,
          repo,
          request: { signal: late },
          // The oldest one, which every GitHub Enterprise Server knows.
          headers: { 'x-github-api-version': '2022-11-28' },
        }),
      ).catch((error: unknown): Answer => {
        const { response, cause = error } = error as Failed
        if (response) return response
        throw new Unreachable(`GitHub does not answer (${nameOf(cause)})`)
      })
      // No redirect is followed, and a proxy that answers in GitHub's place may send a page.
      const isWhole = isEmpty ? status === 204 : status < 300 && typeof data === 'object' && data
      if (isWhole) return data
      const message = (data as { readonly message?: string } | null)?.message ?? ''
      const { passing, words } = refusal(status, message, right)
      throw passing ? new Unreachable(words) : new Error(words)
    },
    retryTransient: async (work) => {
      const [ended] = await retry(
        {
          clock,
          signal,
          tries: 3,
          pause: 1_000,
          isTransient: ([one]) => one.status === 'rejected' && one.reason instanceof Unreachable,
        },
        () => Promise.allSettled([work()]),
      )
      if (ended.status === 'rejected') throw ended.reason
      return ended.value
    },
  }
}

async function connect({ web, env }: Platform, auth: string): Promise<Rest> {
  const { GITHUB_API_URL: baseUrl = 'https://api.github.com' } = env
  // Not before it is used: it reads the event's file and the proxy's variables when it is loaded, and
  // throws for those that it cannot read.
  const github = await import(/* webpackMode: "eager" */ '@actions/github')
  const octokit = github.getOctokit(auth, {
    baseUrl,
    userAgent: 'django-rollout',
    log: silent,
    request: { fetch: web.fetch, log: silent },
  })
  return octokit.rest
}

/** Octokit would print GitHub's deprecations between the lines of the release. */
const silent = { debug: ignore, info: ignore, warn: ignore, error: ignore }

function ignore(): void {
  // Nothing is printed.
}
