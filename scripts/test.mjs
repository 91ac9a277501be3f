/**
 * All checks and tests, as `make test` runs them. The stack starts in the background while the static
 * checks run, side by side. A failing step does not keep the others from running. Each check counts as one; of jest's
 * tests each counts, and one that is skipped or still to be written counts as failed. ONLY=dist,stack runs
 * the steps of these names alone.
 */
import { spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs'
import { totalmem } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const logs = 'build/test'
const started = Date.now()
const total = { passed: 0, failed: 0 }
const failures = []
const failedTests = []
const only = process.env.ONLY ? process.env.ONLY.split(',') : undefined
const seen = new Set()
const leftOut = []

const seconds = (since) => `${((Date.now() - since) / 1000).toFixed(1)} s`

/** Runs a program, all its words on our standard output; resolves to its exit code. */
function run(program, args, stdio = ['ignore', 1, 1]) {
  return new Promise((resolve) => {
    spawn(program, args, { stdio })
      .on('error', (error) => {
        console.log(`${program}: ${error.message}`)
        resolve(127)
      })
      .on('close', (code) => resolve(code ?? 1))
  })
}

const isAskedFor = (name) => only === undefined || only.includes(name)

/** One step: `work` resolves to its counts, or throws what kept it from running. */
async function step(name, work) {
  seen.add(name)
  if (!isAskedFor(name)) {
    leftOut.push(name)
    return
  }
  const begun = Date.now()
  console.log(`\n=== ${name} (${seconds(started)} since the start)`)
  const { passed, failed } = await work().catch((error) => {
    console.log(error.message)
    return { passed: 0, failed: 1 }
  })
  total.passed += passed
  total.failed += failed
  if (failed > 0) failures.push(name)
  console.log(`--- ${name}: ${failed > 0 ? 'FAILED' : 'ok'} after ${seconds(begun)}`)
}

const counted = (code) => (code === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 })

async function check(program, ...args) {
  return counted(await run(program, args))
}

/** Starts an npm script at once; as a step it is waited for, and shown with all its words. */
function inBackground(name, script, work = npmScript) {
  if (!isAskedFor(name)) return () => undefined
  const log = join(logs, `${script.replace(':', '-')}.log`)
  const output = openSync(log, 'w')
  const ended = work(script, output).finally(() => closeSync(output))
  // The step reports it, once its turn has come.
  ended.catch(() => undefined)
  return () => ended.finally(() => process.stdout.write(readFileSync(log)))
}

async function npmScript(script, output) {
  return counted(await run('npm', ['run', '--silent', script], ['ignore', output, output]))
}

/** Runs the tests of one npm script, and counts them; its words go to `output`. */
async function jest(script, output = 1) {
  const outcome = join(logs, `${script.replace(':', '-')}.json`)
  rmSync(outcome, { force: true })
  const args = ['run', '--silent', script, '--', '--json', `--outputFile=${outcome}`]
  const code = await run('npm', args, ['ignore', 'ignore', output])
  const told = JSON.parse(readFileSync(outcome, 'utf8'))
  const passed = told.numPassedTests
  const unrun = told.numPendingTests + told.numTodoTests
  const failed = told.numFailedTests + told.numRuntimeErrorTestSuites + unrun
  failedTests.push(...told.testResults.flatMap(failedOf))
  if (passed + failed === 0) console.log(`no test of "${script}" ran: counted as failed`)
  // Jest may be dissatisfied with something that is no test, such as a broken set-up.
  const dissatisfied = failed === 0 && (code !== 0 || passed === 0)
  return { passed, failed: failed + (dissatisfied ? 1 : 0) }
}

/** The names of the tests of a file that failed or were skipped, or its own where it could not run. */
function failedOf({ name, status, assertionResults }) {
  const failed = assertionResults.filter((test) => test.status !== 'passed')
  if (failed.length > 0)
    return failed.map(({ fullName, status: ended }) =>
      ended === 'failed' ? fullName : `${fullName} (${ended}: counted as failed)`,
    )
  return status === 'failed' ? [name] : []
}

/** Starts the stack in the background, with its words in a log. */
function startStack() {
  const log = join(logs, 'stack.log')
  const output = openSync(log, 'w')
  const stack = { log, begun: Date.now(), ended: false }
  // The steps that miss a tool say so by themselves.
  const script = 'cluster/stack tools || true; cluster/stack up'
  stack.code = run('bash', ['-c', script], ['ignore', output, output]).then((code) => {
    closeSync(output)
    stack.ended = true
    return code
  })
  return stack
}

const lastLines = (file, count) => readFileSync(file, 'utf8').trimEnd().split('\n').slice(-count)

/** Waits for the stack with a line every 10 seconds; shows the end of its log when it failed. */
async function stackUp(stack) {
  while (!stack.ended) {
    await Promise.race([stack.code, sleep(10_000)])
    if (!stack.ended) console.log(`… ${seconds(stack.begun)}  ${lastLines(stack.log, 1)[0]}`)
  }
  const code = await stack.code
  if (code !== 0)
    throw new Error(`${lastLines(stack.log, 40).join('\n')}\nstack: exit code ${code}`)
  console.log(lastLines(stack.log, 1)[0])
  return { passed: 1, failed: 0 }
}

/** Each of the linters of workflow files counts as one check. */
async function workflowFiles() {
  const counts = { passed: 0, failed: 0 }
  for (const linter of ['actionlint', 'zizmor']) {
    const { passed, failed } = await check('node', 'scripts/lint-workflows.mjs', linter)
    counts.passed += passed
    counts.failed += failed
  }
  return counts
}

// Cases beside the checkout come first, so that one without an expectation is noticed.
const besides = resolve('../shared/cases')
if (existsSync(besides)) process.env.CASES ??= besides

// kubectl, docker and the stack are all in Go, and take a fifth less of a processor where memory is plenty.
if (totalmem() > 12 * 1024 ** 3) process.env.GOGC ??= '400'

const isUp = async () => (await run('cluster/stack', ['env'], 'ignore')) === 0

mkdirSync(logs, { recursive: true })
const wasUp = await isUp()
const stack = isAskedFor('stack') ? startStack() : undefined

const checks = [
  ['lint', 'lint'],
  ['types', 'typecheck'],
  ['generated files', 'check:generated'],
  ['dist', 'check:dist'],
].map(([name, script]) => [name, inBackground(name, script)])
for (const [name, ended] of checks) await step(name, ended)
// One process explores the model: the unit tests have the other processors.
const model = inBackground('model', 'unit:model', jest)
await step('unit tests', () => jest('unit'))
await step('model', model)
await step('stack', () => stackUp(stack))
await step('workflow files', workflowFiles)
await step('browser tests', () => jest('browser'))
await step('end-to-end tests', async () => {
  if (!(await isUp())) throw new Error('not run: the stack is not up')
  return jest('e2e')
})

// A developer's next run is quicker with the stack still up; a CI machine is left as it was found.
if (process.env.CI && !wasUp) await run('cluster/stack', ['down'])

console.log(`\nAll steps took ${seconds(started)}.`)
if (leftOut.length > 0) console.log(`Left out: ${leftOut.join(', ')}`)
const unknown = (only ?? []).filter((name) => !seen.has(name))
if (unknown.length > 0) failures.push(`ONLY: there is no step ${unknown.join(', ')}`)
if (failures.length > 0) console.log(`Failed: ${failures.join(', ')}`)
for (const name of failedTests) console.log(`  ${name}`)
console.log(`${total.passed} passed, ${total.failed} failed`)
process.exitCode = failures.length === 0 && total.passed > 0 ? 0 : 1
