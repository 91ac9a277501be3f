/** May this account do all that the release will do? Asked before anything is written. */
import { stringify } from 'yaml'
import type { Cluster } from './cluster.js'

export interface Right {
  /** API group; empty for the core one. */
  readonly group: string
  /** Plural name; a subresource after a slash (`pods/log`). */
  readonly resource: string
  readonly verbs: readonly string[]
}

interface AccessReview {
  readonly status?: { readonly allowed?: boolean }
}

/** The rights that are missing, in the order asked. One review a verb, all at the same time. */
export async function missingRights(
  cluster: Cluster,
  rights: readonly Right[],
): Promise<readonly Right[]> {
  const asked = await Promise.all(
    rights.map(async (right) => ({
      ...right,
      verbs: (
        await Promise.all(
          right.verbs.map(async (verb) => ((await allowed(cluster, right, verb)) ? [] : [verb])),
        )
      ).flat(),
    })),
  )
  return asked.filter((right) => right.verbs.length > 0)
}

async function allowed(cluster: Cluster, right: Right, verb: string): Promise<boolean> {
  const [resource, subresource] = right.resource.split('/')
  // The one object that stands outside of the namespace: the namespace. Who makes it makes it nowhere.
  const own = resource === 'namespaces' ? { name: cluster.namespace } : {}
  const inside =
    resource === 'namespaces' && verb === 'create' ? {} : { namespace: cluster.namespace }
  const review = await cluster.post<AccessReview>(
    '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: {
        resourceAttributes: {
          ...inside,
          ...own,
          group: right.group,
          resource,
          ...(subresource !== undefined && { subresource }),
          verb,
        },
      },
    },
  )
  return review.status?.allowed === true
}

/** The rules to add to a Role, as YAML. */
export function asRoleRules(rights: readonly Right[]): string {
  return stringify(
    rights.map(({ group, resource, verbs }) => ({
      apiGroups: [group],
      resources: [resource],
      verbs: [...verbs],
    })),
    { defaultStringType: 'PLAIN', collectionStyle: 'any' },
  ).trim()
}

/** Several rights on the same resource become one. */
export function merged(rights: readonly Right[]): readonly Right[] {
  const byResource = new Map<string, Right>()
  for (const right of rights) {
    const key = `${right.group}/${right.resource}`
    const before = byResource.get(key)?.verbs ?? []
    byResource.set(key, { ...right, verbs: [...new Set([...before, ...right.verbs])] })
  }
  return [...byResource.values()]
}
