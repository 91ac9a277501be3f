/** How the claims of the web's volumes can be used by one pod more, the migration's. Pure. */

export type ClaimUse =
  /** It is mounted on that node, and on no other at a time. */
  | { readonly is: 'on-node'; readonly node: string }
  /** One pod more cannot have it: `is ReadWriteOncePod, and a running pod uses it`. */
  | { readonly is: 'out-of-reach'; readonly why: string }

/** A claim, and the pods that have it. */
export interface UsedClaim {
  readonly name: string
  readonly modes: readonly string[]
  readonly users: readonly {
    /** Missing: it is on no node yet. */
    readonly node?: string | undefined
    /** Its node does not answer. */
    readonly isLost: boolean
  }[]
}

/** Returns the claims that not every pod can have, by their names. One pod is on one node: that of most of them. */
export function claimUses(claims: readonly UsedClaim[]): Readonly<Record<string, ClaimUse>> {
  const uses = claims.flatMap((claim) => {
    const use = useOf(claim)
    return use ? [[claim.name, use] as const] : []
  })
  const nodes = uses.flatMap(([, use]) => (use.is === 'on-node' ? [use.node] : []))
  const count = (node: string) => nodes.filter((one) => one === node).length
  const [own] = nodes.toSorted((one, other) => count(other) - count(one))
  return Object.fromEntries(
    uses.map(([name, use]) => [
      name,
      use.is === 'on-node' && use.node !== own
        ? outOfReach(`is mounted on the node ${use.node}, and others on ${own ?? ''}`)
        : use,
    ]),
  )
}

function useOf({ modes, users }: UsedClaim): ClaimUse | undefined {
  if (users.length === 0) return undefined
  if (modes.includes('ReadWriteOncePod')) {
    return outOfReach('is ReadWriteOncePod, and a running pod uses it')
  }
  const nodes = new Set(users.flatMap(({ node }) => node ?? []))
  const [node] = nodes
  const isOnce = modes.every((mode) => mode === 'ReadWriteOnce')
  if (!isOnce || nodes.size !== 1 || node === undefined) return undefined
  return users.every((user) => user.isLost || user.node === undefined)
    ? outOfReach(`is mounted on the node ${node}, which does not answer`)
    : { is: 'on-node', node }
}

const outOfReach = (why: string): ClaimUse => ({ is: 'out-of-reach', why })
