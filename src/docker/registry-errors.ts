import { fullRepository } from '../kubernetes/image.js'

/**
 * What registries answer when they refuse a push or a pull, read from the words of docker: it ends with exit
 * code 1 whatever it is. The words come from containerd's resolver, from the engine, and from the registries
 * themselves.
 */
export type RegistryError =
  /** No such tag, or no such repository. */
  | 'absent'
  | 'denied'
  /** No answer, or an error of the registry's own: may be gone at the next attempt. */
  | 'transient'
  /** Anything else. */
  | 'refused'

// First match wins: "failed to authorize: … 503" is the registry's failure and not the user's.
const words: readonly (readonly [RegExp, RegistryError])[] = [
  [/\b5\d\d [A-Z]|status(?: code)?:? 5\d\d|service unavailable|bad gateway/i, 'transient'],
  [/too ?many ?requests|status(?: code)?:? 429/i, 'transient'],
  [
    /connection (refused|reset)|timeout|timed out|deadline exceeded|no route to host|network is unreachable|\bEOF\b|broken pipe|server misbehaving|temporary failure|no such host/i,
    'transient',
  ],
  [
    /unauthorized|denied|forbidden|authentication required|no basic auth credentials|insufficient_scope|authoriz|status(?: code)?:? 40[13]/i,
    'denied',
  ],
  [/not found|(manifest|name)[ _]unknown|no such manifest/i, 'absent'],
]

/** Reads the words about `repository`, whose own name and tags may be made of any of them. */
export function registryErrorOf(said: string, repository: string): RegistryError {
  const own = said
    .replace(/https?:\/\/[^\s"]+/g, '')
    .split(/(\s+)/)
    .filter((word) => !word.includes(repository))
    .join('')
  return words.find(([pattern]) => pattern.test(own))?.[1] ?? 'refused'
}

/** Returns the registry's host in an image's name: `ghcr.io`. Docker Hub's names have none. */
export function hostOf(repository: string): string {
  const full = fullRepository(repository)
  return full.slice(0, full.indexOf('/'))
}

/** Returns a repository's name at its registry: `acme/shop` of `ghcr.io/acme/shop`. */
export function pathOf(repository: string): string {
  const full = fullRepository(repository)
  return full.slice(full.indexOf('/') + 1)
}

/** Returns the name under which docker keeps the login of a registry. */
export function serverAddress(host: string): string {
  return host === 'docker.io' ? 'https://index.docker.io/v1/' : host
}

/** Returns whether a registry is on this machine: the engine requires no TLS of such. */
export function isLocal(host: string): boolean {
  return /^(localhost|127\.[\d.]+|\[::1\])(:\d+)?$/.test(host)
}

/** How to get in. */
export function loginHint(repository: string, to: 'read' | 'write to'): string {
  const host = hostOf(repository)
  const login = host === 'docker.io' ? 'docker login' : `docker login ${host}`
  return `Log in with "${login}" (in a workflow: docker/login-action before this step) as a user who may ${to} ${repository}`
}
