/** The user's manifests: read from files, folders and kustomizations, with our image put in. */
import { parseAllDocuments, type Document, type Tags } from 'yaml'
import { fail } from '../failure/failure.js'
import type { Platform } from '../platform/platform.js'
import { expandAliases } from './aliases.js'
import { keyOf } from './apply.js'
import type { Cluster } from './cluster.js'
import { isOfRepository, parseImage, shortName } from './image.js'
import {
  containersOf,
  isIgnored,
  isWorkload,
  nameOf,
  templateOf,
  usesOf,
  withImage,
  withTemplate,
  type KubeObject,
  type WorkloadObject,
} from './objects.js'
import { isKept } from './managed.js'
import { isNamespace, outside } from './paths.js'
import { messageOf } from '../platform/error-message.js'

export interface Manifests {
  /** Workloads that run our image, as written (their images are put in when the digest is known). */
  readonly targets: readonly WorkloadObject[]
  /** Everything else: ConfigMaps, Services, databases… */
  readonly others: readonly KubeObject[]
  /** Jobs that run our image: each release runs them again. */
  readonly jobs: readonly KubeObject[]
  /** The release's own namespace: created if it is missing, and never removed. */
  readonly namespace?: KubeObject
  /** The file that each object was read from, by its `keyOf`. */
  readonly files: ReadonlyMap<string, string>
}

export const noManifests: Manifests = { targets: [], others: [], jobs: [], files: new Map() }

/** Cluster-scoped kinds: a release neither creates nor removes them. */
const clusterWide = ['Namespace', 'ClusterRole', 'ClusterRoleBinding', 'CustomResourceDefinition']

/** Reads all manifests; throws a Failure `manifest-invalid` that names file, place and error. */
export async function readManifests(
  platform: Platform,
  cluster: Cluster,
  paths: readonly string[],
  repository: string,
): Promise<Manifests> {
  const read = (await Promise.all(paths.map((path) => readPath(platform, cluster, path)))).flat()
  const files = new Map<string, string>()
  for (const { file, object } of read) {
    check(object, file, cluster.namespace)
    const key = keyOf(object)
    if (files.has(key)) invalid(`${titled(object)} is in the manifests twice`)
    files.set(key, file)
  }
  const objects = read.map(({ object }) => object)
  const namespace = objects.find((object) => isNamespace(object, cluster.namespace))
  const isOurs = ownImage(repository)
  const targets = objects
    .filter(isWorkload)
    .filter((object) => !isIgnored(object))
    .filter((object) => usesOf(templateOf(object), isOurs).length > 0)
  const jobs = objects.filter((object) => isJobOf(object, isOurs))
  const taken: readonly (KubeObject | undefined)[] = [...targets, ...jobs, namespace]
  const others = objects.filter((object) => !taken.includes(object))
  return { targets: targets, others, jobs, files, ...(namespace && { namespace }) }
}

/** A suspended Job waits for a person, and is applied as it is written. */
function isJobOf(object: KubeObject, isOurs: (image: string) => boolean): boolean {
  const { apiVersion, kind } = object
  return (
    apiVersion === 'batch/v1' &&
    kind === 'Job' &&
    !isIgnored(object) &&
    (object.spec as { suspend?: unknown } | null | undefined)?.suspend !== true &&
    containersOf(object).some(({ image }) => isOurs(image ?? ''))
  )
}

/**
 * Returns whether a container of a manifest runs our image: it names the repository, with any tag, or just its last part
 * (`image: shop` for ghcr.io/acme/shop), so that manifests need not name a registry.
 */
export function ownImage(repository: string): (image: string) => boolean {
  return (image) =>
    isOfRepository(image, repository) || parseImage(image).repository === shortName(repository)
}

/** Returns a workload's manifest with the released image. */
export function prepared(
  manifest: WorkloadObject,
  repository: string,
  image: string,
): WorkloadObject {
  return withTemplate(manifest, withImage(templateOf(manifest), ownImage(repository), image))
}

const kustomizations = ['kustomization.yaml', 'kustomization.yml', 'Kustomization']

interface Read {
  readonly file: string
  readonly object: KubeObject
}

async function readPath(
  platform: Platform,
  cluster: Cluster,
  path: string,
): Promise<readonly Read[]> {
  const from = (file: string, text: string) =>
    parseManifest(text, file).map((object) => ({ file, object }))
  if (!platform.files.exists(path)) {
    invalid(`manifests: no such file or folder: "${path}"`)
  }
  if (!platform.files.isFolder(path)) {
    return from(path, (await platform.files.read(path)) ?? '')
  }
  const names = await platform.files.list(path)
  if (names.some((name) => kustomizations.includes(name))) {
    const built = await cluster.kustomize(path)
    if (built.code !== 0) invalid(`manifests: kubectl kustomize ${path}: ${built.stderr.trim()}`)
    return from(path, built.stdout)
  }
  const files = names.filter((name) => /\.(ya?ml|json)$/.test(name))
  if (files.length === 0)
    invalid(`manifests: the folder "${path}" has no .yaml, .yml or .json file`)
  const read = await Promise.all(
    files.map(async (name) => {
      const file = `${path.replace(/\/$/, '')}/${name}`
      return from(file, (await platform.files.read(file)) ?? '')
    }),
  )
  return read.flat()
}

