/**
 * The objects of files, folders and kustomizations. kubectl reads them: what `kubectl apply` takes is taken, and means the
 * same. Only what it refuses is read here, for a sentence with the line.
 */
import { parseAllDocuments } from 'yaml'
import { fail } from '../failure/failure.js'
import { messageOf } from '../platform/error-message.js'
import type { Platform } from '../platform/platform.js'
import type { Cluster } from './cluster.js'
import { isWorkload, nameOf, templateOf, type KubeObject, type WorkloadObject } from './objects.js'

export interface ManifestFile {
  /** As the user wrote it; of a kustomization its folder. */
  readonly file: string
  readonly objects: readonly KubeObject[]
}

/** Reads all files, in their order. Throws a Failure `manifest-invalid` that names file, place and error. */
export async function readManifestFiles(
  platform: Platform,
  cluster: Cluster,
  paths: readonly string[],
): Promise<readonly ManifestFile[]> {
  const sources = (
    await Promise.all(paths.map((path) => sourcesOf(platform, cluster, path)))
  ).flat()
  if (sources.length === 0) return []
  const folder = await platform.files.privateFolder()
  try {
    const parts = await Promise.all(
      sources.map(async ({ file, built }, index) => {
        if (built === undefined) return { file, path: file }
        const path = `${folder}/${index}.yaml`
        await platform.files.writePrivate(path, built)
        return { file, path }
      }),
    )
    const end = `${folder}/end.json`
    await platform.files.writePrivate(end, JSON.stringify(endOfFile))
    const done = await cluster.printFiles(parts.flatMap(({ path }) => [path, end]))
    if (done.code !== 0) return await explain(platform, parts, done.stderr)
    const objects = filesOf(done.stdout)
    return parts.map(({ file }, index) => ({
      file,
      objects: (objects[index] ?? []).map((object) => checked(object, file)),
    }))
  } finally {
    await platform.files.remove(folder)
  }
}

interface Source {
  readonly file: string
  /** What `kubectl kustomize` printed. */
  readonly built?: string
}

const kustomizations = ['kustomization.yaml', 'kustomization.yml', 'Kustomization']

async function sourcesOf(
  platform: Platform,
  cluster: Cluster,
  path: string,
): Promise<readonly Source[]> {
  if (!platform.files.exists(path)) invalid(`manifests: no such file or folder: "${path}"`)
  if (!platform.files.isFolder(path)) return [{ file: path }]
  const names = await platform.files.list(path)
  if (names.some((name) => kustomizations.includes(name))) {
    const built = await cluster.kustomize(path)
    if (built.code !== 0) invalid(`manifests: kubectl kustomize ${path}: ${built.stderr.trim()}`)
    return [{ file: path, built: built.stdout }]
  }
  const files = names.filter((name) => /\.(ya?ml|json)$/.test(name))
  if (files.length === 0)
    invalid(`manifests: the folder "${path}" has no .yaml, .yml or .json file`)
  const folder = path.replace(/\/$/, '')
  return files.map((name) => ({ file: `${folder}/${name}` }))
}

/** Stands after each file, so that one kubectl can read them all. */
const endOfFile = { apiVersion: 'django-rollout/v1', kind: 'EndOfFile', metadata: { name: 'end' } }

/** Returns the objects of each file. */
function filesOf(printed: string): readonly (readonly unknown[])[] {
  const files: unknown[][] = [[]]
  // A line with nothing but a bracket ends each object.
  for (const text of printed.split(/(?<=^\}$)/m).filter((text) => text.trim() !== '')) {
    const object = JSON.parse(text) as KubeObject
    const isEnd = object.apiVersion === endOfFile.apiVersion && object.kind === endOfFile.kind
    if (isEnd) files.push([])
    else files.at(-1)?.push(object)
  }
  return files
}

/** Throws a sentence about the file that kubectl refuses: with its line where this finds one, else in kubectl's words. */
async function explain(
  platform: Platform,
  parts: readonly { readonly file: string; readonly path: string }[],
  stderr: string,
): Promise<never> {
  for (const { file, path } of parts.filter(({ path }) => stderr.includes(path)))
    checkText((await platform.files.read(path)) ?? '', file)
  // kubectl quotes the object that has no kind: it may be a Secret.
  const said = firstLine(stderr)
    .replace(/^error: (error parsing )?/, '')
    .replace(/(is missing) in .*/, '$1')
  const named = parts.reduce((text, { file, path }) => text.replace(path, file), said)
  return invalid(named.replace('error converting YAML to JSON: ', ''))
}

/** Throws what is wrong with a YAML or JSON text, if this finds anything. */
export function checkText(text: string, file: string): void {
  for (const document of parseAllDocuments(text, { version: '1.1', stringKeys: true })) {
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
    let read: unknown
    try {
      read = document.toJS()
    } catch (error) {
      // Only now an alias of nothing is found.
      invalid(`${file}: ${firstLine(messageOf(error))}`)
    }
    if (read === null) continue
    const opened = isObject(read) && read.kind === 'List' ? (read.items ?? []) : [read]
    if (!Array.isArray(opened)) invalid(`${file}: a List has no items`)
    for (const object of opened) checked(object, file)
  }
}

function checked(object: unknown, file: string): KubeObject {
  if (!isObject(object)) {
    return invalid(`${file}: a document is not an object with apiVersion and kind`)
  }
  const { apiVersion, kind, metadata } = object
  if (typeof apiVersion !== 'string' || typeof kind !== 'string' || !apiVersion || !kind) {
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
}

function isObject(value: unknown): value is KubeObject & { readonly items?: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Checks the shape of what is read before the server has validated it. */
function checkContainers(object: WorkloadObject, file: string): void {
  const { spec } = templateOf(object)
  const where = `${file}: ${titled(object)}`
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

/** `Deployment "web"` */
export function titled(object: KubeObject): string {
  return `${object.kind} "${nameOf(object)}"`
}

export function invalid(sentence: string, hint?: string): never {
  fail({ code: 'manifest-invalid', sentence, ...(hint !== undefined && { hint }) })
}
