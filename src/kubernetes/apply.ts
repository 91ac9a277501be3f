/** `kubectl apply`, and a dry run of what it will change. */
import { fail } from '../failure/failure.js'
import type { Clock, Finished } from '../platform/platform.js'
import { ApiError } from './api-error.js'
import { isTransient, retryTransient } from './retry.js'
import type { Cluster } from './cluster.js'
import { errorOf } from './kubectl.js'
import { decided, isWorkload, keyOf, nameOf, same, type KubeObject } from './objects.js'
import { collection } from './paths.js'
import { leftAlone, replicasForgotten, withoutReplicas } from './replicas.js'

/** `object` is what is applied, `becomes` what the server makes of it, by its own dry run. */
export type Change = { readonly object: KubeObject; readonly becomes: KubeObject } & (
  | { readonly is: 'create' }
  | { readonly is: 'change'; readonly live: KubeObject }
  | { readonly is: 'none'; readonly live: KubeObject }
)

export { keyOf } from './objects.js'

interface ObjectList {
  readonly kind?: string
  readonly items?: readonly KubeObject[]
}

/** Returns the live objects of these names, in any order. Missing ones are left out. */
export async function liveOf(
  cluster: Cluster,
  objects: readonly KubeObject[],
): Promise<readonly KubeObject[]> {
  if (objects.length === 0) return []
  const got = await cluster.kubectl(['get', '-f', '-', '--ignore-not-found', '-o', 'json'], {
    input: asList(objects),
  })
  if (got.code !== 0) refused(cluster, got)
  return opened(got.stdout)
}

/**
 * What an apply of these objects would do, by the server's own dry run: defaulting, admission and
 * validation take part, and nothing is written. Throws a Failure with the server's words when it
 * refuses one.
 */
export async function planApply(
  cluster: Cluster,
  objects: readonly KubeObject[],
  live: readonly KubeObject[],
): Promise<readonly Change[]> {
  if (objects.length === 0) return []
  const before = byKey(live)
  const tried = await cluster.kubectl(['apply', '--dry-run=server', '-f', '-', '-o', 'json'], {
    input: asList(objects.map((object) => leftAlone(object, before.get(keyOf(object))))),
  })
  if (tried.code !== 0) refused(cluster, tried)
  const after = byKey(opened(tried.stdout))
  const isRenamed = (object: KubeObject) =>
    cluster.names.learn(object, after.get(keyOf(object)) ?? object)
  // What it calls ours is compared as ours.
  if (objects.some(isRenamed)) return planApply(cluster, objects, live)
  return objects.map((object) => {
    const live = before.get(keyOf(object))
    const shown = after.get(keyOf(object))
    const becomes = shown ? (replicasForgotten(shown) ?? shown) : object
    if (live === undefined) return { is: 'create', object, becomes: shown ?? object }
    // A scaling in this moment is no change of the apply.
    const isSame = shown && same(decided(withoutReplicas(shown)), decided(withoutReplicas(live)))
    const is = isSame ? 'none' : 'change'
    return { is, object, live, becomes }
  })
}

/** Creates these objects in a dry run; throws a Failure when the server refuses one. */
export async function tryCreate(cluster: Cluster, objects: readonly KubeObject[]): Promise<void> {
  if (objects.length === 0) return
  const tried = await cluster.kubectl(['create', '--dry-run=server', '-f', '-', '-o', 'name'], {
    input: asList(objects),
  })
  if (tried.code !== 0) refused(cluster, tried)
}

/**
 * Applies them by one kubectl, and returns what the server made of them; throws a Failure with the server's
 * words. Some may be applied then, of which kubectl prints nothing. Not repeated once the signal is aborted.
 */
export async function apply(
  cluster: Cluster,
  clock: Clock,
  objects: readonly KubeObject[],
  signal: AbortSignal,
): Promise<readonly KubeObject[]> {
  if (objects.length === 0) return []
  const input = await Promise.all(
    objects.map((object) => leavingReplicas(cluster, clock, object, signal)),
  )
  signal.throwIfAborted()
  const applied = await cluster.kubectl(['apply', '-f', '-', '-o', 'json'], {
    input: asList(input),
    signal,
  })
  if (applied.code !== 0) {
    fail({ code: 'apply-failed', sentence: `kubectl apply: ${errorOf(applied)}` })
  }
  return opened(applied.stdout)
}

/** The kinds that people and autoscalers scale. */
const scaled: Readonly<Record<string, string>> = {
  Deployment: 'deployments',
  StatefulSet: 'statefulsets',
}

/**
 * What is applied for an object: without replicas where it is there already. kubectl leaves a field alone
 * that neither the manifest nor the last apply names, so whatever lives at that very moment stays. Where the
 * last apply named it, kubectl would delete the field, and the server would make it 1: the object's note of
 * that apply loses it before, guarded by the resourceVersion.
 */
async function leavingReplicas(
  cluster: Cluster,
  clock: Clock,
  object: KubeObject,
  signal: AbortSignal,
): Promise<KubeObject> {
  const plural = scaled[object.kind ?? '']
  if (plural === undefined || !isWorkload(object)) return object
  const path = `${collection('apps/v1', cluster.namespace, plural)}/${nameOf(object)}`
  return retryTransient(
    clock,
    signal,
    async () => {
      const live = await cluster.find<KubeObject>(path)
      if (!live) return object
      const forgotten = replicasForgotten(live)
      if (forgotten) await cluster.put(path, forgotten)
      return withoutReplicas(object)
    },
    // Another writer changed (409) or deleted it (404) first: read it again.
    (error) =>
      isTransient(error) || (error instanceof ApiError && [404, 409].includes(error.status)),
  )
}

function byKey(objects: readonly KubeObject[]): ReadonlyMap<string, KubeObject> {
  return new Map(objects.map((object) => [keyOf(object), object]))
}

function asList(objects: readonly KubeObject[]): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects })
}

/** kubectl prints nothing, a List, or one object after the other. */
export function opened(json: string): readonly KubeObject[] {
  return json.split(/^(?=\{)/m).flatMap((text) => {
    if (text.trim() === '') return []
    const parsed = JSON.parse(text) as ObjectList & KubeObject
    return parsed.kind === 'List' ? (parsed.items ?? []) : [parsed]
  })
}

function refused(cluster: Cluster, ended: Finished): never {
  const job = /The Job "([^"]+)" is invalid: .*field is immutable/s.exec(ended.stderr)?.[1]
  if (job !== undefined) {
    fail({
      code: 'manifest-invalid',
      sentence: `Job "${job}" already exists, and its manifest has changed: a Job is immutable`,
      hint: `rename it, or delete the old one before the release: ${cluster.commandLine(['delete', 'job', job])}`,
    })
  }
  const words = errorOf(ended)
  fail({
    code: 'manifest-invalid',
    sentence: `the cluster refuses the manifests: ${words}`,
    hint: 'to check them: kubectl apply --dry-run=server -f …',
  })
}
