/** Reads the plan of this checkout, for the tag that the workflow runs for, if it is one. */
import { readFileSync } from 'node:fs'
import { planOf, type Plan } from './plan.ts'

const text = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

export function readPlan(): Plan {
  const { GITHUB_REF_TYPE: type, GITHUB_REF_NAME: name } = process.env
  return planOf({
    project: text('package.json'),
    changelog: text('CHANGELOG.md'),
    tag: type === 'tag' ? name : undefined,
  })
}

/** Runs `work`; what it throws becomes the one sentence that the run ends with. */
export async function main(work: () => Promise<void> | void): Promise<void> {
  try {
    await work()
  } catch (error) {
    const sentence = error instanceof Error ? error.message : String(error)
    // As GitHub escapes a command's text.
    const escaped = sentence.replace(/%/g, '%25').replace(/\r/g, '%0D').replace(/\n/g, '%0A')
    console.log(`::error::${escaped}`)
    process.exitCode = 1
  }
}
