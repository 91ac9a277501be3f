/** GitHub's REST API, for one repository: that of the workflow run, on GitHub or on a server of one's own. */
import { within } from '../world/deadline.js'
import { retry } from '../world/retry.js'
import { nameOf } from '../world/web.js'
import type { World } from '../world/world.js'
import { refusal } from './refusal.js'

/** For one request, in ms. */
const requestMs = 10_000

export interface Api {
  /**
   * The JSON of the answer. `path` below the repository's. Throws an Error that says in a few words why
   * there is none.
   */
  readonly ask: (method: 'GET' | 'POST', path: string, body?: unknown) => Promise<unknown>
  /** Does something again when GitHub was away, or busy: three times in all. */
  readonly patiently: <T>(work: () => Promise<T>) => Promise<T>
}

class Away extends Error {}

export function apiOf({ clock, web, env }: World, token: string, signal: AbortSignal): Api {
  const { GITHUB_API_URL: server = 'https://api.github.com', GITHUB_REPOSITORY: repository } = env
  return {
    ask: async (method, path, body) => {
      if (!repository) throw new Error('GITHUB_REPOSITORY is not set')
      const { status, text } = await within(clock, requestMs, signal, (late) =>
        web.ask({
          ...{ method, url: `${server}/repos/${repository}${path}`, signal: late },
          headers: {
            accept: 'application/vnd.github+json',
            authorization: `Bearer ${token.trim()}`,
            // The oldest one, which every GitHub Enterprise Server knows.
            'x-github-api-version': '2022-11-28',
          },
          ...(body !== undefined && { body }),
        }),
      ).catch((error: unknown) => {
        throw new Away(`GitHub does not answer (${nameOf(error)})`)
      })
      const answer = parsed(text)
      if (status >= 200 && status < 300 && answer !== undefined) return answer
      const { message = '' } = (answer ?? {}) as { readonly message?: string }
      const { passing, words } = refusal(status, message)
      throw passing ? new Away(words) : new Error(words)
    },
    patiently: async (work) => {
      const [ended] = await retry(
        {
          ...{ clock, signal, tries: 3, pause: 1_000 },
          passing: ([one]) => one.status === 'rejected' && one.reason instanceof Away,
        },
        () => Promise.allSettled([work()]),
      )
      if (ended.status === 'rejected') throw ended.reason
      return ended.value
    },
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
