/** README and docs as GitHub shows them: links lead somewhere, tables fit, the front page stays short. */
import { describe, expect, test } from '@jest/globals'
import markdownIt from 'markdown-it'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exitCodes } from '../../src/failure/result.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const find = (patterns: readonly string[], exclude: readonly string[] = []) =>
  globSync([...patterns], { cwd: root, exclude: [...exclude] }).sort()

const pages = find(
  ['*.md', '{docs,actions,examples,workflows,cluster,__tests__}/**/*.md', '.github/**/*.md'],
  ['__tests__/fixtures/**', '__tests__/cases/inputs/**'],
)

const ours = 'https://github.com/django-rollout/django-rollout/'
const markdown = markdownIt({ html: true })
type Token = ReturnType<typeof markdown.parse>[number]

const textOf = ({ children }: Token) =>
  (children ?? [])
    .filter(({ type }) => type === 'text' || type === 'code_inline')
    .map(({ content }) => content)
    .join('')

/** The texts inside of all elements of these kinds. */
function textsIn(tokens: readonly Token[], ...opening: readonly string[]): readonly string[] {
  return tokens.flatMap(({ type }, at) => (opening.includes(type) ? [textOf(tokens[at + 1]!)] : []))
}

/** As GitHub names headings; the second of a name gets `-1`, the third `-2`. */
function anchorsOf(text: string): ReadonlySet<string> {
  const anchors = new Set<string>()
  const used = new Map<string, number>()
  for (const heading of textsIn(markdown.parse(text, {}), 'heading_open')) {
    const slug = heading
      .trim()
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, '')
      .replaceAll(' ', '-')
    const times = used.get(slug) ?? 0
    used.set(slug, times + 1)
    anchors.add(times === 0 ? slug : `${slug}-${times}`)
  }
  return anchors
}

/** Where links and pictures lead, those in HTML too. */
function targetsOf(text: string): readonly string[] {
  return markdown.parse(text, {}).flatMap((token) =>
    [token, ...(token.children ?? [])].flatMap((one) => {
      const target = one.attrGet('href') ?? one.attrGet('src')
      const html = one.type.startsWith('html_') ? one.content : ''
      const inHtml = [...html.matchAll(/(?:src|srcset|href)="([^"]*)"/g)].map(([, it = '']) => it)
      return [...(target === null ? [] : [String(target)]), ...inHtml]
    }),
  )
}

/** Why a target of a page leads nowhere; undefined when it does not, or is somebody else's. */
function brokenness(page: string, target: string): string | undefined {
  const own = target.startsWith(`${ours}blob/`)
    ? `/${target.slice(ours.length).replace(/^blob\/[^/]+\//, '')}`
    : target
  if (/^[a-z]+:/.test(own)) return undefined
  const [path = '', anchor] = decodeURI(own).split('#')
  const file =
    path === '' ? page : normalize(path.startsWith('/') ? `.${path}` : join(dirname(page), path))
  if (!existsSync(join(root, file))) return `${target}: there is no ${file}`
  if (anchor === undefined) return undefined
  return anchorsOf(read(file)).has(anchor) ? undefined : `${target}: ${file} has no such heading`
}

describe('the check of links', () => {
  test.each([
    ['# What it *is*', 'what-it-is'],
    ['## `tool-missing`', 'tool-missing'],
    ['## 2. Store the secret `KUBECONFIG`', '2-store-the-secret-kubeconfig'],
    ['## Healthy releases, in seconds', 'healthy-releases-in-seconds'],
    ['## GitHub’s record', 'githubs-record'],
    ['## a_b — c', 'a_b--c'],
    ['## [A link](x.md) & more', 'a-link--more'],
    ['## Übersicht', 'übersicht'],
  ])('knows that %s has the anchor %s', (heading, anchor) => {
    expect([...anchorsOf(heading)]).toEqual([anchor])
  })

  test('tells two equal headings apart', () => {
    expect([...anchorsOf('# A\n\n# A\n\n# B\n\n# A')]).toEqual(['a', 'a-1', 'b', 'a-2'])
  })

  test.each([
    'docs/none.md',
    '#nothing',
    'docs/failures.md#nothing',
    'docs/none/',
    `${ours}blob/v1/docs/none.md`,
    `${ours}blob/v1/docs/failures.md#nothing`,
  ])('finds the broken link %s in README.md', (target) => {
    expect(brokenness('README.md', target)).toContain(target)
  })

  test.each([
    '#why',
    'docs/failures.md',
    'docs/failures.md#usage',
    'examples/gitlab',
    'https://kubernetes.io/none.md',
    `${ours}blob/v1/docs/failures.md#usage`,
    `${ours}issues`,
  ])('accepts the valid link %s', (target) => {
    expect(brokenness('README.md', target)).toBeUndefined()
  })
})

test.each(pages)('all links in %s lead to an existing target', (page) => {
  const broken = targetsOf(read(page)).map((target) => brokenness(page, target))
  expect(broken.filter((one) => one !== undefined)).toEqual([])
})

