/** Checks the rights of the account for all that a release does, before the first write. */
import { stringify } from 'yaml'
import { ApiError } from './api-error.js'
import type { Cluster } from './cluster.js'

export interface Right {
  /** API group; empty for the core one. */
  readonly group: string
  /** Plural name; a subresource after a slash (`pods/log`). */
  readonly resource: string
  readonly verbs: readonly string[]
  /**
   * The objects that it is needed for, where they are known: a Role may name them (`resourceNames`). None
   * in the list: nothing of that kind is touched.
   */
  readonly names?: readonly string[]
}

interface AccessReview {
  readonly status?: { readonly allowed?: boolean }
}

/** No Role can give these for a name: the object has no name yet, or all objects are meant. */
const withoutNames = ['create', 'list', 'watch']

/**
 * Returns the missing rights, in the order of the request. One request lists the rules of the account. What they do not
 * grant needs reviews: one for each verb and resource, in parallel; if it is denied, one more for each name.
 */
export async function missingRights(
  cluster: Cluster,
  rights: readonly Right[],
): Promise<readonly Right[]> {
  const isListed = ({ resource, names, verbs }: Right) =>
    resource !== 'namespaces' && names?.length !== 0 && verbs.length > 0
  const rules = rights.some(isListed) ? await rulesOf(cluster) : []
  const reviews = new Map<string, Promise<boolean>>()
  const may = (right: Right, verb: string, name?: string) => {
    if (rules.some((rule) => grants(rule, right, verb, name))) return Promise.resolve(true)
    const key = JSON.stringify([right.group, right.resource, verb, name])
    const review = reviews.get(key) ?? allowed(cluster, right, verb, name)
    reviews.set(key, review)
    return review
  }
  const mayByName = async (right: Right, verb: string) => {
    if (right.names === undefined || withoutNames.includes(verb)) return false
    const each = await Promise.all(right.names.map((name) => may(right, verb, name)))
    return each.every(Boolean)
  }
  /** A Role may name the objects: what its rules say needs no review. */
  const isListedByName = (right: Right, verb: string) =>
    !withoutNames.includes(verb) &&
    right.names?.every((name) => rules.some((rule) => grants(rule, right, verb, name))) === true
  const isMissing = async (right: Right, verb: string) =>
    !isListedByName(right, verb) && !(await may(right, verb)) && !(await mayByName(right, verb))
  const checked = await Promise.all(
    rights.map(async (right) => {
      const verbs = await Promise.all(
        right.verbs.map(async (verb) => ((await isMissing(right, verb)) ? [verb] : [])),
      )
      return { ...right, verbs: verbs.flat() }
    }),
  )
  return merged(checked.filter((right) => right.verbs.length > 0))
}

/** Of a Role, as the server lists them. https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/self-subject-rules-review-v1/ */
interface Rule {
  readonly verbs: readonly string[]
  readonly apiGroups?: readonly string[]
  readonly resources?: readonly string[]
  readonly resourceNames?: readonly string[]
}

interface RulesReview {
  readonly status?: { readonly resourceRules?: readonly Rule[]; readonly incomplete?: boolean }
}

/**
 * Returns what the account may do in the namespace. None where the list is incomplete: something beside of RBAC decides
 * too, and might deny what a rule grants.
 */
function rulesOf(cluster: Cluster): Promise<readonly Rule[]> {
  const known = listed.get(cluster) ?? listRules(cluster)
  listed.set(cluster, known)
  return known
}

/**
 * By the connection, so that each run reads them once. What they do not grant is reviewed at each call, and a right
 * that is taken away within a run is missed by its write in any case.
 */
const listed = new WeakMap<Cluster, Promise<readonly Rule[]>>()

async function listRules(cluster: Cluster): Promise<readonly Rule[]> {
  try {
    const { status } = await cluster.review<RulesReview>(
      '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews',
      {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SelfSubjectRulesReview',
        spec: { namespace: cluster.namespace },
      },
    )
    return status?.incomplete === false ? (status.resourceRules ?? []) : []
  } catch (error) {
    // A server that does not list them still answers about each right; one that is away fails there.
    if (error instanceof ApiError) return []
    throw error
  }
}

