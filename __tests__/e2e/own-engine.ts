/** A Docker engine of a test beside that of the stack: on a small disk of its own, and ended as the test wants. */
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { asRoot } from './relay.js'
import { run, stack } from './stack.js'
import { until } from './until.js'

export class OwnEngine {
  readonly #at: (name: string) => string
  #ended: Promise<unknown> = Promise.resolve()

  private constructor(
    folder: string,
    private readonly bridge: string,
  ) {
    this.#at = (name) => join(folder, name)
  }

  static async make(megabytes: number): Promise<OwnEngine> {
    const name = Math.random().toString(36).slice(2, 8)
    const engine = new OwnEngine(await mkdtemp(join(tmpdir(), 'engine-')), `e-${name}`)
    const at = engine.#at
    await mkdir(at('data'))
    await asRoot('mount', '-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', at('data'))
    await asRoot('ip', 'link', 'add', engine.bridge, 'type', 'bridge')
    await asRoot('ip', 'addr', 'add', `10.213.${process.pid % 250}.1/24`, 'dev', engine.bridge)
    await asRoot('ip', 'link', 'set', engine.bridge, 'up')
    // Also so that the settings of the machine's engine are not read.
    const settings = { 'registry-mirrors': [`http://${stack.registry}`] }
    await writeFile(at('daemon.json'), JSON.stringify(settings))
    await engine.start()
    return engine
  }

  get env(): Readonly<Record<string, string>> {
    return { DOCKER_HOST: `unix://${this.#at('sock')}` }
  }

  async start(): Promise<void> {
    const at = this.#at
    const places = ['--data-root', at('data'), '--exec-root', at('exec'), '--pidfile', at('pid')]
    const network = ['--bridge', this.bridge, '--iptables=false', '--ip-forward=false']
    const args = [
      '--config-file',
      at('daemon.json'),
      '--host',
      `unix://${at('sock')}`,
      '--group',
      String(process.getgid?.()),
    ]
    await asRoot('rm', '-f', at('pid'))
    this.#ended = asRoot('dockerd', ...args, ...places, ...network).catch(() => '')
    await until('an answer of the engine', () => this.#answers())
  }

  /** Ends it by this signal, and waits for its end. */
  async end(signal: 'TERM' | 'KILL'): Promise<void> {
    const numbers = ['pid', 'exec/containerd/containerd.pid'].map((name) =>
      asRoot('cat', this.#at(name)),
    )
    const [pid = '', containerd = ''] = (await Promise.all(numbers)).map((text) => text.trim())
    await asRoot('kill', `-${signal}`, pid)
    // The next one would take a containerd that is about to end with this one.
    const isThere = async () => (await run('ps', ['-p', `${pid},${containerd}`])).code === 0
    await until('the end of the engine', async () => !(await isThere()))
    await this.#ended
  }

  async remove(): Promise<void> {
    await this.end('TERM')
    await asRoot('ip', 'link', 'delete', this.bridge)
    await asRoot('umount', '--lazy', this.#at('data'))
    await asRoot('rm', '-rf', this.#at(''))
  }

  async #answers(): Promise<boolean> {
    return (await run('docker', ['version'], { env: { ...stack.env, ...this.env } })).code === 0
  }
}
