/** An image reference in its parts. `registry.example:5000/acme/shop:1.2@sha256:…` */
export interface ImageReference {
  /** Everything before tag and digest, as written. */
  readonly repository: string
  readonly tag?: string
  readonly digest?: string
}

export function parseImage(text: string): ImageReference {
  const [named = '', digest] = text.split('@')
  const colon = named.lastIndexOf(':')
  // A colon before a slash belongs to the registry's port.
  const tagged = colon > named.lastIndexOf('/')
  return {
    repository: tagged ? named.slice(0, colon) : named,
    ...(tagged && { tag: named.slice(colon + 1) }),
    ...(digest !== undefined && { digest }),
  }
}

/**
 * Returns a repository with its registry. Docker Hub's images have short names; `nginx` and
 * `docker.io/library/nginx` are one repository.
 */
export function fullRepository(repository: string): string {
  const [first = '', ...rest] = repository.split('/')
  const hasHost = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost')
  if (hasHost && !/^(index\.)?docker\.io$/.test(first)) return repository
  const path = hasHost ? rest : [first, ...rest]
  return path.length === 1 ? `docker.io/library/${path.join('/')}` : `docker.io/${path.join('/')}`
}

/** Returns whether a container with this image runs a version of the repository. */
export function isOfRepository(image: string, repository: string): boolean {
  return fullRepository(parseImage(image).repository) === fullRepository(repository)
}

/** Returns the last part of a repository's name: `shop` of `ghcr.io/acme/shop`. */
export function shortName(repository: string): string {
  return repository.slice(repository.lastIndexOf('/') + 1)
}

/** Returns the same as a valid name of a Kubernetes object: `my-shop` of `ghcr.io/acme/my_shop`. */
export function appOf(repository: string): string {
  const name = shortName(repository)
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 63)
    .replace(/^-+|-+$/g, '')
  return name || 'app'
}

/**
 * Returns the name of a version for people: the tag, cut to 12 characters if it is a commit's SHA, else the first
 * characters of the digest.
 */
export function versionOf(image: string): string {
  const { tag, digest } = parseImage(image)
  if (tag !== undefined) return shortTag(tag)
  return digest === undefined ? 'latest' : digest.slice(0, 19)
}

/** Returns a commit's SHA cut to 12 characters, with what follows it (`-dirty-…`); any other tag as it is. */
export function shortTag(tag: string): string {
  return /^[0-9a-f]{40}/.test(tag) ? tag.slice(0, 12) + tag.slice(40) : tag
}

const named =
  /^(([\w.-]+|\[[\da-fA-F:]+\])(:\d+)?\/)?[a-z0-9]+([._-]+[a-z0-9]+)*(\/[a-z0-9]+([._-]+[a-z0-9]+)*)*$/

/** Returns whether a text can name an image; an unfilled placeholder cannot. */
export function isImage(text: string): boolean {
  const { repository, tag, digest } = parseImage(text)
  return (
    named.test(repository) &&
    (tag === undefined || /^\w[\w.-]{0,127}$/.test(tag)) &&
    (digest === undefined || /^[A-Za-z0-9+._-]+:[0-9a-fA-F]{32,}$/.test(digest))
  )
}
