/** Reads what the judge wants to know of the cluster besides the watched objects. */
import type { ConfigMap, Node, NodeList } from 'kubernetes-types/core/v1'
import { ApiError } from '../kubernetes/api-error.js'
import type { Cluster } from '../kubernetes/cluster.js'
import { collection } from '../kubernetes/paths.js'
import type { Fact, FactWanted, Read, Writers } from '../judge/facts.js'
import type { Clock } from '../platform/platform.js'
import { messageOf } from '../platform/error-message.js'
import { abortable, withTimeout } from '../platform/time.js'

/** How long the server may take for one answer, in ms: what it does not answer counts as unreadable. */
const factTimeoutMs = 5000
/** So many nodes show where they come from. */
const nodesRead = 50

/** Returns the fact. Never throws: what cannot be read is a part of it. */
export async function fetchFact(cluster: Cluster, clock: Clock, wanted: FactWanted): Promise<Fact> {
  const read = reader(cluster, clock)
  switch (wanted.is) {
    case 'groups': {
      return { is: 'groups', names: await read('/apis', groupsOf) }
    }
    case 'writers': {
      const { kind, name } = wanted
      const path = `${collection('v1', cluster.namespace, `${kind.toLowerCase()}s`)}/${name}`
      return { ...wanted, found: await read(path, writersOf) }
    }
    case 'nodes': {
      const [nodes, status, issuer] = await Promise.all([
        read(`/api/v1/nodes?limit=${nodesRead}`, nodesOf),
        read(statusPath, (status) => status !== undefined),
        read('/.well-known/openid-configuration', issuerOf),
      ])
      return { is: 'nodes', version: cluster.version, nodes, status, issuer }
    }
  }
}

/** Where a cluster-autoscaler writes how it is, by default. */
const statusPath = `${collection('v1', 'kube-system', 'configmaps')}/cluster-autoscaler-status`

/** An answer of the server; `undefined`: there is no such object. */
type Answer = Readonly<Record<string, unknown>> | undefined
type Reader = <R>(path: string, take: (answer: Answer) => R) => Promise<Read<R>>

function reader(cluster: Cluster, clock: Clock): Reader {
  return <R>(path: string, take: (answer: Answer) => R) =>
    withTimeout(clock, factTimeoutMs, cluster.life, async (signal): Promise<Read<R>> => {
      const answer = await abortable(signal, () => cluster.find<NonNullable<Answer>>(path))
      return { is: 'read', value: take(answer) }
    }).catch((error: unknown) => ({ is: 'unreadable', why: reasonOf(error) }))
}

function reasonOf(error: unknown): string {
  return error instanceof ApiError && error.reason !== '' ? error.reason : messageOf(error)
}

/** There is no cluster without groups: what answers without any is not known to have none. */
function groupsOf(list: Answer): readonly string[] {
  const { groups = [] } = (list ?? {}) as { readonly groups?: readonly { name: string }[] }
  if (groups.length === 0) throw new Error('the answer names none')
  return groups.map(nameOf)
}

function nameOf({ name }: { readonly name: string }): string {
  return name
}

function writersOf(object: Answer): Writers {
  const { metadata = {} } = (object ?? {}) as ConfigMap
  const { ownerReferences = [], managedFields = [], annotations = {} } = metadata
  return {
    exists: object !== undefined,
    owners: ownerReferences.map(({ kind }) => kind),
    managers: managedFields.map(({ manager = '' }) => manager),
    annotations: Object.keys(annotations),
  }
}

/** So many nodes are read where all are needed. */
const mostNodes = 500

/** Returns all nodes; `undefined` where the account may not read them, or there are more than are read. */
export async function readNodes(
  cluster: Cluster,
  clock: Clock,
): Promise<readonly Node[] | undefined> {
  const list = await reader(cluster, clock)(`/api/v1/nodes?limit=${mostNodes}`, nodeList)
  return list.is === 'unreadable' || list.value.metadata?.continue ? undefined : list.value.items
}

function nodeList(list: Answer): Pick<NodeList, 'items' | 'metadata'> {
  return { items: [], ...list }
}

function nodesOf(list: Answer) {
  return nodeList(list).items.map(({ metadata, spec }) => ({
    provider: spec?.providerID ?? '',
    keys: [
      ...Object.keys(metadata?.labels ?? {}),
      ...Object.keys(metadata?.annotations ?? {}),
      ...(spec?.taints ?? []).map(({ key }) => key),
    ],
  }))
}

function issuerOf(configuration: Answer): string {
  return (configuration as { issuer?: string } | undefined)?.issuer ?? ''
}
