/** Which workloads a release concerns, and what prevents their release. Pure. */
import type { Service } from 'kubernetes-types/core/v1'
import { webWorkload, type Candidate, type WebWorkload } from '../django/roles.js'
import { keyOf } from '../kubernetes/apply.js'
import type { Cluster } from '../kubernetes/cluster.js'
import { isImage, parseImage, shortName, versionOf } from '../kubernetes/image.js'
import { titled } from '../kubernetes/manifest-files.js'
import { ownImage, type Manifests } from '../kubernetes/manifests.js'
import {
  containersOf,
  isIgnored,
  isWorkload,
  nameOf,
  takesPart,
  templateOf,
  usesOf,
  usesOfRepository,
  workloadId,
  type ContainerUse,
  type KubeObject,
  type WorkloadObject,
} from '../kubernetes/objects.js'
import { collection } from '../kubernetes/paths.js'
import { idOf } from '../kubernetes/workload.js'
import { closestMatch } from '../options/closest-match.js'
import type { Settings } from '../options/table.js'
import { fail } from '../failure/failure.js'
import type { ClusterState } from '../judge/types.js'
import type { Target, Web } from '../kubernetes/target.js'

/** Renders `web (Deployment, 2 replicas): runs 1f0e…`. */
export function describe({ id, live, running }: Target): string {
  if (!live) return `${idOf(id)}: will be created`
  const { replicas } = live.spec
  const size =
    replicas === undefined ? '' : `, ${replicas} ${replicas === 1 ? 'replica' : 'replicas'}`
  const versions = [...new Set(running.map(versionOf))].join(', ')
  return `${idOf(id)}: runs ${versions}${size}`
}

/** Returns the live workloads that run the repository's image, and those of the manifests. */
export function findTargets(
  clusterState: ClusterState,
  manifests: Manifests,
  repository: string,
  namespace: string,
): readonly Target[] {
  const live = workloadsIn(clusterState)
  const liveById = new Map(live.map((object) => [idOf(workloadId(object)), object]))
  const manifestById = new Map(
    manifests.targets.map((object) => [idOf(workloadId(object)), object]),
  )
  // A manifest with that annotation leaves its workload out: it is applied as it is written.
  const leftOut = manifests.others
    .filter(isWorkload)
    .filter(isIgnored)
    .map((object) => idOf(workloadId(object)))
  const running = live
    .filter((object) => takesPart(object, repository))
    .filter((object) => !leftOut.includes(idOf(workloadId(object))))
  const all = new Map(
    [...running, ...manifests.targets].map((object) => [idOf(workloadId(object)), object]),
  )
  return [...all].map(([key, object]) => {
    const id = workloadId(object)
    const now = liveById.get(key)
    const manifest = manifestById.get(key)
    const plural = `${id.kind.toLowerCase()}s`
    const apiVersion = id.kind === 'CronJob' ? 'batch/v1' : 'apps/v1'
    const uses = manifest
      ? usesOf(templateOf(manifest), ownImage(repository))
      : usesOfRepository(object, repository)
    return {
      id,
      path: `${collection(apiVersion, namespace, plural)}/${id.name}`,
      uses,
      running: imagesIn(now, uses),
      ...(now && { live: now }),
      ...(manifest && { manifest }),
    }
  })
}

export function workloadsIn(clusterState: ClusterState): readonly WorkloadObject[] {
  return [
    ...clusterState.deployments.values(),
    ...clusterState.statefulsets.values(),
    ...clusterState.daemonsets.values(),
    ...clusterState.cronjobs.values(),
  ].filter((object): object is WorkloadObject & typeof object => isWorkload(object as KubeObject))
}

/**
 * Throws a Failure `manifest-invalid` for a manifest that would take the released image from a workload that runs
 * it (a placeholder that was not filled in, the name before a move to another registry), and for one whose image
 * name is invalid: its pods would not start.
 */
export function checkImages(
  cluster: Cluster,
  clusterState: ClusterState,
  { targets, others, jobs, files }: Manifests,
  repository: string,
): void {
  const isOwnImage = ownImage(repository)
  const liveById = new Map(
    workloadsIn(clusterState).map((object) => [idOf(workloadId(object)), object]),
  )
  const all = [...targets, ...others, ...jobs].filter((object) => !isIgnored(object))
  for (const object of all) {
    const file = files.get(keyOf(object)) ?? 'manifests'
    const write = `set "image: ${shortName(repository)}" there: the release fills in its version`
    const containers = containersOf(object)
    if (isWorkload(object)) {
      const id = idOf(workloadId(object))
      const live = liveById.get(id)
      const running = live && takesPart(live, repository) ? usesOfRepository(live, repository) : []
      const none = !containers.some(({ image }) => isOwnImage(image ?? ''))
      const ranOwnImage = (name: string) => running.some((one) => one.name === name)
      const foreign = containers.filter(({ image }) => !isOwnImage(image ?? ''))
      // An init container may come first: the file has lost the container that runs the image now.
      const lost = foreign.find(({ name }) => ranOwnImage(name)) ?? (none ? foreign[0] : undefined)
      const was = running.find(({ name }) => name === lost?.name) ?? running[0]
      if (lost && was) {
        const { name } = lost
        const image = lost.image ?? ''
        const named = image ? `names the image ${image}` : 'names no image'
        const byHand = cluster.commandLine(['set', 'image', id, `${name}=${image}`])
        fail({
          code: 'manifest-invalid',
          sentence: `${file}: ${titled(object)}: container ${name} ${named}, but ${id} runs ${was.image}`,
          hint: isImage(image)
            ? `${write}. If ${image} is correct, set it before the release: ${byHand}`
            : write,
          workload: nameOf(object),
        })
      }
    }
    const wrong = containers.find(({ image }) => image && !isOwnImage(image) && !isImage(image))
    if (wrong) {
      fail({
        code: 'manifest-invalid',
        sentence: `${file}: ${titled(object)}: container ${wrong.name} names the image ${wrong.image}, which is not a valid image name`,
        hint: `replace the placeholder before the release, or ${write}`,
      })
    }
  }
}

