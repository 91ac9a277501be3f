/** A registry of a test: the same program as the stack's, on an address of this machine that is not localhost. */
import { spawn } from 'node:child_process'
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { must, stack } from './stack.js'

export interface OwnRegistry {
  /** What stands before the first slash of an image's name. */
  readonly host: string
  /** The same registry as the engine may push to, which requires no certificate of localhost. */
  readonly local: string
  /** The certificate of the authority, where it has TLS. */
  readonly ca?: string
  readonly stop: () => Promise<void>
}

/** `secret`, as the user ada. */
const htpasswd = 'ada:$2b$04$yyw8BNsemqSdH6PQDcJnfevlhY0Vbx0NdkV/qKAQ8RsYgC9tqbpOG\n'

export async function startRegistry(
  folder: string,
  has: { readonly tls?: true; readonly login?: true },
): Promise<OwnRegistry> {
  await mkdir(join(folder, 'data'), { recursive: true })
  const address = outerAddress()
  const port = await freePort()
  const tls = has.tls && (await certificate(folder, address))
  await writeFile(join(folder, 'htpasswd'), htpasswd)
  const settings = {
    version: 0.1,
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(folder, 'data') } },
    http: { addr: `0.0.0.0:${port}`, ...(tls && { tls: { certificate: tls.cert, key: tls.key } }) },
    ...(has.login && { auth: { htpasswd: { realm: 'shop', path: join(folder, 'htpasswd') } } }),
  }
  const file = join(folder, 'registry.yml')
  await writeFile(file, JSON.stringify(settings))
  const [program = '', ...args] = await serving(folder, file)
  const child = spawn(program, args, { stdio: 'ignore' })
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()))
  const host = `${address}:${port}`
  const scheme = tls ? 'https' : 'http'
  const up = ['--silent', '--insecure', '--output', '/dev/null', `${scheme}://${host}/v2/`]
  await must('curl', ['--retry', '100', '--retry-delay', '1', '--retry-connrefused', ...up])
  return {
    host,
    local: `127.0.0.1:${port}`,
    ...(tls && { ca: tls.ca }),
    stop: async () => {
      child.kill()
      await ended
    },
  }
}

/** The stack's program where it has one, otherwise its image. */
async function serving(folder: string, file: string): Promise<readonly string[]> {
  const parts = join(stack.home, 'parts')
  const daemons = (await readdir(parts).catch(() => [])).find((name) =>
    name.startsWith('debian-daemons-'),
  )
  if (daemons !== undefined) return [join(parts, daemons, 'docker-registry'), 'serve', file]
  return [
    'docker',
    'run',
    '--rm',
    '--network=host',
    `--volume=${folder}:${folder}`,
    'registry:2',
    file,
  ]
}

function outerAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? [])
  const outer = all.find(({ internal, family }) => !internal && family === 'IPv4')
  if (outer === undefined) throw new Error('this machine has no address but localhost')
  return outer.address
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}

async function certificate(folder: string, address: string) {
  const at = (name: string) => join(folder, name)
  const own = ['-newkey', 'rsa:2048', '-nodes', '-days', '2']
  await must('openssl', [
    ...['req', '-x509', ...own, '-keyout', at('ca.key'), '-out', at('ca.crt')],
    ...['-subj', '/CN=authority of the test'],
  ])
  await must('openssl', [
    ...['req', '-x509', ...own, '-keyout', at('registry.key'), '-out', at('registry.crt')],
    ...['-CA', at('ca.crt'), '-CAkey', at('ca.key'), '-subj', '/CN=registry'],
    ...['-addext', `subjectAltName=IP:${address}`, '-addext', 'basicConstraints=critical,CA:FALSE'],
  ])
  await chmod(at('registry.key'), 0o644)
  return { cert: at('registry.crt'), key: at('registry.key'), ca: at('ca.crt') }
}
