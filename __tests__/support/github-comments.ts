/** Comments of one pull request, as https://docs.github.com/en/rest/issues/comments has it. */
import { check, isText, Refused, type Body } from './github-strict.js'

interface User {
  readonly login: string
  readonly type: 'User' | 'Bot'
}

export interface Comment {
  readonly id: number
  readonly user: User | null
  body: string
}

interface Request {
  readonly method: string | undefined
  readonly path: string
  readonly query: URLSearchParams
  readonly body: Body | undefined
  readonly may: 'write' | 'read'
  readonly token: string
}

export class IssueComments {
  readonly all: Comment[] = []
  /** Called when a comment is created, before the answer. */
  onCreate: () => void = () => undefined
  private lastId = 1000

  constructor(private readonly pull: number) {}

  /** A comment that was there before. */
  add(body: string, user: User | null): Comment {
    const comment = { id: (this.lastId += 1), user, body }
    this.all.push(comment)
    return comment
  }

  /** Tokens of persons begin with `ghp`; the others are those of apps, which are no users. */
  user(token: string): User {
    if (!token.startsWith('ghp')) throw new Refused(403, 'Resource not accessible by integration')
    return authorOf(token)
  }

  answer({ method, path, query, body, may, token }: Request): unknown {
    const [issue = '', second, ...rest] = path.split('/').slice(5)
    if (rest.length > 0) throw new Refused(404, 'Not Found')
    if (method !== 'GET' && may !== 'write') {
      throw new Refused(403, 'Resource not accessible by integration')
    }
    if (issue === 'comments') return this.one(method, Number(second), body)
    if (second !== 'comments' || Number(issue) !== this.pull) throw new Refused(404, 'Not Found')
    if (method === 'GET') return this.listed(query)
    if (method !== 'POST') throw new Refused(404, 'Not Found')
    const comment = this.add(textOf(body), authorOf(token))
    const { onCreate } = this
    this.onCreate = () => undefined
    onCreate()
    return comment
  }

  private one(method: string | undefined, id: number, body: Body | undefined): unknown {
    const at = this.all.findIndex((comment) => comment.id === id)
    const comment = this.all[at]
    if (!comment) throw new Refused(404, 'Not Found')
    if (method === 'PATCH') {
      comment.body = textOf(body)
      return comment
    }
    if (method !== 'DELETE') throw new Refused(404, 'Not Found')
    this.all.splice(at, 1)
    return undefined
  }

  /** The oldest first. */
  private listed(query: URLSearchParams): readonly Comment[] {
    for (const name of query.keys()) {
      if (!['since', 'per_page', 'page'].includes(name)) {
        throw new Refused(422, `"${name}" is not documented`)
      }
    }
    const most = Math.min(Number(query.get('per_page') ?? '30'), 100)
    const page = Number(query.get('page') ?? '1')
    if (!(most >= 1 && page >= 1)) throw new Refused(422, 'page')
    return this.all.slice((page - 1) * most, page * most)
  }
}

function authorOf(token: string): User {
  return token.startsWith('ghp')
    ? { login: 'ada', type: 'User' }
    : { login: 'github-actions[bot]', type: 'Bot' }
}

/** https://docs.github.com/en/rest/issues/comments#create-an-issue-comment: GitHub counts characters. */
function textOf(body: Body | undefined): string {
  if (!body) throw new Refused(400, 'Problems parsing JSON')
  check(body, { 'body!': isText })
  const text = String(body['body'])
  if (text.trim() === '') throw new Refused(422, "Validation Failed: body can't be blank")
  if (text.length > 65_536) {
    throw new Refused(422, 'Validation Failed: body is too long (maximum is 65536 characters)')
  }
  return text
}
