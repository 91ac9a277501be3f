import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { endStatus, type StatusText } from '../../src/github/deployment.js'
import { deploymentRecord } from '../../src/github/deployments.js'
import type { ReleaseStart } from '../../src/state/history.js'
import { GitHub } from '../support/github.js'
import { hastyWorld } from '../support/hasty.js'
import { newSha, oldSha, reportOf } from '../support/report.js'

let github: GitHub
beforeEach(async () => {
  github = await GitHub.start()
})
afterEach(() => {
  github.stop()
})

const live = 'https://shop.example'
const good = endStatus(reportOf())
const bad: StatusText = { state: 'failure', description: 'web: crash' }

/** What a run has to do with its record; `run` is the number of the workflow run. */
function keep(
  run: number,
  { token = 'ghs-good', kept }: { token?: string; kept?: number } = {},
  env: Readonly<Record<string, string>> = {},
) {
  const ids: number[] = []
  const url = `https://github.example/acme/shop/actions/runs/${run}`
  const record = deploymentRecord(
    hastyWorld({ ...github.envOf(run), ...env }),
    { token, environment: 'production', 'environment-url': live },
    { id: `run-${run}`, who: 'ada', url },
    { ...(kept !== undefined && { kept }), onKept: (id) => ids.push(id) },
  )
  if (!record) throw new Error('no record')
  const begin = (more: Partial<ReleaseStart> = {}) => {
    record.begin({
      run: `run-${run}`,
      command: 'release',
      who: 'ada',
      url,
      at: '',
      image: 'acme/shop',
      tag: newSha,
      digest: 'sha256:2',
      sha: newSha,
      ...more,
    })
  }
  return { begin, end: record.end, ids }
}

/** A whole run; its warnings. */
async function run(number: number, sha: string, said: StatusText, token?: string) {
  const { begin, end } = keep(number, { ...(token !== undefined && { token }) })
  begin({ sha, tag: sha })
  return end(said)
}

const log = (number: number) => `https://github.example/acme/shop/actions/runs/${number}`

describe('GitHub shows', () => {
  test('what runs, and that it replaces what ran before', async () => {
    expect(await run(1, oldSha, good)).toEqual([])
    expect(await run(2, newSha, good)).toEqual([])
    expect(github.shown('production')).toEqual([
      {
        sha: newSha,
        states: ['in_progress', 'success'],
        url: live,
        log: log(2),
        description: good.description,
      },
      {
        sha: oldSha,
        states: ['in_progress', 'success', 'inactive'],
        url: '',
        log: '',
        description: 'another version runs',
      },
    ])
  })

  test.each<StatusText['state']>(['failure', 'error', 'inactive'])(
    'the version before as active when the run ends as %s',
    async (state) => {
      await run(1, oldSha, good)
      expect(await run(2, newSha, { state, description: 'because' })).toEqual([])
      expect(github.active('production')).toEqual([oldSha])
      expect(github.shown('production')[0]).toMatchObject({
        states: ['in_progress', state],
        description: 'because',
        url: '',
      })
    },
  )

  test('the commit of the workflow for an image whose commit is unknown', async () => {
    const own = 'e'.repeat(40)
    github.refs.set(own, own).set(oldSha, oldSha)
    const { begin, end } = keep(1, {}, { GITHUB_SHA: own })
    begin({ sha: newSha, tag: 'v42' })
    expect(await end(good)).toEqual([])
    expect(github.shown('production')).toMatchObject([
      { sha: own, states: ['in_progress', 'success'] },
    ])

    const tagged = keep(2, {}, { GITHUB_SHA: own })
    tagged.begin({ sha: oldSha, tag: 'v41' })
    expect(await tagged.end(good)).toEqual([])
    expect(github.shown('production')[0]).toMatchObject({ sha: oldSha })
  })

  test('one record where the job has a record already', async () => {
    github.addOfJob(1, newSha, 'production')
    expect(await run(1, newSha, good)).toEqual([])
    expect(github.shown('production')).toMatchObject([
      { sha: newSha, states: ['in_progress', 'in_progress', 'success'], url: live },
    ])
  })

  test('a second record where that of the job is of another commit, and the run says why', async () => {
    github.addOfJob(1, newSha, 'production')
    expect(await run(1, oldSha, good)).toEqual([
      'the job has a separate deployment record, of commit ef2714eb63e4, which is not running: set "deployment: false" in its environment',
    ])
    expect(github.active('production')).toEqual([oldSha])
  })

  test('one record where the response to the first try was lost', async () => {
    // The first request asks what there is; the second makes the record.
    github.troubles.push('none', 'answer lost')
    expect(await run(1, newSha, good)).toEqual([])
    expect(github.deployments).toHaveLength(1)
    expect(github.active('production')).toEqual([newSha])
  })

  test('nothing of a run that has written nothing', async () => {
    expect(await keep(1).end(bad)).toEqual([])
    expect(github.asked).toEqual([])
  })

  test('only recent records of a killed run', async () => {
    for (const number of [1, 2, 3, 4, 5]) await run(number, `${number}`.repeat(40), good)
    github.asked.length = 0
    await run(6, newSha, good)
    // The one before, and the one that it has replaced.
    expect(github.asked.filter((line) => /^GET .*\/statuses/.test(line))).toHaveLength(2)
    expect(github.active('production')).toEqual([newSha])
  })
})

