/** Whether the nodes can run the image: found before it is built, and not by a pod that ends with "exec format error". */
import type { Node } from 'kubernetes-types/core/v1'
import { misplaced, namesIn, platformsIn, runs, type Misplaced } from '../checks/platforms.js'
import type { Subject } from '../checks/subject.js'
import { platformsOf } from '../docker/registry.js'
import { fail } from '../failure/failure.js'
import { nameOf } from '../kubernetes/objects.js'
import { digestsOn } from '../judge/running-digests.js'
import type { ClusterState } from '../judge/types.js'
import { readNodes } from '../rollout/facts.js'
import type { ClusterContext, ReleaseContext } from './context.js'
import type { FoundBuild } from './image.js'

/** The image of the registry that is released, or what it will be built for. */
export type ToRun = Pick<FoundBuild, 'image' | 'platforms'>
export type ImageToRun = () => Promise<ToRun>

interface PlatformsInput {
  readonly subjects: readonly Subject[]
  readonly image: ImageToRun
  readonly clusterState: ClusterState
}

/**
 * Returns a warning where pods may also come to nodes that cannot run the image. Throws a Failure `wrong-platform`
 * where a workload has no other node. Says nothing where the account may not read nodes, or the platform is unknown.
 */
export async function checkPlatforms(
  context: ClusterContext,
  { subjects, image, clusterState }: PlatformsInput,
): Promise<readonly string[]> {
  const { platform, cluster, signal } = context
  const nodes = await readNodes(cluster, platform.clock)
  if (nodes === undefined) return []
  const { image: found, platforms: built } = await image()
  const platforms = found ? await platformsOf(platform, found, signal) : built
  if (!platforms) return []

  const [is, what] = [found ? 'is' : 'will be', platforms.join(' and ')]
  const all = misplaced(subjects, platforms, nodes)
  const [alone, some] = [all.filter(isAlone), all.filter((one) => !isAlone(one))]
  const foreign = nodesOf(alone)
  if (foreign.length > 0 && !(await areEmulating(context, foreign, clusterState))) {
    const wanted = platformsIn(foreign)
    const [first = ''] = wanted
    const sentence = `the image ${is} for ${what}, but all nodes for ${idsOf(alone)} are ${wanted.join(' or ')}`
    // That of a laptop often emulates others, and no pod may have shown it yet.
    if (nodes.length === 1) return [`${sentence}: it only starts if this node emulates it`]
    fail({
      code: 'wrong-platform',
      sentence,
      hint:
        found && context.command !== 'release'
          ? `release an image that is built for ${first}, or add a node of ${what}`
          : `build it for ${first}: set "platforms" to ${first}`,
    })
  }
  if (some.length === 0) return []
  const others = nodesOf(some)
  const wanted = platformsIn(others).join(' and ')
  return [
    `the image ${is} for ${what}, but pods of ${idsOf(some)} may come to nodes of ${wanted} too (${namesIn(others)}): set their nodeSelector to kubernetes.io/os and kubernetes.io/arch of the image`,
  ]
}

function isAlone({ is }: Misplaced): boolean {
  return is === 'all'
}

function nodesOf(all: readonly Misplaced[]): readonly Node[] {
  return [...new Set(all.flatMap(({ nodes }) => nodes))]
}

function idsOf(all: readonly Misplaced[]): string {
  return all.map(({ id }) => id).join(', ')
}

/** Whether Ready pods on these nodes run an image that is for none of them: what emulates it will run the new one too. */
async function areEmulating(
  { platform, settings: { image: repository }, signal }: ReleaseContext,
  nodes: readonly Node[],
  clusterState: ClusterState,
): Promise<boolean> {
  const running = await Promise.all(
    digestsOn(clusterState, repository, nodes.map(nameOf)).map((digest) =>
      platformsOf(platform, { repository, tag: '', digest }, signal),
    ),
  )
  return running.some((its) => its && nodes.every((node) => !runs(node, its)))
}
