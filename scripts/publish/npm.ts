/**
 * Packs the package into the folder that is named, and publishes that file; further words go to `npm publish`.
 * When npm has this version with the same content, all is done already: a job that failed after this step
 * can be run again.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { main, readPlan } from './given.ts'
import { newerThan } from './plan.ts'

interface Packed {
  readonly filename: string
  readonly integrity: string
}

await main(() => {
  const [folder, ...words] = process.argv.slice(2)
  if (folder === undefined) throw new Error('usage: npm.ts FOLDER [ARGUMENT OF npm publish…]')
  const { name, version, tag } = readPlan()
  const told = execFileSync('npm', ['pack', '--json', '--pack-destination', folder])
  const [{ filename, integrity }] = JSON.parse(told.toString()) as [Packed]

  const there = ask(`${name}@${version}`, 'dist.integrity')
  if (there === integrity) {
    console.log(`npm has ${name} ${version} already, with the same content`)
    return
  }
  if (there !== undefined) {
    throw new Error(`npm has ${name} ${version} already, with other content`)
  }
  const newest = ask(name, 'version')
  const isOlder = newest !== undefined && newerThan(tag, [`v${newest}`]) !== undefined
  // What people get who name no version stays the newest one.
  const label = isOlder ? ['--tag', `release-${version.replace(/\.\d+$/, '')}`] : []
  const { status } = spawnSync('npm', ['publish', ...label, ...words, join(folder, filename)], {
    stdio: 'inherit',
  })
  if (status !== 0) throw new Error(`npm publish ended with exit code ${status ?? 'none'}`)
})

/** What npm knows of a package or of a version of it; nothing when it does not have that. */
function ask(what: string, field: string): string | undefined {
  const args = ['view', what, field, '--json']
  const { status, stdout } = spawnSync('npm', args, { encoding: 'utf8' })
  const told = stdout.trim() === '' ? undefined : (JSON.parse(stdout) as unknown)
  if (status === 0) return told as string | undefined
  const { code, summary } = (told as { error?: { code?: string; summary?: string } }).error ?? {}
  if (code === 'E404') return undefined
  throw new Error(
    `npm does not tell whether it has ${what}: ${summary ?? code ?? 'no reason given'}`,
  )
}
