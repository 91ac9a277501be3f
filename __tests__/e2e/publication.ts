/** A checkout that is ready to be published as 1.0.0, an npm that takes it, and a `gh` in the place of GitHub's. */
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Checkout, type Acted } from './checkout.js'
import { npmRegistry, type Registry } from './npm-registry.js'

export class Publication {
  private constructor(
    private readonly home: string,
    readonly checkout: Checkout,
    readonly npm: Registry,
  ) {}

  static async make(): Promise<Publication> {
    const home = await mkdtemp(join(tmpdir(), 'publication-'))
    const checkout = await Checkout.make()
    await checkout.git('clone', '--quiet', '--bare', checkout.folder, join(home, 'origin'))
    for (const folder of ['bin', 'releases']) await mkdir(join(home, folder))
    await cp(fileURLToPath(new URL('gh', import.meta.url)), join(home, 'bin/gh'))
    const npm = await npmRegistry('django-rollout')
    await writeFile(join(home, 'npmrc'), npm.npmrc)
    await checkout.change('CHANGELOG.md', (text) =>
      text.replace(/^## \[1\.0\.0\] - .*$/m, '## [1.0.0] - 2026-01-31'),
    )
    // A proof of origin is signed by a service of the internet's. Another npm is for this step alone.
    await checkout.change('.github/workflows/publish.yml', (text) =>
      text
        .replace(' --provenance', ' --provenance=false')
        .replace(/^( +)NPM_TAG: .*$/m, `$&\n$1npm_config_userconfig: ${home}/npmrc`),
    )
    await checkout.commit('Version 1.0.0')
    return new Publication(home, checkout, npm)
  }

  /** Tags what is committed, at the origin too, and runs publish.yml for the tag. */
  async push(tag: string): Promise<Acted> {
    await this.checkout.git('tag', tag)
    await this.checkout.git('push', '--quiet', join(this.home, 'origin'), tag)
    return this.act('push', `refs/tags/${tag}`)
  }

  act(name: 'push' | 'workflow_dispatch', ref: string): Promise<Acted> {
    const event = { name, workflow: 'publish.yml', payload: { ref } }
    const env = { GH_HOME: this.home }
    const secrets = { GITHUB_TOKEN: 'not-a-real-token' }
    return this.checkout.act({ ...event, env, secrets, tools: join(this.home, 'bin') })
  }

  /** The commit that a tag names at the origin. */
  async at(tag: string): Promise<string> {
    const origin = ['--git-dir', join(this.home, 'origin')]
    return (await this.checkout.git(...origin, 'rev-parse', tag)).trim()
  }

  /** The files of each GitHub release: its package, and its notes. */
  async releases(): Promise<Readonly<Record<string, Readonly<Record<string, Buffer>>>>> {
    const filesOf = async (folder: string) => {
      const names = await readdir(folder)
      const files = await Promise.all(names.map((name) => readFile(join(folder, name))))
      return Object.fromEntries(names.map((name, at) => [name, files[at] ?? Buffer.alloc(0)]))
    }
    const folder = join(this.home, 'releases')
    const tags = await readdir(folder)
    const files = await Promise.all(tags.map((tag) => filesOf(join(folder, tag))))
    return Object.fromEntries(tags.map((tag, at) => [tag, files[at] ?? {}]))
  }

  /** How much was published. */
  async counts() {
    return { npm: this.npm.files.size, github: Object.keys(await this.releases()).length }
  }

  async remove(): Promise<void> {
    this.npm.close()
    await this.checkout.remove()
    await rm(this.home, { recursive: true, force: true })
  }
}