/**
 * Numbers and words mean what they mean to kubectl, which reads YAML 1.1 but for its times: `0644` is octal,
 * `yes` is true and `1:30` is a text. https://pkg.go.dev/sigs.k8s.io/yaml
 */
const asKubectl = {
  version: '1.1',
  stringKeys: true,
  customTags: (tags: Tags): Tags => [
    ...tags.filter(
      (tag) =>
        typeof tag === 'string' ||
        (tag.format !== 'TIME' && tag.tag !== 'tag:yaml.org,2002:timestamp'),
    ),
    'intOct',
  ],
} as const

/** Returns the objects of one YAML or JSON text; Lists are expanded. */
export function parseManifest(text: string, file: string): readonly KubeObject[] {
  return parseAllDocuments(text, asKubectl).flatMap((document) => {
    const [error] = document.errors
    if (error) {
      const line = error.linePos?.[0].line
      const where = line === undefined ? file : `${file}:${line}`
      // Brackets of a template are read as keys that are mappings.
      if (error.message.startsWith('With stringKeys')) {
        invalid(
          `${where}: a key is not a string`,
          'render a template first, for example with helm template',
        )
      }
      invalid(`${where}: ${firstLine(error.message).replace(/ at line \d+, column \d+:$/, '')}`)
    }
    const read = plain(document, file)
    if (read === null) return []
    const opened = isObject(read) && read.kind === 'List' ? (read.items ?? []) : [read]
    if (!Array.isArray(opened)) invalid(`${file}: a List has no items`)
    return opened.map((object: unknown) => {
      if (!isObject(object)) {
        invalid(`${file}: a document is not an object with apiVersion and kind`)
      }
      const { apiVersion, kind, metadata } = object
      if (typeof apiVersion !== 'string' || typeof kind !== 'string') {
        invalid(`${file}: an object has no apiVersion or no kind`)
      }
      if (!metadata?.name) {
        const generates = metadata?.generateName !== undefined
        const hint = 'set metadata.name: kubectl apply does not support generateName'
        invalid(`${file}: a ${kind} has no metadata.name`, generates ? hint : undefined)
      }
      if (typeof (metadata.name as unknown) !== 'string') {
        invalid(`${file}: a ${kind} has a metadata.name that is not a string`)
      }
      if (isWorkload(object)) checkContainers(object, file)
      return object
    })
  })
}

/** Only now an unknown alias or an expansion bomb is detected. */
function plain(document: Document.Parsed, file: string): unknown {
  const problem = expandAliases(document)
  if (problem !== undefined) invalid(`${file}: ${problem}`)
  try {
    return document.toJS() as unknown
  } catch (error) {
    return invalid(`${file}: ${firstLine(messageOf(error))}`)
  }
}

function isObject(value: unknown): value is KubeObject & { readonly items?: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Checks the shape of what is read before the server has validated it. */
function checkContainers(object: WorkloadObject, file: string): void {
  const { spec } = templateOf(object)
  const where = `${file}: ${object.kind} "${nameOf(object)}"`
  for (const field of ['containers', 'initContainers'] as const) {
    const all: unknown = spec?.[field] ?? []
    if (!Array.isArray(all) || !all.every(isObject)) {
      invalid(`${where}: ${field} is not a list of containers`)
    }
    for (const { image } of all as { readonly image?: unknown }[]) {
      if (typeof (image ?? '') !== 'string') {
        invalid(`${where}: the image of a container is not a string`)
      }
    }
  }
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? ''
}

function check(object: KubeObject, file: string, namespace: string): void {
  const name = titled(object)
  // An apply would overwrite the record of its own release, and the record's reader refuses such an object.
  if (isKept(object)) {
    invalid(
      `${file}: ${name} has a name that is reserved for the lock, record and history of django-rollout`,
      'rename it, or remove it from the manifests: the name of a ConfigMap, Secret or Lease must not start with django-rollout-',
    )
  }
  if (clusterWide.includes(object.kind ?? '') && !isNamespace(object, namespace)) outside(object)
  const own = object.metadata?.namespace
  if (own !== undefined && own !== namespace) {
    invalid(
      `${name} names the namespace "${own}", but the release goes to "${namespace}"`,
      'remove metadata.namespace from the manifests',
    )
  }
}

/** `Deployment "web"` */
export function titled(object: KubeObject): string {
  return `${object.kind} "${nameOf(object)}"`
}

function invalid(sentence: string, hint?: string): never {
  fail({ code: 'manifest-invalid', sentence, ...(hint !== undefined && { hint }) })
}
