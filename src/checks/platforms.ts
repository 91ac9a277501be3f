/** Which nodes the scheduler may give the pods of a workload, and which of them cannot run the image. Pure. */
import type {
  Node,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PodSpec,
} from 'kubernetes-types/core/v1'
import { firstOf } from '../judge/words.js'
import { nameOf, templateOf } from '../kubernetes/objects.js'
import { matches } from '../kubernetes/policies.js'
import type { Subject } from './subject.js'

/** A workload whose pods may come to nodes that cannot run the image. */
export interface Misplaced {
  readonly id: string
  /** `all`: its labels leave it no other node. */
  readonly is: 'all' | 'some'
  readonly nodes: readonly Node[]
}

/**
 * Returns the workloads whose pods may come to a node that is of none of these platforms. A workload without any node
 * is none of them: one that fits may be added. A taint keeps pods from a node that is foreign, but takes away none that
 * fits: a webhook may let them tolerate it, and many a taint passes.
 */
export function misplaced(
  subjects: readonly Subject[],
  platforms: readonly string[],
  nodes: readonly Node[],
): readonly Misplaced[] {
  return subjects.flatMap(({ id, object }): readonly Misplaced[] => {
    const pod = templateOf(object).spec
    const chosen = nodes.filter((node) => isChosen(node, pod))
    const foreign = chosen.filter((node) => !runs(node, platforms))
    const open = foreign.filter((node) => isTolerated(node, pod))
    if (open.length === 0) return []
    return [{ id, is: foreign.length === chosen.length ? 'all' : 'some', nodes: open }]
  })
}

/** Returns whether a node runs images of one of these platforms. One that does not say what it is counts as one that does. */
export function runs({ metadata }: Node, platforms: readonly string[]): boolean {
  return platforms.map(partsOf).some(({ os, arch }) => {
    const { [osLabel]: ofNode = os, [archLabel]: its = arch } = metadata?.labels ?? {}
    return ofNode === os && (its === arch || alsoRuns[its] === arch)
  })
}

/** Returns the platforms of nodes: `linux/arm64`. */
export function platformsIn(nodes: readonly Node[]): readonly string[] {
  const all = nodes.map(({ metadata }) => {
    const { [osLabel]: os = 'linux', [archLabel]: arch = '' } = metadata?.labels ?? {}
    return `${os}/${arch}`
  })
  return [...new Set(all)].sort()
}

/** Renders at most three names: `a, b, c and 2 more`. */
export function namesIn(nodes: readonly Node[]): string {
  return firstOf(nodes.map(nameOf).sort(), 3)
}

/** The kubelet sets these two of each node. */
const osLabel = 'kubernetes.io/os'
const archLabel = 'kubernetes.io/arch'

/** Empty: not named. */
interface Parts {
  readonly os: string
  readonly arch: string
}

/** Docker takes a platform also in the words of uname, without its system, and with a variant (`linux/arm64/v8`). */
function partsOf(platform: string): Parts {
  const parts = platform.toLowerCase().split('/')
  const [os = '', arch = ''] = parts.length === 1 ? ['linux', ...parts] : parts
  return { os, arch: otherNames[arch] ?? arch }
}

const otherNames: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  'x86-64': 'amd64',
  aarch64: 'arm64',
  i386: '386',
  armhf: 'arm',
  armel: 'arm',
}

/** Processors that also run programs of an older kind. */
const alsoRuns: Readonly<Record<string, string>> = { amd64: '386', arm64: 'arm' }

/** Whether it takes pods, and these by its labels. */
function isChosen(node: Node, { nodeSelector = {}, affinity }: Partial<PodSpec> = {}): boolean {
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  return (
    !node.spec?.unschedulable &&
    matches({ matchLabels: nodeSelector }, node.metadata?.labels ?? {}) &&
    (!required || required.nodeSelectorTerms.some((term) => meets(node, term)))
  )
}

/** An empty term matches no node. */
function meets(node: Node, { matchExpressions = [], matchFields = [] }: NodeSelectorTerm): boolean {
  const fields = { 'metadata.name': nameOf(node) }
  return (
    matchExpressions.length + matchFields.length > 0 &&
    matchExpressions.every((one) => holds(one, node.metadata?.labels ?? {})) &&
    matchFields.every((one) => holds(one, fields))
  )
}

function holds(
  { key, operator, values = [] }: NodeSelectorRequirement,
  own: Readonly<Record<string, string>>,
): boolean {
  // NaN, of a label that is missing or no number, is neither more nor less.
  const [value, limit] = [Number(own[key] ?? NaN), Number(values[0])]
  if (operator === 'Gt') return value > limit
  if (operator === 'Lt') return value < limit
  return matches({ matchExpressions: [{ key, operator, values }] }, own)
}

/** https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/ */
function isTolerated({ spec }: Node, { tolerations = [] }: Partial<PodSpec> = {}): boolean {
  return (spec?.taints ?? []).every(
    ({ key, value = '', effect }) =>
      effect === 'PreferNoSchedule' ||
      tolerations.some(
        (one) =>
          (!one.effect || one.effect === effect) &&
          (one.operator === 'Exists'
            ? !one.key || one.key === key
            : one.key === key && (one.value ?? '') === value),
      ),
  )
}
