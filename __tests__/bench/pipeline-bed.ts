/** A namespace in which the shop runs, and the git copy of the shop that is released into it round by round. */
import { catalogMigration, Site, type Changes } from '../e2e/site.js'
import { acceptManifests, kubectl, kubectlJson, must, run, stack } from '../e2e/stack.js'
import { until } from '../e2e/until.js'
import type { Side } from './pipeline-figures.js'
import type { Pipeline } from './pipelines.js'

export interface PipelineBed {
  readonly side: Side
  readonly site: Site
  /** Of the image that runs. */
  image: ImageInRegistry
  /** Of the catalog, the last one. */
  migration: string
}

/** Its layers are digests of their content, the base image's first. */
export interface ImageInRegistry {
  readonly digest: string
  readonly layers: readonly string[]
}

/** Pods as far as they show which image they run, and whether all is at rest. */
export interface Pods {
  readonly items: readonly {
    readonly metadata: { readonly name: string; readonly deletionTimestamp?: string }
    readonly status: {
      readonly containerStatuses?: readonly { readonly ready: boolean; readonly imageID: string }[]
    }
  }[]
}

/** The first release is the same on both sides, so that database, images and nodes are alike. */
export async function makePipelineBed(side: Side): Promise<PipelineBed> {
  const site = await Site.make(side === 'script' ? 'by-script' : 'by-release')
  try {
    // No Job of the sample's comes in between.
    const tag = await site.commit('Expire orders once a year', {
      'k8s/cronjob.yaml': (old) => old.replace('*/10 * * * *', '0 0 1 1 *'),
    })
    const { code, output } = await site.release({ version: tag, bake: '0' })
    if (code !== 0) throw new Error(`the first release of the shop ended with ${code}:\n${output}`)
    const image = await imageInRegistry(site, tag)
    return { side, site, image, migration: '0002_product_weight_grams' }
  } catch (error) {
    await site.remove()
    throw error
  }
}

/** A commit with content that no build has seen. */
export async function commitTo(
  bed: PipelineBed,
  { name, migrates }: Pipeline,
  round: number,
): Promise<string> {
  const { site, migration: last } = bed
  const text = `${site.namespace} ${name} ${round + 1}`
  const changes: Changes = { 'shop/revision.txt': `${text}\n` }
  if (!migrates) return site.commit(text, changes)
  const number = Number(last.slice(0, 4)) + 1
  const field = `note_${number}`
  const column = 'models.TextField(null=True)'
  bed.migration = `${String(number).padStart(4, '0')}_${field}`
  return site.commit(text, {
    ...changes,
    ...catalogMigration(
      bed.migration,
      last,
      `migrations.AddField("product", "${field}", ${column})`,
    ),
    'catalog/models.py': (old) => old.replace(/^( +)stock = /m, `$1${field} = ${column}\n$&`),
  })
}

export async function imageInRegistry({ image }: Site, tag: string): Promise<ImageInRegistry> {
  const [, types = ''] = acceptManifests.split(': ')
  const path = image.slice(stack.registry.length + 1)
  const url = (what: string) => `http://${stack.registry}/v2/${path}/${what}`
  const found = await fetch(url(`manifests/${tag}`), { headers: { accept: types } })
  if (!found.ok) throw new Error(`the registry has no ${image}:${tag}: ${found.status}`)
  const digest = found.headers.get('docker-content-digest')
  if (digest === null) throw new Error(`the registry names no digest of ${image}:${tag}`)
  const { config } = (await found.json()) as { config: { digest: string } }
  const blob = await fetch(url(`blobs/${config.digest}`))
  const { rootfs } = (await blob.json()) as { rootfs: { diff_ids: readonly string[] } }
  return { digest, layers: rootfs.diff_ids }
}

/** Nothing starts or ends in the namespaces, and no Job of an earlier round is left. */
export async function atRest(beds: readonly PipelineBed[]): Promise<void> {
  for (const { site } of beds) await kubectl('-n', site.namespace, 'delete', 'jobs', '--all')
  await until('the namespaces at rest', async () => {
    const lists = await Promise.all(
      beds.map(({ site }) => kubectlJson<Pods>('-n', site.namespace, 'get', 'pods')),
    )
    return lists
      .flatMap(({ items }) => items)
      .every(
        ({ metadata, status }) =>
          !metadata.deletionTimestamp && status.containerStatuses?.every(({ ready }) => ready),
      )
  })
}

/** Leaves the engine as that of a new runner: it has base images alone. */
export async function forgetLayers(beds: readonly PipelineBed[]): Promise<void> {
  for (const { site } of beds) await removeImages(site)
  await must('docker', ['builder', 'prune', '--all', '--force'], { env: stack.env })
}

async function removeImages({ image }: Site): Promise<void> {
  const names = ['image', 'ls', '--format', '{{.Repository}}:{{.Tag}}', image]
  const images = (await must('docker', names, { env: stack.env })).split('\n').filter(Boolean)
  if (images.length > 0) await must('docker', ['image', 'rm', ...images], { env: stack.env })
}

/** Also what a script has left that was interrupted, and the images in the engine. */
export async function removePipelineBed({ site }: PipelineBed): Promise<void> {
  const docker = (...args: readonly string[]) => run('docker', args, { env: stack.env })
  const box = `${site.namespace}-test`
  await docker('rm', '--force', '--volumes', `${box}-postgres`, `${box}-redis`)
  await docker('network', 'rm', box)
  await removeImages(site)
  await site.remove()
}
