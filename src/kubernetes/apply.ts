/** `kubectl apply`, and what it will change, told before it is done. */
import { fail } from '../report/cause.js'
import type { Cluster } from './cluster.js'
import { troubleOf } from './kubectl.js'
import { decided, nameOf, same, type KubeObject } from './objects.js'

/** `object` is what is applied, `becomes` what the server makes of it, by its own dry run. */
export type Change = { readonly object: KubeObject; readonly becomes: KubeObject } & (
  | { readonly is: 'create' }
  | { readonly is: 'change'; readonly live: KubeObject }
  | { readonly is: 'none'; readonly live: KubeObject }
)

interface ObjectList {
  readonly kind?: string
  readonly items?: readonly KubeObject[]
}

/** The live objects of these names, in any order. Those that are not there are left out. */
export async function liveOf(
  cluster: Cluster,
  objects: readonly KubeObject[],
): Promise<readonly KubeObject[]> {
  if (objects.length === 0) return []
  const got = await cluster.kubectl(['get', '-f', '-', '--ignore-not-found', '-o', 'json'], {
    input: asList(objects),
  })
  if (got.code !== 0) refused(troubleOf(got))
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
  const tried = await cluster.kubectl(['apply', '--dry-run=server', '-f', '-', '-o', 'json'], {
    input: asList(objects),
  })
  if (tried.code !== 0) refused(troubleOf(tried))
  const after = byKey(opened(tried.stdout))
  const before = byKey(live)
  return objects.map((object) => {
    const live = before.get(keyOf(object))
    const shown = after.get(keyOf(object))
    const becomes = shown ?? object
    if (live === undefined) return { is: 'create', object, becomes }
    const is = shown && same(decided(shown), decided(live)) ? 'none' : 'change'
    return { is, object, live, becomes }
  })
}

/**
 * Applies them by one kubectl, and returns what the server made of them; throws a Failure with the server's
 * words. Some may be applied then. Not repeated once the signal is aborted.
 */
export async function apply(
  cluster: Cluster,
  objects: readonly KubeObject[],
  signal: AbortSignal,
): Promise<readonly KubeObject[]> {
  if (objects.length === 0) return []
  const applied = await cluster.kubectl(['apply', '-f', '-', '-o', 'json'], {
    input: asList(objects),
    signal,
  })
  if (applied.code !== 0) {
    fail({ code: 'apply-failed', sentence: `kubectl apply: ${troubleOf(applied)}` })
  }
  return opened(applied.stdout)
}

/** The same for all versions of a group, and another one for a kind of the same name in another group. */
export function keyOf(object: KubeObject): string {
  const version = object.apiVersion ?? ''
  const group = version.includes('/') ? version.slice(0, version.indexOf('/')) : ''
  return `${group}/${object.kind}/${nameOf(object)}`
}

function byKey(objects: readonly KubeObject[]): ReadonlyMap<string, KubeObject> {
  return new Map(objects.map((object) => [keyOf(object), object]))
}

function asList(objects: readonly KubeObject[]): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects })
}

/** kubectl prints nothing, one object or a List. */
function opened(json: string): readonly KubeObject[] {
  if (json.trim() === '') return []
  const parsed = JSON.parse(json) as ObjectList & KubeObject
  return parsed.kind === 'List' ? (parsed.items ?? []) : [parsed]
}

function refused(words: string): never {
  fail({
    code: 'manifest-invalid',
    sentence: `the cluster refuses the manifests: ${words}`,
    hint: 'try them by hand: kubectl apply --dry-run=server -f …',
  })
}
