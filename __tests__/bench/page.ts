/** The generated part of docs/benchmarks.md. */
import type { Case } from './cases.js'
import { delayOf, type Figures } from './figures.js'
import { list, ratio, seconds, table } from './markdown.js'
import { toolNames, type ToolName } from './names.js'
import { pipelinePromises, pipelineSections, type PipelineRow } from './pipeline-page.js'

export interface Row {
  readonly of: Pick<Case, 'is' | 'name' | 'title'>
  readonly by: Readonly<Partial<Record<ToolName, Figures>>>
}

const titles: Readonly<Record<ToolName, string>> = {
  'django-rollout': 'django-rollout',
  script: 'script',
  helm: 'helm',
}
const rivals = toolNames.filter((name) => name !== 'django-rollout')

/** What the design promises: within so many seconds of the physical limit. */
const promised = { verdict: 1, healthy: 0.5 }

export function pageOf(
  rows: readonly Row[],
  pipelines: readonly PipelineRow[],
  about: string,
): string {
  const of = (...kinds: readonly Case['is'][]) => rows.filter((row) => kinds.includes(row.of.is))
  const [healthy, broken] = [of('healthy', 'slow'), of('broken')]
  return [
    about,
    '### In short',
    list([...promises(rows), ...pipelinePromises(pipelines)]),
    ...pipelineSections(pipelines),
    ...(healthy.length > 0 ? ['### Healthy releases, in seconds', healthyTable(healthy)] : []),
    ...of('slow').flatMap((row) => [
      `### Requests while waiting (${row.of.name})`,
      waitingTable(row),
    ]),
    ...(broken.length > 0
      ? [
          '### Seconds to the verdict',
          verdictTable(broken),
          '### Seconds until all is as before',
          restoredTable(broken),
          '### The cause, requests and memory',
          restTable(broken),
        ]
      : []),
    ...(rows.length > 0 ? ['### Who does best', 'Less is better.', list(standings(rows))] : []),
  ].join('\n\n')
}

function promises(rows: readonly Row[]): readonly string[] {
  const ours = rows.flatMap(({ of, by }) => {
    const figures = by['django-rollout']
    const delay = figures && delayOf(figures)
    return delay === undefined ? [] : [{ of, delay, figures }]
  })
  const faults = ours.filter(({ of }) => of.is === 'broken')
  const late = faults.filter(({ delay }) => delay > promised.verdict)
  const last = faults.toSorted((one, other) => other.delay - one.delay)[0]
  const quiet = rows.flatMap(({ by }) => by['django-rollout']?.waiting ?? [])
  return [
    ...(last
      ? [
          `A fault is recognised within ${promised.verdict} s of its first sign and the rule's grace in ${faults.length - late.length} of ${faults.length} cases; the latest is ${last.of.name}, by ${seconds(last.delay)} s.`,
        ]
      : []),
    ...ours
      .filter(({ of }) => of.is === 'healthy')
      .map(
        ({ of, delay }) =>
          `A healthy release of ${of.title} ends ${seconds(delay)} s after the last new pod is Ready (promised for up to 20 workloads: ${promised.healthy} s).`,
      ),
    ...quiet.map(
      ({ seconds: time, watches, lock, others }) =>
        `In ${time.toFixed(0)} s of waiting it made ${others} requests besides ${watches} for its watches and ${lock} for its lock.`,
    ),
  ]
}

/** In what none of the others does better, and in how many cases. */
function standings(rows: readonly Row[]): readonly string[] {
  return contests.flatMap(({ what, kinds, value }) => {
    const among = rows.filter(
      ({ of, by }) =>
        kinds.includes(of.is) && by['django-rollout'] && rivals.some((name) => by[name]),
    )
    if (among.length === 0) return []
    const lost = among.flatMap((row) => {
      const better = betterIn(row, value)
      return better.length > 0 ? [`${row.of.name} (${better.join(', ')})`] : []
    })
    const first = `**${what}**: no other tool is better in ${among.length - lost.length} of ${among.length} cases`
    if (lost.length === 0) return [first]
    return [`${first}; better: ${lost.length === among.length ? 'everywhere' : lost.join(', ')}`]
  })
}

/** The other tools that do better there. */
export function betterIn({ by }: Row, value: Contest['value']): readonly string[] {
  const worth = (name: ToolName) => {
    const figures = by[name]
    return (figures && value(figures)) ?? Infinity
  }
  return rivals.filter((name) => worth(name) < worth('django-rollout'))
}

interface Contest {
  readonly what: string
  readonly kinds: readonly Case['is'][]
  /** Missing: it did not do it at all. */
  readonly value: (figures: Figures) => number | undefined
}

const anyKind = ['healthy', 'slow', 'broken'] as const

