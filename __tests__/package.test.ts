/** The package as npm makes it: packed, installed into an empty folder without a network, and run from there. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { optionsOf } from '../src/options/table.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const home = mkdtempSync(join(tmpdir(), 'package-'))
/** Its cache is empty, so that a package that needs another one cannot be installed. */
const env = {
  PATH: `${join(root, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}`,
  HOME: home,
  npm_config_cache: join(home, 'cache'),
  npm_config_offline: 'true',
}
const npm = (cwd: string, ...args: readonly string[]) =>
  execFileSync('npm', [...args, '--loglevel=error'], { cwd, env, encoding: 'utf8' })

interface Packed {
  readonly filename: string
  readonly version: string
  readonly files: readonly { readonly path: string }[]
}
let packed: Packed

beforeAll(() => {
  const told = npm(root, 'pack', '--json', '--pack-destination', home)
  ;[packed] = JSON.parse(told) as [Packed]
  writeFileSync(join(home, 'package.json'), '{}')
  npm(home, 'install', `./${packed.filename}`)
}, 60_000)

afterAll(() => {
  rmSync(home, { recursive: true, force: true })
})

/** As a shell finds it. */
function command(...args: readonly string[]) {
  const program = join(home, 'node_modules/.bin/django-rollout')
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: home, env, encoding: 'utf8' })
  return { status, stdout, stderr }
}

test('the package holds the bundle, and no source, test or workflow', () => {
  const folders = packed.files.map(({ path }) => dirname(path).split('/')[0])
  expect(new Set(folders)).toEqual(new Set(['.', 'dist']))
  expect(
    packed.files.filter(({ path }) => !path.startsWith('dist/')).map(({ path }) => path),
  ).toEqual(['LICENSE', 'README.md', 'package.json'])
})

test('the package needs no other package', () => {
  const installed = readdirSync(join(home, 'node_modules')).filter((name) => !name.startsWith('.'))
  expect(installed).toEqual(['django-rollout'])
})

test('the command of the package prints its version', () => {
  expect(command('--version')).toEqual({ status: 0, stdout: `${packed.version}\n`, stderr: '' })
})

test('the command of the package prints the options of a release', () => {
  const { status, stdout } = command('release', '--help')
  expect(status).toBe(0)
  for (const [name] of optionsOf('release', 'command')) expect(stdout).toContain(`--${name} `)
})

test('the command of the package says what is missing, and exits as for a wrong use', () => {
  const { status, stdout, stderr } = command('release')
  expect(status).toBe(2)
  expect(stdout + stderr).toContain('image')
})
