/** Temporary servers that are known: how one is started, asked and found is in `src/docker/test-services.ts`. */

/** With the version of a name alone. */
export const serviceVersions = {
  postgres: '17',
  mysql: '8.4',
  mariadb: '11.8',
  redis: '8',
} as const

export type ServiceKind = keyof typeof serviceVersions

export interface TestService {
  /** Its host name for the tests. */
  readonly name: string
  readonly image: string
  /** `undefined`: any other server. */
  readonly kind: ServiceKind | undefined
  /** For a shell in its container: it succeeds once the server answers. */
  readonly health?: string
}

/** The server that a name alone means. */
export function usualService(kind: ServiceKind): TestService {
  return { name: kind, image: `${kind}:${serviceVersions[kind]}`, kind }
}

export function isServiceKind(name: string): name is ServiceKind {
  return Object.hasOwn(serviceVersions, name)
}

/** Whether the tests find it in DATABASE_URL. */
export function isDatabase({ kind }: TestService): boolean {
  return kind !== undefined && kind !== 'redis'
}
