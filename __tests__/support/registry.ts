/** What a registry answers, as lines of a script. */
import { createHash } from 'node:crypto'
import type { Line } from './scripted.js'

function digestOf(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`
}

/** An image by its configuration, and what it is for: its digest, and the answers to who reads it by that. */
export function imageWith(
  config: object,
  builtFor: { readonly os?: string; readonly architecture?: string } = {},
  /** Makes another manifest of the same content. */
  note?: string,
): {
  readonly digest: string
  /** By which the engine knows it. */
  readonly id: string
  readonly lines: Line[]
} {
  const blob = JSON.stringify({ ...builtFor, config })
  const annotations = note === undefined ? {} : { annotations: { note } }
  const manifest = JSON.stringify({
    schemaVersion: 2,
    config: { digest: digestOf(blob) },
    ...annotations,
  })
  const digest = digestOf(manifest)
  const at = (path: string, stdout: string): Line => ({
    when: new RegExp(`^GET .*/${path}$`),
    stdout,
    always: true,
  })
  return {
    digest,
    id: digestOf(blob),
    lines: [at(`manifests/${digest}`, manifest), at(`blobs/${digestOf(blob)}`, blob)],
  }
}

/** An index of images, or of platforms alone: its digest, and the answers to who reads it and them. */
export function indexOf(
  ...parts: readonly { digest?: string; platform?: object; lines?: readonly Line[] }[]
): { readonly digest: string; readonly lines: Line[] } {
  const manifests = parts.map(({ digest, platform = {} }) => ({ digest, platform }))
  const stdout = JSON.stringify({ schemaVersion: 2, manifests })
  const digest = digestOf(stdout)
  const own: Line = { when: new RegExp(`^GET .*/manifests/${digest}$`), stdout, always: true }
  return { digest, lines: [own, ...parts.flatMap(({ lines = [] }) => lines)] }
}

/** A tag, or a digest, that the registry has; as an expression. */
export function has(reference: string, digest: string): Line {
  return {
    when: new RegExp(`^HEAD .*/manifests/${reference}$`),
    headers: { 'docker-content-digest': digest },
    always: true,
  }
}

/** Answers each request for it with this status and these words, HEAD without. */
export function refuses(reference: string, status: number, message?: string): Line {
  return {
    when: new RegExp(`^(HEAD|GET|PUT) .*/manifests/${reference}$`),
    status,
    ...(message !== undefined && { stdout: JSON.stringify({ errors: [{ message }] }) }),
    always: true,
  }
}

export const lacks = (reference: string): Line => refuses(reference, 404)
