/** What the history keeps of migrations that no release applies: those of "contract: after", and of "migrate". */
import { expect, test } from '@jest/globals'
import type { Job } from 'kubernetes-types/batch/v1'
import { applyHeld } from '../../src/commands/apply-held.js'
import { keepSchemaChange, migrateTo } from '../../src/commands/migrate.js'
import type { Run } from '../../src/commands/run.js'
import { RunState } from '../../src/commands/run-state.js'
import type { Cluster } from '../../src/kubernetes/cluster.js'
import type { Web } from '../../src/kubernetes/target.js'
import { Reporter } from '../../src/report/reporter.js'
import type { PreflightResult } from '../../src/stages/preflight.js'
import { wayBack } from '../../src/state/fit.js'
import { appliedSince, type Entry } from '../../src/state/history.js'
import { readHistory } from '../../src/state/history-store.js'
import { handClock } from '../support/clock.js'
import { memoryCluster } from '../support/cluster.js'
import { notebook } from '../support/journal.js'
import { nothing, standing } from '../support/live.js'
import { printedPlan } from '../support/plans.js'
import { lacks } from '../support/registry.js'
import { scripted } from '../support/scripted.js'
import { contextOf } from '../support/settings.js'
import { owner, podOf } from '../judge/scene.js'

const repository = 'ghcr.io/acme/shop'
const image = { repository, tag: 'v2', digest: `sha256:${'b'.repeat(64)}` }
const web: Web = {
  workload: { kind: 'Deployment', name: 'web' },
  template: { spec: { containers: [{ name: 'web', image: `${repository}:v2` }] } },
  container: 'web',
  containers: ['web'],
}
const held = ['shop.0012_a', 'shop.0013_b']
const kept = {
  kind: 'default-kept',
  database: 'default',
  table: 'shop_order',
  column: 'size',
  migration: 'shop.0011_size',
} as const
const entry = (number: number, more: Partial<Entry>): Entry => ({
  number,
  run: `run-${number}`,
  command: 'release',
  who: 'ada',
  at: '2026-01-31T12:00:00.000Z',
  image: repository,
  tag: `v${number}`,
  digest: number === 2 ? image.digest : `sha256:${'a'.repeat(64)}`,
  result: 'deployed',
  seconds: 1,
  migrations: [],
  needs: '0'.repeat(32),
  fit: { misfits: [] },
  ...more,
})
/** `v1` needs what the migrations remove that the release of `v2` has held back. */
const releases = [entry(1, {}), entry(2, { held, bridges: [kept] })]
const toApply = printedPlan({
  pending: ['0012_a', '0013_b'].map((name) => ({
    app: 'shop',
    name,
    operations: ['RemoveField'],
    atomic: true,
    reversible: true,
  })),
  ended: [{ ...kept, sql: 'ALTER TABLE …' }],
})
const { migration: _, ...place } = kept
const busy = { bridge: { ...place, ended: true, failed: 'canceling statement: lock timeout' } }
const dropped = { bridge: { ...place, ended: true } }
const first = '  Applying shop.0012_a... OK'
const second = '  Applying shop.0013_b... OK'
const done = { terminated: { exitCode: 0 } }
const failed = { terminated: { exitCode: 1, reason: 'Error' } }

/** What a Job's pod prints after its plan, and the state that its container ends with; none: the run is cancelled. */
interface Pod {
  readonly says: readonly (string | object)[]
  readonly ends?: object
}

type Work = 'after' | 'migrate'

