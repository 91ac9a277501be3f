/** A registry of npm that has one package: this checkout's, as `npm pack` makes it. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { must, root, stack } from '../e2e/stack.js'

interface Packed {
  readonly filename: string
  readonly integrity: string
  readonly shasum: string
}

export interface NpmRegistry {
  readonly address: string
  /** What it was asked for and does not have. */
  readonly strange: readonly string[]
  close(): Promise<void>
}

export async function serveThisPackage(): Promise<NpmRegistry> {
  const folder = await mkdtemp(join(tmpdir(), 'npm-'))
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder]
  const [packed] = JSON.parse(await must('npm', args, { cwd: root, env: stack.env })) as Packed[]
  if (!packed) throw new Error('npm pack made nothing')
  const tarball = await readFile(join(folder, packed.filename))
  await rm(folder, { recursive: true })
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
    readonly name: string
    readonly version: string
  }
  const { name, version } = manifest
  const file = `/${name}/-/${packed.filename}`
  const strange: string[] = []

  const server = createServer(({ method = '', url = '', headers }, response) => {
    if (method === 'GET' && url === `/${name}`) {
      const dist = {
        tarball: `http://${headers.host ?? ''}${file}`,
        integrity: packed.integrity,
        shasum: packed.shasum,
      }
      const told = {
        name,
        'dist-tags': { latest: version },
        versions: { [version]: { ...manifest, dist } },
      }
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(told))
    } else if (method === 'GET' && url === file) {
      response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(tarball)
    } else if (method === 'POST' && url === '/-/npm/v1/security/advisories/bulk') {
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    } else {
      strange.push(`${method} ${url}`)
      response.writeHead(404, { 'content-type': 'application/json' }).end('{}')
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    address: `http://127.0.0.1:${port}/`,
    strange,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve()
        })
        server.closeAllConnections()
      }),
  }
}
