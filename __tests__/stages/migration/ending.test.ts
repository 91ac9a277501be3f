/** Migrations that break only what pods that are ending run: the release waits for their end. */
import { expect, test } from '@jest/globals'
import type { Pod } from 'kubernetes-types/core/v1'
import type { Judged, MigrationFinding } from '../../../src/django/verdict.js'
import type { ClusterState } from '../../../src/judge/types.js'
import { endOfBroken } from '../../../src/stages/migration/ending.js'
import { handClock, settled } from '../../support/clock.js'
import { clusterOf } from '../../support/cluster.js'
import { notebook } from '../../support/journal.js'
import { nothing, standing } from '../../support/live.js'
import { scripted } from '../../support/scripted.js'
import { contextOf } from '../../support/settings.js'
import { columnGone } from '../../support/misfits.js'

const digestOf = (tag: string) => `sha256:${(tag === 'old' ? 'a' : 'b').repeat(64)}`
/** It has to be gone 30 s after the beginning. */
const ending = '1970-01-01T00:00:30Z'

function podOf(name: string, tag: string, deletionTimestamp?: string): Pod {
  return {
    metadata: { name, ...(deletionTimestamp !== undefined && { deletionTimestamp }) },
    spec: { containers: [{ name: 'web', image: `ghcr.io/acme/shop:${tag}@${digestOf(tag)}` }] },
  }
}
const running = (...pods: readonly Pod[]): ClusterState => ({
  ...nothing,
  pods: new Map(pods.map((pod) => [pod.metadata?.name ?? '', pod])),
})

const breaks: MigrationFinding = {
  ...columnGone,
  direction: 'running',
  versions: [0],
}

function play(state: ClusterState, finding: Partial<MigrationFinding> = {}) {
  const judged: Judged = {
    policy: 'block',
    blocked: true,
    versions: [{ names: ['an ending pod of pod/old'], tag: 'old', source: 'kept' }],
    findings: [{ ...breaks, ...finding }],
    more: 0,
    comments: [],
  }
  const clock = handClock()
  const live = standing(state)
  const log = notebook()
  const context = contextOf({ ...scripted([]).platform, clock }).with({ cluster: clusterOf({}) })
  const seen: { isGone?: boolean } = {}
  void endOfBroken(context, live, judged, log).then((isGone) => (seen.isGone = isGone))
  return { clock, live, log, seen }
}

test('a release waits for the end of the only pods that its migrations break', async () => {
  const { clock, live, log, seen } = play(running(podOf('old', 'old', ending), podOf('web', 'now')))
  await clock.pass(20_000)
  expect(seen).toEqual({})
  expect(log.waitsFor()).toBe(
    'the migrations break what ends now: waiting for an ending pod of pod/old',
  )
  live.change(running(podOf('web', 'now')))
  await settled()
  expect(seen).toEqual({ isGone: true })
  expect(log.waitsFor()).toBeUndefined()
})

test('a release does not wait longer than these pods have', async () => {
  const { clock, seen } = play(running(podOf('old', 'old', ending)))
  await clock.pass(39_000)
  expect(seen).toEqual({})
  await clock.pass(2_000)
  expect(seen).toEqual({ isGone: false })
})

test.each<[string, ClusterState, Partial<MigrationFinding>]>([
  ['another pod runs it', running(podOf('old', 'old', ending), podOf('other', 'old')), {}],
  ['they break the new version', running(podOf('old', 'old', ending)), { direction: 'new' }],
])('a release does not wait for pods that end where %s', async (_, state, finding) => {
  const { seen } = play(state, finding)
  await settled()
  expect(seen).toEqual({ isGone: false })
})
