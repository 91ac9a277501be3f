import { createHash } from 'node:crypto'
import { dirname, isAbsolute, join, relative, resolve } from 'node:path'
import { shortTag } from '../kubernetes/image.js'
import type { Settings } from '../options/table.js'
import { fail, type Cause } from '../failure/failure.js'
import type { Finished, Platform } from '../platform/platform.js'
import { placeOfCopy } from './copied-files.js'

/** The commit that is released, and its tag. */
export interface Source {
  /** The full SHA; missing outside of a git checkout (a ready image is deployed by its tag or digest). */
  readonly sha?: string
  /** The image's tag: the SHA, `<sha>-dirty-<hash>` with uncommitted changes, or what the user gave. */
  readonly tag: string
}

/** Options that name a file which a run writes. */
const reportOptions = ['report', 'junit'] as const
type OfFiles = Partial<Pick<Settings, (typeof reportOptions)[number] | 'test-files'>>

/**
 * The commit of the checkout that holds `contextDir`, and the image's tag.
 *
 * - The option `tag` wins over everything.
 * - With `digest` the image itself names its commit and, without `tag`, its tag: the checkout may be at
 *   another one, and is not read.
 * - A clean checkout: the full SHA of git's HEAD. `GITHUB_SHA` (GitLab's `CI_COMMIT_SHA`, Jenkins's
 *   `GIT_COMMIT`) replaces it only where there is no git or no `.git`: with an `actions/checkout` of
 *   another ref or repository it names a commit that is not the checked-out one.
 * - Uncommitted changes: `<sha>-dirty-<12 hex digits of a hash of the changes>`, never the bare SHA, so
 *   that a tag with a commit's name holds that commit and nothing else. The same changes give the same tag.
 *
 * Changes are searched in the whole repository, not below the context alone: the
 * Dockerfile, the manifests and named build contexts may be anywhere in it. Changed tracked files count
 * everywhere. Untracked files that are not ignored count on a person's machine (a new module that was not
 * added yet is the usual case), but not under `CI=true`: there, steps before this one leave built
 * frontends, downloads and reports in the checkout, made from the commit itself, and people expect
 * the commit's SHA as the tag. What a run itself writes for people (`report`, `junit`, `test-files`)
 * never counts: the same release a second time has the same tag.
 *
 * Throws a `Failure` (`usage`) when there is no commit and no `tag`.
 */
export async function findSource(
  platform: Platform,
  settings: Partial<Pick<Settings, 'tag' | 'digest'>> & OfFiles,
  contextDir: string,
): Promise<Source> {
  if (settings.digest !== undefined) return { tag: settings.tag ?? '' }
  const git = gitIn(platform, contextDir)
  const head = await git(['rev-parse', '--verify', '--quiet', 'HEAD^{commit}'])
  const sha = head.code === 0 ? head.stdout.trim() : shaFromRunner(platform)

  if (settings.tag !== undefined)
    return { tag: settings.tag, ...(sha === undefined ? {} : { sha }) }
  if (sha === undefined) return fail(noCommit(contextDir, head))
  if (head.code !== 0) return { sha, tag: sha }

  const reports = reportOptions.flatMap((option) => settings[option] ?? [])
  const own = [...reports, ...(settings['test-files'] ?? []).map(placeOfCopy)]
  const changes = await hashOfChanges(platform, contextDir, own)
  return { sha, tag: changes === undefined ? sha : `${sha}-dirty-${changes}` }
}

/**
 * The same for an image that is built here: a tag that names another commit would hold this one from then on.
 * Throws a `Failure` (`usage`) for it.
 */
export async function findSourceToBuild(
  platform: Platform,
  settings: Pick<Settings, 'tag'> & OfFiles,
  contextDir: string,
): Promise<Source> {
  const source = await findSource(platform, settings, contextDir)
  const { tag, sha } = source
  if (sha !== undefined && tag !== sha && /^[0-9a-f]{40}$/.test(tag)) {
    fail({
      code: 'usage',
      sentence: `"tag" is the commit ${tag}, but the checkout is at ${sha}`,
      hint: 'check that commit out. If its image exists, use "deploy", or "rollback" with "to"',
    })
  }
  return source
}

