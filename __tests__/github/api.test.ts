import { describe, expect, jest, test } from '@jest/globals'
import { apiOf } from '../../src/github/api.js'
import type { WebRequest, Platform } from '../../src/platform/platform.js'
import { hastyWorld } from '../support/hasty.js'

const json = { 'content-type': 'application/json; charset=utf-8' }
const env = { GITHUB_API_URL: 'https://ghe.example/api/v3', GITHUB_REPOSITORY: 'acme/shop' }

/** Asks a GitHub that gives the same answer each time. */
function setUp(
  answer: () => Response | Promise<Response>,
  {
    token = 'ghs-secret',
    ...more
  }: { token?: string; env?: Platform['env']; signal?: AbortSignal } = {},
) {
  const sent: (WebRequest & { readonly url: string })[] = []
  const web: Platform['web'] = {
    addressesOf: () => Promise.resolve([]),
    fetch: async (url, request) => {
      sent.push({ url, ...request })
      return answer()
    },
  }
  const platform = { ...hastyWorld(more.env ?? env), web }
  const { signal = new AbortController().signal } = more
  return { sent, ...apiOf(platform, token, 'deployments', signal) }
}

const list = ({ ask }: ReturnType<typeof setUp>) =>
  ask(({ repos }, common) =>
    repos.listDeployments({ ...common, environment: 'a b&c', per_page: 5 }),
  )

describe('a request to GitHub', () => {
  test('names the repository, the version of the API, the client and the token', async () => {
    const api = setUp(() => new Response('[]', { headers: json }))
    expect(await list(api)).toEqual([])
    expect(api.sent).toMatchObject([
      {
        method: 'GET',
        url: 'https://ghe.example/api/v3/repos/acme/shop/deployments?environment=a%20b%26c&per_page=5',
        headers: {
          authorization: 'token ghs-secret',
          'user-agent': expect.stringMatching(/^django-rollout /),
          'x-github-api-version': '2022-11-28',
        },
      },
    ])
  })

  // The tag looks like the marks that Octokit's own JSON makes for large numbers.
  test.each(['v1', '123n', '123nn', '"n', 'é'])('sends the tag %s as it is', async (tag) => {
    const made = () => new Response('{"id":7}', { status: 201, headers: json })
    const { ask, sent } = setUp(made)
    await ask(({ repos }, common) =>
      repos.createDeployment({ ...common, ref: 'main', payload: { tag } }),
    )
    expect(JSON.parse(sent[0]?.body ?? '')).toEqual({ ref: 'main', payload: { tag } })
  })

  test('prints nothing, not even deprecations of GitHub', async () => {
    const printed = [jest.spyOn(console, 'warn'), jest.spyOn(console, 'error')]
    const deprecation = { deprecation: 'Sat, 01 Jan 2028 00:00:00 GMT', sunset: 'soon' }
    await list(setUp(() => new Response('[]', { headers: { ...json, ...deprecation } })))
    for (const spy of printed) {
      expect(spy).not.toHaveBeenCalled()
      spy.mockRestore()
    }
  })
})

const page = { 'content-type': 'text/html' }
describe('the reason for a missing answer', () => {
  test.each<[string, () => Response, string, number]>([
    [
      'a redirect',
      () => new Response('{"message":"Moved Permanently"}', { status: 301, headers: json }),
      'GitHub refuses the request (301): Moved Permanently',
      1,
    ],
    ['a page', () => new Response('<p>', { headers: page }), 'the answer is not GitHub’s (200)', 1],
    [
      'broken JSON',
      () => new Response('[', { headers: json }),
      'the answer is not GitHub’s (200)',
      1,
    ],
    ['null', () => new Response('null', { headers: json }), 'the answer is not GitHub’s (200)', 1],
    [
      'null as an error',
      () => new Response('null', { status: 500, headers: json }),
      'GitHub answers 500',
      3,
    ],
    ['nothing', () => new Response(null, { status: 204 }), 'the answer is not GitHub’s (204)', 1],
    [
      'a page of a proxy',
      () => new Response('<p>', { status: 502, headers: page }),
      'GitHub answers 502',
      3,
    ],
    [
      'a page of a wall',
      () => new Response('<p>', { status: 403, headers: page }),
      '"token" may not write deployments (403); add "permissions: deployments: write" to the job',
      1,
    ],
    [
      'a refusal: GitHub’s own words, without the link to its docs',
      () => {
        const said = { message: 'Validation Failed', errors: ['x'], documentation_url: 'https://d' }
        return new Response(JSON.stringify(said), { status: 422, headers: json })
      },
      'GitHub refuses the request (422): Validation Failed',
      1,
    ],
    [
      'a connection that is cut',
      () => {
        throw Object.assign(new Error('read ECONNRESET https://ghe.example'), {
          code: 'ECONNRESET',
        })
      },
      'GitHub does not answer (ECONNRESET)',
      3,
    ],
  ])('is reported: %s', async (_, answer, words, tries) => {
    const api = setUp(answer)
    await expect(api.retryTransient(() => list(api))).rejects.toThrow(new Error(words))
    expect(api.sent).toHaveLength(tries)
  })

  test.each([
    [{ token: ' \n' }, '"token" is empty'],
    [{ env: {} }, 'GITHUB_REPOSITORY is not set'],
    [{ env: { GITHUB_REPOSITORY: 'shop' } }, 'GITHUB_REPOSITORY is not set'],
  ])('is a missing setting for %j', async (given, words) => {
    const api = setUp(() => new Response('[]', { headers: json }), given)
    await expect(list(api)).rejects.toThrow(new Error(words))
    expect(api.sent).toEqual([])
  })

  test('is the end of the run', async () => {
    const over = new AbortController()
    const api = setUp(
      () => {
        over.abort()
        throw api.sent[0]?.signal.reason
      },
      { signal: over.signal },
    )
    await expect(list(api)).rejects.toThrow('GitHub does not answer (AbortError)')
  })
})
