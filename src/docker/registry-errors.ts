/**
 * What registries answer when they refuse, read from the words of docker and buildx: both end with exit
 * code 1 whatever it is. The words come from containerd's resolver (buildx), from the engine (push), and
 * from the registries themselves.
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
  [/too ?many ?requests/i, 'transient'],
  [
    /connection (refused|reset)|timeout|timed out|deadline exceeded|no route to host|network is unreachable|\bEOF\b|broken pipe|server misbehaving|temporary failure|no such host/i,
    'transient',
  ],
  [
    /unauthorized|denied|forbidden|authentication required|no basic auth credentials|insufficient_scope|authoriz/i,
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

/** The registry's host in an image's name: `ghcr.io`. Docker Hub's names have none. */
export function hostOf(repository: string): string {
  const [first = '', ...rest] = repository.split('/')
  const isHost = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost')
  return isHost ? first : 'docker.io'
}

/** How to get in. */
export function loginHint(repository: string, to: 'read' | 'write to'): string {
  const host = hostOf(repository)
  const login = host === 'docker.io' ? 'docker login' : `docker login ${host}`
  return `Log in with "${login}" (in a workflow: docker/login-action before this step) as a user who may ${to} ${repository}`
}