describe('the run that follows a killed one', () => {
  test('ends its record, and leaves the version before as active', async () => {
    await run(1, oldSha, good)
    const killed = keep(2)
    killed.begin()
    await expectSoon(() => killed.ids.length === 1)
    expect(await keep(2, { kept: killed.ids[0]! }).end(bad)).toEqual([])
    expect(github.active('production')).toEqual([oldSha])
    expect(github.shown('production')[0]).toMatchObject({ sha: newSha, description: 'web: crash' })
  })

  test('ends its record as a success when it had gone live, and that of the replaced version with it', async () => {
    await run(1, oldSha, good)
    github.addOfJob(2, newSha, 'production')
    const adopted = github.deployments.at(-1)!.id
    expect(await keep(2, { kept: adopted }).end(good)).toEqual([])
    expect(github.active('production')).toEqual([newSha])
  })
})

describe('a release goes on', () => {
  const none = 'GitHub has no deployment record of this run: '
  test.each<[string, () => Promise<readonly string[]>, string]>([
    ['with a wrong token', () => run(1, newSha, good, 'no'), 'GitHub rejects "token" (401)'],
    [
      'without the permission',
      () => run(1, newSha, good, 'ghs-read'),
      '"token" may not write deployments (403); add "permissions: deployments: write" to the job',
    ],
    [
      'with a commit that GitHub does not know',
      () => {
        github.refs.set('main', oldSha)
        return run(1, newSha, good)
      },
      `GitHub refuses the request (422): No ref found for: ${newSha}`,
    ],
    [
      'while GitHub is away',
      () => {
        github.troubles.push(502, 'no answer', 503)
        return run(1, newSha, good)
      },
      'GitHub answers 503',
    ],
    [
      'where GitHub is not there',
      () => {
        github.stop()
        return run(1, newSha, good)
      },
      'GitHub does not answer (ECONNREFUSED)',
    ],
  ])('%s', async (_, play, why) => {
    expect(await play()).toEqual([none + why])
    expect(github.deployments).toEqual([])
  })

  test('when GitHub is away at the end', async () => {
    const { begin, end, ids } = keep(1)
    begin()
    await expectSoon(() => github.shown('production')[0]?.states.length === 1)
    expect(ids).toHaveLength(1)
    github.stop()
    expect(await end(good)).toEqual([
      'GitHub’s deployment record lacks the result of this run: GitHub does not answer (ECONNREFUSED)',
    ])
  })

  test('when GitHub never answers, without waiting for it', async () => {
    github.troubles.push('silence')
    expect(await run(1, newSha, good)).toEqual([`${none}it does not answer in time`])
  })

  test('when GitHub was away for a moment, and is recorded once', async () => {
    github.troubles.push(502, 'no answer')
    expect(await run(1, newSha, good)).toEqual([])
    expect(github.active('production')).toEqual([newSha])
  })
})

test.each([{ token: 'x' }, { environment: 'production' }, {}])(
  'no request is sent with %j alone',
  (given) => {
    const settings = { token: undefined, environment: undefined, 'environment-url': undefined }
    const holder = { id: 'run-1', who: 'ada' }
    expect(deploymentRecord(hastyWorld(), { ...settings, ...given }, holder, {})).toBeUndefined()
  },
)

/** Waits for what comes over the network. */
async function expectSoon(is: () => boolean): Promise<void> {
  for (let tries = 0; tries < 500 && !is(); tries++) {
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  expect(is()).toBe(true)
}
