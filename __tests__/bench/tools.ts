/** The tools that are compared: how each is called, and when it knows. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Report } from '../../src/report/report.js'
import { kubectl, must, root, stack } from '../e2e/stack.js'
import { writeManifests, type Bed } from './bed.js'
import type { ToolName } from './names.js'
import { homesIn, type Call, type Line } from './run-tool.js'

export interface Tool {
  /** Once, before its first release here. */
  prepare(bed: Bed): Promise<void>
  release(bed: Bed, tag: string): Promise<Call>
  /** When it knew that the release failed, in ms since 1970, after its end. */
  failedAt(bed: Bed, said: readonly Line[]): Promise<number | undefined>
}

/** As the script has it, for each single wait. */
const timeouts = '120s'

const ours: Tool = {
  prepare: async () => Promise.resolve(),
  release: async (bed, tag) => {
    const { changed } = bed.manifests
    const flags = {
      image: bed.repository,
      tag,
      namespace: bed.namespace,
      'migrate-command': '',
      bake: '0',
      report: join(bed.home, 'report.json'),
      ...(changed && { manifests: await writeManifests(bed, changed, bed.repository) }),
    }
    const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value])
    return { program: 'node', args: [join(root, 'dist/cli/index.js'), 'deploy', ...args] }
  },
  failedAt: async (bed) => {
    const report = await readFile(join(bed.home, 'report.json'), 'utf8')
    return (JSON.parse(report) as Report).detectedAt
  },
}

const script: Tool = {
  prepare: async () => Promise.resolve(),
  release: async (bed, tag) => {
    const { changed } = bed.manifests
    return {
      program: join(root, '__tests__/bench/release.sh'),
      args: [bed.namespace, `${bed.repository}:${tag}`, ...bed.names],
      ...(changed && { env: { MANIFESTS: await writeManifests(bed, changed, 'IMAGE') } }),
    }
  },
  failedAt: firstLine(/^FAILED: /),
}

const helm: Tool = {
  /** What is there was applied by kubectl: helm brings its own. */
  prepare: async (bed) => {
    const given = ['--namespace', bed.namespace]
    const gone = ['delete', 'deployments', '--all', '--cascade=foreground', '--wait']
    await kubectl(...given, ...gone)
    const chart = await writeChart(bed, bed.manifests.now)
    const args = ['install', 'shop', chart, ...given, '--set', `image=${bed.image}`, '--wait']
    await must('helm', args, { env: { ...stack.env, ...homesIn(bed.home) } })
  },
  release: async (bed, tag) => {
    const { now, changed = now } = bed.manifests
    const given = ['--namespace', bed.namespace, '--set', `image=${bed.repository}:${tag}`]
    const retryTransient = ['--rollback-on-failure', '--wait', '--timeout', timeouts]
    return {
      program: 'helm',
      args: ['upgrade', 'shop', await writeChart(bed, changed), ...given, ...retryTransient],
    }
  },
  failedAt: firstLine(/upgrade failed/i),
}

export const tools: Readonly<Record<ToolName, Tool>> = { 'django-rollout': ours, script, helm }

function firstLine(pattern: RegExp): Tool['failedAt'] {
  return (_bed, said) => Promise.resolve(said.find(({ text }) => pattern.test(text))?.at)
}

async function writeChart(bed: Bed, manifests: string): Promise<string> {
  const chart = join(bed.home, `chart-${Math.random().toString(36).slice(2)}`)
  await mkdir(join(chart, 'templates'), { recursive: true })
  const about = { apiVersion: 'v2', name: 'shop', version: '0.1.0' }
  await writeFile(join(chart, 'Chart.yaml'), JSON.stringify(about))
  const template = manifests.replaceAll('IMAGE', '{{ .Values.image }}')
  await writeFile(join(chart, 'templates/workloads.yaml'), template)
  return chart
}
