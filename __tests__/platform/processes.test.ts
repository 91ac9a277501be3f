import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { realProcesses } from '../../src/platform/processes.js'
import type { Channel, Processes, StreamOptions } from '../../src/platform/platform.js'

const processes = realProcesses(process.env)
const node = process.execPath
const never = new AbortController().signal

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'django-rollout-test-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** Starts a command in each of the ways there are, and returns what it prints. */
async function eachWay(
  own: Processes,
  tool: string,
  args: readonly string[],
): Promise<readonly string[]> {
  const streamed = async (how: Pick<StreamOptions, 'bound' | 'input'>) => {
    const said: string[] = []
    await own.stream(tool, args, { ...how, signal: never, onLine: (line) => said.push(line) })
    return said.join('\n')
  }
  return Promise.all([
    own.run(tool, args).then(({ stdout }) => stdout),
    own.run(tool, args, { input: 'x' }).then(({ stdout }) => stdout),
    streamed({}),
    streamed({ input: 'x' }),
    streamed({ bound: true }),
  ])
}

test('no command gets the inputs of the action, among which are secrets', async () => {
  const inputs = { INPUT_KUBECONFIG: 'k', 'INPUT_REGISTRY-PASSWORD': 'p', INPUT_NEXT: 'n' }
  const own = realProcesses({ ...process.env, ...inputs, KEPT: 'yes' })
  for (const said of await eachWay(own, 'env', [])) {
    expect(said).toContain('KEPT=yes')
    expect(said).not.toContain('INPUT_')
  }
})

/** Runs a script to its end and keeps what it says. */
async function stream(script: string, signal = never, input?: string) {
  const said: [Channel, string][] = []
  const code = await processes.stream(node, ['-e', script], {
    signal,
    onLine: (line, channel) => said.push([channel, line]),
    ...(input === undefined ? {} : { input }),
  })
  return { code, said }
}

