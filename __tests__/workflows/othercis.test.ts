/** The examples for GitLab and Jenkins, word for word but for their values, job by job in a clean shell. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { glob, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Site } from '../e2e/site.js'
import { root, stack, type Ended } from '../e2e/stack.js'
import { sectionsOf } from '../support/gitlablog.js'
import { all, readXml, type Node } from '../support/xml.js'
import { seldom } from '../support/seldom.js'
import { CleanShell } from './cleanshell.js'
import { jobsOf, type Job } from './gitlabci.js'

let shop: Site
let shell: CleanShell

beforeAll(async () => {
  ;[shop, shell] = await Promise.all([Site.make('ci'), CleanShell.make()])
  // The user's own: options that the examples leave to the repository, and what it does not keep.
  await shop.commit('Options', { 'django-rollout.yml': 'bake: 1s\n', '.gitignore': 'reports/\n' })
})

afterAll(async () => {
  await Promise.all([shop.remove(), shell.remove()])
})

/** A file of examples/ with the namespace and the names of the image set, as its first lines tell the user to. */
async function example(path: string, values: Readonly<Record<string, string>>): Promise<string> {
  let text = await readFile(join(root, 'examples', path), 'utf8')
  for (const [old, own] of Object.entries(values)) {
    if (!text.includes(old)) throw new Error(`${path}: no ${old}`)
    text = text.replace(old, own)
  }
  return text
}

/** The documents that a job has left, of those that it promised. */
async function left(patterns: readonly string[]): Promise<readonly string[]> {
  const files: string[] = []
  for (const pattern of patterns) {
    for await (const file of glob(pattern, { cwd: shop.folder })) files.push(file)
  }
  return Promise.all(files.sort().map((file) => readFile(join(shop.folder, file), 'utf8')))
}

/** The cases of a document that did not pass, as `name: message`. */
function failures(document: Node): readonly string[] {
  return all(document, 'testcase').flatMap(({ attributes, children }) =>
    children
      .filter(({ name }) => name === 'failure' || name === 'error')
      .map((end) => `${attributes['name'] ?? ''}: ${end.attributes['message'] ?? ''}`),
  )
}

/** What was to end well; who has to find out why it did not needs its log. */
function good<T extends { readonly code: number; readonly output: string }>(ended?: T): T {
  if (ended?.code === 0) return ended
  throw new Error(ended ? `ended with ${ended.code}:\n${ended.output}` : 'it did not run')
}

const tags = async () => new Set(Object.values(await shop.tags()))

const failingTest = {
  'orders/test_ci.py': `from django.test import SimpleTestCase


class CiTests(SimpleTestCase):
    def test_sums(self):
        print("\\033[0Ksection_start:1:mine\\r\\033[0Kmine")
        self.assertEqual(1 + 1, 3)
`,
}
const missingImport = { 'shop/wsgi.py': (old: string) => `import shop.telemetry\n${old}` }
const crash = "web: ModuleNotFoundError: No module named 'shop.telemetry' (shop/wsgi.py:1)"

