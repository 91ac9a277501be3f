import { expect, test } from '@jest/globals'
import { holderOf } from '../../src/stages/lock.js'
import type { Platform } from '../../src/platform/platform.js'
import { scripted, type Line } from '../support/scripted.js'

const git = (line: Omit<Line, 'when'>): readonly Line[] => [
  { when: /^git config --get user.name$/, ...line },
]

test.each([
  [
    { GITHUB_SERVER_URL: 'https://h', GITHUB_REPOSITORY: 'a/b', GITHUB_RUN_ID: '1' },
    'https://h/a/b/actions/runs/1',
  ],
  [{ CI_JOB_URL: 'https://ci/1' }, 'https://ci/1'],
  [{ BUILD_URL: 'http://jenkins/job/1/' }, 'http://jenkins/job/1/'],
  [{ BUILD_URL: '/job/1/' }, undefined],
  [{ BUILD_URL: 'jenkins.local/job/1' }, undefined],
  [{ BUILD_URL: 'http://jenkins/my job/1' }, undefined],
  [{ BUILD_URL: '' }, undefined],
])('the address of a run with %j is %s, since a record can hold no other', async (env, url) => {
  const { platform } = scripted([], { env: { ...env, USER: 'ada' } })
  expect((await holderOf(platform, 'x')).url).toBe(url)
})

test.each<[string, Platform['env'], readonly Line[], string]>([
  ['GitHub’s actor', { GITHUB_ACTOR: 'ada', USER: 'runner' }, [], 'ada'],
  ['GitLab’s user', { GITLAB_USER_LOGIN: 'ada', USER: 'root' }, [], 'ada'],
  ['the login user', { USER: 'ada' }, [], 'ada'],
  ['the login user, by the other variable', { USER: '', LOGNAME: 'ada' }, [], 'ada'],
  ['git’s user, without a login', {}, git({ stdout: 'Ada Lovelace\n' }), 'Ada Lovelace'],
  ['one line of it', {}, git({ stdout: 'Ada\n::error::x\n' }), 'Ada'],
  ['the account, where git has no user', {}, git({ code: 1 }), 'runner'],
  ['the account, where git is not there', {}, git({ code: 127, stderr: 'no git' }), 'runner'],
])('a run is started by %s', async (_, env, lines, who) => {
  const { platform } = scripted(lines, { env })
  expect(await holderOf(platform, 'x')).toEqual({ id: 'x', who })
})
