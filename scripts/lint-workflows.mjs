/**
 * Lints all workflow and action files of the repository with the linters that are named: actionlint, which
 * knows workflows alone, and zizmor, which looks for ways in. Without a name, both. Exits with 1 when
 * one of them finds something.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))

/** All YAML files in these folders and below. */
const yamlIn = (folders) =>
  folders.filter(existsSync).flatMap((folder) =>
    readdirSync(folder, { recursive: true })
      .filter((name) => /\.ya?ml$/.test(name))
      .map((name) => join(folder, name)),
  )

/** Among the examples are manifests, too, and files of other CIs. */
const isWorkflow = (file) => /^on:/m.test(readFileSync(file, 'utf8'))
const isAction = (file) => /(^|\/)action\.ya?ml$/.test(file)

const workflows = yamlIn(['.github/workflows', 'workflows', 'examples']).filter(isWorkflow)
const actions = ['action.yml', ...yamlIn(['actions', 'examples']).filter(isAction)]

const zizmor = [
  '--offline',
  '--pedantic',
  '--strict-collection',
  '--quiet',
  '--config',
  '.github/zizmor.yml',
]
const linters = {
  actionlint: workflows,
  zizmor: [...zizmor, '.github/dependabot.yml', ...workflows, ...actions],
}

const asked = process.argv.slice(2)
const names = asked.length > 0 ? asked : Object.keys(linters)
const made = spawnSync('cluster/stack', ['tools', ...names], { stdio: ['ignore', 'pipe', 2] })
// It has said what it lacks.
if (made.status !== 0) process.exit(1)
const folder = /^STACK_BIN=(.*)$/m.exec(made.stdout.toString())[1]

console.log(`${workflows.length} workflows, ${actions.length} actions`)
for (const name of names) {
  const program = join(folder, name)
  if (!existsSync(program)) {
    console.log(`${name} is not there`)
    process.exitCode = 1
    continue
  }
  const { status } = spawnSync(program, linters[name], { stdio: ['ignore', 1, 2] })
  console.log(`${name}: ${status === 0 ? 'nothing found' : `exit code ${status}`}`)
  if (status !== 0) process.exitCode = 1
}
