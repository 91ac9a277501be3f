/** A namespace in which workloads run well and are about to be released, each time a fresh one. */
import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Site } from '../e2e/site.js'
import { kubectl, must, run, stack } from '../e2e/stack.js'
import type { Images } from '../faults/images.js'
import { makePlace } from '../faults/place.js'
import { workload, type Shape } from '../faults/workload.js'
import type { Case } from './cases.js'

export interface Bed {
  readonly namespace: string
  /** A folder for what the tools write. */
  readonly home: string
  /** Of the account that all tools have. */
  readonly token: string
  /** Names of the Deployments, and of the one container in each. */
  readonly names: readonly string[]
  readonly repository: string
  /** The image that runs now. */
  readonly image: string
  /** Manifests as JSON, with IMAGE where the image stands: what runs, and what the release changes in it. */
  readonly manifests: { readonly now: string; readonly changed?: string }
  remove(): Promise<void>
}

export async function makeBed(one: Case, images: Images): Promise<Bed> {
  const image = images.pinned.before
  if (one.is === 'healthy') {
    const site = await Site.make(`b-${one.name}`)
    const names = Array.from({ length: one.workloads }, (_, i) =>
      one.workloads === 1 ? 'web' : `web-${i + 1}`,
    )
    const now = list(...names.map((name) => named(name, one.shape)))
    const remove = () => site.remove()
    try {
      const args = ['-n', site.namespace, 'apply', '-f', '-']
      await must('kubectl', args, { env: stack.env, input: now.replaceAll('IMAGE', image) })
      return await bedOf(site, { names, image, manifests: { now }, images, remove })
    } catch (error) {
      await remove()
      throw error
    }
  }
  const { always = {}, change } = one.fault
  const place = await makePlace(one.fault, images)
  const remove = () => place.remove()
  try {
    const now = list(named('web', always))
    const changed = change && list(named('web', always, change))
    const manifests = { now, ...(changed !== undefined && { changed }) }
    return await bedOf(place.site, { names: ['web'], image, manifests, images, remove })
  } catch (error) {
    await remove()
    throw error
  }
}

/** Waits for namespaces that are on their way out; one that takes its time is no reason to lose the figures. */
export async function gone(left: string[]): Promise<void> {
  for (const name of left.splice(0)) {
    const args = ['wait', '--for=delete', `namespace/${name}`, '--timeout=180s']
    await run('kubectl', args, { env: stack.env })
  }
}

async function bedOf(
  site: Site,
  given: Pick<Bed, 'names' | 'image' | 'manifests' | 'remove'> & { readonly images: Images },
): Promise<Bed> {
  const { namespace, folder } = site
  const inside = (...args: readonly string[]) => kubectl('-n', namespace, ...args)
  const { images, ...rest } = given
  const { repository } = images
  // helm keeps its releases in Secrets, which the account of examples/rbac.yaml may not list.
  const account = `--serviceaccount=${namespace}:django-rollout`
  await inside('create', 'rolebinding', 'bench', '--clusterrole=edit', account)
  const token = await inside('create', 'token', 'django-rollout', '--duration=1h')
  return { ...rest, namespace, home: dirname(folder), token: token.trim(), repository }
}

/** The catalogue's workload under another name. */
function named(name: string, ...shapes: readonly Shape[]): object {
  const text = JSON.stringify(workload('IMAGE', ...shapes))
    .replaceAll('"web"', `"${name}"`)
    .replaceAll('IMAGE-BESIDE', `${stack.registry}/library/python`)
  return JSON.parse(text) as object
}

function list(...items: readonly object[]): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
}

/** Writes manifests to a file of their own folder, with this text for the image; the folder's path. */
export async function writeManifests(
  { home }: Bed,
  manifests: string,
  image: string,
): Promise<string> {
  const folder = join(home, `manifests-${Math.random().toString(36).slice(2)}`)
  await must('mkdir', [folder])
  await writeFile(join(folder, 'workloads.json'), manifests.replaceAll('IMAGE', image))
  return folder
}
