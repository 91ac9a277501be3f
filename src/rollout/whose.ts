/** Whose images a workload runs now: an undo takes back what the release has set, and nothing else. Pure. */
import { parseImage, shortName, versionOf } from '../kubernetes/image.js'
import { isWorkload, templateOf, usesOf, type KubeObject } from '../kubernetes/objects.js'
import type { Prior } from './snapshot.js'

export type Whose = 'ours' | 'as before' | 'theirs'

/**
 * `as before`: our write has not happened, or is back; it has put in the image with all else, so nothing
 * of the template is ours. An image that is neither is theirs, and so is one half of each: our write
 * changes all containers at once.
 */
export function whoseImages({ object, was, ran, sets }: Prior, live: KubeObject): Whose {
  if (!sets) return 'ours'
  const names = Object.keys(sets.images)
  const before = was === 'absent' ? {} : imagesOf(object)
  const now = imagesOf(live)
  const areOurs = names.every((name) => now[name] === sets.images[name])
  const areBefore = names.every(
    (name) => now[name] === before[name] || (ran?.[name] !== undefined && now[name] === ran[name]),
  )
  // What is created again with no container of ours in it is no object of ours.
  if (was === 'absent') return areOurs ? 'ours' : 'theirs'
  // The same images before and after tell nothing: then an apply may have changed the rest.
  if (areOurs && (was === 'whole' || !areBefore)) return 'ours'
  return areBefore ? 'as before' : 'theirs'
}

/** `shop:hotfix`: what the containers of ours run that the release has not set. */
export function foreignImages({ sets }: Prior, live: KubeObject): string {
  const now = imagesOf(live)
  const words = Object.entries(sets?.images ?? {}).flatMap(([name, ours]) => {
    const image = now[name]
    if (image === undefined || image === ours) return []
    return [`${shortName(parseImage(image).repository)}:${versionOf(image)}`]
  })
  return words.length === 0 ? 'another template' : [...new Set(words)].join(', ')
}

function imagesOf(object: KubeObject): Readonly<Record<string, string>> {
  const uses = isWorkload(object) ? usesOf(templateOf(object), () => true) : []
  return Object.fromEntries(uses.map(({ name, image }) => [name, image]))
}
