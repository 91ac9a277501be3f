import type { Cause } from '../failure/failure.js'
import type { Image } from './image.js'
import { hostOf, loginHint, registryErrorOf } from './registry-errors.js'

/** Why a registry has refused an image, from the words of docker or of a builder, and what to do. */
export function pushCause(
  { repository, tag }: Pick<Image, 'repository' | 'tag'>,
  said: string,
  log: readonly string[],
): Cause {
  const because = (why: string, hint?: string): Cause => ({
    code: 'push-failed',
    sentence: `push: ${why}: ${said}`,
    ...(hint === undefined ? {} : { hint }),
    logs: [{ lines: log }],
  })
  // https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-tag-mutability.html; Harbor and Docker Hub alike.
  if (/immutable/i.test(said)) {
    return because(
      `${hostOf(repository)} already has the tag ${tag} and does not allow overwriting it`,
      'Tags are immutable there: commit, or set another "tag"',
    )
  }
  switch (registryErrorOf(said, repository)) {
    case 'denied':
      return because(`not allowed to write to ${repository}`, loginHint(repository, 'write to'))
    case 'absent':
      return because(
        `${hostOf(repository)} has no repository for ${repository}`,
        'Create it in the registry first, or correct "image"',
      )
    case 'transient':
      return because(
        `${repository}:${tag} could not be sent, even with retries`,
        `Run it again when ${hostOf(repository)} works: layers that have arrived are not sent again`,
      )
    case 'refused':
      return because(`${repository}:${tag} was refused`)
  }
}
