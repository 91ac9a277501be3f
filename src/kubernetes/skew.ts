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

/**
 * Returns how many minor versions kubectl is from the server, where that is more than is supported; else 0, as where
 * one is not known. Google Cloud's kubectl (`v1.32.4-dispatcher`) itself starts one that fits the server.
 */
export function minorsApart(client: string, server: string): number {
  if (client.endsWith('-dispatcher')) return 0
  const minor = (version: string) => Number(/^v?\d+\.(\d+)/.exec(version)?.[1] ?? NaN)
  const apart = Math.abs(minor(client) - minor(server))
  return apart > 1 ? apart : 0
}
