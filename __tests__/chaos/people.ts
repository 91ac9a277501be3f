/** What somebody does by hand in the middle of a round, and what has to become of it. */
import { isDeepStrictEqual } from 'node:util'
import { must, stack } from '../e2e/stack.js'
import type { Images } from './images.js'
import type { Deed, GoodTag } from './plan.js'

/** What is somebody else's of one object, from their write on. */
export interface Theirs {
  readonly id: string
  /** Whether it stands in this content as they have written it. */
  readonly current: (content: unknown) => boolean
  /** The content without it: the release's again. */
  readonly without: (content: unknown) => unknown
}

/** How they write, and how somebody cleans up after the round. */
export interface ByHand {
  readonly theirs: Theirs
  readonly write: readonly (readonly string[])[]
  readonly clean: readonly (readonly string[])[]
}

const word = 'by-hand'

/** @param extra the ConfigMap that the release creates */
export function byHand(deed: Deed, extra: string, tag: GoodTag, images: Images): ByHand {
  switch (deed.is) {
    case 'rotates-secret': {
      const value = Buffer.from(word).toString('base64')
      return inData('secret/credentials', 'release', value)
    }
    case 'changes-config':
      return inData('configmap/settings', 'release', word)
    case 'adds-key':
      return inData('configmap/settings', 'theirs', word)
    case 'replaces-extra':
      return {
        theirs: {
          id: `configmap/${extra}`,
          current: (content) => isDeepStrictEqual(content, { of: word }),
          without: () => 'theirs',
        },
        write: [
          ['delete', 'configmap', extra, '--ignore-not-found'],
          ['create', 'configmap', extra, `--from-literal=of=${word}`],
        ],
        clean: [],
      }
    case 'annotates-service':
      return {
        theirs: field('service/admin', ['annotations', 'acme.com/pool'], word),
        write: [['annotate', '--overwrite', 'service/admin', `acme.com/pool=${word}`]],
        clean: [['annotate', 'service/admin', 'acme.com/pool-']],
      }
    case 'changes-port':
      return {
        theirs: field('service/admin', ['spec', 'ports', '0', 'targetPort'], 9000),
        write: [port(9000)],
        clean: [port(8000)],
      }
    case 'scales': {
      const id = `deployment/${deed.of}`
      return {
        theirs: field(id, ['replicas'], 3),
        write: [['scale', id, '--replicas=3']],
        clean: [['scale', id, `--replicas=${deed.of === 'web' ? 2 : 1}`]],
      }
    }
    case 'sets-image': {
      const [id, image] = [`deployment/${deed.of}`, images.pinned[tag]]
      const path = ['template', 'spec', 'containers', '0', 'image']
      return {
        theirs: field(id, path, image),
        write: [['set', 'image', id, `${deed.of}=${image}`]],
        clean: [],
      }
    }
    case 'edits-env': {
      const id = `deployment/${deed.of}`
      return {
        theirs: inEnv(id),
        // kubectl writes it to init containers too, where nobody says which.
        write: [['set', 'env', id, `--containers=${deed.of}`, `THEIRS=${word}`]],
        clean: [['set', 'env', id, `--containers=${deed.of}`, 'THEIRS-']],
      }
    }
  }
}

function port(targetPort: number): readonly string[] {
  const change = [{ op: 'replace', path: '/spec/ports/0/targetPort', value: targetPort }]
  return ['patch', 'service', 'admin', '--type=json', `--patch=${JSON.stringify(change)}`]
}

/** A key of a ConfigMap or a Secret; one that no release has is taken away again. */
function inData(id: string, key: string, value: string): ByHand {
  const patch = (to: string | null) => [
    'patch',
    ...id.split('/'),
    '--type=merge',
    `--patch=${JSON.stringify({ data: { [key]: to } })}`,
  ]
  return {
    theirs: field(id, [key], value),
    write: [patch(value)],
    clean: key === 'release' ? [] : [patch(null)],
  }
}

function field(id: string, path: readonly string[], value: unknown): Theirs {
  return {
    id,
    current: (content) => isDeepStrictEqual(at(content, path), value),
    without: (content) => without(content, path),
  }
}

/** kubectl puts it at the end of the web's or the worker's own container. */
function inEnv(id: string): Theirs {
  const path = ['template', 'spec', 'containers', '0', 'env']
  const envOf = (content: unknown) => (at(content, path) ?? []) as readonly { name: string }[]
  return {
    id,
    current: (content) => envOf(content).some(({ name }) => name === 'THEIRS'),
    without: (content) => {
      const rest = envOf(content).filter(({ name }) => name !== 'THEIRS')
      return rest.length === 0 ? without(content, path) : withValue(content, path, rest)
    },
  }
}

function at(content: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (value as Readonly<Record<string, unknown>> | undefined)?.[key],
    content,
  )
}

function without(content: unknown, path: readonly string[]): unknown {
  return withValue(content, path, undefined)
}

function withValue(content: unknown, path: readonly string[], value: unknown): unknown {
  const [key, ...rest] = path
  if (key === undefined) return value
  const copy = structuredClone(content ?? {}) as Record<string, unknown>
  const next = withValue(copy[key], rest, value)
  if (Array.isArray(copy)) return Object.assign([...(copy as unknown[])], { [key]: next })
  if (next === undefined) {
    const { [key]: _, ...others } = copy
    return others
  }
  return { ...copy, [key]: next }
}

/** A release may create what they are about to create: they begin again then. */
export async function asPerson(
  namespace: string,
  commands: readonly (readonly string[])[],
  again = 5,
): Promise<void> {
  try {
    for (const args of commands) {
      await must('kubectl', ['-n', namespace, ...args], { env: stack.env })
    }
  } catch (error) {
    if (again === 0) throw error
    await asPerson(namespace, commands, again - 1)
  }
}
