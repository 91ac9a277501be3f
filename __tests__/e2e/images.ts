/** Images of one app that differ in their build arguments, in a repository of their own. */
import { must, stack } from './stack.js'

export interface Images<Tag extends string> {
  /** Without the registry's address: `chaos-1a2b3/shop`. */
  readonly path: string
  readonly repository: string
  /** `repository:tag@digest`, as a release writes it into pod templates. */
  readonly pinned: Readonly<Record<Tag, string>>
}

/** @param variants build arguments by tag, `NAME=value`. The app's Dockerfile takes them at its end. */
export async function makeImages<Tag extends string>(
  name: string,
  folder: string,
  variants: Readonly<Record<Tag, readonly string[]>>,
): Promise<Images<Tag>> {
  const path = `${name}-${Math.random().toString(36).slice(2, 7)}/shop`
  const repository = `${stack.registry}/${path}`
  const docker = (...args: readonly string[]) => must('docker', args, { env: stack.env })
  const make = async (tag: Tag): Promise<readonly [Tag, string]> => {
    const image = `${repository}:${tag}`
    const given = variants[tag].flatMap((pair) => ['--build-arg', pair])
    await docker('build', '--quiet', '--tag', image, ...given, folder)
    await docker('push', '--quiet', image)
    const digests = await docker('inspect', '--format', '{{join .RepoDigests "\\n"}}', image)
    const own = digests.split('\n').find((line) => line.startsWith(`${repository}@`))
    return [tag, `${image}@${own?.slice(repository.length + 1) ?? ''}`]
  }
  // The first one alone: the others find its layers.
  const [first, ...rest] = Object.keys(variants) as Tag[]
  const made = [...(first ? [await make(first)] : []), ...(await Promise.all(rest.map(make)))]
  return { path, repository, pinned: Object.fromEntries(made) as Record<Tag, string> }
}