/** As RBAC matches a rule. Rules of a namespace say nothing of the namespaces themselves. */
function grants(rule: Rule, right: Right, verb: string, name: string | undefined): boolean {
  if (right.resource === 'namespaces') return false
  const { verbs, apiGroups = [], resources = [], resourceNames = [] } = rule
  const [, subresource] = right.resource.split('/')
  const also = subresource === undefined ? [] : [`*/${subresource}`]
  const has = (all: readonly string[], ...some: readonly string[]) =>
    all.includes('*') || some.some((one) => all.includes(one))
  return (
    has(verbs, verb) &&
    has(apiGroups, right.group) &&
    has(resources, right.resource, ...also) &&
    (resourceNames.length === 0 || (name !== undefined && resourceNames.includes(name)))
  )
}

async function allowed(
  cluster: Cluster,
  right: Right,
  verb: string,
  name: string | undefined,
): Promise<boolean> {
  const [resource, subresource] = right.resource.split('/')
  // The namespace is the one cluster-scoped object: its creation is requested without a namespace.
  const one = resource === 'namespaces' ? cluster.namespace : name
  const inside =
    resource === 'namespaces' && verb === 'create' ? {} : { namespace: cluster.namespace }
  const review = await cluster.review<AccessReview>(
    '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: {
        resourceAttributes: {
          ...inside,
          group: right.group,
          resource,
          ...(subresource !== undefined && { subresource }),
          verb,
          ...(one !== undefined && { name: one }),
        },
      },
    },
  )
  return review.status?.allowed === true
}

/** The rules to add to a Role, as YAML. */
export function asRoleRules(rights: readonly Right[]): string {
  return stringify(
    rights.map(({ group, resource, verbs, names }) => ({
      apiGroups: [group],
      resources: [resource],
      ...(names && { resourceNames: [...names] }),
      verbs: [...verbs],
    })),
    { defaultStringType: 'PLAIN', collectionStyle: 'any' },
  ).trim()
}

/** `get, create secrets; patch deployments`: whatever names they are needed for. */
export function rightsInWords(rights: readonly Right[]): string {
  const byResource = Map.groupBy(rights, ({ group, resource }) => JSON.stringify([group, resource]))
  return [...byResource.values()]
    .map((alike) => {
      const verbs = new Set(alike.flatMap((right) => right.verbs))
      return `${[...verbs].join(', ')} ${alike[0]?.resource ?? ''}`
    })
    .join('; ')
}

/** What may hold something that is not ours to read. Workloads come and go: a Role that names them has to follow. */
const sensitive = ['secrets', 'configmaps', 'leases']

/** Several rights on the same resource become one for each set of names, and none for what is never touched. */
export function merged(rights: readonly Right[]): readonly Right[] {
  const byResource = new Map<string, Map<string, readonly string[] | 'all'>>()
  for (const right of rights) {
    const key = JSON.stringify([right.group, right.resource])
    const verbs = byResource.get(key) ?? new Map<string, readonly string[] | 'all'>()
    byResource.set(key, verbs)
    for (const verb of right.verbs) {
      const [before, names] = [verbs.get(verb) ?? [], namesOf(right, verb)]
      const isForAll = before === 'all' || names === 'all'
      verbs.set(verb, isForAll ? 'all' : [...new Set([...before, ...names])])
    }
  }
  return [...byResource].flatMap(([key, verbs]) => {
    const [group, resource] = JSON.parse(key) as [string, string]
    const byNames = Map.groupBy(verbs, ([, names]) => JSON.stringify(names))
    return [...byNames.values()].flatMap((alike) => {
      const names = alike[0]?.[1] ?? 'all'
      const right = { group, resource, verbs: alike.map(([verb]) => verb) }
      // To RBAC, no names are all names.
      if (names === 'all') return [right]
      return names.length === 0 ? [] : [{ ...right, names }]
    })
  })
}

function namesOf({ resource, names }: Right, verb: string): readonly string[] | 'all' {
  const isByName = sensitive.includes(resource) && !withoutNames.includes(verb)
  return (isByName ? names : undefined) ?? 'all'
}