/** Returns a sentence where the commit of the checkout may not be the one that people expect. */
export function commitNote({ env }: Pick<Platform, 'env'>, { sha }: Source): string | undefined {
  if (sha === undefined) return undefined
  const started = shaFromRunner({ env })
  if (started !== undefined && started !== sha)
    return `the checkout is at ${shortTag(sha)}, and this job was started for ${shortTag(started)}: ${shortTag(sha)} is built`
  const [, pull] = /^refs\/pull\/(\d+)\/merge$/.exec(env['GITHUB_REF'] ?? '') ?? []
  return pull === undefined
    ? undefined
    : `${shortTag(sha)} is GitHub's merge of pull request ${pull} for its tests: no branch has this commit, and the one on the branch will be built again`
}

/** Returns the submodules below a folder that are not checked out: their folders are empty. */
export async function missingSubmodules(
  platform: Platform,
  folder: string,
): Promise<readonly string[]> {
  if (!hasSubmodules(platform, resolve(folder))) return []
  const list = ['submodule', 'status', '--recursive', '--', '.']
  const { stdout } = await gitIn(platform, folder)(list)
  return stdout.split('\n').flatMap((line) => /^-[0-9a-f]+ (.+)$/.exec(line)?.[1] ?? [])
}

function hasSubmodules(platform: Platform, folder: string): boolean {
  const { files } = platform
  if (files.exists(join(folder, '.gitmodules'))) return true
  const isTop = files.exists(join(folder, '.git')) || dirname(folder) === folder
  return !isTop && hasSubmodules(platform, dirname(folder))
}

/**
 * The address of the repository for people (`https://github.com/acme/shop`), from git's remote `origin`;
 * `undefined` when it has none in the network. User names, passwords and tokens are left out.
 */
export async function findOrigin(
  platform: Platform,
  contextDir: string,
): Promise<string | undefined> {
  const { code, stdout } = await gitIn(platform, contextDir)(['remote', 'get-url', 'origin'])
  return code === 0 ? withoutCredentials(stdout.trim()) : undefined
}

/** `git@host:path`, `ssh://…` and `https://user:token@…` as a plain https address. */
export function withoutCredentials(remote: string): string | undefined {
  const address =
    /^(?:ssh|git|https?):\/\/(?:[^@/]*@)?([^/:]+)(?::\d+)?\/(.+)$/.exec(remote) ??
    // The scp form; a Windows drive letter looks like it.
    /^(?:[^@/:]+@)?([^@/:]{2,}):(?!\/\/)(.+)$/.exec(remote)
  if (!address) return undefined
  const [, host = '', path = ''] = address
  return `https://${host}/${path.replace(/^\/+/, '').replace(/(\.git)?\/*$/, '')}`
}

export type Git = (args: readonly string[], input?: string) => Promise<Finished>

/** Returns git's arguments before the command, so that it works in a folder. */
export function inFolder({ env }: Platform, folder: string): readonly string[] {
  // In a job's container the checkout belongs to another user than the one that runs the steps, and git
  // would not touch it. On a person's machine that refusal is right, and is passed on.
  const trusted = env['GITHUB_ACTIONS'] === 'true' ? ['-c', 'safe.directory=*'] : []
  return ['-C', folder, ...trusted]
}

export function gitIn(platform: Platform, folder: string): Git {
  return (args, input) =>
    platform.processes.run('git', [...inFolder(platform, folder), ...args], {
      // Reading must not take the lock of an index that is in use.
      env: { GIT_OPTIONAL_LOCKS: '0', LC_ALL: 'C' },
      ...(input === undefined ? {} : { input }),
    })
}

/**
 * The first 12 hex digits of a SHA-256 over all that differs from HEAD but the files `own`; `undefined` when
 * nothing does.
 */
