/** The meaning of GitHub's answer when it is not a success. Pure. */
import { printable } from '../report/sentences.js'

/** Why GitHub refuses a request. `passing`: it may be retried. */
export interface Refusal {
  readonly passing: boolean
  readonly words: string
}

/** `message`: GitHub's own words. `right`: what the job grants its token. */
export function refusal(
  status: number,
  message: string,
  right: 'deployments' | 'pull-requests',
): Refusal {
  const passing = status >= 500 || status === 429 || /rate limit/i.test(message)
  if (passing) return { passing, words: `GitHub answers ${status}` }
  if (status < 300) return { passing, words: `the answer is not GitHub’s (${status})` }
  switch (status) {
    case 401:
      return { passing, words: 'GitHub rejects "token" (401)' }
    case 403:
    case 404:
      // An account that may not even see a repository gets the answer that it does not exist.
      return {
        passing,
        words: `"token" may not write ${wordsOf[right]} (${status}); add "permissions: ${right}: write" to the job`,
      }
    default:
      return { passing, words: `GitHub refuses the request (${status}): ${printable(message)}` }
  }
}

const wordsOf = { deployments: 'deployments', 'pull-requests': 'to pull requests' } as const
