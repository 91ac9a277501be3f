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
import { line, pictureOf, START } from './scene.js'

type Recorded = { kind: string; metadata: { name: string } } & (Deployment | ReplicaSet | Pod | Event)

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
  const aim: Aim = { workload: { kind: 'Deployment', name: fault }, images, generation, first: false }
  const told: [number, string][] = []
  const objects = new Map<string, Recorded>()
  let ledger = newLedger(START)

  const look = (at: number): number | undefined => {
    const now = START + at * 1000
    const picture = pictureOfObjects(objects, now)
    const whole = { timeout: 600_000, bake: 5000, grace: {}, ...patience }
    let judgement = judge(picture, [aim], whole, ledger, now)
    ledger = judgement.ledger
    for (const wanted of judgement.logsWanted) {
      ledger = withLog(ledger, wanted, diagnose(logs[logKey(wanted)] ?? [], '/app'))
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

test('print', () => {
  for (const name of readdirSync(folder)) {
    const fault = name.replace('.json', '')
    console.log(fault, play(fault).map(([at, said]) => `${at}: ${said}`).join('\n'))
  }
  expect(1).toBe(1)
})
