/**
 * Plays whole pipelines: the script and a release take turns, each in its own namespace with its own git copy of
 * the shop. Both namespaces begin alike, and are at rest whenever one of them starts.
 */
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Report } from '../../src/report/report.js'
import { kubectlJson, must, root, stack } from '../e2e/stack.js'
import { gone } from './bed.js'
import {
  atRest,
  commitTo,
  forgetLayers,
  imageInRegistry,
  makePipelineBed,
  removePipelineBed,
  type PipelineBed,
  type Pods,
} from './pipeline-bed.js'
import {
  cacheProblem,
  middleOfRounds,
  sides,
  stagesOfReport,
  stagesOfScript,
  type Round,
  type Side,
  type Stage,
} from './pipeline-figures.js'
import type { PipelineRow } from './pipeline-page.js'
import type { Pipeline } from './pipelines.js'
import type { Progress } from './progress.js'
import { runTool, type Call, type Line } from './run-tool.js'

export interface PipelineOutcome {
  readonly rows: readonly PipelineRow[]
  /** What could not be measured. */
  readonly troubles: readonly string[]
}

const baseImage = 'python:3.13-slim'

/** The first one that fails ends it: from then on the two would not begin alike. */
export async function playPipelines(
  chosen: readonly Pipeline[],
  progress: Progress,
  signal: AbortSignal,
): Promise<PipelineOutcome> {
  const rows: PipelineRow[] = []
  if (chosen.length === 0) return { rows, troubles: [] }
  const beds: PipelineBed[] = []
  try {
    progress.log('a first release of the shop for each side')
    for (const side of sides) beds.push(await makePipelineBed(side))
    for (const pipeline of chosen) rows.push(await compare(pipeline, beds, progress, signal))
    return { rows, troubles: [] }
  } catch (error) {
    const next = chosen[rows.length]?.name ?? ''
    return { rows, troubles: [`${next}: ${String(error)}`] }
  } finally {
    progress.log('removing the namespaces of the pipelines')
    for (const bed of beds) await removePipelineBed(bed)
    await gone(beds.map(({ site }) => site.namespace))
  }
}

async function compare(
  pipeline: Pipeline,
  beds: readonly PipelineBed[],
  { log, underWay }: Progress,
  signal: AbortSignal,
): Promise<PipelineRow> {
  const rounds: Record<Side, Round[]> = { script: [], 'django-rollout': [] }
  for (let round = 0; round < pipeline.rounds; round += 1) {
    for (const bed of round % 2 === 0 ? beds : beds.toReversed()) {
      const name = `${pipeline.name}, ${bed.side}, round ${round + 1}`
      underWay.set(name, Date.now())
      try {
        await atRest(beds)
        if (pipeline.cache === 'cold') await forgetLayers(beds)
        // The kubelet looks once a second, and so comes to rest at a beat of its own: each round begins elsewhere.
        await sleep((1_000 * round) / pipeline.rounds)
        signal.throwIfAborted()
        const measured = await measure(pipeline, round, bed, signal)
        rounds[bed.side].push(measured)
        log(`${name}: ${wordsOf(measured)}`)
      } catch (error) {
        throw new Error(`${bed.side}, round ${round + 1}: ${String(error)}`, { cause: error })
      } finally {
        underWay.delete(name)
      }
    }
  }
  const by = {
    script: middleOfRounds(rounds.script),
    'django-rollout': middleOfRounds(rounds['django-rollout']),
  }
  return { of: pipeline, by }
}

async function measure(
  pipeline: Pipeline,
  round: number,
  bed: PipelineBed,
  signal: AbortSignal,
): Promise<Round> {
  const { side, site } = bed
  const tag = await commitTo(bed, pipeline, round)
  const home = await mkdtemp(join(dirname(site.folder), 'home-'))
  const call = side === 'script' ? scriptCall(bed) : releaseCall(bed, tag, home)
  const place = { folder: site.folder, home, kubeconfig: site.kubeconfig }
  const startedAt = Date.now()
  const { code, said } = await runTool({ ...call, ...place }, signal)
  const endedAt = Date.now()
  const lines = said.map(({ text }) => text)
  await keep(`${pipeline.name}-${side}-${round + 1}`, lines)
  if (code !== 0) throw new Error(`it ended with ${code}:\n${lines.slice(-30).join('\n')}`)
  const { tests, stages } =
    side === 'script'
      ? readScript(said, startedAt, endedAt)
      : await readRelease(reportIn(home), startedAt)
  if (tests === 0) throw new Error('it has run no tests')
  await checkDeployed(bed, pipeline, tag)
  return { seconds: (endedAt - startedAt) / 1000, stages }
}

