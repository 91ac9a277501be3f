/** Plays the cases: healthy releases one after the other, the faults side by side in namespaces of their own. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { root, run, stack } from '../e2e/stack.js'
import { makeImages, type Images } from '../faults/images.js'
import { gone, makeBed } from './bed.js'
import type { Case } from './cases.js'
import { delayOf, figuresOf, middleOf, type Figures } from './figures.js'
import { measure, type Measured } from './measure.js'
import { toolNames, type ToolName } from './names.js'
import type { Row } from './page.js'
import type { Progress } from './progress.js'
import { tools } from './tools.js'

/** Releases that mostly wait, at the same time. */
const lanes = 5

export interface Outcome {
  readonly rows: readonly Row[]
  /** What could not be measured. */
  readonly troubles: readonly string[]
}

interface Task {
  readonly of: Case
  readonly tool: ToolName
}

export async function play(
  cases: readonly Case[],
  { log, underWay }: Progress,
  signal: AbortSignal,
): Promise<Outcome> {
  if (cases.length === 0) return { rows: [], troubles: [] }
  const measured = new Map<Case, Partial<Record<ToolName, Figures>>>()
  const troubles: string[] = []
  log('images')
  const images = await makeImages()
  const left: string[] = []
  const one = async ({ of, tool }: Task) => {
    const name = `${of.name}, ${tool}`
    underWay.set(name, Date.now())
    try {
      const figures = await compare(of, tool, images, left, signal)
      measured.set(of, { ...measured.get(of), [tool]: figures })
      log(`${name}: ${wordsOf(figures)}`)
    } catch (error) {
      troubles.push(`${name}: ${String(error)}`)
      log(`${name}: ${String(error)}`)
    } finally {
      underWay.delete(name)
    }
  }
  const tasks = (list: readonly Case[]) =>
    list.flatMap((of) => toolNames.map((tool): Task => ({ of, tool })))
  try {
    for (const task of tasks(cases.filter(({ is }) => is === 'healthy'))) {
      if (signal.aborted) break
      await one(task)
      await gone(left)
    }
    const queue = tasks(cases.filter(({ is }) => is !== 'healthy'))
    const lane = async () => {
      for (let task = queue.shift(); task && !signal.aborted; task = queue.shift()) await one(task)
    }
    await Promise.all(Array.from({ length: lanes }, lane))
  } finally {
    underWay.set('cleaning up', Date.now())
    await gone(left)
    await removeImages(images)
    underWay.delete('cleaning up')
  }
  const rows = cases.flatMap((of) => {
    const by = measured.get(of)
    return by ? [{ of, by }] : []
  })
  return { rows, troubles }
}

/** All rounds of one tool on a bed of its own; the namespace's name goes to `left`, since it ends later. */
async function compare(
  of: Case,
  tool: ToolName,
  images: Images,
  left: string[],
  signal: AbortSignal,
): Promise<Figures> {
  const bed = await makeBed(of, images)
  left.push(bed.namespace)
  try {
    await tools[tool].prepare(bed)
    const rounds: Figures[] = []
    const count = of.is === 'healthy' ? of.rounds : 1
    for (let round = 0; round < count; round += 1) {
      const there = round % 2 === 0 ? 'next' : 'before'
      const tag = of.is === 'healthy' ? there : (of.fault.tag ?? 'next')
      // The kubelet looks once a second, and so comes to rest at a beat of its own: each round begins elsewhere.
      const pauseMs = (1_000 * round) / count
      const measured = await measure(of, tool, bed, tag, pauseMs, signal)
      await keep(of, tool, round, measured)
      rounds.push(figuresOf(of, measured))
    }
    const middle = middleOf(rounds)
    if (!middle) throw new Error('there was no round')
    return middle
  } finally {
    await bed.remove()
  }
}

/** Everything that was said and asked, to be read when a figure surprises. */
async function keep(of: Case, tool: ToolName, round: number, measured: Measured): Promise<void> {
  const folder = join(root, 'build/bench')
  await mkdir(folder, { recursive: true })
  const { asked, output, ...times } = measured
  const since = (at: number) => ((at - measured.startedAt) / 1000).toFixed(3)
  const lines = [
    ...Object.entries(times).map(([name, value]) =>
      name.endsWith('At') && typeof value === 'number'
        ? `${name}: ${since(value)}`
        : `${name}: ${value}`,
    ),
    '',
    output,
    '',
    ...asked.map(({ at, is, method, path }) => `${since(at)} ${is} ${method} ${path}`),
  ]
  await writeFile(join(folder, `${of.name}-${tool}-${round + 1}.log`), lines.join('\n'))
}

async function removeImages({ pinned, repository }: Images): Promise<void> {
  const tags = Object.keys(pinned).map((tag) => `${repository}:${tag}`)
  await run('docker', ['image', 'rm', ...tags], { env: stack.env })
}

function wordsOf(figures: Figures): string {
  const { said, verdict, restored, named, requests, megabytes } = figures
  const delay = delayOf(figures)
  return [
    `${said} after ${verdict.toFixed(2)} s`,
    ...(delay === undefined ? [] : [`${delay.toFixed(2)} s after the limit`]),
    ...(restored === undefined ? [] : [`restored ${restored}`]),
    ...(named ? ['cause named'] : []),
    `${requests} requests`,
    `${megabytes.toFixed(0)} MB`,
  ].join(', ')
}
