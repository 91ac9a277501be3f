import { describe, expect, test } from '@jest/globals'
import type { Holder } from '../../src/state/lease.js'
import type { WorkloadObject } from '../../src/kubernetes/objects.js'
import type { Command } from '../../src/options/commands.js'
import type { WorkloadKind } from '../../src/kubernetes/workload.js'
import { causeOfChange, withCause } from '../../src/stages/change-cause.js'
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
