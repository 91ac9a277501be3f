import { existsSync, statSync } from 'node:fs'
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import type { Files, Platform } from './platform.js'

/** The file system. `RUNNER_TEMP` is emptied by the runner after each job, so it goes before the system's folder. */
export function realFiles(env: Platform['env']): Files {
  return {
    read: async (path) => {
      try {
        return await readFile(path, 'utf8')
      } catch (error) {
        if (isMissing(error)) return undefined
        throw error
      }
    },
    exists: (path) => existsSync(path),
    isFolder: (path) => {
      try {
        return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
      } catch {
        // It is below a folder that may not be read, or a link to itself: none for this user.
        return false
      }
    },
    // Systems report an ordinary file differently; reading it reports what else is wrong.
    link: (path) => readlink(path).catch(() => undefined),
    list: async (path) => (await readdir(path)).sort(),
    // mkdtemp makes 0700.
    privateFolder: () => mkdtemp(join(env['RUNNER_TEMP'] || tmpdir(), 'django-rollout-')),
    socketFolder: () => mkdtemp(join(tmpdir(), 'django-rollout-')),
    writePrivate: async (path, text) => {
      // The mode of writeFile counts for new files only; an old one is emptied and closed up before it is filled.
      await writeFile(path, '', { mode: 0o600 })
      await chmod(path, 0o600)
      await writeFile(path, text)
    },
    linkTo: (target, path) => symlink(resolve(target), path),
    writeProgram: async (path, text) => {
      await mkdir(dirname(path), { recursive: true })
      await writeFile(path, text, { mode: 0o700 })
    },
    write: async (path, text) => {
      await mkdir(dirname(path), { recursive: true })
      await writeFile(path, text)
    },
    makeFolder: async (path) => {
      await mkdir(path, { recursive: true })
    },
    remove: (path) => rm(path, { recursive: true, force: true }),
  }
}

function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOENT' || code === 'ENOTDIR'
}
