/**
 * Names that the cluster gives to our image: image swappers and mirrors rewrite the images of workloads in admission
 * (`ghcr.io/acme/shop` becomes `mirror.example/acme/shop`). What such a workload runs is ours, and everything that
 * compares images would take it for another application's.
 */
import { ApiError } from './api-error.js'
import type { Cluster } from './cluster.js'
import { isOfRepository, parseImage, shortName } from './image.js'
import {
  isWorkload,
  nameOf,
  templateOf,
  usesOf,
  withImages,
  withTemplate,
  type KubeObject,
  type WorkloadObject,
} from './objects.js'
import { collection } from './paths.js'

export class OwnNames {
  readonly #names = new Set<string>()
  #pattern: RegExp | undefined

  constructor(readonly repository: string) {}

  /** Returns what the server has answered, with our own name wherever an image has another one of ours. */
  read(text: string): string {
    if (this.#pattern === undefined) return text
    return text.replace(this.#pattern, (_, before: string) => before + this.repository)
  }

  /**
   * Learns from what the server makes of a workload with our image; returns whether there is a new name. An image
   * that has another last part was replaced, and not moved.
   */
  learn(sent: KubeObject, made: KubeObject): boolean {
    if (!isWorkload(sent) || !isWorkload(made)) return false
    const own = usesOf(templateOf(sent), (image) => isOfRepository(image, this.repository))
    const found = usesOf(templateOf(made), (image) => this.#isLike(image))
      .filter(({ name }) => own.some((one) => one.name === name))
      .map(({ image }) => parseImage(image).repository)
      .filter((name) => !this.#names.has(name))
    found.forEach((name) => this.#names.add(name))
    if (found.length > 0) this.#pattern = patternOf([...this.#names])
    return found.length > 0
  }

  /** Returns the containers of a workload that may run our image by another name. */
  likely(object: WorkloadObject): readonly { readonly name: string; readonly image: string }[] {
    return usesOf(templateOf(object), (image) => this.#isLike(image))
  }

  #isLike(image: string): boolean {
    const { repository } = parseImage(image)
    return (
      !isOfRepository(image, this.repository) &&
      shortName(repository) === shortName(this.repository)
    )
  }
}

/** Finds the field `image` of a container, in JSON. */
function patternOf(names: readonly string[]): RegExp {
  const all = names.map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|')
  return new RegExp(`("image": *")(?:${all})(?=[:@"])`, 'g')
}

/**
 * Finds out by a dry run whether images with the last part of ours are ours by another name: the server makes that
 * name of our own. Most namespaces have no such image, and no request is sent. Returns whether there is one.
 */
export async function learnNames(
  cluster: Cluster,
  objects: readonly KubeObject[],
): Promise<boolean> {
  const { names, namespace } = cluster
  const unknown = new Map<string, WorkloadObject>()
  for (const object of objects) {
    if (!isWorkload(object)) continue
    for (const { image } of names.likely(object)) {
      const { repository } = parseImage(image)
      if (!unknown.has(repository)) unknown.set(repository, object)
    }
  }
  const learned = await Promise.all(
    [...new Set(unknown.values())].map(async (object) => {
      const { resourceVersion: _, ...metadata } = object.metadata ?? {}
      const images = names.likely(object).map(({ name, image }): [string, string] => {
        const { repository } = parseImage(image)
        return [name, names.repository + image.slice(repository.length)]
      })
      const template = withImages(templateOf(object), Object.fromEntries(images))
      const sent = withTemplate({ ...object, metadata }, template)
      const plural = `${object.kind.toLowerCase()}s`
      const path = `${collection(object.apiVersion ?? '', namespace, plural)}/${nameOf(object)}`
      try {
        return names.learn(sent, await cluster.dryRun<KubeObject>(path, sent))
      } catch (error) {
        // An account that may not write it knows the image by its own name alone.
        if (error instanceof ApiError) return false
        throw error
      }
    }),
  )
  return learned.includes(true)
}
