/**
 * Records what the cluster shows of each fault, for the tests of the judge: every change of its objects, with
 * its time after the write. `npm run record [fault…]`, with the local stack up.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { kubectl, kubectlJson, root } from '../e2e/stack.js'
import { faults, type Fault } from './catalogue.js'
import { makeImages } from './images.js'
import { makePlace, type Place } from './place.js'
import { playedBy, type Frame, type Recorded, type Recording } from './recording.js'
import type { Seen } from './sights.js'

const folder = join(root, '__tests__/fixtures/rollout')
const kinds = 'deployments,statefulsets,replicasets,pods,events'
const pauseMs = 150
/** Of a fault nothing new is seen after so many seconds: the judge's own time goes on without the cluster. */
const enough = 20
const atOnce = 3

/** What no rule reads: who wrote it, what was applied, what the API server fills in. */
const noise = new Set([
  'managedFields',
  'kubectl.kubernetes.io/last-applied-configuration',
  'tolerations',
  'resources',
  'terminationMessagePath',
  'terminationMessagePolicy',
  'hostIPs',
  'podIPs',
])

async function record(fault: Fault): Promise<void> {
  const place = await makePlace(fault, images)
  const { namespace } = place.site
  try {
    const before = await objects(namespace)
    await place.release()
    const startedAt = Date.now()
    const kind = fault.always?.kind ?? 'Deployment'
    const written = await kubectlJson<Recorded>('-n', namespace, 'get', `${kind}/web`)
    const frames: Frame[] = [{ at: 0, changed: before.filter(isNoEvent), gone: [] }]
    const logs: Record<string, readonly string[]> = {}
    const known = new Map(before.map((object) => [idOf(object), versionOf(object)]))
    const happened = Promise.resolve(fault.meanwhile?.(place))
    let over = Infinity
    while (Date.now() < over) {
      const now = await objects(namespace)
      const at = Math.round((Date.now() - startedAt) / 100) / 10
      const ids = new Set(now.map(idOf))
      const changed = now.filter((object) => known.get(idOf(object)) !== versionOf(object))
      const gone = [...known.keys()].filter((id) => !ids.has(id))
      for (const object of changed) known.set(idOf(object), versionOf(object))
      for (const id of gone) known.delete(id)
      if (changed.length + gone.length > 0) frames.push({ at, changed, gone })
      for (const object of changed)
        if (object.kind === 'Pod') await readLogs(namespace, object, logs)
      if (over === Infinity && (await isOver(fault, place, now))) over = Date.now() + enough * 1000
      await sleep(pauseMs)
    }
    await happened
    const recording = {
      played: playedBy(fault),
      workload: { kind, name: 'web' },
      images: { web: place.released },
      generation: written.metadata.generation ?? 0,
      logs,
    } satisfies Omit<Recording, 'frames'>
    await writeFile(join(folder, `${fault.name}.json`), textOf(recording, frames))
    console.log(`${fault.name}: ${frames.length} frames`)
  } finally {
    await place.remove()
  }
}

/** Whether all has happened that the fault is about. */
async function isOver(
  fault: Fault,
  { kubectl }: Place,
  now: readonly Recorded[],
): Promise<boolean> {
  const { ends } = fault
  if (ends.is === 'undone') return now.some((object) => ends.sign(object as unknown as Seen))
  const kind = fault.always?.kind ?? 'Deployment'
  const status = kubectl('rollout', 'status', `${kind}/web`, '--watch=false')
  // It ends with an error where the condition of an earlier rollout stands there.
  const said = await status.catch(() => '')
  return /successfully rolled out|(rolling update|roll out) complete/.test(said)
}

/** One object a line: small, and still readable in a diff. */
function textOf(recording: Omit<Recording, 'frames'>, frames: readonly Frame[]): string {
  const lines = frames.map(
    ({ at, gone, changed }) =>
      `{"at":${at},"gone":${JSON.stringify(gone)},"changed":[\n${changed.map((one) => JSON.stringify(one)).join(',\n')}]}`,
  )
  return `${JSON.stringify(recording).slice(0, -1)},"frames":[\n${lines.join(',\n')}]}\n`
}

async function objects(namespace: string): Promise<readonly Recorded[]> {
  const list = await kubectlJson<{ items: readonly Recorded[] }>('-n', namespace, 'get', kinds)
  return list.items.map(slim)
}

/** Without what no rule reads: who wrote it, what was applied, the token's volume. */
function slim(object: Recorded): Recorded {
  const text = JSON.stringify(object, (key, value: unknown) => {
    if (noise.has(key)) return undefined
    if (!Array.isArray(value)) return value
    return (value as unknown[]).filter((one) => !/^"?kube-api-access/.test(nameOf(one)))
  })
  return JSON.parse(text) as Recorded
}

function nameOf(one: unknown): string {
  return typeof one === 'object' && one !== null && 'name' in one ? String(one.name) : ''
}

function idOf({ kind, metadata }: Recorded): string {
  return `${kind}/${metadata.name}`
}

function versionOf({ metadata }: Recorded): string {
  return metadata.resourceVersion ?? ''
}

function isNoEvent({ kind }: Recorded): boolean {
  return kind !== 'Event'
}

/** The logs of containers that have ended, by uid, container and number of the end. */
async function readLogs(
  namespace: string,
  object: Recorded,
  logs: Record<string, readonly string[]>,
): Promise<void> {
  const { metadata, status } = object as unknown as Seen
  const statuses = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])]
  for (const { state, lastState, restartCount, name } of statuses) {
    const isOver = state?.terminated !== undefined
    if (!isOver && lastState?.terminated === undefined) continue
    const exit = isOver || state?.waiting ? restartCount + 1 : restartCount
    const key = `${metadata.uid}/${name}/${exit}`
    if (logs[key] !== undefined) continue
    const args = [
      '-n',
      namespace,
      'logs',
      metadata.name,
      '-c',
      name,
      ...(isOver ? [] : ['--previous']),
    ]
    const text = await kubectl(...args).catch(() => '')
    logs[key] = text.split('\n').filter((line) => line !== '')
  }
}

const wanted = process.argv.slice(2)
const chosen = faults.filter(({ name, ends }) =>
  wanted.length === 0 ? ends.is !== 'failed' : wanted.includes(name),
)
const images = await makeImages()
await mkdir(folder, { recursive: true })
const queue = [...chosen]
await Promise.all(
  Array.from({ length: atOnce }, async () => {
    for (let fault = queue.shift(); fault; fault = queue.shift()) await record(fault)
  }),
)
