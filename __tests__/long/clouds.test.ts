/**
 * The starter workflows for clouds and for a runner of one's own. A cloud's login cannot be had here: exactly
 * its steps are left out, and the runner has the kubeconfig that they would have made.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { copyFile, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  Act,
  addWorkflow,
  keepingOutputs,
  starter,
  withoutLogins,
  type Ran,
  type Step,
} from '../e2e/act.js'
import { broken, makeBlog, webRuns, whyBroken } from '../e2e/blog.js'
import type { Site } from '../e2e/site.js'

let blog: Site
let runner: Act

beforeAll(async () => {
  ;[blog, runner] = await Promise.all([makeBlog('clouds'), Act.make()])
})

afterAll(() => Promise.all([blog.remove(), runner.remove()]))

/** All that is neither the checkout nor ours. */
const isLogin = ({ uses = '' }: Step) => !/^(actions\/checkout|django-rollout\/)/.test(uses)

const isUndone = (push: () => Promise<Ran>) => async () => {
  const before = await webRuns(blog.namespace)
  await blog.commit('Errors are reported', broken)
  const ended = await push()

  expect(ended).toMatchObject({ code: 1, outputs: { result: 'undone' } })
  expect(ended.outputs['cause']).toContain(whyBroken)
  expect(await webRuns(blog.namespace)).toBe(before)
  await blog.drop()
}

describe.each([
  {
    name: 'gke.yml',
    logins: ['google-github-actions/auth', 'google-github-actions/get-gke-credentials'],
  },
  { name: 'eks.yml', logins: ['aws-actions/configure-aws-credentials', 'The way to the cluster'] },
  { name: 'aks.yml', logins: ['azure/login', 'azure/use-kubelogin', 'azure/aks-set-context'] },
])('the starter workflow $name', ({ name, logins }) => {
  const push = () => {
    const only = ['--workflows', `.github/workflows/${name}`]
    return runner.run(blog, 'push', [...only, '--env', `KUBECONFIG=${blog.kubeconfig}`])
  }

  test('releases a push', async () => {
    const { text, dropped } = withoutLogins(await starter(blog, name), isLogin)
    expect(dropped).toEqual(logins)
    const sha = await addWorkflow(blog, name, keepingOutputs(text, 'deploy'))
    const ended = await push()

    expect(ended).toMatchObject({ code: 0, outputs: { result: 'deployed', tag: sha } })
    expect(ended.output).toContain('1 test passed')
    expect(await webRuns(blog.namespace)).toBe(ended.outputs['image'])
  })

  test('undoes a push that does not start', isUndone(push))

  test('does not log in for a push whose tests fail', async () => {
    const before = await blog.state()
    await blog.commit('A test fails', {
      'posts/tests.py': (old) => old.replace('has 1 posts', 'has 2 posts'),
    })
    const ended = await push()

    expect(ended).toMatchObject({ code: 1, outputs: {} })
    expect(ended.output).toContain('test_counts_the_posts')
    expect(await blog.state()).toEqual(before)
    await blog.drop()
  })
})

describe('the starter workflow self-hosted.yml', () => {
  let home: string

  beforeAll(async () => {
    // A user of that machine: kubectl and docker find by themselves what they need.
    home = await mkdtemp(join(tmpdir(), 'runner-'))
    await mkdir(join(home, '.kube'))
    await copyFile(blog.kubeconfig, join(home, '.kube/config'))
    await symlink(join(homedir(), '.docker'), join(home, '.docker'))
  })

  afterAll(() => rm(home, { recursive: true, force: true }))

  const push = () =>
    runner.run(blog, 'push', [
      '--workflows',
      '.github/workflows/self-hosted.yml',
      '--platform',
      'self-hosted=-self-hosted',
      '--env',
      `HOME=${home}`,
      // act's own holds the text of a secret.
      '--env',
      'KUBECONFIG=',
    ])

  test('releases a push with what the machine has', async () => {
    const text = await starter(blog, 'self-hosted.yml')
    const sha = await addWorkflow(blog, 'self-hosted.yml', keepingOutputs(text, 'release'))
    const ended = await push()

    expect(ended).toMatchObject({ code: 0, outputs: { result: 'deployed', tag: sha } })
    expect(await webRuns(blog.namespace)).toBe(ended.outputs['image'])
  })

  test('undoes a push that does not start', isUndone(push))
})
