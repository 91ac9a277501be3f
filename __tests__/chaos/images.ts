/** One image for each tag of the plan, in a repository of its own. */
import { join } from 'node:path'
import { must, root, stack } from '../e2e/stack.js'
import { faultOf, type Tag } from './plan.js'

export interface Images {
  readonly repository: string
  /** As a release writes it into pod templates: tag and digest. */
  readonly pinned: Readonly<Record<Tag, string>>
}

export async function makeImages(): Promise<Images> {
  const repository = `${stack.registry}/chaos-${Math.random().toString(36).slice(2, 7)}/shop`
  const docker = (...args: readonly string[]) => must('docker', args, { env: stack.env })
  const make = async (tag: Tag): Promise<readonly [Tag, string]> => {
    const image = `${repository}:${tag}`
    const given = [`VERSION=${tag}`, `FAULT=${faultOf[tag]}`]
    await docker(
      ...['build', '--quiet', '--tag', image],
      ...given.flatMap((pair) => ['--build-arg', pair]),
      join(root, '__tests__/chaos/app'),
    )
    await docker('push', '--quiet', image)
    const digests = await docker('inspect', '--format', '{{join .RepoDigests "\\n"}}', image)
    const own = digests.split('\n').find((line) => line.startsWith(`${repository}@`))
    return [tag, `${image}@${own?.slice(repository.length + 1) ?? ''}`]
  }
  // The first one alone: the others find its layers.
  const tags = Object.keys(faultOf) as Tag[]
  const [first, ...rest] = tags
  const made = [...(first ? [await make(first)] : []), ...(await Promise.all(rest.map(make)))]
  return { repository, pinned: Object.fromEntries(made) as Record<Tag, string> }
}
