/** The user's own Job manifest, from which the migration's Job is made in place of the web's template. */
import type { Job } from 'kubernetes-types/batch/v1'
import type { PodTemplateSpec } from 'kubernetes-types/core/v1'
import { fail } from '../../failure/failure.js'
import { readManifestFiles } from '../../kubernetes/manifest-files.js'
import { ownImage } from '../../kubernetes/manifests.js'
import type { KubeObject } from '../../kubernetes/objects.js'
import type { Web } from '../../kubernetes/target.js'
import type { ClusterContext } from '../context.js'

/** What takes the place of the web's own. */
export type OwnTemplate = Pick<Web, 'template' | 'container' | 'containers'>

/** Returns the template of "migrate-manifest", if given. Throws a Failure `manifest-invalid`. */
export async function ownTemplate({
  platform,
  settings,
  cluster,
}: Pick<ClusterContext, 'platform' | 'settings' | 'cluster'>): Promise<OwnTemplate | undefined> {
  const path = settings['migrate-manifest']
  if (path === undefined) return undefined
  if (!platform.files.exists(path)) return invalid(`${path}: there is no such file`)
  const [read] = await readManifestFiles(platform, cluster, [path])
  return templateOfJob(read?.objects ?? [], path, settings.image)
}

export function templateOfJob(
  objects: readonly KubeObject[],
  path: string,
  repository: string,
): OwnTemplate {
  const [object] = objects
  if (objects.length !== 1 || object?.apiVersion !== 'batch/v1' || object.kind !== 'Job')
    return invalid(`${path}: "migrate-manifest" needs one Job of batch/v1, and nothing else`)
  const template: PodTemplateSpec | undefined = (object as Job).spec?.template
  const { containers = [], initContainers = [] } = template?.spec ?? {}
  const isOurs = ownImage(repository)
  const isOwn = ({ image }: { readonly image?: string }) => image === undefined || isOurs(image)
  const [main, ...others] = containers.filter(isOwn)
  if (!template || !main || others.length > 0) {
    const found = main ? 'several containers' : 'no container'
    return invalid(
      `${path}: ${found} with the image ${repository}, or without an image: the migration runs in one`,
    )
  }
  // The new image, and the command of the migration, come in their place.
  const { command: _command, args: _args, image: _image, ...kept } = main
  return {
    template: {
      ...template,
      spec: {
        ...template.spec,
        containers: containers.map((one) => (one === main ? kept : one)),
      },
    },
    container: main.name,
    containers: [main.name, ...initContainers.filter(isOwn).map(({ name }) => name)],
  }
}

function invalid(sentence: string): never {
  fail({ code: 'manifest-invalid', sentence })
}