/** Returns the images of these containers in the live template; none where they are not in it. */
export function imagesIn(
  live: WorkloadObject | undefined,
  uses: readonly ContainerUse[],
): readonly string[] {
  const all = live ? usesOf(templateOf(live), () => true) : []
  return uses.flatMap(({ name }) => {
    const image = all.find((one) => one.name === name)?.image
    return image === undefined ? [] : [image]
  })
}

/** Returns what serves the web; throws a Failure `usage` when the user has to name it. */
export function findWeb(
  targets: readonly Target[],
  services: readonly Service[],
  named: string | undefined,
): Web {
  const web = look(targets, services, named)
  if (web.is === 'found') return { ...web.candidate, container: web.container }
  const all = web.candidates.join(', ')
  return fail({
    code: 'usage',
    sentence: {
      'no-such-name': `"migrate-from" names ${named ?? ''}, which is not a workload of this release: ${all}`,
      several: `several workloads may serve the web: ${all}`,
      none: 'no workload of this release serves the web, as far as its containers show',
    }[web.because],
    hint: `set it, for example migrate-from: ${web.candidates[0] ?? 'deployment/web'} (the migration gets its environment, and "smoke-path" is requested from it)`,
  })
}

/** Returns the same where it is useful, but not required. */
export function guessWeb(
  targets: readonly Target[],
  services: readonly Service[],
): Web | undefined {
  const web = look(targets, services, undefined)
  return web.is === 'found' ? { ...web.candidate, container: web.container } : undefined
}

function look(
  targets: readonly Target[],
  services: readonly Service[],
  named: string | undefined,
): WebWorkload {
  const candidates = targets.flatMap(({ id, uses, live, manifest }): readonly Candidate[] => {
    const object = manifest ?? live
    if (!object) return []
    const containers = uses.map(({ name }) => name)
    return [{ workload: id, template: templateOf(object), containers }]
  })
  return webWorkload(candidates, services, named)
}

/** Throws a Failure `no-workload` that names what exists instead, and what was perhaps meant. */
export function noWorkload(
  clusterState: ClusterState,
  repository: string,
  namespace: string,
): never {
  const all = [...clusterState.deployments.values(), ...clusterState.statefulsets.values()].map(
    (object) => {
      const uses = usesOf(object.spec?.template ?? {}, () => true)
      const images = [...new Set(uses.map(({ image }) => parseImage(image).repository))]
      return { name: object.metadata?.name ?? '', images }
    },
  )
  const others = all.map(({ name, images }) => `${name} (${images.join(', ')})`)
  const there =
    others.length === 0 ? 'it has no workloads' : `it has ${others.slice(0, 5).join(', ')}`
  const near = closestMatch(
    repository,
    all.flatMap(({ images }) => images),
  )
  const meant = near === undefined ? '' : `did you mean image: ${near}? Else `
  fail({
    code: 'no-workload',
    sentence: `no workload in the namespace "${namespace}" runs ${repository}; ${there}`,
    hint: `${meant}check the options image and namespace. For a first deploy set "manifests" (a container with "image: ${shortName(repository)}" gets the new image)`,
  })
}

/** Throws for a paused Deployment: it takes a new template and never rolls it out. */
export function checkFit(targets: readonly Target[]): void {
  const paused = targets.find(({ live }) => live?.spec.paused)
  if (paused) {
    fail({
      code: 'workload-unfit',
      sentence: `${idOf(paused.id)} is paused, so a new version would never roll out`,
      hint: `kubectl rollout resume ${idOf(paused.id)}`,
      workload: paused.id.name,
    })
  }
}

/** Returns the web, which must be known for a migration, a command and a smoke request. */
export function webOf(
  settings: Settings,
  targets: readonly Target[],
  services: readonly Service[],
): Web | undefined {
  const needed =
    settings['migrate-command'] !== '' ||
    settings['smoke-path'] !== undefined ||
    settings['before-rollout'].length + settings['after-rollout'].length > 0
  return needed ? findWeb(targets, services, settings['migrate-from']) : guessWeb(targets, services)
}