const contests: readonly Contest[] = [
  { what: 'end of a healthy release', kinds: ['healthy', 'slow'], value: verdictOf('deployed') },
  { what: 'end after the last pod is Ready', kinds: ['healthy', 'slow'], value: delayOf },
  { what: 'time to the verdict', kinds: ['broken'], value: verdictOf('failed') },
  { what: 'time until all is as before', kinds: ['broken'], value: restoredOf },
  {
    what: 'cause not named',
    kinds: ['broken'],
    value: ({ named }) => (named ? 0 : 1),
  },
  { what: 'requests', kinds: anyKind, value: ({ requests }) => requests },
  { what: 'peak memory', kinds: anyKind, value: ({ megabytes }) => Math.round(megabytes) },
]

function verdictOf(said: Figures['said']) {
  return (figures: Figures) => (figures.said === said ? figures.verdict : undefined)
}

function restoredOf({ restored }: Figures): number | undefined {
  return restored === 'untouched' ? 0 : restored
}

function healthyTable(rows: readonly Row[]): string {
  const head = ['release', 'tool', 'all written', 'last pod Ready', 'end', 'later by']
  const more = ['to the limit', 'to django-rollout', 'requests', 'peak MB']
  return table(
    [...head, ...more],
    rows.flatMap(({ of, by }) =>
      figuresIn(by).map((figures) => {
        const { tool, said, verdict, limit, written, requests, megabytes } = figures
        const delay = delayOf(figures)
        return [
          of.title,
          titles[tool],
          written === undefined ? '—' : seconds(written),
          limit ? seconds(limit.sign) : '—',
          said === 'deployed' ? seconds(verdict) : `said failed: ${seconds(verdict)}`,
          delay === undefined ? '—' : seconds(delay),
          ratio(verdict, limit?.sign),
          ratio(verdict, by['django-rollout']?.verdict),
          String(requests),
          megabytes.toFixed(0),
        ]
      }),
    ),
  )
}

function waitingTable({ by }: Row): string {
  return table(
    ['tool', 'seconds', 'watches', 'lock', 'anything else'],
    figuresIn(by).flatMap(({ tool, waiting }) =>
      waiting
        ? [
            [
              titles[tool],
              waiting.seconds.toFixed(0),
              ...[waiting.watches, waiting.lock, waiting.others].map(String),
            ],
          ]
        : [],
    ),
  )
}

function verdictTable(rows: readonly Row[]): string {
  return table(
    ['fault', 'what', 'first sign + grace', 'django-rollout', 'to the limit', ...withRatio()],
    rows.map(({ of, by }) => {
      const ours = by['django-rollout']
      const limit = ours?.limit
      const told = (figures?: Figures) => {
        if (!figures) return '—'
        return figures.said === 'failed' ? seconds(figures.verdict) : 'never: said deployed'
      }
      return [
        of.name,
        of.title,
        limit ? `${seconds(limit.sign)} + ${limit.grace}` : '—',
        told(ours),
        limit ? ratio(ours.verdict, limit.sign + limit.grace) : '—',
        ...rivals.flatMap((name) => {
          const theirs = by[name]
          return [
            told(theirs),
            theirs?.said === 'failed' ? ratio(theirs.verdict, ours?.verdict) : '—',
          ]
        }),
      ]
    }),
  )
}

function restoredTable(rows: readonly Row[]): string {
  return table(
    ['fault', 'django-rollout', ...withRatio()],
    rows.map(({ of, by }) => {
      const ours = by['django-rollout']
      const told = (figures?: Figures) => {
        const restored = figures?.restored
        if (!figures) return '—'
        if (restored === undefined) return 'never'
        return restored === 'untouched' ? 'never touched' : seconds(restored)
      }
      const time = (figures?: Figures) =>
        typeof figures?.restored === 'number' ? figures.restored : undefined
      return [
        of.name,
        told(ours),
        ...rivals.flatMap((name) => [told(by[name]), ratio(time(by[name]), time(ours))]),
      ]
    }),
  )
}

function restTable(rows: readonly Row[]): string {
  const short = { 'django-rollout': 'ours', script: 'script', helm: 'helm' }
  const heads = ['names it', 'requests', 'MB'].flatMap((what) =>
    toolNames.map((name) => `${what}: ${short[name]}`),
  )
  const cells = (by: Row['by'], cell: (figures: Figures) => string) =>
    toolNames.map((name) => {
      const figures = by[name]
      return figures ? cell(figures) : '—'
    })
  return table(
    ['fault', ...heads],
    rows.map(({ of, by }) => [
      of.name,
      ...cells(by, ({ named }) => (named ? 'yes' : 'no')),
      ...cells(by, ({ requests }) => String(requests)),
      ...cells(by, ({ megabytes }) => megabytes.toFixed(0)),
    ]),
  )
}

function withRatio(): readonly string[] {
  return rivals.flatMap((name) => [titles[name], `${titles[name]} to ours`])
}

function figuresIn(by: Row['by']): readonly Figures[] {
  return toolNames.flatMap((name) => by[name] ?? [])
}
