/** The entry on machines that have less than Debian: a root of BusyBox and Node, and nothing else. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { cp, mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { must, root, run, stack } from '../e2e/stack.js'

const image = `django-rollout-platforms-${Math.random().toString(36).slice(2, 7)}`
let folder = ''

/** In place of kubectl: it serves nothing, and stays. */
const kubectl = `#!/bin/sh
[ "$1" = version ] && exit
echo $$ > /tmp/kubectl.pid
echo 'Starting to serve on nothing'
while :; do sleep 1; done
`

/** Copies a program with all that its loader needs. */
async function copyProgram(path: string, to: string): Promise<void> {
  const real = await realpath(path)
  await cp(real, join(folder, to))
  const { output } = await run('ldd', [real])
  const libraries = [...output.matchAll(/(\/\S+) \(0x/g)].map(([, library = '']) => library)
  for (const library of libraries) {
    await mkdir(join(folder, dirname(library)), { recursive: true })
    await cp(await realpath(library), join(folder, library))
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'platforms-'))
  for (const one of ['bin', 'tmp', 'usr/bin']) await mkdir(join(folder, one), { recursive: true })
  const busybox = (await must('which', ['busybox'], { env: stack.env })).trim()
  await copyProgram(busybox, 'bin/busybox')
  await copyProgram(process.execPath, 'bin/node')
  await cp(join(root, 'dist'), join(folder, 'dist'), { recursive: true })
  await writeFile(join(folder, 'usr/bin/kubectl'), kubectl, { mode: 0o755 })
  await writeFile(join(folder, 'Dockerfile'), 'FROM scratch\nCOPY . /\nRUN ["/bin/busybox", "--install", "-s", "/bin"]\n')
  await must('docker', ['build', '--quiet', '--tag', image, folder], { env: stack.env })
})

afterAll(async () => {
  await run('docker', ['image', 'rm', '--force', image], { env: stack.env })
  await rm(folder, { recursive: true })
})

const inRoot = (script: string) =>
  run('docker', ['run', '--rm', '--init', '--env', 'PATH=/usr/bin:/bin', image, '/bin/sh', '-c', script], { env: stack.env })

const cli = 'node /dist/cli/index.js'
const history = `${cli} history --image acme/shop --namespace shop`

test('a command is explained', async () => {
  const { code, output } = await inRoot(`${cli} help release`)
  expect({ code, output }).toMatchObject({ code: 0, output: expect.stringMatching(/^Usage: django-rollout release/) })
})

const setprivs = [
  ["BusyBox'", ''],
  // Before 2.33, of July 2018: RHEL 8 and Amazon Linux 2 have those.
  [
    "an old util-linux'",
    `printf '#!/bin/sh\\necho "setpriv: unrecognized option \\x27$1\\x27" >&2\\necho "Try \\x27setpriv --help\\x27 for more information." >&2\\nexit 1\\n' >/usr/bin/setpriv; chmod +x /usr/bin/setpriv; `,
  ],
  ['none', 'rm /bin/setpriv; '],
] as const

test.each(setprivs)('kubectl runs, and ends with a run that is killed, where setpriv is %s', async (_, arrange) => {
  const { code, output } = await inRoot(`${arrange}
    setpriv --pdeathsig KILL -- true 2>/dev/null && echo 'this setpriv would do it'
    ${history} & run=$!
    while [ ! -s /tmp/kubectl.pid ]; do sleep 0.1; done
    kubectl=$(cat /tmp/kubectl.pid)
    # A run that is killed before it has started what watches over kubectl cannot end it.
    until ps | grep -v grep | grep -q 'node -e'; do sleep 0.1; done
    kill -0 $kubectl && echo 'kubectl runs'
    kill -9 $run
    while kill -0 $kubectl 2>/dev/null; do sleep 0.1; done
    echo 'kubectl has ended'
    # What watched over it ends too.
    while ps | grep -v grep | grep -q 'node\\|kubectl'; do sleep 0.1; done
    echo 'nothing is left'`)
  const lines = output.split('\n').filter((line) => /kubectl|left|setpriv|option/.test(line))
  expect({ code, lines }).toEqual({ code: 0, lines: ['kubectl runs', 'kubectl has ended', 'nothing is left'] })
})

test('the error of a cluster that is not there is about the cluster', async () => {
  const { code, output } = await inRoot(`
    printf '#!/bin/sh\\necho "error: no context" >&2; exit 1\\n' >/usr/bin/kubectl
    ${history}`)
  expect(code).toBe(1)
  expect(output).toContain('the cluster does not answer: no context')
  expect(output).not.toMatch(/setpriv|unrecognized/)
})
