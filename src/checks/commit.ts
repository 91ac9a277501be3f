/** The commit, and what its image is built from. Pure. */
import { join, normalize } from 'node:path/posix'
import { shortTag } from '../kubernetes/image.js'
import type { Settings } from '../options/table.js'
import { ok, warning, type Finding } from '../report/finding.js'

/** The folder that the image is built from, as far as the checks read it. */
export interface Context {
  /** Names in it, sorted. */
  readonly names: readonly string[]
  /** Whether a .dockerignore counts: the folder's, or the Dockerfile's own. */
  readonly ignores: boolean
  /** Paths of all `manage.py` in it, and in its folders. */
  readonly managers: readonly string[]
}

export function sourceFinding(
  { sha, tag }: { readonly sha?: string; readonly tag: string },
  chosen: string | undefined,
): Finding {
  if (chosen !== undefined) return ok('commit', `the tag is ${chosen} (option "tag")`)
  if (tag !== sha) {
    const message = `there are uncommitted changes, so the tag of the image is ${shortTag(tag)}: commit or stash them to release the commit itself`
    return warning('commit', message, 'git status --short')
  }
  return ok('commit', `commit ${shortTag(tag)}, without uncommitted changes`)
}

export function contextFindings(
  folder: string,
  context: Context,
  commands: Pick<Settings, 'test-command' | 'migrate-command'>,
): readonly Finding[] {
  return [...unignored(folder, context), ...managers(folder, context, commands)]
}

/** What does not belong into an image, and is in many folders. */
const private_ = ['.git', '.env', '.venv', 'venv', 'node_modules']

function unignored(folder: string, { names, ignores }: Context): readonly Finding[] {
  const found = private_.filter((name) => names.includes(name))
  if (ignores || found.length === 0) return []
  const message = `there is no .dockerignore in "${folder}": the builder receives ${found.join(', ')}, and a COPY of the folder includes ${found.length === 1 ? 'it' : 'them'} in the image`
  return [
    warning(
      'commit',
      message,
      `printf '%s\\n' ${found.join(' ')} > ${join(folder, '.dockerignore')}`,
    ),
  ]
}

/** A command runs in the image's WORKDIR, which usually is a copy of the context. */
function managers(
  folder: string,
  { managers }: Context,
  commands: Pick<Settings, 'test-command' | 'migrate-command'>,
): readonly Finding[] {
  return (['test-command', 'migrate-command'] as const).flatMap((option) => {
    const command = commands[option]
    const wanted = command.split(/\s+/).find((word) => /(^|\/)manage\.py$/.test(word))
    if (wanted === undefined || wanted.startsWith('/')) return []
    if (managers.includes(normalize(wanted))) return []
    const message = `"${option}" runs ${wanted}, which does not exist in the build context "${folder}"`
    const [there] = managers
    const fix = there && `--${option} "${command.replace(wanted, there)}"`
    return [warning('commit', message, fix)]
  })
}
