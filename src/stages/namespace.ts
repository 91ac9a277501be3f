/** The release's own namespace, where a manifest has it: created when missing, labelled, never removed. */
import { missingRights, type Right } from '../kubernetes/access.js'
import { ApiError } from '../kubernetes/api-error.js'
import { noCredentials } from '../kubernetes/retry.js'
import type { Cluster } from '../kubernetes/cluster.js'
import { errorOf } from '../kubernetes/kubectl.js'
import type { Manifests } from '../kubernetes/manifests.js'
import { isBeingDeleted, type KubeObject } from '../kubernetes/objects.js'
import { namespacePath } from '../kubernetes/paths.js'
import { fail } from '../failure/failure.js'
import type { StageLog } from '../platform/stage-log.js'

export type Presence =
  | { readonly is: 'there'; readonly uid: string | undefined }
  | { readonly is: 'missing' }
  /** The account may not read it; the rights inside of it decide then. */
  | { readonly is: 'hidden' }

export async function presenceOf(cluster: Cluster): Promise<Presence> {
  try {
    const found = await cluster.find<KubeObject>(namespacePath(cluster.namespace))
    if (found && isBeingDeleted(found)) return leaving(cluster)
    return found === undefined ? { is: 'missing' } : { is: 'there', uid: found.metadata?.uid }
  } catch (error) {
    if (error instanceof ApiError && error.status === 403) return { is: 'hidden' }
    throw clearer(error)
  }
}

/**
 * Throws a Failure `namespace-missing` where it is missing and no manifest contains it, or the account may not
 * create it.
 */
export async function checkNamespace(
  cluster: Cluster,
  { namespace }: Manifests,
): Promise<Presence> {
  const presence = await presenceOf(cluster)
  if (presence.is !== 'missing') return presence
  if (!namespace) return namespaceMissing(cluster.namespace, 'does not exist')
  if (!(await may(cluster, 'create'))) {
    namespaceMissing(cluster.namespace, 'does not exist, and this account may not create it')
  }
  return presence
}

/** Creates the namespace: the one write of a release before its lock, which is in that namespace. Nothing undoes it. */
export async function makeNamespace(
  log: StageLog,
  cluster: Cluster,
  manifest: KubeObject,
  presence: Presence,
): Promise<void> {
  if (presence.is === 'there' || !(await may(cluster, 'create'))) return
  const made = await cluster.kubectl(['create', '--save-config', '-f', '-'], {
    input: JSON.stringify(manifest),
  })
  if (made.code === 0) log.say(`namespace/${cluster.namespace} created`)
  else if (!made.stderr.includes('(AlreadyExists)')) {
    namespaceMissing(cluster.namespace, `does not exist, and creating it failed: ${errorOf(made)}`)
  }
}

export interface Labelling {
  /** The manifest, where the account may do what it says. */
  readonly applied: readonly KubeObject[]
  readonly warnings: readonly string[]
}

/** Returns whether its labels and annotations are applied with the other manifests. */
export async function labelling(cluster: Cluster, { namespace }: Manifests): Promise<Labelling> {
  const none: Labelling = { applied: [], warnings: [] }
  if (!namespace) return none
  if (await may(cluster, 'get', 'patch', 'update')) return { ...none, applied: [namespace] }
  if (!(await may(cluster, 'get'))) return none
  const live = await cluster.get<KubeObject>(namespacePath(cluster.namespace))
  const differ = differences(namespace, live)
  if (differ.length === 0) return none
  const warning = `the namespace "${cluster.namespace}" keeps its labels and annotations, because this account may not patch and update it. Its manifest differs in: ${differ.join(', ')}`
  return { ...none, warnings: [warning] }
}

/** Returns the names of labels and annotations that an apply would set. */
function differences(manifest: KubeObject, live: KubeObject): readonly string[] {
  return (['labels', 'annotations'] as const).flatMap((field) => {
    const now = live.metadata?.[field] ?? {}
    const wanted = Object.entries(manifest.metadata?.[field] ?? {})
    return wanted.flatMap(([name, value]) => (now[name] === value ? [] : [name]))
  })
}

async function may(cluster: Cluster, ...verbs: readonly string[]): Promise<boolean> {
  const right: Right = { group: '', resource: 'namespaces', verbs }
  return (await missingRights(cluster, [right])).length === 0
}

/** Nothing more can be created in it. */
function leaving(cluster: Cluster): never {
  const show = `kubectl get namespace ${cluster.namespace} -o jsonpath={.status.conditions}`
  return fail({
    code: 'namespace-missing',
    sentence: `the namespace "${cluster.namespace}" is being deleted`,
    hint: `wait until it is gone, then release again. To see what it waits for: ${show}`,
  })
}

/** Replaces the status 401 by words: the server does not know the credentials. */
function clearer(error: unknown): unknown {
  if (!(error instanceof ApiError && error.status === 401)) return error
  return fail(noCredentials)
}

export function namespaceMissing(namespace: string, is: string): never {
  fail({
    code: 'namespace-missing',
    sentence: `the namespace "${namespace}" ${is}`,
    hint: `check the option namespace, or create it: kubectl create namespace ${namespace}`,
  })
}