/** `docs/failures.md#usage`, by itself or in the address of this repository. */
const named = /(?:django-rollout\/blob\/v1\/|(?<![\w/]))(docs\/[\w-]+\.md(?:#[\w-]+)?)/g

test('each page that sources, workflows and examples name exists, with its sections', () => {
  const sources = find([
    '{src,scripts,workflows,examples}/**/*.{ts,mjs,py,yml,yaml}',
    '{examples,.github}/**/*.yml',
    '{Makefile,package.json,action.yml}',
  ])
  const broken = sources.flatMap((source) =>
    [...read(source).matchAll(named)].flatMap(([, target = '']) => {
      const why = brokenness(source, `/${target}`)
      return why === undefined ? [] : [`${source}: ${why}`]
    }),
  )
  expect(sources.length).toBeGreaterThan(100)
  expect(broken).toEqual([])
})

test.each(pages)('no table cell in %s is wider than 100 characters', (page) => {
  const cells = textsIn(markdown.parse(read(page), {}), 'th_open', 'td_open')
  expect(cells.filter(({ length }) => length > 100)).toEqual([])
})

describe('the pages for developers', () => {
  const files = find(['{src,__tests__,scripts,examples,dist}/**/*.*', '*.*'])
  const developers = [
    'CONTRIBUTING.md',
    'docs/architecture.md',
    'docs/internals.md',
    'docs/protocol.md',
    'docs/reliability.md',
    'docs/benchmarks.md',
    ...find(['docs/decisions/*.md']),
  ]
  const sources = ['src/**/*.{ts,py}', '__tests__/**/*.ts', 'package.json', 'eslint.config.js']
  const words = new Set(
    find(sources, ['__tests__/docs/**']).flatMap((path) => read(path).match(/\w+/g) ?? []),
  )
  /** `judge/rules.ts`, `rules.ts`: the end of the path of a file, or its whole. */
  const isThere = (name: string) => files.some((file) => file === name || file.endsWith(`/${name}`))

  test.each(developers)('name only existing files: %s', (page) => {
    const names = [...read(page).matchAll(/`([\w./-]+\.(?:ts|mjs|js|py|sh|yaml))`/g)]
    const gone = names.map(([, name = '']) => name).filter((name) => !isThere(name))
    expect(gone).toEqual([])
  })

  test.each(developers)('name only existing identifiers of the code: %s', (page) => {
    const names = [...read(page).matchAll(/`(\w*[a-z][A-Z]\w*)(?:\.\w+)?`/g)]
    const gone = names.map(([, name = '']) => name).filter((name) => !words.has(name))
    expect(gone).toEqual([])
  })

  test('are checked against files that are gone', () => {
    expect(['src/judge/rules.ts', 'rules.ts'].filter(isThere)).toHaveLength(2)
    expect(['src/rules.ts', 'ules.ts', 'pipeline/release.ts'].filter(isThere)).toEqual([])
  })
})

describe('docs/architecture.md', () => {
  const text = read('docs/architecture.md')

  test('has at most 120 lines, with a diagram of the layers and one of a release', () => {
    expect(text.trimEnd().split('\n').length).toBeLessThanOrEqual(120)
    expect(text.match(/^```mermaid$/gm)).toHaveLength(2)
  })

  test('has a line for each folder of src', () => {
    const folders = find(['src/*/**']).map((path) => `src/${path.split('/')[1] ?? ''}/`)
    const inTree = new Set(folders.filter((folder) => !/\.\w+\/$/.test(folder)))
    const lines = [...text.matchAll(/^- `(src\/\w+\/)`: /gm)].map(([, folder]) => folder)
    expect(lines.sort()).toEqual([...inTree].sort())
  })
})

describe('README.md', () => {
  const text = read('README.md')

  test('has at most 160 lines and 10 kB', () => {
    expect(text.trimEnd().split('\n').length).toBeLessThanOrEqual(160)
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(10_000)
  })

  test('says how to try it and how to test it', () => {
    expect(text).toMatch(/^make demo\b/m)
    expect(text).toMatch(/^make test\b/m)
  })
})

test('docs/README.md leads to each page beside it, and to the index of the decisions', () => {
  const targets = targetsOf(read('docs/README.md')).filter((target) => !target.startsWith('..'))
  expect([...targets, 'README.md'].sort()).toEqual(
    find(['docs/*.md', 'docs/decisions/README.md']).map((path) => path.slice('docs/'.length)),
  )
})

test('docs/decisions/README.md leads to each decision, in their order', () => {
  const decisions = find(['docs/decisions/*-*.md']).map((path) => path.split('/').at(-1))
  expect(targetsOf(read('docs/decisions/README.md'))).toEqual(decisions)
})

test('docs/how-it-works.md explains each result, with its exit code', () => {
  const entries = [...read('docs/how-it-works.md').matchAll(/^- `([a-z]+)` \(exit code (\d+)\)/gm)]
  expect(entries.map(([, result, code]) => [result, Number(code)])).toEqual(
    Object.entries(exitCodes),
  )
})
