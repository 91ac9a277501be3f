/** The two places that a version is published to, as strict servers on this machine. */
import { execFileSync } from 'node:child_process'
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

// --- npm --------------------------------------------------------------------

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

// --- GitHub -----------------------------------------------------------------

interface Release {
  readonly id: number
  readonly tag_name: string
  readonly name: string
  readonly body: string
  readonly draft: boolean
  readonly immutable: boolean
  readonly html_url: string
  readonly upload_url: string
}

export interface GitHub extends Server {
  readonly releases: readonly Release[]
  /** The files of all releases by `tag/name`. */
  readonly assets: ReadonlyMap<string, Buffer>
  /** The variables by which a job knows it. */
  readonly env: Readonly<Record<string, string>>
}

const repository = 'django-rollout/django-rollout'

/**
 * Releases and tags of a repository with immutable releases, as GitHub's API has them. `origin` is a bare
 * git repository that has the tags.
 */
export async function github(origin: string): Promise<GitHub> {
  const releases: Release[] = []
  const assets = new Map<string, Buffer>()
  const git = (...args: readonly string[]) =>
    execFileSync('git', ['-C', origin, ...args], { encoding: 'utf8', stdio: 'pipe' }).trim()
  const has = (...args: readonly string[]) => {
    try {
      return git(...args) !== ''
    } catch {
      return false
    }
  }
  const hasTag = (tag: string) => has('for-each-ref', `refs/tags/${tag}`)
  const hasCommit = (sha: string) => has('rev-parse', '--verify', `${sha}^{commit}`)
  const refused = (message: string): Answer => ({ status: 422, body: { message } })
  const missing: Answer = { status: 404, body: { message: 'Not Found' } }

  function createRelease(body: Buffer): Answer {
    const asked = JSON.parse(body.toString()) as Release
    const keys = Object.keys(asked).sort().join(' ')
    if (keys !== 'body draft name tag_name') return refused(`not expected: ${keys}`)
    if (releases.some(({ tag_name, draft }) => tag_name === asked.tag_name && !draft)) {
      return refused('already_exists')
    }
    const id = releases.length + 1
    const release: Release = {
      ...asked,
      ...{ id, immutable: !asked.draft },
      html_url: `https://github.com/${repository}/releases/tag/${asked.tag_name}`,
      upload_url: `${server.url}/uploads/${id}/assets{?name,label}`,
    }
    releases.push(release)
    return { status: 201, body: release }
  }

  function changeRelease(release: Release, method: string, body: Buffer): Answer {
    if (release.immutable) return refused('the release is immutable')
    if (method === 'DELETE') {
      releases.splice(releases.indexOf(release), 1)
      return { status: 204 }
    }
    if (method !== 'PATCH') return { status: 405 }
    const { draft } = JSON.parse(body.toString()) as Partial<Release>
    if (draft !== false) return refused('only publishing is expected')
    if (!hasTag(release.tag_name)) return refused('the tag is not there')
    const published: Release = { ...release, draft: false, immutable: true }
    releases[releases.indexOf(release)] = published
    return { status: 200, body: published }
  }

  function upload(request: IncomingMessage, id: number, query: string, body: Buffer): Answer {
    const release = releases.find((one) => one.id === id)
    const name = new URLSearchParams(query).get('name') ?? ''
    if (release === undefined || request.method !== 'POST') return missing
    if (release.immutable) return refused('Cannot upload assets to an immutable release.')
    const length = Number(request.headers['content-length'])
    if (name === '' || !request.headers['content-type'] || length !== body.length) {
      return { status: 400, body: { message: 'name, type and length are needed' } }
    }
    if (assets.has(`${release.tag_name}/${name}`)) return refused('already_exists')
    assets.set(`${release.tag_name}/${name}`, body)
    return { status: 201, body: { name } }
  }

  function setTag(ref: string, sha: string, force: boolean): Answer {
    const tag = ref.replace('refs/tags/', '')
    if (!hasCommit(sha)) return refused('Object does not exist')
    if (releases.some(({ tag_name, immutable }) => tag_name === tag && immutable)) {
      return refused('the tag belongs to an immutable release')
    }
    if (hasTag(tag) && !force) return refused('Reference already exists')
    // The token of a workflow never has the right `workflows`.
    if (hasTag(tag) && has('diff', '--name-only', ref, sha, '--', '.github/workflows')) {
      return { status: 403, body: { message: 'Resource not accessible by integration' } }
    }
    git('update-ref', ref, sha)
    return { status: force ? 200 : 201, body: { ref } }
  }

  const server = await serve((request, path, body) => {
    const { method = '', headers } = request
    if (!authorized(request)) return { status: 401, body: { message: 'Bad credentials' } }
    if (!headers['user-agent'] || headers.accept !== 'application/vnd.github+json') {
      return { status: 403, body: { message: 'User-Agent and Accept are needed' } }
    }
    const [place = '', query = ''] = path.split('?')
    const uploading = /^\/uploads\/(\d+)\/assets$/.exec(place)
    if (uploading) return upload(request, Number(uploading[1]), query, body)
    if (!place.startsWith(`/repos/${repository}/`)) return missing
    const rest = place.slice(`/repos/${repository}`.length)

    if (rest === '/releases') {
      return method === 'POST' ? createRelease(body) : { status: 200, body: releases }
    }
    const id = /^\/releases\/(\d+)$/.exec(rest)?.[1]
    const release = releases.find((one) => one.id === Number(id))
    if (release) return changeRelease(release, method, body)

    const ref = /^\/git\/(refs\/tags\/.+)$/.exec(rest)?.[1]
    const sent = (body.length > 0 ? JSON.parse(body.toString()) : {}) as Record<string, unknown>
    if (ref && method === 'PATCH') {
      if (!hasTag(ref.replace('refs/tags/', ''))) return refused('Reference does not exist')
      return setTag(ref, String(sent['sha']), sent['force'] === true)
    }
    if (rest === '/git/refs' && method === 'POST') {
      return setTag(String(sent['ref']), String(sent['sha']), false)
    }
    return missing
  })
  const env = {
    GITHUB_API_URL: server.url,
    GITHUB_REPOSITORY: repository,
    GITHUB_TOKEN: token,
  }
  return { ...server, releases, assets, env }
}
