/** A checkout that is ready to be published as 1.0.0, and an npm and a GitHub that take it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { github, npmRegistry, type GitHub, type Registry } from '../publish/servers.js'
import { Checkout, type Acted } from './checkout.js'

export class Publication {
  private constructor(
    private readonly home: string,
    readonly checkout: Checkout,
    readonly npm: Registry,
    readonly github: GitHub,
  ) {}

  static async make(): Promise<Publication> {
    const home = await mkdtemp(join(tmpdir(), 'publication-'))
    const origin = join(home, 'origin')
    const checkout = await Checkout.make()
    await checkout.git('clone', '--quiet', '--bare', checkout.folder, origin)
    const [npm, hub] = await Promise.all([npmRegistry('django-rollout'), github(origin)])
    await writeFile(join(home, 'npmrc'), npm.npmrc)
    await checkout.change('CHANGELOG.md', (text) =>
      text.replace(/^## \[1\.0\.0\] - .*$/m, '## [1.0.0] - 2026-01-31'),
    )
    // A proof of origin is signed by a service of the internet's: all but that, and the place of npm.
    await checkout.change('.github/workflows/publish.yml', (text) =>
      text.replace(
        /^( +)- run: (node scripts\/publish\/npm\.ts .*) --provenance (.*)$/m,
        `$1- env:\n$1    npm_config_userconfig: ${home}/npmrc\n$1  run: $2 --provenance=false $3`,
      ),
    )
    await checkout.commit('Version 1.0.0')
    return new Publication(home, checkout, npm, hub)
  }

  /** Tags what is committed, at the origin too, and runs publish.yml for the tag. */
  async push(tag: string): Promise<Acted> {
    await this.checkout.git('tag', tag)
    await this.checkout.git('push', '--quiet', join(this.home, 'origin'), tag)
    return this.act('push', `refs/tags/${tag}`)
  }

  act(name: 'push' | 'workflow_dispatch', ref: string): Promise<Acted> {
    const { GITHUB_TOKEN = '', ...env } = this.github.env
    return this.checkout.act({
      ...{ name, workflow: 'publish.yml', payload: { ref }, env, secrets: { GITHUB_TOKEN } },
    })
  }

  /** The commit that a tag names at the origin. */
  async at(tag: string): Promise<string> {
    const origin = ['--git-dir', join(this.home, 'origin')]
    return (await this.checkout.git(...origin, 'rev-parse', tag)).trim()
  }

  /** How much was published. */
  counts() {
    return { npm: this.npm.files.size, github: this.github.releases.length }
  }

  async remove(): Promise<void> {
    this.npm.close()
    this.github.close()
    await this.checkout.remove()
    await rm(this.home, { recursive: true, force: true })
  }
}