async function played(work: Work, { says, ends }: Pod) {
  const clock = handClock()
  const live = standing({ ...nothing, confirmedAt: Infinity })
  const cancel = new AbortController()
  const memory = memoryCluster({
    '/api/v1/namespaces/shop/configmaps/django-rollout-shop': {
      metadata: { labels: { 'app.kubernetes.io/managed-by': 'django-rollout' } },
      data: Object.fromEntries(
        releases.map((one) => [`release-00000${one.number}`, JSON.stringify(one)]),
      ),
    } as object,
  })
  let made: Job = {}
  const pod = (state?: object) => {
    const name = made.metadata?.name ?? ''
    const own = podOf('migrate-x', {
      container: { state },
      metadata: { labels: { 'job-name': name }, ownerReferences: [owner('Job', name, 'uid-job')] },
      spec: { restartPolicy: 'Never' },
    })
    const jobs = new Map([[name, made]])
    live.change({
      ...live.clusterState(),
      jobs,
      pods: new Map(state ? [['migrate-x', own]] : []),
    })
  }
  const cluster: Cluster = {
    ...memory.cluster,
    post: ((_path, job) => {
      made = { ...(job as Job), metadata: { ...(job as Job).metadata, uid: 'uid-job' } }
      return Promise.resolve(made)
    }) as Cluster['post'],
    remove: () => {
      pod()
      return Promise.resolve()
    },
    commandLine: (args) => `kubectl ${args.join(' ')}`,
    lines: async function* (path) {
      if (!path.includes('follow=true')) return
      const env = made.spec?.template.spec?.containers[0]?.env ?? []
      const spec = env.find(({ name }) => name === 'DJANGO_ROLLOUT_SPEC')?.value ?? '{}'
      const { marker } = JSON.parse(spec) as { marker: string }
      for (const line of [toApply, 'migrate', ...says]) {
        const text = typeof line === 'string' ? line : JSON.stringify(line)
        yield text.startsWith(' ') ? text : `${marker}${text}${marker}`
      }
      // It is open until its container has ended.
      if (!ends) await new Promise(() => undefined)
    },
  }
  const state = new RunState()
  const warnings: string[] = []
  const silent = { open: () => {}, say: () => {}, quote: () => {}, close: () => {} }
  const run = {
    reporter: new Reporter(silent, handClock(0)),
    state,
    command: work === 'migrate' ? 'migrate' : 'release',
    warn: (sentence: string) => void warnings.push(sentence),
  } as unknown as Run
  const context = contextOf(
    { ...scripted([lacks('.*')]).platform, clock },
    { contract: work === 'after' ? 'after' : 'manual' },
    cancel.signal,
  ).with({ cluster, log: notebook() })
  const checked = { live, targets: [], jobs: [], services: [], web } as unknown as PreflightResult
  state.begin(image, checked)
  const withJob = async (): Promise<unknown> => {
    if (work === 'after') {
      state.contract = { held, bridges: [kept] }
      return applyHeld(run, context, image)
    }
    state.keepPlan = () => keepSchemaChange(run, context, { is: 'begun' })
    try {
      return await migrateTo(run, context, checked, { image })
    } finally {
      await keepSchemaChange(run, context)
    }
  }
  const ended = withJob().catch((error: unknown) => error)
  await clock.pass(10)
  pod({ running: {} })
  await clock.pass(1_000)
  const meanwhile = await now()
  if (ends) pod(ends)
  else cancel.abort(new Error('cancelled'))
  await clock.pass(31_000)
  await ended
  return { meanwhile, after: await now(), warnings, applied: state.migrations }

  async function now() {
    const history = await readHistory(cluster, 'shop', repository)
    const [old, last] = history as [Entry, Entry]
    const applied = appliedSince(history, old)
    const way = wayBack(old, applied).is
    return { way, applied, held: last.held, bridges: last.bridges?.map(({ column }) => column) }
  }
}

const works: readonly Work[] = ['after', 'migrate']
const rows: readonly [string, Pod, object][] = [
  [
    'all of it',
    { says: [dropped, first, second], ends: done },
    { applied: held, held: [], bridges: [] },
  ],
  [
    'all but a default, whose table was busy',
    { says: [busy, first, second], ends: done },
    { applied: held, held: [], bridges: ['size'] },
  ],
  [
    'a part, when the next one has failed',
    { says: [dropped, first, '  Applying shop.0013_b...'], ends: failed },
    { applied: ['shop.0012_a'], held: ['shop.0013_b'], bridges: [] },
  ],
  [
    'nothing, when the first one has failed',
    { says: [busy, '  Applying shop.0012_a...'], ends: failed },
    { applied: [], held, bridges: ['size'] },
  ],
  [
    'a part, when the run is cancelled',
    { says: [dropped, first] },
    { applied: ['shop.0012_a'], held: ['shop.0013_b'], bridges: [] },
  ],
]
const table = works.flatMap((work) => rows.map((row) => [work, ...row] as const))

test.each(table)('the history has what "%s" has applied: %s', async (work, _, pod, left) => {
  const { after, applied } = await played(work, pod)
  // A rollback to the version before asks the database.
  expect(after).toEqual({ way: 'to prove', ...left })
  expect(applied).toEqual(after.applied)
})

test.each(works)('a run that is killed while "%s" applies leaves no false answer', async (work) => {
  const { meanwhile } = await played(work, { says: [first], ends: done })
  expect(meanwhile).toEqual({ way: 'to prove', applied: [], held, bridges: ['size'] })
})

test.each<[string, Pod, readonly unknown[]]>([
  ['all of it was applied', { says: [first, second], ends: done }, []],
  [
    'nothing was applied',
    { says: ['  Applying shop.0012_a...'], ends: failed },
    [
      expect.stringMatching(
        /^what was held back was not applied, and the next release of another image does it: /,
      ),
    ],
  ],
  [
    'a part was applied',
    { says: [first, '  Applying shop.0013_b...'], ends: failed },
    [
      expect.stringMatching(
        /^what was held back was not all applied, and the next release of another image does the rest: /,
      ),
    ],
  ],
])('the user learns what "after" has not applied: %s', async (_, pod, warnings) => {
  expect((await played('after', pod)).warnings).toEqual(warnings)
})
