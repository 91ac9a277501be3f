import { join } from 'node:path'
import * as e2e from '../e2e/images.js'
import { root } from '../e2e/stack.js'
import { tags, type Tag } from './catalogue.js'

export type Images = e2e.Images<Tag>

/** One image for each tag. */
export function makeImages(): Promise<Images> {
  const variants = tags.map((tag) => [tag, [`VERSION=${tag}`]])
  const folder = join(root, '__tests__/faults/app')
  return e2e.makeImages('faults', folder, Object.fromEntries(variants) as Record<Tag, string[]>)
}
