/** From the rounds of whole pipelines to figures: medians, of the whole and of each stage. */
import type { StageReport } from '../../src/report/report.js'
import type { ToolName } from './names.js'
import type { Pipeline } from './pipelines.js'
import type { Line } from './run-tool.js'

/** helm builds and tests nothing. */
export const sides = ['script', 'django-rollout'] as const satisfies readonly ToolName[]
export type Side = (typeof sides)[number]

/** In seconds since the start of the tool. Stages may overlap. */
export interface Stage {
  readonly name: string
  readonly from: number
  readonly seconds: number
}

export interface Round {
  readonly seconds: number
  readonly stages: readonly Stage[]
}

/** Medians. */
export interface PipelineFigures extends Round {
  readonly least: number
  readonly most: number
}

/** The script writes `== build` when a step begins; it ends with the next one. */
export function stagesOfScript(
  said: readonly Line[],
  startedAt: number,
  endedAt: number,
): readonly Stage[] {
  const steps = said.flatMap(({ at, text }) => {
    const [, name] = /^== (\S+)$/.exec(text) ?? []
    return name === undefined ? [] : [{ name, at }]
  })
  return steps.map(({ name, at }, i) => ({
    name,
    from: (at - startedAt) / 1000,
    seconds: ((steps[i + 1]?.at ?? endedAt) - at) / 1000,
  }))
}

export function stagesOfReport(
  stages: readonly Pick<StageReport, 'name' | 'startedAt' | 'seconds'>[],
  startedAt: number,
): readonly Stage[] {
  return stages.map(({ name, startedAt: from, seconds }) => ({
    name,
    from: (from - startedAt) / 1000,
    seconds,
  }))
}

/** Stages in the order of their starts; one that was not in each round has the median of those where it was. */
export function middleOfRounds(rounds: readonly Round[]): PipelineFigures {
  const times = rounds.map(({ seconds }) => seconds)
  const names = new Set(rounds.flatMap(({ stages }) => stages.map(({ name }) => name)))
  const stages = [...names].map((name): Stage => {
    const found = rounds.flatMap(({ stages }) => stages.filter((stage) => stage.name === name))
    return {
      name,
      from: medianOf(found.map(({ from }) => from)),
      seconds: medianOf(found.map(({ seconds }) => seconds)),
    }
  })
  return {
    seconds: medianOf(times),
    least: Math.min(...times),
    most: Math.max(...times),
    stages: stages.toSorted((one, other) => one.from - other.from),
  }
}

export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other)
  const [low = NaN, high = NaN] = [
    sorted[Math.floor((sorted.length - 1) / 2)],
    sorted[Math.ceil((sorted.length - 1) / 2)],
  ]
  return (low + high) / 2
}

/** The layers of images by the digests of their content, the base image's first. */
export interface Layers {
  readonly base: readonly string[]
  readonly before: readonly string[]
  readonly now: readonly string[]
}

/**
 * Why a build was not as cold, or as warm, as its row says; undefined: it was. A release finds the layers that did not
 * change in the registry, also on a new runner.
 */
export function cacheProblem(
  cache: Pipeline['cache'],
  side: Side,
  { base, before, now }: Layers,
): string | undefined {
  const own = now.filter((layer) => !base.includes(layer))
  if (own.length === now.length) return 'the image is not made from the base image of this machine'
  const taken = own.filter((layer) => before.includes(layer)).length
  if (cache === 'cold' && side === 'script')
    return taken === 0 ? undefined : `${taken} of ${own.length} layers are of the build before`
  if (taken === 0) return 'no layer is of the build before'
  return taken < own.length ? undefined : 'all layers are of the build before: nothing is new'
}
