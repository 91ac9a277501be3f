/**
 * Writes dist/: one bundle with all that the three entries of src/ need, and a starter for each entry.
 * An entry's code is evaluated only when its starter loads it. With --check, builds into a temporary
 * folder instead and prints which files of dist/ differ from it.
 */
import ncc from '@vercel/ncc'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { minify } from 'terser'

const root = fileURLToPath(new URL('..', import.meta.url))
const entries = ['action', 'post', 'cli']

const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const leastNode = parseInt(engines.node.replace('>=', ''))

/**
 * Instead of 0.4 MB: @actions/github makes this where a proxy is set, for its own fetch, and gets ours (ADR 0024).
 */
const undici = 'export class ProxyAgent {}\n'

/** All files of dist/, by path. */
async function build() {
  const input = join(root, 'build', 'entries.mjs')
  const imports = entries.map(
    (name) =>
      `export const ${name} = () => import(/* webpackMode: "eager" */ '../src/${name}.ts')\n`,
  )
  mkdirSync(dirname(input), { recursive: true })
  writeFileSync(input, imports.join(''))

  const { code, assets } = await ncc(input, {
    esm: true,
    cache: false,
    quiet: true,
    license: 'licenses.txt',
    externals: { undici: './undici.js' },
  })
  const files = {
    'index.js': await shorten(code),
    'package.json': '{ "type": "module" }\n',
    'undici.js': undici,
  }
  for (const [name, asset] of Object.entries(assets)) files[name] = String(asset.source)
  for (const name of entries) {
    const shebang = name === 'cli' ? '#!/usr/bin/env node\n' : ''
    files[`${name}/index.js`] = `${shebang}${starter(name)}`
  }
  return files
}

/** Nothing is imported before it is sure that node can read it. */
function starter(name) {
  return `if (parseInt(process.versions.node) < ${leastNode}) {
  console.error(\`django-rollout needs Node ${leastNode} or later, and this is \${process.version}\`)
  process.exitCode = 2
} else if (process.platform === 'win32') {
  console.error('django-rollout does not run on Windows: run it on Linux or macOS, in WSL, or in a workflow with "runs-on: ubuntu-latest"')
  process.exitCode = 2
} else {
  const { ${name} } = await import('../index.js')
  await ${name}()
}
`
}

/**
 * Drops comments, blanks, what is never used, and the names of variables. Those of functions and classes stay, and lines
 * between statements, so that a stack trace can be read.
 */
async function shorten(code) {
  const result = await minify(code, {
    module: true,
    mangle: { keep_fnames: true, keep_classnames: true },
    compress: { defaults: false, dead_code: true, side_effects: true, unused: true },
    format: { comments: false, semicolons: false },
  })
  return `${result.code}\n`
}

function write(files, folder) {
  rmSync(folder, { recursive: true, force: true })
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
    if (text.startsWith('#!')) chmodSync(path, 0o755)
  }
}

function filesIn(folder) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
}

/** One line for each file of dist/ that is not what src/ builds to. */
function differences(files, folder) {
  const missing = Object.keys(files).filter((name) => !existsSync(join(folder, name)))
  const stale = filesIn(folder).filter(
    (name) => name in files && readFileSync(join(folder, name), 'utf8') !== files[name],
  )
  const extra = filesIn(folder).filter((name) => !(name in files))
  return [
    ...missing.map((name) => `dist/${name} is missing`),
    ...stale.map((name) => `dist/${name} differs from what src builds to`),
    ...extra.map((name) => `dist/${name} is not built from src`),
  ]
}

// The bundle's module numbers are made of paths from here: equal wherever the checkout lies.
process.chdir(root)
const dist = join(root, 'dist')
const files = await build().catch((error) => {
  // Its stack would show ncc's own bundle: a line of a million characters.
  console.error(error.message)
  process.exit(1)
})
if (process.argv.includes('--check')) {
  const found = differences(files, dist)
  if (found.length > 0) {
    const fresh = mkdtempSync(join(tmpdir(), 'dist-'))
    write(files, fresh)
    console.error([...found, `Built into ${fresh}. Run make build, and commit dist/.`].join('\n'))
    process.exitCode = 1
  }
} else {
  write(files, dist)
  for (const [name, text] of Object.entries(files)) {
    console.log(`dist/${name}  ${Math.ceil(text.length / 1024)} kB`)
  }
}
