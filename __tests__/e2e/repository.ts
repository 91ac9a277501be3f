/** A git repository of a user's. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { must, root } from './stack.js'

/** Files to change, by path: the new text, or what becomes of the old one. */
export type Changes = Readonly<Record<string, string | ((old: string) => string)>>

export class Repository {
  constructor(readonly folder: string) {}

  /** Its first commit: a copy of a project that this checkout holds, such as `examples/shop`. */
  async start(project: string): Promise<string> {
    await must('cp', ['-r', join(root, project), this.folder])
    await this.git('init', '--quiet', '--initial-branch=main')
    return this.commit('The first version', {})
  }

  git(...args: readonly string[]): Promise<string> {
    const who = ['-c', 'user.name=shop', '-c', 'user.email=shop@example.org']
    return must('git', [...who, ...args], { cwd: this.folder })
  }

  /** Commits the changes; the commit's SHA. */
  async commit(message: string, changes: Changes): Promise<string> {
    for (const [path, change] of Object.entries(changes)) {
      const file = join(this.folder, path)
      await mkdir(dirname(file), { recursive: true })
      const text = typeof change === 'string' ? change : change(await readFile(file, 'utf8'))
      await writeFile(file, text)
    }
    await this.git('add', '--all')
    await this.git('commit', '--quiet', '--allow-empty', '--message', message)
    return (await this.git('rev-parse', 'HEAD')).trim()
  }

  /** Takes the last commit away again. */
  async drop(): Promise<void> {
    await this.git('reset', '--quiet', '--hard', 'HEAD~1')
  }
}
