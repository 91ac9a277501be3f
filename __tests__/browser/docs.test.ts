/** The diagrams of the docs, drawn by Mermaid in a real browser as GitHub does: none of them is an error. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { globSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Chromium } from './chromium.js'
import { show } from './github.js'

const docs = fileURLToPath(new URL('../../docs', import.meta.url))
/** Where the pictures go, for people to look at. */
const pictures = fileURLToPath(new URL('../../build/docs', import.meta.url))

let chromium: Chromium

beforeAll(async () => {
  chromium = await Chromium.start()
  await mkdir(pictures, { recursive: true })
})
afterAll(() => chromium.close())

test.each([
  ['architecture.md', ['commands · doctor', 'rollout · judge', 'snapshot', 'migrate', 'undo']],
  ['internals.md', ['symptoms', 'rules', 'evaluate', 'verdict']],
])('the diagrams of %s are drawn with all their names', async (page, names) => {
  await show(chromium, await readFile(join(docs, page), 'utf8'), { width: 1012, theme: 'light' })
  await writeFile(join(pictures, `${basename(page, '.md')}.png`), await chromium.screenshot())
  const drawn = await chromium.evaluate<readonly string[]>(
    `[...document.querySelectorAll('.mermaid svg .nodeLabel')].map((label) => label.textContent.trim())`,
  )
  expect(drawn).toEqual(expect.arrayContaining(names))
})

test('every page with a diagram is listed in this test', async () => {
  const pages = globSync('**/*.md', { cwd: docs })
  const texts = await Promise.all(pages.map((page) => readFile(join(docs, page), 'utf8')))
  expect(pages.filter((_, i) => texts[i]?.includes('```mermaid')).sort()).toEqual([
    'architecture.md',
    'internals.md',
  ])
})
