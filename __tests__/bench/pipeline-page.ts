/** The tables of whole pipelines. */
import { ratio, seconds, table } from './markdown.js'
import { sides, type PipelineFigures, type Side } from './pipeline-figures.js'
import type { Pipeline } from './pipelines.js'

export interface PipelineRow {
  readonly of: Pick<Pipeline, 'title' | 'rounds' | 'atMost'>
  readonly by: Readonly<Record<Side, PipelineFigures>>
}

export function pipelinePromises(rows: readonly PipelineRow[]): readonly string[] {
  return rows.map(({ of, by }) => {
    const part = by['django-rollout'].seconds / by.script.seconds
    return `A whole pipeline (${of.title}) takes ${part.toFixed(2)} of the script's time (promised: at most ${of.atMost}).`
  })
}

export function pipelineSections(rows: readonly PipelineRow[]): readonly string[] {
  if (rows.length === 0) return []
  return [
    '### Whole pipelines, in seconds',
    wholeTable(rows),
    'When each stage began, and how long it took. A stage that began before the one above it had ended ran beside it.',
    stagesTable(rows),
  ]
}

function wholeTable(rows: readonly PipelineRow[]): string {
  return table(
    [
      'pipeline',
      'rounds',
      ...sides,
      'to the script',
      ...sides.map((side) => `${side}: least to most`),
    ],
    rows.map(({ of, by }) => [
      of.title,
      String(of.rounds),
      ...sides.map((side) => seconds(by[side].seconds)),
      ratio(by['django-rollout'].seconds, by.script.seconds),
      ...sides.map((side) => `${seconds(by[side].least)} to ${seconds(by[side].most)}`),
    ]),
  )
}

function stagesTable(rows: readonly PipelineRow[]): string {
  const heads = sides.flatMap((side) => [`${side}: from`, 'seconds'])
  return table(
    ['pipeline', 'stage', ...heads],
    rows.flatMap(({ of, by }) =>
      namesIn(by).map((name) => [
        of.title,
        name,
        ...sides.flatMap((side) => {
          const stage = by[side].stages.find((one) => one.name === name)
          return stage ? [seconds(stage.from), seconds(stage.seconds)] : ['—', '—']
        }),
      ]),
    ),
  )
}

/** All stages, in the order of a release; those of the script alone come last. */
function namesIn(by: PipelineRow['by']): readonly string[] {
  const stages = [...by['django-rollout'].stages, ...by.script.stages]
  return [...new Set(stages.map(({ name }) => name))]
}