/** Waits up to 2 s for a process to end; one that nobody has asked about since (a zombie) has ended. */
async function hasEnded(pid: number): Promise<boolean> {
  for (let tries = 40; tries > 0; tries--) {
    const { stdout } = await processes.run('ps', ['-o', 'stat=', '-p', String(pid)])
    if (stdout.trim() === '' || stdout.startsWith('Z')) return true
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return false
}

describe('a short command', () => {
  test('returns its exit code and its output on each channel', async () => {
    const script = 'console.log("out"); console.error("err"); process.exitCode = 3'
    expect(await processes.run(node, ['-e', script])).toEqual({
      code: 3,
      stdout: 'out\n',
      stderr: 'err\n',
    })
  })

  test('gets its arguments unchanged, because no shell reads them', async () => {
    const args = ['$HOME', '`id`', 'a b', '"quoted"', "it's", '', '*', '\\n', '; exit 1']
    const { stdout } = await processes.run(node, [
      '-e',
      'console.log(JSON.stringify(process.argv.slice(1)))',
      '--',
      ...args,
    ])
    expect(JSON.parse(stdout)).toEqual(args)
  })

  test('gets input, variables and a working folder', async () => {
    const script =
      'process.stdin.on("data", (d) => console.log(String(d), process.env.EXTRA, process.cwd()))'
    const how = { input: 'secret', env: { EXTRA: 'more' }, cwd: '/' }
    expect((await processes.run(node, ['-e', script], how)).stdout).toBe('secret more /\n')
  })

  test('may end without reading its input', async () => {
    const input = 'x'.repeat(1 << 20)
    const ends = Array.from({ length: 20 }, () => processes.run('sh', ['-c', 'exit 3'], { input }))
    expect(new Set((await Promise.all(ends)).map(({ code }) => code))).toEqual(new Set([3]))
  })

  test('is found though its path has a blank and a quote in it', async () => {
    const path = join(folder, 'my "own" tool')
    await writeFile(path, '#!/bin/sh\necho "hello $1"\n')
    await chmod(path, 0o755)
    expect((await processes.run(path, ['a b'])).stdout).toBe('hello a b\n')
  })

  test.each([
    ['no such tool', 'no-such-tool', {}, 'no-such-tool was not found on PATH'],
    ['no such folder', node, { cwd: '/no/such/folder' }, 'could not be started: '],
  ])('has exit code 127 and a sentence for "%s"', async (_, tool, how, sentence) => {
    const { code, stderr } = await processes.run(tool, [], how)
    expect(code).toBe(127)
    expect(stderr).toContain(sentence)
  })
})

describe('the search for a tool', () => {
  test('follows the order of PATH, and skips folders and files that are not executable', async () => {
    const name = 'a-tool'
    const [first, second] = [join(folder, 'first'), join(folder, 'second')]
    await mkdir(join(first, 'as-folder'), { recursive: true })
    await mkdir(second)
    await writeFile(join(first, name), 'text')
    await symlink(node, join(second, name))
    const found = realProcesses({ PATH: `:${first}:/no/such:${second}` })
    expect(await found.find(name)).toBe(join(second, name))
    expect(await found.find('as-folder')).toBeUndefined()
    expect(await realProcesses({}).find('node')).toBeUndefined()
  })
})

describe('a long command', () => {
  test('is read line by line, with its channel and its exit code', async () => {
    const script = 'console.log("one\\ntwo"); console.error("three"); process.exitCode = 7'
    const { code, said } = await stream(script)
    expect(code).toBe(7)
    expect(said.filter(([channel]) => channel === 'stdout').map(([, line]) => line)).toEqual([
      'one',
      'two',
    ])
    expect(said).toContainEqual(['stderr', 'three'])
  })

  test('takes input', async () => {
    const { said } = await stream('process.stdin.pipe(process.stdout)', never, 'a\nb')
    expect(said).toEqual([
      ['stdout', 'a'],
      ['stdout', 'b'],
    ])
  })

  test('may end without reading its input', async () => {
    expect((await stream('process.exit(4)', never, 'x'.repeat(1_000_000))).code).toBe(4)
  })

  test('has exit code 127 and a sentence when it does not exist', async () => {
    const lines: string[] = []
    const onLine = (line: string) => lines.push(line)
    expect(await processes.stream('no-such-tool', [], { signal: never, onLine })).toBe(127)
    expect(lines).toEqual(['no-such-tool was not found on PATH'])
  })

  test('has exit code 127 when no system can start it', async () => {
    const path = join(folder, 'broken')
    await writeFile(path, '#!/no/such/interpreter\n')
    await chmod(path, 0o755)
    const lines: string[] = []
    const onLine = (line: string) => lines.push(line)
    expect(await processes.stream(path, [], { signal: never, onLine })).toBe(127)
    expect(lines.join()).toContain('could not be started')
  })

  test('ends on SIGTERM when aborted, and its children with it', async () => {
    const ending = new AbortController()
    const script = `
      const child = require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
      console.log(child.pid)
      setInterval(() => {}, 1000)`
    const pids: number[] = []
    const code = await processes.stream(node, ['-e', script], {
      signal: ending.signal,
      onLine: (line) => {
        pids.push(Number(line))
        ending.abort()
      },
    })
    expect(code).toBe(128 + 15)
    expect(await hasEnded(pids[0] ?? 0)).toBe(true)
  })

  test('is killed 5 s after an abort that it ignores', async () => {
    const ending = new AbortController()
    const startedAt = Date.now()
    const code = await processes.stream(
      node,
      ['-e', 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000); console.log("up")'],
      {
        signal: ending.signal,
        onLine: () => {
          ending.abort()
        },
      },
    )
    expect(code).toBe(128 + 9)
    expect(Date.now() - startedAt).toBeGreaterThanOrEqual(5_000)
    expect(Date.now() - startedAt).toBeLessThan(8_000)
  }, 15_000)

  test('is not started at all after an abort', async () => {
    const { code, said } = await stream('console.log("up")', AbortSignal.abort())
    expect(code).toBe(128 + 15)
    expect(said).toEqual([])
  })

  test('does not wait for its background processes', async () => {
    const startedAt = Date.now()
    const { code, said } = await stream(
      `const child = require('node:child_process').spawn('sleep', ['20'], { stdio: 'inherit', detached: true })
       console.log(child.pid)
       child.unref()`,
    )
    process.kill(Number(said[0]?.[1]), 'SIGKILL')
    expect(code).toBe(0)
    expect(Date.now() - startedAt).toBeLessThan(5_000)
  })
})

describe('a command that is bound to this process', () => {
  /** A `setpriv` that knows no --pdeathsig, as BusyBox' and that of util-linux before 2.33. */
  const another = `#!/bin/sh\necho "setpriv: unrecognized option '$1'" >&2; exit 1\n`

  /** Its process is killed as soon as it has said that it runs: the pids of the command and of its child. */
  async function killed(setpriv: string | undefined): Promise<readonly number[]> {
    const bin = await mkdtemp(join(folder, 'bin-'))
    if (setpriv !== undefined) await writeFile(join(bin, 'setpriv'), setpriv, { mode: 0o755 })
    const path = setpriv === undefined ? '/usr/bin:/bin' : `${bin}:/usr/bin:/bin`
    const bound = `
      const child = require('node:child_process').spawn('sleep', ['60'])
      console.log(process.pid, child.pid)
      setInterval(() => {}, 1000)`
    const main = `
      import { realProcesses } from './src/platform/processes.ts'
      const { stream } = realProcesses({ PATH: ${JSON.stringify(path)} })
      await stream(process.execPath, ['-e', ${JSON.stringify(bound)}], {
        bound: true, signal: new AbortController().signal, onLine: (line) => { console.log(line) },
      })`
    const pids: number[] = []
    const args = ['--import', './scripts/typescript.mjs', '--experimental-transform-types']
    const quiet = '--disable-warning=ExperimentalWarning'
    const all = [...args, quiet, '--input-type=module', '-e', main]
    const run = spawn(node, all, { stdio: ['ignore', 'pipe', 'inherit'] })
    await new Promise((resolve) => {
      run.stdout.on('data', (bytes: Buffer) => {
        pids.push(...String(bytes).trim().split(' ').map(Number))
        run.kill('SIGKILL')
      })
      run.on('close', resolve)
      run.on('exit', resolve)
    })
    return pids
  }

  test('ends with it where the system provides for that', async () => {
    const [pid = 0, child = 0] = await killed(undefined)
    expect(pid).toBeGreaterThan(0)
    expect(await hasEnded(pid)).toBe(true)
    process.kill(child, 'SIGKILL')
  })

  test('ends with it, and with its children, where no setpriv can provide for that', async () => {
    const pids = await killed(another)
    expect(pids).toHaveLength(2)
    for (const pid of pids) expect(await hasEnded(pid)).toBe(true)
  })

  test('is not started with a setpriv that cannot provide for that', async () => {
    const bin = await mkdtemp(join(folder, 'bin-'))
    await writeFile(join(bin, 'setpriv'), another, { mode: 0o755 })
    const said: string[] = []
    const onLine = (line: string) => said.push(line)
    const how = { signal: never, bound: true, onLine } as const
    const own = realProcesses({ ...process.env, PATH: `${bin}:${process.env['PATH']}` })
    expect(await own.stream(node, ['-e', 'console.log("up")'], how)).toBe(0)
    expect(await own.stream(node, ['-e', 'console.log("again")'], how)).toBe(0)
    expect(said).toEqual(['up', 'again'])
  })
})

describe('a process is named among all that ever ran', () => {
  const identity = processes.identity() ?? ''
  const [, place = '', pid = '', start = ''] = /^(.+)\.(\d+)\.(\d+)$/.exec(identity) ?? []

  test('and runs', () => {
    expect(pid).toBe(String(process.pid))
    expect(processes.hasEnded(identity)).toBe(false)
    expect(processes.hasEnded(`${place}.1.${start}`)).toBe(true)
  })

  test('and has ended, though its number may be in use again', async () => {
    const child = spawn('sleep', ['60'])
    child.kill('SIGKILL')
    await once(child, 'close')
    expect(processes.hasEnded(`${place}.${child.pid}.${start}`)).toBe(true)
    expect(processes.hasEnded(`${place}.${pid}.${Number(start) + 1}`)).toBe(true)
  })

  test.each(['', 'x', `other-${identity}`])('"%s" is not known to have ended', (other) => {
    expect(processes.hasEnded(other)).toBe(false)
  })
})
