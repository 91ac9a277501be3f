/** What the judge has to know of the cluster besides the watched objects. Read once, when a symptom first calls for it. */
import type { Observations } from './types.js'

/** `unreadable`: the account may not read it, or the server did not answer in time. */
export type Read<T> =
  { readonly is: 'read'; readonly value: T } | { readonly is: 'unreadable'; readonly why: string }

export interface ConfigurationId {
  readonly kind: 'ConfigMap' | 'Secret'
  readonly name: string
}

export type FactWanted =
  /** The names of the API groups: they show which operators are installed. */
  | { readonly is: 'groups' }
  /** Who created a ConfigMap or Secret, and who changed it. `again`: read once more when its time is up. */
  | ({ readonly is: 'writers'; readonly again?: true } & ConfigurationId)
  /** What shows that nodes are added as they are needed. */
  | { readonly is: 'nodes' }

export type Fact =
  | { readonly is: 'groups'; readonly names: Read<readonly string[]> }
  | ({
      readonly is: 'writers'
      readonly found: Read<Writers>
      readonly again?: true
    } & ConfigurationId)
  | ({ readonly is: 'nodes' } & NodeFacts)

export interface Writers {
  readonly exists: boolean
  /** The kinds of its controllers. */
  readonly owners: readonly string[]
  /** The field managers. */
  readonly managers: readonly string[]
  /** The keys of its annotations: controllers that have no kind leave them. */
  readonly annotations: readonly string[]
}

export interface NodeFacts {
  /** The server's version: `v1.34.1-eks-113cf36`. */
  readonly version: string
  /** The issuer of the tokens of service accounts. */
  readonly issuer: Read<string>
  /** What each node says of where it comes from: its provider, the keys of its labels, annotations and taints. */
  readonly nodes: Read<readonly { readonly provider: string; readonly keys: readonly string[] }[]>
  /** Whether kube-system has the status of a cluster-autoscaler. */
  readonly status: Read<boolean>
}

type Of<T extends { readonly is: string }, Is extends T['is']> = Extract<T, { readonly is: Is }>

export function factKey(fact: FactWanted | Fact): string {
  if (fact.is !== 'writers') return fact.is
  return `${fact.is}/${fact.kind}/${fact.name}${fact.again ? '/again' : ''}`
}

/** Returns the fact, if it was read already. */
export function known<Wanted extends FactWanted>(
  facts: readonly Fact[],
  wanted: Wanted,
): Of<Fact, Wanted['is']> | undefined {
  const key = factKey(wanted)
  return facts.find((fact): fact is Of<Fact, Wanted['is']> => factKey(fact) === key)
}

/** Returns the observations with a fact that was read. */
export function withFact(observations: Observations, fact: Fact): Observations {
  return { ...observations, facts: [...observations.facts, fact] }
}
