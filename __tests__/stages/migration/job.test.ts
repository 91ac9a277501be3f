/** The migration's Job is created once, whatever becomes of the answers. */
import { describe, expect, test } from '@jest/globals'
import type { Job } from 'kubernetes-types/batch/v1'
import { ApiError } from '../../../src/kubernetes/api-error.js'
import type { Pod } from 'kubernetes-types/core/v1'
import { migrationLabels } from '../../../src/django/job.js'
import type { Web } from '../../../src/kubernetes/target.js'
import { createJob, makeCommandJob, makeJob } from '../../../src/stages/migration/job.js'
import type { RawInputs } from '../../../src/options/read.js'
import type { PreflightResult } from '../../../src/stages/preflight.js'
import type { NamespaceWatch } from '../../../src/rollout/namespace-watch.js'
import { clusterOf } from '../../support/cluster.js'
import { notebook } from '../../support/journal.js'
import { nothing, standing } from '../../support/live.js'
import { scripted } from '../../support/scripted.js'
import { contextOf } from '../../support/settings.js'

const never = new AbortController().signal
const gone = new Error('socket hang up')
const refused = new ApiError(502, '', 'connect: connection refused')
const taken = new ApiError(409, 'AlreadyExists', 'exists')

/** What becomes of each request that creates: done, done with the answer lost, or an error. */
type Step = 'done' | 'answer lost' | Error

function creating(
  steps: readonly Step[],
  known: readonly string[] = [],
  job: Job = { metadata: {} },
) {
  const next = [...steps]
  const jobs = new Map<string, Job>()
  const tried: string[] = []
  const cluster = clusterOf({
    find: <T>(path: string) =>
      Promise.resolve(jobs.get(path.split('/').at(-1) ?? '') as T | undefined),
    post: <T>(_path: string, body: unknown) => {
      const step = next.shift() ?? new Error('not expected')
      if (step instanceof Error) return Promise.reject(step)
      jobs.set((body as Job).metadata?.name ?? '', body as Job)
      return step === 'done' ? Promise.resolve(body as T) : Promise.reject(gone)
    },
  })
  const live = { clusterState: () => ({ jobs: new Map(known.map((name) => [name, {}])) }) }
  const release = { ...scripted([]), app: 'shop', source: { tag: 'v1' }, signal: never }
  let left: string | undefined
  const done = createJob(
    { ...release, cluster },
    live as unknown as NamespaceWatch,
    job,
    (name) => {
      left = name
      if (name !== undefined) tried.push(name)
    },
  )
  return { done, jobs, tried, left: () => left }
}

const [first, second] = ['shop-migrate-v1-1', 'shop-migrate-v1-2']

describe('the Job is created once', () => {
  test.each<[string, readonly Step[], readonly string[], readonly string[]]>([
    ['at once', ['done'], [], [first]],
    ['when the server comes back', [refused, gone, 'done'], [], [first]],
    ['when the answer was lost', ['answer lost'], [], [first]],
    ['under the next name when an earlier try has left its own', ['done'], [first], [second]],
    ['under the next name when that is only seen now', [taken, 'done'], [], [first, second]],
  ])('%s', async (_, steps, known, names) => {
    const { done, jobs, tried } = creating(steps, known)
    expect((await done).metadata?.name).toBe(names.at(-1))
    expect([...jobs.keys()]).toEqual(names.slice(-1))
    expect(tried).toEqual(names)
  })

  test('under a name of its own when it only plans', async () => {
    const labels = { 'django-rollout/job': 'plan' }
    const { done } = creating(['done'], [first], { metadata: { labels } })
    expect((await done).metadata?.name).toBe('shop-plan-v1-1')
  })

  test('under a name of the version that it runs, where that is another one', async () => {
    const annotations = { 'django-rollout/sha': 'ABCDEF0123' }
    const { done } = creating(['done'], [], { metadata: { annotations } })
    expect((await done).metadata?.name).toBe('shop-migrate-abcdef0-1')
  })

  test('and the Job of another run, which has the name, is not ours to remove', async () => {
    const no = new ApiError(403, 'Forbidden', 'no')
    const { done, left } = creating([taken, no])
    await expect(done).rejects.toBe(no)
    expect(left()).toBe(second)
  })

  test('and not at all when the server refuses', async () => {
    const no = new ApiError(403, 'Forbidden', 'no')
    const { done, jobs } = creating([no])
    await expect(done).rejects.toBe(no)
    expect(jobs.size).toBe(0)
  })
})

