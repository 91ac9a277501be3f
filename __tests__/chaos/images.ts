/** One image for each tag of the plan. */
import { join } from 'node:path'
import * as e2e from '../e2e/images.js'
import { root } from '../e2e/stack.js'
import { faultOf, type Tag } from './plan.js'

export type Images = e2e.Images<Tag>

export function makeImages(): Promise<Images> {
  const variants = Object.entries(faultOf).map(([tag, fault]) => [
    tag,
    [`VERSION=${tag}`, `FAULT=${fault}`],
  ])
  const folder = join(root, '__tests__/chaos/app')
  return e2e.makeImages('chaos', folder, Object.fromEntries(variants) as Record<Tag, string[]>)
}