async function hashOfChanges(
  platform: Platform,
  contextDir: string,
  own: readonly string[],
): Promise<string | undefined> {
  const answer = await gitIn(platform, contextDir)(['rev-parse', '--show-toplevel'])
  const top = answer.code === 0 ? answer.stdout.replace(/\n$/, '') : contextDir
  const git = gitIn(platform, top)
  const untrackedCount = platform.env['CI'] !== 'true'
  const but = own
    .map((file) => relative(top, resolve(file)))
    .filter((path) => !path.startsWith('..') && !isAbsolute(path))
  const looked = ['--', '.', ...but.map((path) => `:(exclude,literal)${path}`)]

  // "normal" would report a new folder that holds nothing but such a file.
  const untracked = untrackedCount ? 'all' : 'no'
  const status = await said(
    git,
    ['status', '--porcelain', '-z', `--untracked-files=${untracked}`],
    looked,
  )
  if (status === '') return undefined

  const hash = createHash('sha256')
  const plain = ['--no-color', '--no-ext-diff', '--no-textconv']
  const diff = ['diff', 'HEAD', '--binary', '--submodule=diff', ...plain]
  hash.update(await said(git, diff, looked))
  if (untrackedCount) {
    const names = await said(git, ['ls-files', '--others', '--exclude-standard', '-z'], looked)
    hash.update(names)
    // Names that end in / are separate repositories.
    const files = names.split('\0').filter((name) => !/^$|\/$/.test(name))
    hash.update(await contentsOf(platform, git, top, files))
  }
  return hash.digest('hex').slice(0, 12)
}

/**
 * What untracked files hold. A link counts by where it leads, as in a commit: git would open what is there,
 * which may be a folder or nothing (Emacs locks a file by such a link), and would read no file after it.
 */
async function contentsOf(
  { files }: Platform,
  git: Git,
  top: string,
  names: readonly string[],
): Promise<string> {
  const all = await Promise.all(
    names.map(async (name) => ({ name, leadsTo: await files.link(join(top, name)) })),
  )
  const links = all.flatMap(({ leadsTo }) => (leadsTo === undefined ? [] : [`${leadsTo}\0`]))
  const plain = all.filter(({ leadsTo }) => leadsTo === undefined).map(({ name }) => quoted(name))
  if (plain.length === 0) return links.join('')
  const read = ['hash-object', '--no-filters', '--stdin-paths']
  return links.join('') + (await said(git, read, [], plain.join('\n')))
}

/** As git reads a name that may hold a line end or begin with a quote. */
function quoted(name: string): string {
  return `"${name.replace(/["\\]/g, '\\$&').replaceAll('\n', '\\n')}"`
}

/** A tag that was made of half of the changes would stay the same when the other half is changed. */
async function said(
  git: Git,
  command: readonly string[],
  where: readonly string[],
  input?: string,
): Promise<string> {
  const { code, stdout, stderr } = await git([...command, ...where], input)
  if (code === 0) return stdout
  return fail({
    code: 'usage',
    sentence: `git ${command[0] ?? ''} failed: ${lastLine(stderr)}`,
    hint: 'Fix the checkout, or set "tag"',
  })
}

function shaFromRunner({ env }: Pick<Platform, 'env'>): string | undefined {
  return env['GITHUB_SHA'] || env['CI_COMMIT_SHA'] || env['GIT_COMMIT'] || undefined
}

function noCommit(folder: string, head: Finished): Cause {
  const where = folder === '.' ? 'this folder' : `"${folder}"`
  const cause = (sentence: string, hint = 'Set "tag", or run this in a git checkout'): Cause => ({
    code: 'usage',
    sentence,
    hint,
  })
  if (head.code === 127) return cause('git was not found, so the commit is not known')
  // `--quiet` keeps git silent about a missing commit, but not about a folder it will not work in.
  const said = lastLine(head.stderr)
  if (said === '') return cause(`the git checkout of ${where} has no commit for the image's tag`)
  if (said.includes('cannot change to')) {
    return cause(
      `${where} is not a folder`,
      'Set "context" to the folder that the image is built from',
    )
  }
  if (said.includes('not a git repository')) {
    return cause(`${where} is not in a git checkout, so there is no commit for the image's tag`)
  }
  if (said.includes('dubious ownership')) {
    return cause(
      `git does not trust the checkout of ${where}, which belongs to another user`,
      'If you trust it: git config --global --add safe.directory <path>',
    )
  }
  return cause(`git cannot determine the commit of ${where}: ${said}`)
}

function lastLine(text: string): string {
  return (
    text
      .trim()
      .split('\n')
      .find((line) => /^(fatal|error):/.test(line)) ??
    text.trim().split('\n').at(-1) ??
    ''
  )
}
