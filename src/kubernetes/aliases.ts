/** The aliases of a YAML document, as kubectl reads them. Pure. */
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Alias,
  type Document,
  type Node,
  type Pair,
} from 'yaml'

/**
 * Puts into the place of each alias what it names. Returns what is wrong with the aliases, if anything; then the
 * document is as it was.
 *
 * `yaml` refuses more than a hundred uses of one anchor, which a manifest may well have. kubectl refuses a
 * document by the part of it that comes of aliases: https://github.com/yaml/go-yaml/blob/v2/decode.go
 */
export function expandAliases(document: Document.Parsed): string | undefined {
  const targets = new Targets()
  const problem = targets.find(document.contents)
  if (problem !== undefined) return problem
  if (targets.of.size === 0) return undefined
  if (new Expansion(targets.of).isExcessive(document.contents))
    return 'the aliases of a document expand to more than kubectl accepts'
  replace(document.contents, targets.of)
  return undefined
}

type Parsed = Node | null | undefined

/** The parts of a node, in the order of the document. */
function partsOf(node: Parsed): readonly Parsed[] {
  if (isMap<Node, Node>(node)) return node.items.flatMap(({ key, value }) => [key, value])
  return isSeq<Node>(node) ? node.items : []
}

/** Finds the node that each alias names: the last one before it with that anchor. */
class Targets {
  readonly of = new Map<Alias, Node>()
  readonly #named = new Map<string, Node>()
  readonly #open = new Set<Node>()

  find(node: Parsed): string | undefined {
    if (!node) return undefined
    if (isAlias(node)) return this.#resolve(node)
    const { anchor } = node as { readonly anchor?: string }
    if (anchor !== undefined) this.#named.set(anchor, node)
    this.#open.add(node)
    for (const part of partsOf(node)) {
      const problem = this.find(part)
      if (problem !== undefined) return problem
    }
    this.#open.delete(node)
    return undefined
  }

  #resolve(alias: Alias): string | undefined {
    const target = this.#named.get(alias.source)
    if (!target) return `Unresolved alias: there is no anchor "${alias.source}" before it`
    if (this.#open.has(target)) return `the value of the anchor "${alias.source}" contains itself`
    this.of.set(alias, target)
    return undefined
  }
}

/** Counts as go-yaml does when it decodes. */
class Expansion {
  #decoded = 1
  #byAlias = 0

  constructor(private readonly targets: ReadonlyMap<Alias, Node>) {}

  isExcessive(node: Parsed, isInside = false): boolean {
    this.#decoded += 1
    if (isInside) this.#byAlias += 1
    if (this.#isOver()) return true
    if (isAlias(node)) return this.isExcessive(this.targets.get(node), true)
    if (isMap<Node, Node>(node)) return node.items.some((pair) => this.#isPair(pair, isInside))
    return partsOf(node).some((part) => this.isExcessive(part, isInside))
  }

  #isPair({ key, value }: Pair<Node, Node>, isInside: boolean): boolean {
    const isMerge = isScalar(key) && key.value === '<<'
    return (!isMerge && this.isExcessive(key, isInside)) || this.isExcessive(value, isInside)
  }

  #isOver(): boolean {
    const [decoded, byAlias] = [this.#decoded, this.#byAlias]
    return byAlias > 100 && decoded > 1_000 && byAlias / decoded > allowedPart(decoded)
  }
}

/** 99 % of a document of ordinary size, and 10 % of the largest. */
function allowedPart(decoded: number): number {
  const [low, high] = [400_000, 4_000_000]
  if (decoded <= low) return 0.99
  if (decoded >= high) return 0.1
  return 0.99 - (0.89 * (decoded - low)) / (high - low)
}

function replace(node: Parsed, targets: ReadonlyMap<Alias, Node>): void {
  const put = (part: Node | null): Node | null => {
    if (isAlias(part)) return targets.get(part) ?? part
    replace(part, targets)
    return part
  }
  if (isMap<Node, Node | null>(node))
    for (const pair of node.items) {
      pair.key = put(pair.key) ?? pair.key
      pair.value = put(pair.value)
    }
  if (isSeq<Node | null>(node)) node.items = node.items.map(put)
}
