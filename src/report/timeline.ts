/** The run as a Mermaid chart: which stage took how long, when the cause was seen, what was back when. Pure. */
import { idOf } from '../kubernetes/workload.js'
import type { Report, WorkloadReport } from './report.js'
import { seconds } from './sentences.js'

/** One row of the chart; times are in ms since the start of the run. */
interface Bar {
  readonly label: string
  readonly from: number
  readonly to: number
  readonly look: 'plain' | 'failed' | 'moment'
}

/**
 * Mermaid has more looks, but some versions write their labels in a dark colour on a dark page. The width
 * makes it the same chart everywhere, which a phone shows smaller; the colours go with both themes.
 */
const settings = {
  gantt: { useWidth: 960 },
  // Lines that a label can be read across.
  themeCSS: '.grid line { stroke: #8c959f; stroke-opacity: 0.4 }',
  themeVariables: {
    taskBkgColor: '#0969da',
    taskBorderColor: '#0969da',
    taskTextColor: '#ffffff',
    critBkgColor: '#cf222e',
    critBorderColor: '#cf222e',
    sectionBkgColor: '#8c959f',
    sectionBkgColor2: '#8c959f',
    altSectionBkgColor: 'transparent',
  },
}

const tags: Readonly<Record<Bar['look'], string>> = {
  plain: '',
  failed: 'crit, ',
  moment: 'crit, milestone, ',
}

/** Of workloads; the table has all of them. */
export const mostShown = 40
/** A label of this length and the time fits beside any bar. */
const longestName = 32
/** Times that the axis may be divided by, in Mermaid's format, with their seconds. */
const ticks = [
  ...[1, 2, 5, 10, 15, 30].map((count) => [count, `${count}second`] as const),
  ...[1, 2, 5, 10, 15, 30].map((count) => [count * 60, `${count}minute`] as const),
]
const mostTicks = 8
/** Of the chart's width: what was over at once can be seen, too. */
const narrowest = 1 / 400

/** The source of the chart; none for a run of one stage, which has nothing to compare. */
export function timeline(report: Report): string | undefined {
  if (report.stages.length < 2) return undefined
  const all = report.seconds * 1000
  const tick = ticks.find(([long]) => report.seconds / long <= mostTicks)?.[1] ?? '1hour'
  const shown = mostRelevant(report)
  const section = (title: string, bars: readonly Bar[]) =>
    bars.length === 0 ? [] : [`section ${title}`, ...bars.map((bar) => rowOf(bar, all))]
  return [
    `%%{init: ${JSON.stringify(settings)}}%%`,
    'gantt',
    'dateFormat YYYY-MM-DD HH:mm:ss.SSS',
    `axisFormat ${report.seconds < 3600 ? '%M:%S' : '%H:%M:%S'}`,
    `tickInterval ${tick}`,
    ...section('Stages', stagesOf(report)),
    ...section('Rollout', coursesOf(report, shown, 'rollout')),
    ...section('Undo', coursesOf(report, shown, 'undo')),
  ].join('\n')
}

function rowOf({ label, from, to, look }: Bar, all: number): string {
  const end = look === 'moment' ? to : Math.max(to, from + all * narrowest)
  return `${label} :${tags[look]}${clock(from)}, ${clock(end)}`
}

/**
 * 0 is the start of the run, as it is in the log. Mermaid reads and shows times in the reader's zone: these
 * are of a day on which no zone changes its clocks.
 */
function clock(ms: number): string {
  return new Date(Date.UTC(2000, 0, 1) + ms).toISOString().replace('T', ' ').replace('Z', '')
}

/** Stages, and the moment at which the cause was recognised, in their order. */
function stagesOf({ stages, cause, detectedAt, startedAt }: Report): readonly Bar[] {
  const bars = stages.map(({ name, startedAt: begun, seconds: took, ended }): Bar => {
    const from = begun - startedAt
    const label = [plain(name), seconds(took), ...(ended === 'done' ? [] : [ended])]
    const look = ended === 'failed' ? 'failed' : 'plain'
    return { label: label.join(', '), from, to: from + took * 1000, look }
  })
  if (!cause || detectedAt === undefined) return bars.toSorted(inOrder)
  const at = detectedAt - startedAt
  const moment: Bar = {
    label: `cause recognised (${cause.code})`,
    from: at,
    to: at,
    look: 'moment',
  }
  return [...bars, moment].toSorted(inOrder)
}

/** How long each workload took from our write, or the undo's, to complete; or that it never was. */
function coursesOf(
  { cause, detectedAt, startedAt, seconds: total }: Report,
  workloads: readonly WorkloadReport[],
  which: 'rollout' | 'undo',
): readonly Bar[] {
  // A release is followed until its failure is recognised, an undo to the end of the run.
  const last =
    which === 'rollout' && detectedAt !== undefined ? detectedAt - startedAt : total * 1000
  const bars = workloads.flatMap((workload): readonly Bar[] => {
    const { startedAt: begun, completeAt, wanted } = workload[which] ?? {}
    // One without pods is complete with the write.
    if (begun === undefined || wanted === 0) return []
    const id = idOf(workload)
    const from = begun - startedAt
    const to = completeAt === undefined ? last : completeAt - startedAt
    const took = seconds((to - from) / 1000)
    if (cause?.workload === id && which === 'rollout') {
      return [{ label: `${plain(id)}, ${took}, failed`, from, to: last, look: 'failed' }]
    }
    const how = completeAt === undefined ? ', not complete' : ''
    return [{ label: `${plain(id)}, ${took}${how}`, from, to, look: 'plain' }]
  })
  return bars.toSorted(inOrder)
}

const inOrder = (a: Bar, b: Bar) => a.from - b.from || a.to - b.to

/** The one that failed, those that were never complete, and those that took longest. */
function mostRelevant({ workloads, cause }: Report): readonly WorkloadReport[] {
  const weight = (workload: WorkloadReport): number => {
    const { startedAt, completeAt, wanted } = workload.rollout ?? {}
    if (idOf(workload) === cause?.workload) return Number.MAX_VALUE
    if (startedAt === undefined || wanted === 0) return -1
    return completeAt === undefined ? Number.MAX_SAFE_INTEGER : completeAt - startedAt
  }
  return workloads.toSorted((a, b) => weight(b) - weight(a)).slice(0, mostShown)
}

/** Letters, digits and signs that mean nothing to Mermaid: no name can break the chart, or end its fence. */
function plain(name: string): string {
  const text = name.replace(/[^\p{L}\p{N} ./_-]/gu, '_')
  if (text.length <= longestName) return text
  return `${text.slice(0, longestName / 2)}…${text.slice(1 - longestName / 2)}`
}
