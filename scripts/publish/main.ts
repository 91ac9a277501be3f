/**
 * Prints what would be published from this checkout, or what keeps it from being. In a workflow, its later
 * steps get the plan as outputs.
 */
import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { appendFileSync, readFileSync } from 'node:fs'
import { planOf, type Plan } from './plan.ts'

const text = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const { GITHUB_REF_TYPE: type, GITHUB_REF_NAME: name, GITHUB_OUTPUT: outputs } = process.env

function writeOutputs(plan: Plan, path: string): void {
  const end = randomUUID()
  const { version, tag, npmTag, movingTag, notes } = plan
  const named = { version, tag, 'npm-tag': npmTag, 'moving-tag': movingTag ?? '', notes }
  for (const [key, value] of Object.entries(named)) {
    appendFileSync(path, `${key}<<${end}\n${value}\n${end}\n`)
  }
}

try {
  const plan = planOf({
    project: text('package.json'),
    changelog: text('CHANGELOG.md'),
    tags: execFileSync('git', ['tag', '--list', 'v*'], { encoding: 'utf8' }).split('\n'),
    tag: type === 'tag' ? name : undefined,
  })
  const { version, tag, npmTag, movingTag, notes } = plan
  const tags = movingTag === undefined ? `the tag ${tag}` : `the tags ${tag} and ${movingTag}`
  console.log(`${plan.name} ${version}: ${npmTag} on npm, ${tags}, and these notes:\n\n${notes}`)
  if (outputs) writeOutputs(plan, outputs)
} catch (error) {
  // Each sentence of planOf is of one line, as GitHub wants it.
  console.log(`::error::${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}
