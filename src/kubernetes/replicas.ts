/** Leaves the number of pods alone: a user or an autoscaler sets it, never a release. Pure. */
import {
  isWorkload,
  lastApplied,
  withAnnotation,
  type KubeObject,
  type WorkloadObject,
} from './objects.js'

/**
 * What a dry run is given, so that it shows what the apply will do: nothing where they are left alone, and as
 * many as live where the note of the last apply names them, which it cannot lose before.
 */
export function leftAlone(manifest: KubeObject, live?: KubeObject): KubeObject {
  if (!live) return manifest
  return replicasForgotten(live) ? withLiveReplicas(manifest, live) : withoutReplicas(manifest)
}

export function withLiveReplicas<T extends KubeObject>(manifest: T, live?: KubeObject): T {
  const replicas = (live?.spec as { replicas?: number } | undefined)?.replicas
  if (replicas === undefined || !isWorkload(manifest)) return manifest
  return { ...manifest, spec: { ...(manifest as WorkloadObject).spec, replicas } }
}

export function withoutReplicas(object: KubeObject): KubeObject {
  if (!isWorkload(object)) return object
  const { replicas: _, ...spec } = object.spec
  return { ...object, spec }
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
