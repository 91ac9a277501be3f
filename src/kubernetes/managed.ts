/** The objects that we keep in the cluster have one name, and our label: one with the name alone is not ours. */
import type { ObjectMeta } from 'kubernetes-types/meta/v1'
import { fail } from '../failure/failure.js'
import type { Cluster } from './cluster.js'
import { appOf } from './image.js'
import { keyOf, type KubeObject } from './objects.js'

/** Returns the name of lock, record and history. */
export function nameFor(app: string): string {
  return `django-rollout-${app}`
}

const keptKinds = ['coordination.k8s.io/Lease', '/Secret', '/ConfigMap']

/**
 * Returns whether an object has the name of a lock, a record or a history, of any application. The token of a
 * service account does not count: a Secret's type never changes, and people give their token such a name.
 */
export function isKept(object: KubeObject): boolean {
  const { type } = object as { readonly type?: unknown }
  const key = keyOf(object)
  return (
    type !== 'kubernetes.io/service-account-token' &&
    keptKinds.some((kind) => key.startsWith(`${kind}/${nameFor('')}`))
  )
}

const [label, us] = ['app.kubernetes.io/managed-by', 'django-rollout']

export const managed = { [label]: us }

export function isManaged(metadata: ObjectMeta = {}): boolean {
  return metadata.labels?.[label] === us
}

/** Throws a Failure `name-taken` for an object that exists, and is not ours. */
export function checkManaged(
  cluster: Cluster,
  kind: 'secret' | 'configmap' | 'lease',
  metadata: ObjectMeta | undefined,
): void {
  if (isManaged(metadata)) return
  const { name = '' } = metadata ?? {}
  fail({
    code: 'name-taken',
    sentence: `${kind}/${name} does not belong to django-rollout (it lacks the label ${label}=${us}), but has the name of its object for this application`,
    hint: [
      'nothing was written. Rename the application: app: my-shop (in django-rollout.yml), or --app my-shop',
      `or, if that object is not needed: ${cluster.commandLine(['delete', kind, name])}`,
    ].join('\n'),
  })
}

/** Throws a Failure `usage`: two applications have one name here, and their objects must not mix. */
export function twoOfOneName(
  { namespace }: Pick<Cluster, 'namespace'>,
  app: string,
  external: { readonly image: string; readonly what: string; readonly so: string },
  image: string,
): never {
  const own = appOf(`/${image.split('/').slice(-2).join('-')}`)
  return fail({
    code: 'usage',
    sentence: `${external.what} belongs to ${external.image}, but this run releases ${image}: both are named "${app}" in the namespace "${namespace}"`,
    hint: [
      `nothing was written. Give this application a different name: app: ${own} (in django-rollout.yml), or --app ${own}`,
      external.so,
    ].join('\n'),
  })
}