describe('in GitLab', () => {
  interface JobEnded extends Ended {
    readonly job: Job
    readonly junit: readonly Node[]
  }

  /** What GitLab's documents say that a job is given, and the project's own variable KUBECONFIG. */
  async function predefined(source: 'push' | 'merge_request_event') {
    const sha = (await shop.git('rev-parse', 'HEAD')).trim()
    return {
      CI: 'true',
      GITLAB_CI: 'true',
      CI_COMMIT_SHA: sha,
      CI_DEFAULT_BRANCH: 'main',
      CI_PIPELINE_SOURCE: source,
      ...(source === 'push' ? { CI_COMMIT_BRANCH: 'main' } : { CI_MERGE_REQUEST_IID: '7' }),
      CI_PROJECT_DIR: shop.folder,
      CI_REGISTRY: stack.registry,
      CI_REGISTRY_IMAGE: shop.image,
      CI_REGISTRY_USER: 'gitlab-ci-token',
      CI_REGISTRY_PASSWORD: 'not-a-real-password',
      CI_JOB_URL: 'https://gitlab.example.com/acme/shop/-/jobs/4711',
      GITLAB_USER_LOGIN: 'ada',
      KUBECONFIG: shop.kubeconfig,
    }
  }

  /** Runs the jobs, or the one that a person starts, until one fails. */
  async function pipeline(
    source: 'push' | 'merge_request_event',
    button?: { readonly job: string; readonly variables: Readonly<Record<string, string>> },
  ): Promise<readonly JobEnded[]> {
    const given = await predefined(source)
    const file = await example('gitlab/.gitlab-ci.yml', {
      'NAMESPACE: shop': `NAMESPACE: ${shop.namespace}`,
    })
    const jobs = jobsOf(file, given).filter(({ name, manual }) =>
      button ? name === button.job : !manual,
    )
    const done: JobEnded[] = []
    // What dotenv reports give to later jobs wins over the file's own variables.
    const passedOn: Record<string, string> = {}
    for (const job of jobs) {
      // As the runner leaves the checkout to each job.
      await shop.git('clean', '-ffdx', '--quiet')
      const script = ['bash', '--norc', '-eu', '-o', 'pipefail', '-c', job.lines.join('\n')]
      const variables = { ...job.variables, ...passedOn, ...button?.variables, ...given }
      const ended = await shell.run(shop.folder, script, variables)
      const [dotenv = ''] = await left([job.reports.dotenv ?? []].flat())
      for (const line of dotenv.trim().split('\n').filter(Boolean)) {
        const [name = '', value = ''] = line.split('=')
        passedOn[name] = value
      }
      done.push({
        ...ended,
        job,
        junit: (await left(job.reports.junit)).map(readXml),
      })
      if (ended.code !== 0) break
    }
    return done
  }

  const stages = ({ output }: Ended) =>
    sectionsOf(output).map(({ header }) => header.replace('▸ ', ''))
  let first: string

  test('a merge request is built and tested, and nothing is pushed', async () => {
    first = await shop.commit('First', {})
    const [tested, ...more] = await pipeline('merge_request_event')

    expect(good(tested).job).toMatchObject({ name: 'test', interruptible: true })
    expect(more).toEqual([])
    expect(tested && stages(tested)).toEqual(['build', 'image', 'test', 'models'])
    expect(tested?.junit.map(failures)).toEqual([[], []])
    const [, suite] = tested?.junit[1]?.children ?? []
    expect(suite?.attributes).toMatchObject({ name: 'tests', tests: '21', failures: '0' })
    expect(await shop.isPushed(first)).toBe(false)
  })

  test('a push to main is tested, pushed and deployed', async () => {
    const [tested, deployed, ...more] = await pipeline('push')

    expect(more).toEqual([])
    expect(good(tested).job.name).toBe('test')
    expect(await shop.isPushed(first)).toBe(true)
    expect(good(deployed).job).toMatchObject({
      name: 'deploy',
      resourceGroup: 'production',
      interruptible: false,
      environment: { name: 'production', url: expect.stringMatching(/^https:\/\/[a-z.]+$/) },
    })
    expect(deployed && stages(deployed)).toEqual(
      expect.arrayContaining(['preflight', 'image', 'lock', 'snapshot', 'rollout']),
    )
    expect(deployed?.junit.map(failures)).toEqual([[]])
    expect(await tags()).toEqual(new Set([first]))
    const { output } = await shop.cli('history', {
      image: shop.image,
      namespace: shop.namespace,
    })
    expect(output).toMatch(/ada .*https:\/\/gitlab\.example\.com\/acme\/shop\/-\/jobs\/4711/)
  })

  test('a failing test ends the pipeline, and is shown with its line', async () => {
    const sha = await shop.commit('A sum', failingTest)
    const [tested, ...more] = await pipeline('push')
    await shop.drop()

    expect(more).toEqual([])
    expect(tested).toMatchObject({ code: 1, job: { name: 'test' } })
    const name = 'orders.test_ci.CiTests.test_sums'
    const [, testing] = tested?.junit ?? []
    expect(testing && failures(testing)).toEqual([
      `test: tests: 1 of 22 failed: ${name} (orders/test_ci.py:7): AssertionError: 2 != 3`,
      `${name}: AssertionError: 2 != 3`,
    ])
    const failed = testing && all(testing, 'testcase').at(-1)
    expect(failed?.attributes['file']).toBe('orders/test_ci.py')
    expect(failed?.children[0]?.text).toBe('orders/test_ci.py:7: AssertionError: 2 != 3')
    // What a test prints opens no section.
    expect(tested?.output).toContain('│ mine')
    expect(tested && stages(tested)).toEqual(['build', 'image', 'test', 'models'])
    expect(await shop.isPushed(sha)).toBe(false)
  })

  seldom('a version that does not start is undone, and the job has its cause', async () => {
    await shop.commit('wsgi.py imports what is not there', missingImport)
    const [, deployed] = await pipeline('push')
    await shop.drop()

    expect(deployed).toMatchObject({ code: 1, job: { name: 'deploy' } })
    expect(deployed?.junit.flatMap(failures)).toEqual([`rollout: ${crash}`])
    expect(deployed && stages(deployed).at(-1)).toBe('undo')
    expect(await tags()).toEqual(new Set([first]))
  })

  seldom(
    'another build of a commit is deployed, and the button restores the previous version',
    async () => {
      const options = 'bake: 1s\nbuild-args: VERSION=second\n'
      const second = await shop.commit('Second', { 'django-rollout.yml': options })
      await shop.retag(first, second)
      expect((await pipeline('push')).map(good)).toHaveLength(2)
      // The commit's own tag has what was told other arguments.
      expect([...(await tags())]).toEqual([
        expect.stringMatching(new RegExp(`^${second}-[0-9a-f]{12}$`)),
      ])
      const [back] = await pipeline('push', { job: 'rollback', variables: {} })

      expect(good(back).job.resourceGroup).toBe('production')
      expect(back?.junit.map(failures)).toEqual([[]])
      expect(await tags()).toEqual(new Set([first]))

      const [never] = await pipeline('push', { job: 'rollback', variables: { TO: '999' } })
      expect(never?.code).toBe(2)
      expect(never?.junit.flatMap(failures)).toEqual([
        'version: there is no version to roll back to: release 999 is not in the history',
      ])
    },
  )
})