function scriptCall({ site }: PipelineBed): Call {
  return { program: join(root, '__tests__/bench/pipeline.sh'), args: [site.namespace, site.image] }
}

function releaseCall({ site }: PipelineBed, tag: string, home: string): Call {
  const flags = {
    image: site.image,
    namespace: site.namespace,
    'build-args': `VERSION=${tag}`,
    'test-services': 'postgres redis',
    bake: '0',
    report: reportIn(home),
  }
  const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value])
  return { program: 'node', args: [join(root, 'dist/cli/index.js'), 'release', ...args] }
}

function reportIn(home: string): string {
  return join(home, 'report.json')
}

interface Read {
  readonly tests: number
  readonly stages: readonly Stage[]
}

function readScript(said: readonly Line[], startedAt: number, endedAt: number): Read {
  const [count = 0] = said.flatMap(({ text }) => /^Ran (\d+) tests? in /.exec(text)?.[1] ?? [])
  return { tests: Number(count), stages: stagesOfScript(said, startedAt, endedAt) }
}

async function readRelease(file: string, startedAt: number): Promise<Read> {
  const report = JSON.parse(await readFile(file, 'utf8')) as Report
  if (report.result !== 'deployed') throw new Error(`its result is "${report.result}"`)
  return { tests: report.tests?.run ?? 0, stages: stagesOfReport(report.stages, startedAt) }
}

/** Throws where not everything was built as the row says, is in each workload, and runs. */
async function checkDeployed(
  bed: PipelineBed,
  { cache, migrates }: Pipeline,
  tag: string,
): Promise<void> {
  const { side, site, image: before } = bed
  const image = await imageInRegistry(site, tag)
  const base = JSON.parse(
    await must('docker', ['image', 'inspect', '--format', '{{json .RootFS.Layers}}', baseImage], {
      env: stack.env,
    }),
  ) as readonly string[]
  const problem = cacheProblem(cache, side, { base, before: before.layers, now: image.layers })
  if (problem !== undefined) throw new Error(`its build was not ${cache}: ${problem}`)
  for (const [workload, runs] of Object.entries(await site.tags())) {
    if (runs !== tag) throw new Error(`${workload} has the image ${runs}, not ${tag}`)
  }
  const selected = ['-n', site.namespace, 'get', 'pods', '--selector', 'app in (web, worker)']
  const pods = (await kubectlJson<Pods>(...selected)).items.filter(
    ({ metadata }) => !metadata.deletionTimestamp,
  )
  const old = pods.filter(
    ({ status }) =>
      !status.containerStatuses?.every(
        ({ ready, imageID }) => ready && imageID.endsWith(image.digest),
      ),
  )
  if (pods.length !== podsOfShop || old.length > 0) {
    const names = old.map(({ metadata }) => metadata.name).join(', ')
    throw new Error(`of ${pods.length} pods these do not run ${image.digest}: ${names || 'none'}`)
  }
  const newest = "SELECT name FROM django_migrations WHERE app = 'catalog' ORDER BY id DESC LIMIT 1"
  const applied = migrates ? await site.sql(newest) : bed.migration
  if (applied !== bed.migration) throw new Error(`the newest migration is ${applied}`)
  bed.image = image
}

/** Two of the web, and the worker. */
const podsOfShop = 3

/** To be read when a figure surprises. */
async function keep(name: string, lines: readonly string[]): Promise<void> {
  const folder = join(root, 'build/bench')
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, `${name}.log`), lines.join('\n'))
}

function wordsOf({ seconds, stages }: Round): string {
  const parts = stages.map(({ name, seconds }) => `${name} ${seconds.toFixed(2)}`)
  return `${seconds.toFixed(2)} s (${parts.join(', ')})`
}
