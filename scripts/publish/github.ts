/**
 * Makes the GitHub release of a version, with the packed package that is named, and moves the tag `v1` to
 * its commit, unless a newer version has it. A release is immutable once it is published: so it is a draft until it has its file. What
 * a run before this one has left is taken up: a draft is thrown away, a published release is left as it is. Without
 * Octokit: no package is installed in the job that may publish.
 */
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { main, readPlan } from './given.ts'
import { newerThan } from './plan.ts'

interface Release {
  readonly id: number
  readonly tag_name: string
  readonly draft: boolean
  readonly immutable?: boolean
  readonly html_url: string
  readonly upload_url: string
}

const need = (name: string): string => {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set`)
  return value
}

class Refused extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** Asks GitHub's API; an answer that is not in `good` is an error, but for those of `absent`. */
async function ask<T>(
  method: string,
  url: string,
  body?: unknown,
  absent: readonly number[] = [],
): Promise<T | undefined> {
  const file = body instanceof Uint8Array
  const response = await fetch(url, {
    method,
    headers: {
      Accept: 'application/vnd.github+json',
      Authorization: `Bearer ${need('GITHUB_TOKEN')}`,
      'X-GitHub-Api-Version': '2022-11-28',
      'User-Agent': 'django-rollout',
      ...(body !== undefined && {
        'Content-Type': file ? 'application/gzip' : 'application/json',
      }),
    },
    ...(body !== undefined && { body: file ? Buffer.from(body) : JSON.stringify(body) }),
    signal: AbortSignal.timeout(60_000),
  })
  const text = await response.text()
  if (absent.includes(response.status)) return undefined
  if (!response.ok) {
    throw new Refused(response.status, `${method} ${url}: ${response.status} ${text}`)
  }
  return (text === '' ? undefined : JSON.parse(text)) as T | undefined
}

async function sure<T>(method: string, url: string, body?: unknown): Promise<T> {
  const answer = await ask<T>(method, url, body)
  if (answer === undefined) throw new Error(`${method} ${url}: an empty answer`)
  return answer
}

await main(async () => {
  const [file] = process.argv.slice(2)
  if (file === undefined) throw new Error('usage: github.ts FILE')
  const { tag, movingTag, notes } = readPlan()
  const repository = `${need('GITHUB_API_URL')}/repos/${need('GITHUB_REPOSITORY')}`

  // Drafts have no tag yet: they are found in the list only.
  const latest = await sure<readonly Release[]>('GET', `${repository}/releases?per_page=100`)
  const known = latest.filter(({ tag_name }) => tag_name === tag)
  for (const { draft, id } of known) {
    if (draft) await ask('DELETE', `${repository}/releases/${id}`)
  }
  const release =
    known.find(({ draft }) => !draft) ??
    (await publish(repository, { tag_name: tag, name: tag, body: notes }, file))
  console.log(`${tag}: ${release.html_url}`)
  if (release.immutable !== true) {
    console.log('::warning::The release is not immutable: switch that on in the settings')
  }

  const published = latest.filter(({ draft }) => !draft).map(({ tag_name }) => tag_name)
  const newer = newerThan(tag, published)
  if (newer !== undefined) {
    console.log(`${movingTag}: left at ${newer}, which is newer`)
    return
  }
  const sha = need('GITHUB_SHA')
  try {
    await move(repository, movingTag, sha)
  } catch (error) {
    // A workflow's token has no right to change workflow files, and so none to move a tag over such a change.
    if (!(error instanceof Refused) || error.status !== 403) throw error
    console.log(error.message)
    throw new Error(
      `${tag} is out, at npm and as a release, but the tag ${movingTag} is not moved: GitHub refuses it to a workflow, as it does when workflow files have changed; a maintainer does it by: git push --force origin '${tag}^{}:refs/tags/${movingTag}'`,
      { cause: error },
    )
  }
  console.log(`${movingTag}: ${sha}`)
})

async function move(repository: string, tag: string, sha: string): Promise<void> {
  const moved = { sha, force: true }
  if (!(await ask('PATCH', `${repository}/git/refs/tags/${tag}`, moved, [404, 422]))) {
    await sure('POST', `${repository}/git/refs`, { ref: `refs/tags/${tag}`, sha })
  }
}

async function publish(repository: string, what: object, file: string): Promise<Release> {
  const draft = await sure<Release>('POST', `${repository}/releases`, { ...what, draft: true })
  // It is a template of RFC 6570: …/assets{?name,label}
  const upload = new URL(draft.upload_url.replace(/\{.*\}$/, ''))
  upload.searchParams.set('name', basename(file))
  await sure('POST', upload.href, readFileSync(file))
  return sure<Release>('PATCH', `${repository}/releases/${draft.id}`, { draft: false })
}