test.each<[string, object, boolean]>([
  ['the migration that has just ended', migrationLabels('shop'), true],
  ['the web', {}, false],
])('a command gets the volume of one pod that has the pod of %s', async (_, labels, isIts) => {
  const volumes = [{ name: 'media', persistentVolumeClaim: { claimName: 'media' } }]
  const containers = [{ name: 'web', command: ['web'] }]
  const user: Pod = {
    metadata: { labels: labels as Record<string, string> },
    spec: { containers, volumes },
    status: { phase: 'Running' },
  }
  const live = standing({ ...nothing, pods: new Map([['user', user]]) })
  const cluster = clusterOf({
    find: <T>(path: string) =>
      Promise.resolve(
        (path.endsWith('/media')
          ? { spec: { accessModes: ['ReadWriteOncePod'] } }
          : undefined) as T,
      ),
  })
  const context = contextOf(scripted([]).platform).with({ cluster, log: notebook() })
  const checked = { live, targets: [], services: [] } as unknown as PreflightResult
  const web: Web = {
    workload: { kind: 'Deployment', name: 'web' },
    template: { spec: { containers, volumes } },
    container: 'web',
    containers: ['web'],
  }
  const image = { repository: 'shop', tag: '1', digest: `sha256:${'a'.repeat(64)}` }
  const made = await makeCommandJob(context, { checked, web, image }, './prepare', 'marker')
  expect(made.job.spec?.template.spec?.volumes).toEqual(
    isIts ? volumes : [{ name: 'media', emptyDir: {} }],
  )
})

describe('of the web, and of what a release starts', () => {
  const repository = 'ghcr.io/acme/shop'
  const container = { name: 'web', image: `${repository}:0`, command: ['gunicorn'] }
  const init = { name: 'init', image: `${repository}:0`, command: ['/app/init.sh'] }
  const spec = { containers: [container], initContainers: [init] }
  const web: Web = {
    workload: { kind: 'Deployment', name: 'web' },
    template: { spec },
    container: 'web',
    containers: ['web', 'init'],
  }
  const live = standing(nothing)
  const checked = { live, targets: [], services: [] } as unknown as PreflightResult
  const image = { repository, tag: '1', digest: `sha256:${'a'.repeat(64)}` }
  const input = { checked, web, image }
  const manifest = {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'own' },
    spec: { template: { spec } },
  }
  const end = { apiVersion: 'django-rollout/v1', kind: 'EndOfFile' }
  const cluster = clusterOf({
    find: () => Promise.resolve(undefined),
    printFiles: () =>
      Promise.resolve({
        code: 0,
        stdout: [manifest, end].map((one) => JSON.stringify(one, null, 2)).join('\n'),
        stderr: '',
      }),
  })
  const context = (given: RawInputs = {}) =>
    contextOf(scripted([], { files: { 'migrate.yaml': '' } }).platform, given).with({
      cluster,
      log: notebook(),
    })
  const own = { 'migrate-manifest': 'migrate.yaml' }
  const skipped = [
    'init container init is skipped: /app/init.sh may run the migration (a Job in "migrate-manifest" keeps it)',
  ]

  test.each([
    ['a migration', () => makeJob(context(), input, 'm'), skipped],
    ['a plan', () => makeJob(context(), { ...input, plansOnly: true }, 'm'), skipped],
    ['a migration of its own file', () => makeJob(context(own), input, 'm'), []],
    ['a command', () => makeCommandJob(context(), input, './prepare', 'm'), []],
  ])('%s begins with what does not migrate', async (_, make, notes) => {
    const made = await make()
    expect(made.notes).toEqual(notes)
    expect(made.job.spec?.template.spec?.initContainers ?? []).toHaveLength(1 - notes.length)
  })

  test.each<[RawInputs, object]>([
    [{}, { starts: [] }],
    [{ 'before-rollout': './bin/release.sh' }, { starts: ['./bin/release.sh'] }],
    [{ 'after-rollout': 'sh ./bin/release.sh' }, { starts: ['sh', './bin/release.sh'] }],
    [
      { 'before-rollout': './manage.py migrate_schemas' },
      { refused: '"before-rollout" or "after-rollout" migrates' },
    ],
  ])('the pod is given what may migrate beside it: %j', async (given, contract) => {
    const { job } = await makeJob(context(given), input, 'm')
    const env = job.spec?.template.spec?.containers[0]?.env ?? []
    const task: unknown = JSON.parse(
      env.find(({ name }) => name === 'DJANGO_ROLLOUT_SPEC')?.value ?? '{}',
    )
    expect(task).toMatchObject({ contract })
  })
})
