/**
 * GitHub's API for deployments and comments, for one repository, as https://docs.github.com/en/rest/deployments has it.
 * It is strict: what is not documented, or not of the right type, is refused.
 */
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { IssueComments } from './github-comments.js'
import { check, isText, Refused, type Body, type Fields } from './github-strict.js'

interface Status {
  readonly id: number
  readonly state: string
  readonly description: string
  readonly log_url: string
  readonly environment_url: string
}

interface Deployment {
  readonly id: number
  readonly sha: string
  readonly ref: string
  readonly task: string
  readonly environment: string
  readonly production_environment: boolean
  readonly description: string
  readonly payload: unknown
  readonly statuses: Status[]
}

/** What the repository's page shows of a deployment. */
export interface Shown {
  readonly sha: string
  /** Of all its statuses, oldest first. */
  readonly states: readonly string[]
  readonly description: string
  readonly log: string
  /** Where its last status says that it can be seen. */
  readonly url: string
}

/** What a request meets: a status in place of its answer, a connection that is cut, or nothing ever. */
export type Trouble = number | 'none' | 'no answer' | 'answer lost' | 'silence'

const docs = 'https://docs.github.com/rest/deployments/deployments'

/** https://docs.github.com/en/rest/using-the-rest-api/getting-started-with-the-rest-api#media-types */
const accepted = new Set([
  undefined,
  '*/*',
  'application/json',
  'application/vnd.github+json',
  'application/vnd.github.v3+json',
])

const states = ['error', 'failure', 'inactive', 'in_progress', 'queued', 'pending', 'success']

const isShort = (value: unknown) => typeof value === 'string' && value.length <= 140
const isFlag = (value: unknown) => typeof value === 'boolean'
const isUrl = (value: unknown) => typeof value === 'string' && /^https?:\/\//.test(value)
const isList = (value: unknown) => Array.isArray(value) && value.every(isText)

const ofDeployment: Fields = {
  'ref!': isText,
  task: isText,
  auto_merge: isFlag,
  required_contexts: isList,
  payload: (value) => isText(value) || (typeof value === 'object' && value !== null),
  environment: isText,
  description: isShort,
  transient_environment: isFlag,
  production_environment: isFlag,
}
const ofStatus: Fields = {
  'state!': (value) => states.includes(String(value)),
  log_url: isUrl,
  target_url: isUrl,
  description: isShort,
  environment: isText,
  environment_url: isUrl,
  auto_inactive: isFlag,
}

const textOf = (value: unknown) => (typeof value === 'string' ? value : '')

export class GitHub {
  readonly deployments: Deployment[] = []
  /** Of the pull request 7. */
  readonly comments = new IssueComments(7)
  /** What was asked, with the status of the answer: `POST /deployments 201`. */
  readonly asked: string[] = []
  /** Commits, and other names of them, that the repository has: all, when none are told. */
  readonly refs = new Map<string, string>()
  /** What the next requests meet. */
  readonly troubles: Trouble[] = []
  private lastId = 100
  /** Behind the repository's own address; an address itself, for GITHUB_API_URL. */
  readonly url: string

  private constructor(
    private readonly server: Server,
    /** What each token may do with deployments and comments. */
    readonly tokens: Readonly<Record<string, 'write' | 'read'>>,
  ) {
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    server.on('request', (request: IncomingMessage, response) => {
      void this.answer(request).then((answer) => {
        if (!answer) {
          response.destroy()
          return
        }
        if (answer.status === 204) {
          response.writeHead(204).end()
          return
        }
        response.writeHead(answer.status, { 'content-type': 'application/json; charset=utf-8' })
        response.end(JSON.stringify(answer.body))
      })
    })
  }

