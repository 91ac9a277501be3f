/** One release by one tool, measured. All times are ms since 1970. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Asked } from './asked.js'
import type { Bed } from './bed.js'
import type { Case } from './cases.js'
import { isComplete, observe, type Observer, type Scene } from './observer.js'
import type { ToolName } from './names.js'
import { runTool } from './run-tool.js'
import { tools } from './tools.js'
import { startWire } from './wire.js'

export interface Measured {
  readonly tool: ToolName
  readonly startedAt: number
  readonly endedAt: number
  readonly code: number
  /** When the tool knew that it failed. */
  readonly failedAt?: number
  /** When the fault's sign was first seen in objects of the new version. */
  readonly signAt?: number
  /** When the new image stood in all templates, and when the last new pod was Ready. */
  readonly writtenAt?: number
  readonly readyAt?: number
  /** All old and available again; `untouched`: it never was anything else. */
  readonly restoredAt?: number | 'untouched'
  readonly asked: readonly Asked[]
  readonly peakBytes: number
  readonly output: string
}

/** Before a release. */
const quietMs = 5 * 60_000
/** After the end of a tool that says it failed. */
const restoreMs = 60_000

/** @param pauseMs after the namespace has come to rest. */
export async function measure(
  one: Case,
  name: ToolName,
  bed: Bed,
  tag: string,
  pauseMs: number,
  signal: AbortSignal,
): Promise<Measured> {
  const tool = tools[name]
  const call = await tool.release(bed, tag)
  const observer = await observe(bed.namespace)
  const wire = await startWire(bed.token)
  const kubeconfig = join(bed.home, 'kubeconfig-wire')
  await writeFile(kubeconfig, wire.kubeconfig, { mode: 0o600 })
  try {
    await quiet(observer)
    await sleep(pauseMs)
    signal.throwIfAborted()
    const before = standing(observer.scene)
    const isOld = ({ metadata }: { readonly metadata: { readonly uid: string } }) =>
      before.uids.has(metadata.uid)
    const newOnes = ({ pods, replicasets }: Scene) =>
      [...pods.values(), ...replicasets.values()].filter((object) => !isOld(object))
    const sight = one.is === 'broken' ? one.rule?.sign : undefined
    const sign = sight && observer.see((scene) => newOnes(scene).some(sight))
    const deployments = ({ deployments }: Scene) => [...deployments.values()]
    const written = observer.see((scene) =>
      deployments(scene).every(
        ({ metadata, spec }) =>
          before.templates.get(metadata.name) !== JSON.stringify(spec.template),
      ),
    )
    const ready = observer.see(({ pods }) => {
      const well = [...pods.values()].filter((pod) => !isOld(pod) && isReady(pod))
      return well.length >= before.pods
    })
    const restored = observer.see((scene) =>
      deployments(scene).every(
        (one) =>
          before.templates.get(one.metadata.name) === JSON.stringify(one.spec.template) &&
          isComplete(one),
      ),
    )

    const startedAt = Date.now()
    const { code, said, peakBytes } = await runTool(
      { ...call, folder: bed.home, home: bed.home, kubeconfig },
      signal,
    )
    const endedAt = Date.now()
    const failedAt = code === 0 ? undefined : await tool.failedAt(bed, said)
    if (code !== 0) await Promise.race([restored.held, sleep(restoreMs, undefined, { ref: false })])
    const restoredAt = restored.holds ? (restored.last ?? 'untouched') : undefined
    return {
      tool: name,
      startedAt,
      endedAt,
      code,
      ...(failedAt !== undefined && { failedAt }),
      ...(sign?.first !== undefined && { signAt: sign.first }),
      ...(written.first !== undefined && { writtenAt: written.first }),
      ...(ready.first !== undefined && { readyAt: ready.first }),
      ...(restoredAt !== undefined && { restoredAt }),
      asked: [...wire.asked],
      peakBytes,
      output: said.map(({ text }) => text).join('\n'),
    }
  } finally {
    wire.close()
    await observer.stop()
  }
}

/** All workloads are complete, and the pods of the last release are gone. */
async function quiet(observer: Observer): Promise<void> {
  const seen = observer.see((scene) => {
    const all = [...scene.deployments.values()]
    return all.length > 0 && all.every(isComplete) && scene.pods.size === standing(scene).pods
  })
  const late = sleep(quietMs, 'late', { ref: false })
  if ((await Promise.race([seen.held, late])) === 'late') throw new Error('it never came to rest')
}

function standing({ deployments, pods, replicasets }: Scene) {
  return {
    uids: new Set([...pods.keys(), ...replicasets.keys()]),
    pods: [...deployments.values()].reduce((sum, { spec }) => sum + spec.replicas, 0),
    templates: new Map(
      [...deployments.values()].map(({ metadata, spec }) => [
        metadata.name,
        JSON.stringify(spec.template),
      ]),
    ),
  }
}

function isReady({ status }: { readonly status?: { readonly conditions?: readonly Condition[] } }) {
  return (status?.conditions ?? []).some(
    ({ type, status }) => type === 'Ready' && status === 'True',
  )
}

interface Condition {
  readonly type: string
  readonly status: string
}
