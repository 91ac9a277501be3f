/** Which kubectl fits a server: https://kubernetes.io/releases/version-skew-policy/#kubectl. Pure. */
import type { Finished } from '../platform/platform.js'

/** Reads `kubectl version --client -o json`: `v1.34.4`; empty where it is not known. */
export function clientVersion({ stdout }: Finished): string {
  try {
    const { clientVersion } = JSON.parse(stdout) as { clientVersion?: { gitVersion?: string } }
    return clientVersion?.gitVersion ?? ''
  } catch {
    return ''
  }
}

/** Returns how many minor versions kubectl is too far from the server to be supported; 0 where one is not known. */
export function minorsApart(client: string, server: string): number {
  const minor = (version: string) => Number(/^v?\d+\.(\d+)/.exec(version)?.[1] ?? NaN)
  const apart = Math.abs(minor(client) - minor(server))
  return apart > 1 ? apart : 0
}
