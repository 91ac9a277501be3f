/** What a person sees of a release: on a real pseudo-terminal, and in a pipe. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Report } from '../../src/report/report.js'
import { at } from '../e2e/moment.js'
import { Site } from '../e2e/site.js'
import { kubectl, must, root, run, stack } from '../e2e/stack.js'
import { emulator } from '../support/emulator.js'
import { seldom } from '../support/seldom.js'

let site: Site
let image: string

beforeAll(async () => {
  site = await Site.make('terminal')
  image = `${stack.registry}/${site.namespace}/slow`
  for (const tag of ['v1', 'v2']) await push(tag)
  const file = join(dirname(site.folder), 'slow.yaml')
  await writeFile(file, ['web', 'worker'].map(slow).join('---\n'))
  await kubectl('-n', site.namespace, 'apply', '-f', file)
  for (const name of ['web', 'worker']) {
    await kubectl('-n', site.namespace, 'rollout', 'status', `deployment/${name}`)
  }
})

afterAll(() => site.remove())

test('on a terminal each workload has a line while it is waited for, and the lines disappear', async () => {
  const { code, frames, all, cursor } = await onTerminal('v2')
  expect({ code, all }).toMatchObject({ code: 0 })
  expect(frames.flat()).toContainEqual(
    expect.stringMatching(/^ {2}· deployment\/web +\d+ s {2}\d of 2 ready, waiting for web-\S+ \(/),
  )
  expect(frames.flat()).toContainEqual(
    expect.stringMatching(/^ {2}✓ deployment\/worker +\d+ s {2}2 of 2 ready$/),
  )
  expect(all.filter(isDrawn)).toEqual([])
  expect(all.join('\n')).toMatch(/\n {2}(deployment\/web.*|all 2 workloads): 1 of 2 ready {2}[\d.]+s\n[\s\S]*\n✓ rollout /)
  expect(all.at(-1)).toMatch(/^✓ slow v2 is deployed: 2 workloads in namespace /)
  expect(cursor.column).toBe(0)
})

test('a release that is ended in the middle leaves the terminal clean', async () => {
  const { code, frames, all } = await onTerminal('v1', /deployment\/web +\d+ s {2}0 of 2 ready/)
  expect({ code, all }).toMatchObject({ code: 130 })
  expect(all).toContain('· ended by SIGINT: the changes are undone')
  expect(frames.flat().filter(isDrawn)).not.toEqual([])
  expect(all.filter(isDrawn)).toEqual([])
  // Everything runs what the release before has brought.
  expect(await tags()).toEqual(['v2', 'v2'])
})

seldom('the same release in a pipe writes plain lines, one for each change', async () => {
  const env = { CI: '', TERM: 'xterm-256color' }
  const { code, output } = await site.cli('deploy', options('v1'), { env })
  expect({ code, output }).toMatchObject({ code: 0 })
  expect(output).not.toMatch(/(?!\n)\p{Cc}/u)
  const lines = output.split('\n')
  expect(lines.filter(isDrawn)).toEqual([])
  for (const count of ['0 of 2 ready', '1 of 2 ready', '2 of 2 ready']) {
    const told = lines.filter((line) => line.includes(count) && !line.includes('waiting for'))
    expect([1, 2]).toContain(told.length)
  }
})

seldom('a release whose reader closes its pipe goes on', async () => {
  const { code, output } = await inShell('v2', '| head -1; exit ${PIPESTATUS[0]}')
  expect({ code, output }).toEqual({ code: 0, output: expect.stringMatching(/^▸ \w+\n$/) })
  expect(await tags()).toEqual(['v2', 'v2'])
})

test('with --json the terminal shows the log, and the standard output has only the report', async () => {
  const path = join(dirname(site.folder), 'out.json')
  const { code, frames, all } = await onTerminal('v1', undefined, ['--json'], `> '${path}'`)
  expect({ code, all }).toMatchObject({ code: 0 })
  expect(frames.flat().filter(isDrawn)).not.toEqual([])
  const report = JSON.parse(await readFile(path, 'utf8')) as Report
  expect(report).toMatchObject({ command: 'deploy', result: 'deployed', tag: 'v1' })
})

/** What the templates name. */
async function tags(): Promise<readonly string[]> {
  const form = 'jsonpath={.items[*].spec.template.spec.containers[0].image}'
  const images = await kubectl('-n', site.namespace, 'get', 'deployments', '-o', form)
  return images.split(' ').map((one) => one.replace(/@.*$/, '').split(':').at(-1) ?? '')
}

