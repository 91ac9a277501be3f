/** Commands on small repositories that need no cluster, and what a run has left. */
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Report } from '../../src/report/report.js'
import { Repository, type Changes } from './repository.js'
import { root, run, stack, type Ended, type How } from './stack.js'
import { until } from './until.js'

export interface Played extends Ended {
  readonly report: Report
  /** Of what is there after the run: temporary files, containers, networks, and a tag in the registry. */
  readonly left: readonly string[]
}

export class SmallProject extends Repository {
  readonly #temp: string
  /** The tag of its image. */
  tag = ''

  private constructor(
    private readonly home: string,
    /** At the stack's registry: `f-1a2b3/shop`. */
    readonly path: string,
    private readonly env: Readonly<Record<string, string>>,
  ) {
    super(join(home, 'project'))
    this.#temp = join(home, 'temp')
  }

  /** @param env of its runs, beside that of the stack */
  static async make(
    files: Changes,
    env: Readonly<Record<string, string>> = {},
  ): Promise<SmallProject> {
    const home = await mkdtemp(join(tmpdir(), 'small-'))
    const project = new SmallProject(home, `f-${Math.random().toString(36).slice(2, 8)}/shop`, env)
    await mkdir(project.folder)
    await mkdir(project.#temp)
    await project.git('init', '--quiet')
    project.tag = await project.commit('All', { seed: project.path, ...files })
    return project
  }

  async play(
    command: string,
    image: string,
    options: Readonly<Record<string, string>> = {},
    how: Pick<How, 'onOutput' | 'env'> = {},
  ): Promise<Played> {
    const report = join(this.home, `${Math.random().toString(36).slice(2)}.json`)
    const flags = Object.entries({ image, report, ...options }).map(
      ([name, value]) => `--${name}=${value}`,
    )
    let own = 0
    const ended = await run('node', [join(root, 'dist/cli/index.js'), command, ...flags], {
      cwd: this.folder,
      env: { ...stack.env, ...this.env, CI: 'true', TMPDIR: this.#temp, ...how.env },
      onOutput: (soFar, kill, pid) => {
        own = pid
        how.onOutput?.(soFar, kill, pid)
      },
    })
    const text = await readFile(report, 'utf8').catch(() => '{}')
    return { ...ended, report: JSON.parse(text) as Report, left: await this.#left(own) }
  }

  async #left(pid: number): Promise<readonly string[]> {
    const lists = await Promise.all([
      this.#listed(pid, 'ps', '--all'),
      this.#listed(pid, 'network', 'ls'),
    ])
    const tag = (await this.isPushed()) ? [`tag ${this.tag}`] : []
    return [...(await readdir(this.#temp)), ...lists.flat(), ...tag]
  }

  /** What the process has in the engine, once that answers. */
  async #listed(pid: number, ...list: readonly string[]): Promise<readonly string[]> {
    const format = '{{.ID}} {{.Label "django-rollout.process"}}'
    const args = [...list, '--filter', 'label=django-rollout.test', '--format', format]
    let all = ''
    await until('an answer of the engine', async () => {
      const { code, stdout } = await run('docker', args, { env: { ...stack.env, ...this.env } })
      all = stdout
      return code === 0
    })
    return all.split('\n').filter((line) => line.includes(`.${pid}.`))
  }

  async isPushed(): Promise<boolean> {
    const accept =
      'application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json'
    const url = `http://${stack.registry}/v2/${this.path}/manifests/${this.tag}`
    return (await fetch(url, { method: 'HEAD', headers: { accept } })).ok
  }

  async remove(): Promise<void> {
    await rm(this.home, { recursive: true, force: true })
  }
}
