/** An image that the registry has under its tag. */
export interface Image {
  /** Without tag and digest. */
  readonly repository: string
  readonly tag: string
  /** `sha256:…` of the manifest (or the index) in the registry. */
  readonly digest: string
}

/** Returns the image as pod templates name it: the tag for people, the digest for certainty. */
export function pinned(image: Image): string {
  return `${image.repository}:${image.tag}@${image.digest}`
}

/** Returns the image by its digest alone, which no one can move to another image as a tag can be. */
export function byDigest({ repository, digest }: Image): string {
  return `${repository}@${digest}`
}
