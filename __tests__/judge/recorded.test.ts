/**
 * What a real cluster showed (`npm run record`), played to the judge as the watches tell it: each
 * change at its time, and a look whenever the judge asks for one.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from '@jest/globals'
import type { Deployment, ReplicaSet, StatefulSet } from 'kubernetes-types/apps/v1'
import type { Event, Pod } from 'kubernetes-types/core/v1'
import type { WorkloadObject } from '../../src/kubernetes/objects.js'
import { diagnose } from '../../src/judge/diagnose.js'
import { judge } from '../../src/judge/judge.js'
import { withFact, type Fact, type FactWanted } from '../../src/judge/facts.js'
import { logKey, newObservations, withLog } from '../../src/judge/observations.js'
import type { Timeouts, ClusterState } from '../../src/judge/types.js'
import { desiredOf } from '../../src/judge/desired.js'
import { faults } from '../faults/catalogue.js'
import { playedBy, type Recorded, type Recording } from '../faults/recording.js'
import type { Seen, EvaluationContext } from '../faults/sights.js'
import { inRepo, line, pictureOf, START } from './scene.js'

const folder = new URL('../fixtures/rollout/', import.meta.url)

/** All that was said, and when: `[2.1, 'waiting: …']`, the same lines but once. */
function play(fault: string, timeouts: Partial<Timeouts> = {}): [number, string][] {
  const { workload, frames, generation, images, logs } = recordingOf(fault)
  const before = new Map((frames[0]?.changed ?? []).map((object) => [idOf(object), object]))
  const old = before.get(`${workload.kind}/${workload.name}`) as WorkloadObject
  const now = { ...old, metadata: { ...old.metadata, generation } }
  const desired = desiredOf({ workload, images, now, before: old }, pictureOfObjects(before, START))
  const told: [number, string][] = []
  const objects = new Map<string, Recorded>()
  let observations = newObservations(START)

  const look = (at: number): number | undefined => {
    const now = START + at * 1000
    const clusterState = pictureOfObjects(objects, now)
    const whole = { timeout: 600_000, bake: 15_000, grace: {}, ...timeouts }
    const evaluate = () => judge([desired], { clusterState, timeouts: whole, observations, now })
    let judgement = evaluate()
    observations = judgement.observations
    while (judgement.logsWanted.length + judgement.factsWanted.length > 0) {
      for (const wanted of judgement.logsWanted) {
        observations = withLog(observations, wanted, diagnose(logs[logKey(wanted)] ?? [], inRepo))
      }
      for (const wanted of judgement.factsWanted) {
        observations = withFact(observations, factOfStack(wanted))
      }
      judgement = evaluate()
      observations = judgement.observations
    }
    const said = line(judgement, `${workload.kind.toLowerCase()}/${workload.name}`)
    if (told.at(-1)?.[1] !== said) told.push([at, said])
    return judgement.requeueAt === undefined ? undefined : (judgement.requeueAt - START) / 1000
  }

  for (const [index, { at, changed, gone }] of frames.entries()) {
    for (const object of changed) objects.set(idOf(object), object)
    for (const id of gone) objects.delete(id)
    let next = look(at)
    const until = frames[index + 1]?.at ?? at + 600
    while (next !== undefined && next < until && !/^(failed|done)/.test(told.at(-1)?.[1] ?? '')) {
      next = look(next)
    }
    if (/^(failed|done)/.test(told.at(-1)?.[1] ?? '')) break
  }
  return told
}

/** What the least account reads on the local stack. */
function factOfStack(wanted: FactWanted): Fact {
  const forbidden = { is: 'unreadable', why: 'Forbidden' } as const
  switch (wanted.is) {
    case 'groups':
      return { ...wanted, names: { is: 'read', value: ['apps', 'batch', 'networking.k8s.io'] } }
    case 'writers': {
      const value = { exists: true, owners: [], managers: ['kubectl-create'], annotations: [] }
      const none = { ...value, exists: false, managers: [] }
      return { ...wanted, found: { is: 'read', value: wanted.name === 'not-there' ? none : value } }
    }
    case 'nodes': {
      const issuer = { is: 'read', value: 'https://kubernetes.default.svc.cluster.local' } as const
      return { ...wanted, version: 'v1.34.4', issuer, nodes: forbidden, status: forbidden }
    }
  }
}

function pictureOfObjects(
  objects: ReadonlyMap<string, Recorded>,
  confirmedAt: number,
): ClusterState {
  const of = <T>(kind: string) =>
    new Map(
      [...objects.values()]
        .filter((object) => object.kind === kind)
        .map((object) => [object.metadata.name, object as T]),
    )
  return {
    ...pictureOf('gone: true', 0),
    deployments: of<Deployment>('Deployment'),
    statefulsets: of<StatefulSet>('StatefulSet'),
    replicasets: of<ReplicaSet>('ReplicaSet'),
    pods: of<Pod>('Pod'),
    events: of<Event>('Event'),
    confirmedAt,
  }
}

function idOf({ kind, metadata }: Recorded): string {
  return `${kind}/${metadata.name}`
}

/** When something was first seen in a recording, in seconds after the write. */
function firstSeen(fault: string, sight: EvaluationContext): number {
  const { frames } = recordingOf(fault)
  const seen = frames.find(
    ({ at, changed }) => at > 0 && changed.some((object) => sight(object as unknown as Seen)),
  )
  return seen?.at ?? Infinity
}

const recorded = faults.flatMap((fault) =>
  fault.ends.is === 'failed' ? [] : [[fault.name, fault, fault.ends] as const],
)

test.each(recorded)('the recorded fault %s is judged as expected', (name, fault, ends) => {
  const [, reason = '', seconds] = /^(\w+)=(\d+)s$/.exec(fault.options?.['grace'] ?? '') ?? []
  const told = play(name, seconds === undefined ? {} : { grace: { [reason]: +seconds * 1000 } })
  const [at, said] = told.at(-1) ?? [0, '']
  if (ends.is === 'deployed') {
    expect(said).toBe('done')
    return
  }
  const [, code = '', sentence = ''] = /^failed ([\w-]+): (.*)$/.exec(said) ?? []
  expect({ code, sentence }).toEqual({
    code: ends.code,
    sentence: expect.stringMatching(ends.sentence) as unknown,
  })
  // A recording looks about three times a second, and what the kubelet tells by events comes a little later.
  const after = at - firstSeen(name, ends.sign) - ends.grace
  expect(after).toBeGreaterThan(-1)
  expect(after).toBeLessThan(2)
})

test('every recording shows its fault as it is defined now', () => {
  const files = readdirSync(folder).map((file) => file.replace('.json', ''))
  expect(files.sort()).toEqual(recorded.map(([name]) => name).sort())
  for (const [name, fault] of recorded) {
    expect([name, recordingOf(name).played]).toEqual([
      name,
      JSON.parse(JSON.stringify(playedBy(fault))),
    ])
  }
})

function recordingOf(fault: string): Recording {
  return JSON.parse(readFileSync(new URL(`${fault}.json`, folder), 'utf8')) as Recording
}