  static async start(
    tokens: Readonly<Record<string, 'write' | 'read'>> = {
      'ghs-good': 'write',
      'ghs-read': 'read',
    },
  ): Promise<GitHub> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new GitHub(server, tokens)
  }

  stop(): void {
    this.server.closeAllConnections()
    this.server.close()
  }

  /** The variables that a job of the run has. */
  envOf(run: number): Readonly<Record<string, string>> {
    return {
      GITHUB_API_URL: this.url,
      GITHUB_SERVER_URL: 'https://github.example',
      GITHUB_REPOSITORY: 'acme/shop',
      GITHUB_RUN_ID: String(run),
      GITHUB_ACTOR: 'ada',
    }
  }

  /** What GitHub does itself for a job that names an environment. */
  addOfJob(run: number, sha: string, environment: string): void {
    const deployment = this.add({ ref: 'main', environment }, sha)
    this.addStatus(deployment, {
      state: 'in_progress',
      log_url: `https://github.example/acme/shop/actions/runs/${run}/job/1`,
    })
  }

  /** Newest first. */
  shown(environment: string): readonly Shown[] {
    return this.deployments
      .filter((one) => one.environment === environment)
      .map(({ sha, statuses }) => {
        const last = statuses.at(-1)
        return {
          sha,
          states: statuses.map(({ state }) => state),
          description: last?.description ?? '',
          log: last?.log_url ?? '',
          url: last?.environment_url ?? '',
        }
      })
      .reverse()
  }

  /** The commits that it shows as running. */
  active(environment: string): readonly string[] {
    return this.shown(environment)
      .filter(({ states }) => states.at(-1) === 'success')
      .map(({ sha }) => sha)
  }

  private async answer(
    request: IncomingMessage,
  ): Promise<{ readonly status: number; readonly body: unknown } | undefined> {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const { pathname, searchParams } = new URL(request.url ?? '', this.url)
    const about = `${request.method} ${pathname.replace('/repos/acme/shop', '')}`
    const problem = this.troubles.shift()
    const say = (status: number | string) => this.asked.push(`${about} ${status}`)
    if (problem === 'no answer' || problem === 'silence') {
      say(problem)
      return problem === 'silence' ? new Promise(() => undefined) : undefined
    }
    try {
      if (typeof problem === 'number') throw new Refused(problem, `trouble ${problem}`)
      const text = Buffer.concat(parts).toString()
      const body = this.done(request, pathname, searchParams, text)
      const status = { POST: 201, DELETE: 204 }[request.method ?? ''] ?? 200
      say(problem === 'answer lost' ? problem : status)
      return problem === 'answer lost' ? undefined : { status, body }
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      say(error.status)
      return { status: error.status, body: { message: error.message, documentation_url: docs } }
    }
  }

  private done(
    { method, headers }: IncomingMessage,
    path: string,
    query: URLSearchParams,
    text: string,
  ): unknown {
    if (!headers['user-agent']) throw new Refused(403, 'Request forbidden by administrative rules.')
    if (!accepted.has(headers.accept)) throw new Refused(415, 'Unsupported type')
    const { 'x-github-api-version': version = '2022-11-28' } = headers
    if (version !== '2022-11-28') throw new Refused(400, 'Unknown version')
    const [, token = ''] = /^(?:bearer|token) (\S+)$/i.exec(headers.authorization ?? '') ?? []
    const may = this.tokens[token]
    if (may === undefined) throw new Refused(401, 'Bad credentials')
    if (path === '/user') return this.comments.user(token)
    if (path.startsWith('/repos/acme/shop/issues/')) {
      const body = isJson(headers) ? (JSON.parse(text) as Body) : undefined
      return this.comments.answer({ method, path, query, body, may, token })
    }
    if (!path.startsWith('/repos/acme/shop/deployments')) throw new Refused(404, 'Not Found')
    const [id, statuses, ...rest] = path.split('/').slice(5)
    if (rest.length > 0 || (id !== undefined && statuses !== 'statuses')) {
      throw new Refused(404, 'Not Found')
    }
    const of = this.deployments.find((one) => String(one.id) === id)
    if (id !== undefined && !of) throw new Refused(404, 'Not Found')
    if (method === 'GET') {
      for (const name of query.keys()) {
        if (!['sha', 'ref', 'task', 'environment', 'per_page', 'page'].includes(name)) {
          throw new Refused(422, `"${name}" is not documented`)
        }
      }
      const all = of ? of.statuses : this.listed(query)
      const most = Number(query.get('per_page') ?? '30')
      if (!(most >= 1 && most <= 100)) throw new Refused(422, 'per_page')
      return all.toReversed().slice(0, most)
    }
    if (method !== 'POST') throw new Refused(404, 'Not Found')
    if (may !== 'write') throw new Refused(403, 'Resource not accessible by integration')
    if (!isJson(headers)) {
      throw new Refused(415, 'not JSON')
    }
    const body = JSON.parse(text) as Body
    return of ? this.addStatus(of, body) : this.add(body)
  }

  private listed(query: URLSearchParams): readonly Omit<Deployment, 'statuses'>[] {
    return this.deployments
      .filter((one) =>
        (['sha', 'ref', 'task', 'environment'] as const).every(
          (name) => (query.get(name) ?? one[name]) === one[name],
        ),
      )
      .map(({ statuses: _, ...shown }) => shown)
  }

  private add(body: Body, commit?: string): Deployment {
    check(body, ofDeployment)
    const { ref, environment = 'production', task = 'deploy', payload = {} } = body
    const sha = commit ?? (this.refs.size === 0 ? String(ref) : this.refs.get(String(ref)))
    if (sha === undefined) throw new Refused(422, `No ref found for: ${String(ref)}`)
    // It would merge the default branch, or look at the checks of the commit.
    if (commit === undefined && (body['auto_merge'] !== false || !body['required_contexts'])) {
      throw new Refused(409, 'Conflict: Commit status checks failed for the ref.')
    }
    const deployment: Deployment = {
      id: (this.lastId += 1),
      ref: String(ref),
      sha,
      task: String(task),
      environment: String(environment),
      production_environment: environment === 'production',
      description: textOf(body['description']),
      payload,
      statuses: [],
    }
    this.deployments.push(deployment)
    return deployment
  }

  private addStatus(of: Deployment, body: Body): Status {
    check(body, ofStatus)
    const text = (name: string) => textOf(body[name])
    const status: Status = {
      id: (this.lastId += 1),
      state: text('state'),
      description: text('description'),
      log_url: text('log_url'),
      environment_url: text('environment_url'),
    }
    of.statuses.push(status)
    if (status.state === 'success' && body['auto_inactive'] !== false) {
      for (const one of this.deployments) {
        const isBefore = one.id < of.id && one.environment === of.environment
        if (isBefore && !one.production_environment && one.statuses.at(-1)?.state === 'success') {
          this.addStatus(one, { state: 'inactive' })
        }
      }
    }
    return status
  }
}

function isJson(headers: IncomingMessage['headers']): boolean {
  return /^application\/json(; *charset=utf-8)?$/i.test(headers['content-type'] ?? '')
}
