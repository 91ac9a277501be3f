/** Whether the pods run what was tested: a template names it by its digest, but admission may set another one in pods. */
import type { Image } from '../docker/image.js'
import { otherImages } from '../docker/registry.js'
import { fail } from '../failure/failure.js'
import { otherDigests } from '../judge/running-digests.js'
import type { ClusterState, DesiredWorkload } from '../judge/types.js'
import type { ReleaseContext } from './context.js'

export interface RunningInput {
  readonly clusterState: ClusterState
  readonly desiredWorkloads: readonly DesiredWorkload[]
  readonly image: Image
}

/**
 * Throws a Failure `wrong-image` where a Ready pod runs another image of the repository. Two digests may be one image (an
 * index and the manifest of a platform, the same content pushed twice), and a node that has both names any of them: the
 * registry decides. Where it does not show it, nothing is said.
 */
export async function checkRunningImage(
  { platform, signal }: ReleaseContext,
  { clusterState, desiredWorkloads, image }: RunningInput,
): Promise<void> {
  const others = otherDigests(clusterState, desiredWorkloads, image)
  const digests = [...new Set(others.map(({ digest }) => digest))]
  const [wrong] = await otherImages(platform, image, digests, signal)
  const other = others.find(({ digest }) => digest === wrong)
  if (!other) return
  const { workload, pod, container, digest } = other
  fail({
    code: 'wrong-image',
    sentence: `${workload} runs ${digest.slice(0, 19)} and not what was tested (${image.digest.slice(0, 19)})`,
    hint: 'a webhook may set the images of pods; to list them: kubectl get mutatingwebhookconfigurations',
    workload,
    pod,
    container,
  })
}
