/** npm's registry, as a strict server on this machine. */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

interface Answer {
  readonly status: number
  readonly body?: unknown
}

interface Server {
  readonly url: string
  close(): void
}

const token = 'not-a-real-token'

async function serve(
  answer: (request: IncomingMessage, path: string, body: Buffer) => Answer,
): Promise<Server> {
  const server = createServer((request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      const { status, body } = answer(request, request.url ?? '', Buffer.concat(pieces))
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(body === undefined ? undefined : JSON.stringify(body))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

const authorized = (request: IncomingMessage) => request.headers.authorization === `Bearer ${token}`

interface Version {
  readonly version: string
  readonly dist: { readonly integrity: string; readonly tarball: string }
}

interface Publication {
  readonly name: string
  readonly access: string
  readonly 'dist-tags': Readonly<Record<string, string>>
  readonly versions: Readonly<Record<string, Version>>
  readonly _attachments: Readonly<Record<string, { readonly data: string }>>
}

export interface Registry extends Server {
  /** The packed file of each version that was published. */
  readonly files: ReadonlyMap<string, Buffer>
  /** What people get who name no version, or one of these. */
  readonly tags: Readonly<Record<string, string>>
  /** For npm's own settings file. */
  readonly npmrc: string
}

/** Knows one package. A version is taken once, with the checksum that its content has. */
export async function npmRegistry(name: string): Promise<Registry> {
  const versions = new Map<string, Version>()
  const files = new Map<string, Buffer>()
  const tags: Record<string, string> = {}

  function take(body: Buffer): Answer {
    const sent = JSON.parse(body.toString()) as Publication
    const [version = '', ...more] = Object.keys(sent.versions)
    const [attachment, ...others] = Object.values(sent._attachments)
    const described = sent.versions[version]
    if (sent.name !== name || sent.access !== 'public' || more.length + others.length > 0) {
      return { status: 400, body: { error: 'one version of one public package' } }
    }
    if (versions.has(version)) return { status: 403, body: { error: 'published before' } }
    const file = Buffer.from(attachment?.data ?? '', 'base64')
    const checksum = `sha512-${createHash('sha512').update(file).digest('base64')}`
    const [tag = '', ...otherTags] = Object.keys(sent['dist-tags'])
    const isTagged = otherTags.length === 0 && sent['dist-tags'][tag] === version
    if (described?.dist.integrity !== checksum || !isTagged) {
      return { status: 400, body: { error: 'the content is not what its description says' } }
    }
    versions.set(version, described)
    files.set(version, file)
    tags[tag] = version
    return { status: 201, body: { ok: true } }
  }

  const server = await serve((request, path, body) => {
    if (path !== `/${name}`) return { status: 404, body: { error: 'not_found' } }
    if (request.method === 'PUT') return authorized(request) ? take(body) : { status: 401 }
    if (request.method !== 'GET') return { status: 405 }
    if (versions.size === 0) return { status: 404, body: { error: 'not_found' } }
    const all = Object.fromEntries(versions)
    return { status: 200, body: { name, 'dist-tags': tags, versions: all } }
  })
  const npmrc = `registry=${server.url}/\n${server.url.slice('http:'.length)}/:_authToken=${token}\n`
  return { ...server, files, tags, npmrc }
}