describe('in Jenkins', () => {
  /** Runs these steps until one fails, as the stages of the Jenkinsfile do, and what comes after in any case. */
  async function build(branch: string, steps: string) {
    const given = {
      CI: 'true',
      BRANCH_NAME: branch,
      BUILD_NUMBER: '12',
      JOB_NAME: `shop/${branch}`,
      BUILD_URL: 'https://jenkins.example.com/job/shop/job/main/12/',
      GIT_COMMIT: (await shop.git('rev-parse', 'HEAD')).trim(),
      WORKSPACE: shop.folder,
      REGISTRY: stack.registry,
      IMAGE: shop.image,
      NAMESPACE: shop.namespace,
      MANIFESTS: 'k8s',
      TEST_SERVICES: 'postgres',
      TO: 'previous',
    }
    const login = { REGISTRY_USER: 'robot', REGISTRY_PASSWORD: 'not-a-real-password' }
    const reach = { KUBECONFIG: shop.kubeconfig }
    const secrets: Readonly<Record<string, object>> = { login, deploy: reach, rollback: reach }
    const step = (name: string) => {
      const script = ['sh', '-xe', '-c', `sh ci/release.sh ${name}`]
      return shell.run(shop.folder, script, { ...given, ...secrets[name] })
    }
    let [code, output] = [0, '']
    const ran: string[] = []
    for (const name of steps.split(' ')) {
      if (code !== 0) break
      ran.push(name)
      const ended = await step(name)
      code = ended.code
      output += ended.output
    }
    const junit = (await left(['reports/*.xml'])).map(readXml)
    const out = await step('logout')
    output += out.output
    expect(output).not.toContain('not-a-real-password')
    return { ran, code: code || out.code, output, junit }
  }

  test('the Jenkinsfile calls each step of the script', async () => {
    const [file, script] = await Promise.all(
      ['jenkins/Jenkinsfile', 'jenkins/release.sh'].map((path) => example(path, {})),
    )
    const called = [...(file ?? '').matchAll(/ sh 'sh ci\/release\.sh ([a-z]+)'/g)]
    const steps = [...(script ?? '').matchAll(/^ {2}([a-z]+)\)/gm)]
    const names = (found: RegExpExecArray[]) => found.map(([, name]) => name).sort()
    expect(names(called)).toEqual(names(steps))
  })

  let released: string

  test('a branch is built and tested, and nothing is pushed', async () => {
    const script = await example('jenkins/release.sh', {})
    const sha = await shop.commit('For Jenkins', { 'ci/release.sh': script })
    const ended = await build('feature', 'login build test')

    expect(good(ended).ran).toHaveLength(3)
    expect(ended.junit.map(failures)).toEqual([[], []])
    expect(await shop.isPushed(sha)).toBe(false)
    released = sha
  })

  test('the main branch is released', async () => {
    const ended = await build('main', 'login build push deploy')

    expect(good(ended).ran).toHaveLength(4)
    expect(ended.junit.map(failures)).toEqual([[], [], []])
    expect(await tags()).toEqual(new Set([released]))
    const { output } = await shop.cli('history', { image: shop.image, namespace: shop.namespace })
    expect(output).toContain('https://jenkins.example.com/job/shop/job/main/12/')
  })

  seldom('a version that does not start is undone, and the build has its cause', async () => {
    await shop.commit('wsgi.py imports what is not there', missingImport)
    const ended = await build('main', 'login build push deploy')
    await shop.drop()

    expect(ended.code).toBe(1)
    expect(ended.junit.flatMap(failures)).toEqual([`rollout: ${crash}`])
    expect(await tags()).toEqual(new Set([released]))
  })

  test('a build with the parameter restores the previous version', async () => {
    const before = [...(await tags())]
    const ended = await build('main', 'login rollback')

    expect(good(ended).ran).toHaveLength(2)
    expect(ended.junit.map(failures)).toEqual([[]])
    expect(await tags()).not.toEqual(new Set(before))
  })
})
