/**
 * `make bench`: releases by this project, by a hand-written script and by helm, side by side on the local
 * stack, which has to be up. All cases: into docs/benchmarks.md. `ONLY=bad-tag,pipeline-warm`: into build/bench/.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { must, root, stack } from '../e2e/stack.js'
import { cases } from './cases.js'
import { pageOf } from './page.js'
import { playPipelines } from './pipeline.js'
import { pipelines } from './pipelines.js'
import { play } from './play.js'
import { startProgress } from './progress.js'

// make exports it always, empty where nobody has set it.
const only = process.env['ONLY'] ? process.env['ONLY'].split(',') : []
const isChosen = ({ name }: { readonly name: string }) => only.length === 0 || only.includes(name)
const all = [...pipelines, ...cases].map(({ name }) => name)
const unknown = only.filter((name) => !all.includes(name))
if (unknown.length > 0) {
  const names = all.join(', ')
  console.error(`ONLY: there is no ${unknown.join(', ')}; there are ${names}`)
  process.exit(2)
}
const say = (line: string) => {
  console.log(line)
}
const end = new AbortController()
process.once('SIGINT', () => {
  say('what is under way is ended, and everything removed')
  end.abort()
})

const startedAt = Date.now()
const progress = startProgress(say)
// The pipelines first: they need the processors for themselves.
const whole = await playPipelines(pipelines.filter(isChosen), progress, end.signal)
if (cases.some(isChosen)) await provideHelm()
const compared = await play(cases.filter(isChosen), progress, end.signal)
progress.stop()
const troubles = [...whole.troubles, ...compared.troubles]
const minutes = (Date.now() - startedAt) / 60_000
const page = await write(pageOf(compared.rows, whole.rows, await about()))
say(`\n${page.text}\n`)
say(`written to ${page.file}, after ${minutes.toFixed(1)} minutes`)
for (const problem of troubles) say(`could not be measured: ${problem}`)
process.exit(troubles.length > 0 || end.signal.aborted ? 1 : 0)

async function provideHelm(): Promise<void> {
  progress.underWay.set('helm', Date.now())
  await must(join(root, 'cluster/stack'), ['tools', 'helm'])
  progress.underWay.delete('helm')
}

async function about(): Promise<string> {
  const version = async (program: string, ...args: readonly string[]) =>
    (await must(program, args, { env: stack.env })).trim()
  const server = await version('kubectl', 'get', '--raw', '/version')
  const { gitVersion } = JSON.parse(server) as { gitVersion: string }
  const helm = cases.some(isChosen)
    ? `, helm ${await version('helm', 'version', '--template', '{{.Version}}')}`
    : ''
  const which = only.length === 0 ? 'All cases' : `Only ${only.join(', ')}`
  return `${which}, in one run of ${minutes.toFixed(0)} minutes on ${availableParallelism()} processors: Kubernetes ${gitVersion}${helm}.`
}

/** Puts the generated part between its marks. A subset, or a run that was not whole, does not touch the docs. */
async function write(generated: string): Promise<{ readonly file: string; readonly text: string }> {
  const docs = join(root, 'docs/benchmarks.md')
  const isWhole = only.length === 0 && troubles.length === 0 && !end.signal.aborted
  const file = isWhole ? docs : join(root, 'build/bench/benchmarks.md')
  const [begin, finish] = ['<!-- begin of figures -->', '<!-- end of figures -->']
  const old = await readFile(docs, 'utf8')
  const [before, rest] = [old.indexOf(begin), old.indexOf(finish)]
  if (before < 0 || rest < before) throw new Error(`${docs} has lost its marks`)
  const page = `${old.slice(0, before)}${begin}\n\n${generated}\n\n${old.slice(rest)}`
  const options = await resolveConfig(docs)
  const text = await format(page, { ...options, parser: 'markdown' })
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, text)
  return { file, text: text.slice(text.indexOf(begin), text.indexOf(finish)) }
}
