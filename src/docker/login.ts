import { join } from 'node:path/posix'
import { fail } from '../failure/failure.js'
import type { Platform, Processes } from '../platform/platform.js'
import { dockerHome } from './credentials.js'
import {
  configWithLogins,
  helperName,
  helperScript,
  loginVariable,
  privateConfig,
  withoutLogin,
  type Login,
} from './private-config.js'
import { hostOf } from './registry-errors.js'

/**
 * Docker as one run starts it. Without a login in the options it is the user's own. With one it has a configuration
 * that is the run's alone: another run on this machine cannot log it out, and it does not log out the user.
 */
export class RunDocker {
  /** The platform, whose docker has the login once there is one. */
  readonly platform: Platform
  /** For programs that log in to registries alone: the logins are among them. */
  #variables: Readonly<Record<string, string>> = {}
  /** For everyone who reads docker's configuration. */
  #shown: Readonly<Record<string, string>> = {}
  #helpers = ''

  constructor(private readonly base: Platform) {
    const { processes } = base
    const shown = () => this.#shown
    this.platform = {
      ...base,
      get env() {
        return { ...base.env, ...shown() }
      },
      processes: {
        ...processes,
        run: (tool, args, options) =>
          processes.run(this.#path(tool), args, this.#with(tool, options ?? {})),
        stream: (tool, args, options) =>
          processes.stream(this.#path(tool), args, this.#with(tool, options)),
      } satisfies Processes,
    }
  }

  /** Gives docker a login. Returns the way to remove the run's configuration. */
  async keep(login: Login): Promise<() => Promise<void>> {
    const { files, env } = this.base
    const home = dockerHome(this.base)
    const folder = await files.privateFolder()
    // One that may not be read is none for docker too.
    const text = await files.read(join(home, 'config.json')).catch(() => undefined)
    const { config, logins } = privateConfig(text, login)
    // Contexts, builders and plugins are the user's own, and stay where they are.
    const names = files.isFolder(home) ? await files.list(home).catch(() => []) : []
    for (const name of names.filter((one) => one !== 'config.json'))
      await files.linkTo(join(home, name), join(folder, name))
    this.#helpers = `${folder}/django-rollout-helpers`
    for (const number of logins.keys()) await files.writeProgram(this.#helper(number), helperScript)
    // Programs may be forbidden in the folder for temporary files (noexec).
    const canHelp = (await this.base.processes.find(this.#helper(0))) !== undefined
    const own = canHelp ? config : configWithLogins(text, login)
    await files.writePrivate(join(folder, 'config.json'), own)
    const auths = env['DOCKER_AUTH_CONFIG']
    this.#shown = {
      DOCKER_CONFIG: folder,
      ...(auths && { DOCKER_AUTH_CONFIG: withoutLogin(auths, login) }),
    }
    this.#variables = {
      ...this.#shown,
      PATH: `${this.#helpers}:${env['PATH'] ?? ''}`,
      ...Object.fromEntries(logins.map((one, number) => [loginVariable(number), one])),
    }
    return () => files.remove(folder)
  }

  /** The same, once the registry has taken the login. Throws a `Failure` (`registry`) when it rejects it. */
  async login(login: Login): Promise<() => Promise<void>> {
    const remove = await this.keep(login)
    const { repository, username, password } = login
    const host = hostOf(repository)
    const done = await this.platform.processes.run(
      'docker',
      ['login', '--username', username, '--password-stdin', ...serverOf(host)],
      { input: password },
    )
    if (done.code === 0) return remove
    await remove()
    const [said = 'no reason given'] = done.stderr
      .split('\n')
      .filter((line) => line.trim() !== '' && !line.startsWith('WARNING'))
    return fail({
      code: 'registry',
      sentence: `registry login failed: ${host} rejects ${username}: ${said}`,
      hint: 'check "registry-username" and "registry-password"',
    })
  }

  #helper(number: number): string {
    return `${this.#helpers}/docker-credential-${helperName}${number}`
  }

  #path(tool: string): string {
    return tool.startsWith(`docker-credential-${helperName}`) ? `${this.#helpers}/${tool}` : tool
  }

  #with<Options extends { readonly env?: Readonly<Record<string, string>> }>(
    tool: string,
    options: Options,
  ): Options {
    if (!loggedIn.has(tool) && !tool.startsWith('docker-credential-')) return options
    return { ...options, env: { ...options.env, ...this.#variables } }
  }
}

/** Programs that read docker's configuration. */
const loggedIn: ReadonlySet<string> = new Set(['docker', 'cosign', 'gh'])

/** docker's word for a registry; none for its own. */
function serverOf(host: string): readonly string[] {
  return host === 'docker.io' ? [] : [host]
}
