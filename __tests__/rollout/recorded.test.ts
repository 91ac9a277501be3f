/**
 * What a real cluster showed (scripts/record-fixtures.mjs), played to the judge as the watches tell it: each
 * change at its time, and a look whenever the judge asks for one.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from '@jest/globals'
import type { Deployment, ReplicaSet } from 'kubernetes-types/apps/v1'
import type { Event, Pod } from 'kubernetes-types/core/v1'
import { diagnose } from '../../src/rollout/diagnose.js'
import { judge } from '../../src/rollout/judge.js'
import { logKey, newLedger, withLog } from '../../src/rollout/ledger.js'
import type { Aim, Patience, Picture } from '../../src/rollout/types.js'
import { line, pictureOf, START, inRepo } from './scene.js'

type Recorded = { kind: string; metadata: { name: string } } & (
  Deployment | ReplicaSet | Pod | Event
)

interface Recording {
  readonly fault: string
  readonly generation: number
  readonly images: Record<string, string>
  readonly frames: readonly { at: number; changed: readonly Recorded[]; gone: readonly string[] }[]
  readonly logs: Record<string, readonly string[]>
}

const folder = new URL('../fixtures/rollout/', import.meta.url)

/** All that was said, and when: `[2.1, 'waiting: …']`, the same lines but once. */
function play(fault: string, patience: Partial<Patience> = {}): [number, string][] {
  const recording = JSON.parse(readFileSync(new URL(`${fault}.json`, folder), 'utf8')) as Recording
  const { frames, generation, images, logs } = recording
  const aim: Aim = {
    workload: { kind: 'Deployment', name: fault },
    images,
    generation,
    first: false,
  }
  const told: [number, string][] = []
  const objects = new Map<string, Recorded>()
  let ledger = newLedger(START)

  const look = (at: number): number | undefined => {
    const now = START + at * 1000
    const picture = pictureOfObjects(objects, now)
    const whole = { timeout: 600_000, bake: 15_000, grace: {}, ...patience }
    let judgement = judge(picture, [aim], whole, ledger, now)
    ledger = judgement.ledger
    for (const wanted of judgement.logsWanted) {
      ledger = withLog(ledger, wanted, diagnose(logs[logKey(wanted)] ?? [], inRepo))
    }
    if (judgement.logsWanted.length > 0) judgement = judge(picture, [aim], whole, ledger, now)
    ledger = judgement.ledger
    const said = line(judgement, `deployment/${fault}`)
    if (told.at(-1)?.[1] !== said) told.push([at, said])
    return judgement.lookAgainAt === undefined ? undefined : (judgement.lookAgainAt - START) / 1000
  }

  for (const [index, { at, changed, gone }] of frames.entries()) {
    for (const object of changed) objects.set(`${object.kind}/${object.metadata.name}`, object)
    for (const id of gone) objects.delete(id)
    let next = look(at)
    const until = frames[index + 1]?.at ?? at + 120
    while (next !== undefined && next < until && !/^(failed|done)/.test(told.at(-1)?.[1] ?? '')) {
      next = look(next)
    }
    if (/^(failed|done)/.test(told.at(-1)?.[1] ?? '')) break
  }
  return told
}

function pictureOfObjects(objects: ReadonlyMap<string, Recorded>, confirmedAt: number): Picture {
  const of = <T>(kind: string) =>
    new Map(
      [...objects.values()]
        .filter((object) => object.kind === kind)
        .map((object) => [object.metadata.name, object as T]),
    )
  return {
    ...pictureOf('gone: true', 0),
    deployments: of<Deployment>('Deployment'),
    replicasets: of<ReplicaSet>('ReplicaSet'),
    pods: of<Pod>('Pod'),
    events: of<Event>('Event'),
    confirmedAt,
  }
}

/** How it ended; times are from our write, in seconds, with room for a recording on a slower machine. */
test.each<[string, number, number, RegExp]>([
  [
    'bad-tag',
    1,
    10,
    /^failed image-not-found: .* image \S+:no-such-tag cannot be pulled: not found$/,
  ],
  [
    'crash-at-import',
    1,
    10,
    /^failed crash: crash-at-import: ModuleNotFoundError: No module named 'shop.task' \(shop\/celery.py:3\)$/,
  ],
  ['crash-loop', 3, 20, /^failed crash: crash-loop: exited with 3: no licence$/],
  ['worker-crash-loop', 6, 25, /^failed crash: worker-crash-loop: exited with 1: bye$/],
  ['missing-configmap', 20, 30, /^failed config-missing: .* configmap "not-there" not found$/],
  [
    'missing-configmap-volume',
    20,
    30,
    /^failed config-missing: .* configmap "not-there" not found$/,
  ],
  [
    'command-not-found',
    1,
    10,
    /^failed cannot-start: .*: exec: "gunicron": executable file not found in \$PATH$/,
  ],
  [
    'init-crash',
    2,
    20,
    /^failed init-crash: init-crash \(container setup\): exited with 1: no migrations$/,
  ],
  ['out-of-memory', 3, 30, /^failed out-of-memory: out-of-memory: killed again/],
  [
    'liveness-kills',
    6,
    40,
    /^failed crash-after-ready: .* killed because of its probe: Liveness probe failed: HTTP .* 404$/,
  ],
  ['unschedulable', 120, 125, /^failed unschedulable: .* Insufficient cpu/],
  ['quota', 30, 45, /^failed quota: .* exceeded quota: small/],
  ['healthy', 15, 30, /^done$/],
  ['slow-start', 27, 45, /^done$/],
  ['late-configmap', 23, 45, /^done$/],
  ['database-late', 25, 75, /^done$/],
])('%s', (fault, from, to, verdict) => {
  const told = play(fault)
  const [at, said] = told.at(-1) ?? [0, '']
  expect(said).toMatch(verdict)
  expect(at).toBeGreaterThanOrEqual(from)
  expect(at).toBeLessThanOrEqual(to)
})

test('not-ready ends at ready-timeout, with the answer of the probe', () => {
  expect(play('not-ready').at(-1)?.[1]).toMatch(/^waiting: .*statuscode: 404/)
  const [at, said] = play('not-ready', { readyTimeout: 10_000 }).at(-1) ?? [0, '']
  expect(said).toMatch(/^failed not-ready: .* HTTP probe failed with statuscode: 404$/)
  expect(at).toBeGreaterThan(10)
})

test('slow-start says how far its startupProbe is', () => {
  expect(play('slow-start').map(([, said]) => said)).toContainEqual(
    expect.stringMatching(
      /^waiting: 0 of 1 ready, waiting for \S+ \(startup probe \d+ s of 60 s\)$/,
    ),
  )
})

test('every recording is played', () => {
  const recorded = readdirSync(folder).map((name) => name.replace('.json', ''))
  const source = readFileSync(new URL(import.meta.url), 'utf8')
  expect(recorded.filter((fault) => !source.includes(`'${fault}'`))).toEqual([])
})
