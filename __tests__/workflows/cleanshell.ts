/** A machine that runs jobs of a CI: the programs that they need, a home, and no variable but the job's own. */
import { access, mkdir, mkdtemp, realpath, rm, symlink } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { must, run, stack, type Ended } from '../e2e/stack.js'
import { serveThisPackage, type NpmRegistry } from './npmregistry.js'

/** What the examples say that a runner needs. */
const tools = ['node', 'npm', 'npx', 'git', 'docker', 'kubectl']

export class CleanShell {
  private constructor(
    private readonly home: string,
    private readonly npm: NpmRegistry,
  ) {}

  static async make(): Promise<CleanShell> {
    const [home, npm] = await Promise.all([mkdtemp(join(tmpdir(), 'ci-')), serveThisPackage()])
    await Promise.all([mkdir(join(home, 'bin')), mkdir(join(home, '.docker'))])
    for (const tool of tools) {
      const found = await must('sh', ['-c', `command -v ${tool}`], { env: stack.env })
      await symlink(await realpath(found.trim()), join(home, 'bin', tool))
    }
    const plugins = join(stack.env['DOCKER_CONFIG'] ?? join(homedir(), '.docker'), 'cli-plugins')
    const has = await access(plugins).then(
      () => true,
      () => false,
    )
    if (has) await symlink(plugins, join(home, '.docker/cli-plugins'))
    return new CleanShell(home, npm)
  }

  /** Runs a program in the folder with these variables and nothing else of ours. */
  run(
    folder: string,
    program: readonly string[],
    variables: Readonly<Record<string, string>>,
  ): Promise<Ended> {
    const { DOCKER_HOST: engine } = stack.env
    const all = {
      PATH: `${this.home}/bin:/usr/bin:/bin`,
      HOME: this.home,
      npm_config_registry: this.npm.address,
      ...(engine !== undefined && { DOCKER_HOST: engine }),
      ...variables,
    }
    const pairs = Object.entries(all).map((pair) => pair.join('='))
    return run('env', ['-i', ...pairs, ...program], { cwd: folder })
  }

  /** Throws an Error when npm asked for anything but this package. */
  async remove(): Promise<void> {
    await this.npm.close()
    await rm(this.home, { recursive: true, force: true })
    const { strange } = this.npm
    if (strange.length > 0) throw new Error(`npm asked for ${strange.join(', ')}`)
  }
}
