/** This repository as it is now, as a git repository of its own whose workflows act runs. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { must, root, run, stack, type Ended } from './stack.js'

export type Outcome = 'succeeded' | 'failed'

export interface Acted extends Ended {
  /** What became of each job that was started. */
  readonly jobs: Readonly<Record<string, Outcome>>
}

export interface Event {
  readonly name: 'push' | 'pull_request' | 'workflow_dispatch'
  /** Of `.github/workflows`. */
  readonly workflow: string
  /** This one and those that it needs; all when not given. */
  readonly job?: string
  /** What GitHub tells of the event. */
  readonly payload?: unknown
  readonly env?: Readonly<Record<string, string>>
  readonly secrets?: Readonly<Record<string, string>>
  /** A folder of programs that its jobs find before those of the machine. */
  readonly tools?: string
}

export class Checkout {
  private constructor(
    private readonly home: string,
    readonly folder: string,
  ) {}

  static async make(): Promise<Checkout> {
    const home = await mkdtemp(join(tmpdir(), 'checkout-'))
    const checkout = new Checkout(home, join(home, 'repository'))
    const list = ['ls-files', '--cached', '--others', '--exclude-standard', '-z']
    for (const file of (await must('git', list, { cwd: root })).split('\0').filter(Boolean)) {
      await cp(join(root, file), join(checkout.folder, file)).catch((error: unknown) => {
        // It is deleted, but not yet in git.
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      })
    }
    await checkout.git('init', '--quiet', '--initial-branch=main')
    await checkout.commit('As it is')
    await checkout.git(
      ...['remote', 'add', 'origin', 'https://github.com/django-rollout/django-rollout.git'],
    )
    return checkout
  }

  git(...args: readonly string[]): Promise<string> {
    const who = ['-c', 'user.name=a', '-c', 'user.email=a@example.org']
    return must('git', [...who, ...args], { cwd: this.folder })
  }

  async commit(message: string): Promise<string> {
    await this.git('add', '--all')
    await this.git('commit', '--quiet', '--allow-empty', '--message', message)
    return (await this.git('rev-parse', 'HEAD')).trim()
  }

  async change(file: string, change: (old: string) => string): Promise<void> {
    const path = join(this.folder, file)
    const old = await readFile(path, 'utf8')
    const changed = change(old)
    if (changed === old) throw new Error(`${file} is not changed`)
    await writeFile(path, changed)
  }

  /** Jobs run on this machine, one after the other; actions/checkout gives them the last commit. */
  async act(event: Event): Promise<Acted> {
    const home = await mkdtemp(join(this.home, 'act-'))
    const payload = join(home, 'event.json')
    await writeFile(payload, JSON.stringify(event.payload ?? {}))
    const pairs = (flag: string, all: Readonly<Record<string, string>> = {}) =>
      Object.entries(all).flatMap(([name, value]) => [flag, `${name}=${value}`])
    const ended = await run(
      'act',
      [
        event.name,
        '--workflows',
        join('.github/workflows', event.workflow),
        ...(event.job ? ['--job', event.job] : []),
        '--platform',
        'ubuntu-latest=-self-hosted',
        '--concurrent-jobs',
        '1',
        '--action-cache-path',
        join(home, 'cache'),
        '--eventpath',
        payload,
        ...(await this.local(home)),
        ...pairs('--env', event.env),
        ...pairs('--secret', event.secrets),
      ],
      {
        cwd: this.folder,
        env: {
          ...stack.env,
          // Packages that this machine has had before are not asked for again.
          npm_config_prefer_offline: 'true',
          ...(event.tools && { PATH: `${event.tools}:${stack.env['PATH'] ?? ''}` }),
        },
      },
    )
    await rm(home, { recursive: true, force: true })
    const told = ended.output.matchAll(/^\[[^/\]]+\/([^\]]+?) *\] 🏁 +Job (succeeded|failed)/gmu)
    const jobs = Object.fromEntries(
      [...told].map(([, job = '', outcome]) => [job, outcome as Outcome]),
    )
    return { ...ended, jobs }
  }

  /** actions/setup-node fetches what is here already: a step that does nothing stands for it. */
  private async local(home: string): Promise<readonly string[]> {
    const action = join(home, 'setup-node')
    const git = (...args: readonly string[]) => this.git('-C', action, ...args)
    await must('git', ['init', '--quiet', '--initial-branch=main', action])
    await writeFile(
      join(action, 'action.yml'),
      'name: setup-node\nruns:\n  using: composite\n  steps:\n    - {run: node --version, shell: bash}\n',
    )
    await git('add', '--all')
    await git('commit', '--quiet', '--message', 'setup-node')
    const uses = await must(
      'grep',
      ['-rhoE', 'actions/setup-node@[0-9a-f]+', '.github/workflows'],
      {
        cwd: this.folder,
      },
    )
    return [...new Set(uses.trim().split('\n'))].flatMap((use) => [
      '--local-repository',
      `${use}=${action}`,
    ])
  }

  remove(): Promise<void> {
    return rm(this.home, { recursive: true, force: true })
  }
}