const options = (tag: string) => ({
  image, tag, namespace: site.namespace, bake: '1s',
  'migrate-command': '', order: 'parallel',
})

/** Deploys on a pseudo-terminal of 90 columns and 12 rows; SIGINT comes when it shows the moment. */
async function onTerminal(
  tag: string,
  interruptAt?: RegExp,
  more: readonly string[] = [],
  redirected = '',
) {
  const command = `stty columns 90 rows 12; exec ${deploy(tag, more)} ${redirected}`
  let pid = 0
  const interrupt = at(interruptAt ?? /$^/, async () => {
    // The only child of `script`, since the shell has become the program.
    const child = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
    process.kill(Number(child), 'SIGINT')
  })
  const { code, output } = await run('script', ['-qec', command, '/dev/null'], {
    cwd: site.folder,
    env: { ...stack.env, KUBECONFIG: site.kubeconfig, CI: '', TERM: 'xterm-256color' },
    onOutput: (soFar, kill, ownPid) => {
      pid = ownPid
      interrupt.how.onOutput?.(soFar.replace(/\p{Cc}(\[[\d;?]*\w)?/gu, ''), kill, ownPid)
    },
  })
  if (interruptAt) await interrupt.done()
  const terminal = emulator(90, 12)
  const frames: (readonly string[])[] = []
  // Each time when something was drawn.
  for (const piece of output.split(/(?<=\[\?7h)/)) {
    terminal.write(piece)
    frames.push(await terminal.screen())
  }
  return { code, frames, all: await terminal.all(), cursor: await terminal.cursor() }
}

/** Deploys as a part of a line of a shell, with the environment of `site.cli`. */
function inShell(tag: string, rest: string) {
  return run('bash', ['--norc', '-c', `${deploy(tag)} ${rest}`], {
    cwd: site.folder,
    env: { ...stack.env, KUBECONFIG: site.kubeconfig, CI: '' },
  })
}

/** The words of a shell that deploy. */
function deploy(tag: string, more: readonly string[] = []): string {
  const flags = Object.entries(options(tag)).flatMap(([name, value]) => [`--${name}`, value])
  const cli = ['node', join(root, 'dist/cli/index.js'), 'deploy', ...flags, ...more]
  return cli.map((word) => `'${word}'`).join(' ')
}

function isDrawn(line: string): boolean {
  return /^ {2}[·✓!✗] /.test(line)
}

async function push(tag: string): Promise<void> {
  const folder = join(dirname(site.folder), tag)
  await mkdir(folder)
  const lines = `FROM python:3.13-slim\nENV PLACE=${site.namespace} VERSION=${tag}\n`
  await writeFile(join(folder, 'Dockerfile'), lines)
  await must('docker', ['build', '--quiet', '--tag', `${image}:${tag}`, folder], { env: stack.env })
  await must('docker', ['push', '--quiet', `${image}:${tag}`], { env: stack.env })
}

/** Takes 2 s to start. */
function slow(name: string): string {
  const probe = '{exec: {command: [test, -e, /tmp/ready]}, periodSeconds: 1, timeoutSeconds: 10, failureThreshold: 60}'
  return `apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}}
spec:
  replicas: 2
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - {name: app, image: '${image}:v1', command: [sh, -c, 'sleep 2; touch /tmp/ready; sleep 1d'], startupProbe: ${probe}}
`
}
