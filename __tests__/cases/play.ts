/** Plays one case: its script, in a namespace and with images of its own, which are gone afterwards. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { kubectl, root, run, stack } from '../e2e/stack.js'
import { takeApart, type Told } from './told.js'

/** Where the cases are: `CASES`, or the repository's own copy. */
export const folder = process.env['CASES'] ?? join(root, '__tests__/cases/inputs')
const outputs = join(root, 'build/cases')

export interface Played extends Told {
  /** Where all that was said is kept. */
  readonly file: string
  readonly code: number
  readonly seconds: number
}

/** @param form the script's FORM; empty where it has one alone. */
export async function play(name: string, form: string): Promise<Played> {
  const unique = `${form === '' ? '' : `-${form}`}-${Math.random().toString(36).slice(2, 6)}`
  const namespace = `c-${name.slice(0, 30).replace(/-$/, '')}${unique}`
  const others = [`${namespace}-b`, `${namespace}-other`]
  const image = `${stack.registry}/cases${unique}/${name}`
  const since = Date.now()
  const ours = await mkdtemp(join(tmpdir(), 'case-'))
  try {
    await writeCommand(ours)
    const { code, output } = await run('bash', [join(folder, name, 'run')], {
      env: {
        ...stack.env,
        NS: namespace,
        OTHER: `${namespace}-other`,
        IMAGE: image,
        OURS: ours,
        ...(form !== '' && { FORM: form }),
      },
    })
    await mkdir(outputs, { recursive: true })
    const file = join(outputs, `${name}${form === '' ? '' : `-${form}`}.txt`)
    await writeFile(file, output)
    const seconds = (Date.now() - since) / 1000
    return { ...takeApart(output, { namespace, image }), file, code, seconds }
  } finally {
    await rm(ours, { recursive: true })
    await kubectl('delete', 'namespace', '--ignore-not-found', '--wait=false', namespace, ...others)
    await forget(image)
  }
}

/** Writes the product as a script finds it, which calls commands by the names of the day it was written. */
async function writeCommand(folder: string): Promise<void> {
  const index = join(folder, 'dist/cli/index.js')
  const command = join(root, 'dist/cli/index.js')
  await mkdir(join(folder, 'dist/cli'), { recursive: true })
  await writeFile(
    index,
    `if (process.argv[2] === 'settle') process.argv[2] = 'recover'\nimport(${JSON.stringify(command)})\n`,
  )
}

/** Takes its images from the engine and from the registry. */
async function forget(image: string): Promise<void> {
  const docker = (...args: readonly string[]) => run('docker', args, { env: stack.env })
  const known = await docker('image', 'ls', '--digests', '--format', 'json')
  const own = known.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Known)
    .filter(({ Repository }) => Repository.startsWith(image))
  for (const { Repository, Digest } of own) {
    if (!Digest.startsWith('sha256:')) continue
    const path = Repository.slice(Repository.indexOf('/') + 1)
    await fetch(`http://${stack.registry}/v2/${path}/manifests/${Digest}`, { method: 'DELETE' })
  }
  const tags = new Set(own.map(({ Repository, Tag }) => `${Repository}:${Tag}`))
  const named = [...tags].filter((one) => !one.endsWith(':<none>'))
  if (named.length > 0) await docker('image', 'rm', ...named)
}

interface Known {
  readonly Repository: string
  readonly Tag: string
  readonly Digest: string
}
