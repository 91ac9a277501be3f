import { describe, expect, test } from '@jest/globals'
import type { Holder } from '../../src/state/lease.js'
import type { WorkloadObject } from '../../src/kubernetes/objects.js'
import type { Command } from '../../src/options/commands.js'
import type { WorkloadKind } from '../../src/kubernetes/workload.js'
import {
  annotate,
  causeAfter,
  causeFirst,
  causeOfChange,
  withCause,
} from '../../src/stages/change-cause.js'
import type { Target } from '../../src/kubernetes/target.js'
import { clusterOf } from '../support/cluster.js'
import { notebook } from '../support/journal.js'
import { scripted } from '../support/scripted.js'
import { contextOf } from '../support/settings.js'

const sha = 'ef2714eb63e4'.padEnd(40, '0')
const url = 'https://ci.example/1'

test.each<[string, Command, Omit<Holder, 'id'>, string]>([
  [sha, 'release', { who: 'ada', url }, 'release of ef2714eb63e4 by ada, https://ci.example/1'],
  ['v2', 'deploy', { who: 'ada' }, 'release of v2 by ada'],
  ['v1', 'rollback', { who: 'ada' }, 'rollback to v1 by ada'],
])(
  'the change-cause for the commit of %s by the command %s is right',
  (tag, command, holder, expected) => {
    const context = contextOf(scripted([]).platform).with({
      command,
      holder: { id: '1', ...holder },
    })
    const image = { repository: 'ghcr.io/acme/shop', tag, digest: 'sha256:0' }
    expect(causeOfChange(context, image)).toBe(expected)
  },
)

const object = (kind: WorkloadKind): WorkloadObject => ({
  kind,
  metadata: { name: 'web', annotations: { theirs: '1' } },
  spec: {},
})

describe('a manifest', () => {
  test.each<[WorkloadKind, string | undefined, Record<string, string>]>([
    ['Deployment', 'new', { theirs: '1', 'kubernetes.io/change-cause': 'new' }],
    ['StatefulSet', 'new', { theirs: '1', 'kubernetes.io/change-cause': 'new' }],
    ['DaemonSet', 'new', { theirs: '1', 'kubernetes.io/change-cause': 'new' }],
    ['CronJob', 'new', { theirs: '1' }],
    ['Deployment', undefined, { theirs: '1' }],
  ])('of a %s gets the change-cause %s', (kind, cause, expected) => {
    expect(withCause(object(kind), cause).metadata?.annotations).toEqual(expected)
  })
})

const never = new AbortController().signal

describe('kubectl annotate', () => {
  const target = (kind: WorkloadKind, name: string, more: Partial<Target> = {}): Target => ({
    id: { kind, name },
    path: `/${name}`,
    uses: [],
    running: [],
    live: object(kind),
    ...more,
  })
  const all = [
    target('Deployment', 'web'),
    target('Deployment', 'worker'),
    target('StatefulSet', 'queue'),
    target('DaemonSet', 'agent'),
    target('CronJob', 'clean'),
    target('Deployment', 'api', { manifest: object('Deployment') }),
  ]
  async function run(targets: readonly Target[], kinds: readonly WorkloadKind[], stderr = '') {
    const ran: string[] = []
    const stageLog = notebook()
    const cluster = clusterOf({
      commandLine: (args) => args.join(' '),
      kubectl: (args) => {
        ran.push(args.join(' '))
        return Promise.resolve({ code: stderr === '' ? 0 : 1, stdout: '', stderr })
      },
    })
    await annotate({ signal: never, cluster, log: stageLog }, targets, kinds, 'x')
    return { ran, lines: stageLog.lines }
  }
  const command = (ids: string) => `annotate --overwrite ${ids} kubernetes.io/change-cause=x`

  test.each([
    ['first', causeFirst, [command('statefulset/queue daemonset/agent')]],
    ['after', causeAfter, [command('deployment/web deployment/worker')]],
  ])('is called once for all workloads without a manifest: %s', async (_, kinds, expected) => {
    const { ran, lines } = await run(all, kinds)
    expect(ran).toEqual(expected)
    expect(lines).toEqual(expected)
  })

  test('is not called without workloads', async () => {
    expect((await run([target('CronJob', 'clean')], causeAfter)).ran).toEqual([])
  })

  test('reports its failure without making the release fail', async () => {
    const { lines } = await run([target('Deployment', 'web')], causeAfter, 'Error: forbidden\nmore')
    expect(lines).toEqual([
      command('deployment/web'),
      'kubectl rollout history will not show this release: forbidden',
    ])
  })
})
