/** How many pods a workload has is a person's or an autoscaler's to decide, and never a release's. Pure. */
import {
  isWorkload,
  lastApplied,
  withAnnotation,
  type KubeObject,
  type WorkloadObject,
} from './objects.js'

/** For a dry run, which writes nothing that could lose them: as many as live. */
export function withLiveReplicas<T extends KubeObject>(manifest: T, live?: KubeObject): T {
  const replicas = (live?.spec as { replicas?: number } | undefined)?.replicas
  if (replicas === undefined || !isWorkload(manifest)) return manifest
  return { ...manifest, spec: { ...(manifest as WorkloadObject).spec, replicas } }
}

export function withoutReplicas(manifest: WorkloadObject): WorkloadObject {
  const { replicas: _, ...spec } = manifest.spec
  return { ...manifest, spec }
}

/** The live object with no replicas in its note of the last apply; none where the note has none. */
export function replicasForgotten(live: KubeObject): KubeObject | undefined {
  const note = live.metadata?.annotations?.[lastApplied]
  if (note === undefined) return undefined
  try {
    const { spec, ...rest } = JSON.parse(note) as { spec?: { readonly replicas?: unknown } }
    if (spec?.replicas === undefined) return undefined
    const { replicas: _, ...kept } = spec
    // kubectl ends its note with a line break.
    return withAnnotation(live, lastApplied, `${JSON.stringify({ ...rest, spec: kept })}\n`)
  } catch {
    return undefined
  }
}
