/** Whether two images hold the same: when they were made, and of which commit, does not count. */
import { docker } from './client.js'
import type { Platform } from '../platform/platform.js'

/** https://github.com/opencontainers/image-spec/blob/main/config.md */
export interface ImageContent {
  readonly os?: string
  readonly architecture?: string
  readonly config?: ImageConfig
  /** Digests of the layers' content. */
  readonly layers: readonly string[]
}

export interface ImageConfig {
  readonly Labels?: Readonly<Record<string, string>> | null
  readonly Entrypoint?: readonly string[] | null
  readonly Cmd?: readonly string[] | null
}

/** All of a configuration that a container gets. Engines add more fields. */
const fields = [
  ...['User', 'ExposedPorts', 'Env', 'Entrypoint', 'Cmd', 'Volumes', 'WorkingDir', 'StopSignal'],
  ...['Healthcheck', 'Shell', 'OnBuild'],
]

/** An image without layers is none that can be compared. */
export function isSameContent(one: ImageContent, other: ImageContent): boolean {
  return one.layers.length > 0 && textOf(one) === textOf(other)
}

function textOf({ os, architecture, config = {}, layers }: ImageContent): string {
  const given: Readonly<Record<string, unknown>> = { ...config }
  return JSON.stringify([os, architecture, layers, fields.map((field) => usual(given[field]))])
}

/** What is empty may be missing, and keys come in any order. */
function usual(value: unknown): unknown {
  if (value === null || value === undefined || value === '') return undefined
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map(usual)
  if (typeof value !== 'object') return value
  const entries = Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1))
  return entries.length === 0 ? undefined : entries.map(([key, each]) => [key, usual(each)])
}

/** What the engine says of an image. */
interface Inspected {
  readonly Os?: string
  readonly Architecture?: string
  readonly Config?: ImageConfig | null
  readonly RootFS?: { readonly Layers?: readonly string[] | null }
}

/** Reads an image of the local engine by its id; `undefined` where the engine does not show it. */
export async function contentInEngine(
  platform: Platform,
  id: string,
  signal: AbortSignal,
): Promise<ImageContent | undefined> {
  const args = ['image', 'inspect', '--format', '{{json .}}', id]
  const found = await docker(platform, args, { signal })
  if (found.code !== 0) return undefined
  const { Os, Architecture, Config, RootFS } = JSON.parse(found.stdout) as Inspected
  return {
    ...(Os !== undefined && { os: Os }),
    ...(Architecture !== undefined && { architecture: Architecture }),
    config: Config ?? {},
    layers: RootFS?.Layers ?? [],
  }
}
