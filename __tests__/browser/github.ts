/** Markdown as GitHub shows it: its tables and HTML, its style sheet, and a chart for each Mermaid fence. */
import markdownIt from 'markdown-it'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { Chromium, View } from './chromium.js'

const { resolve } = createRequire(import.meta.url)
const mermaid = readFile(resolve('@mermaid-js/tiny'), 'utf8')
const style = readFile(resolve('github-markdown-css/github-markdown.css'), 'utf8')
const render = markdownIt({ html: true, linkify: true })

/** Shows it until all is drawn; throws what Mermaid throws. */
export async function show(chromium: Chromium, markdown: string, view: View): Promise<void> {
  const [page, theme] = view.theme === 'dark' ? ['#0d1117', 'dark'] : ['#ffffff', 'default']
  await chromium.show(
    `<!doctype html>
    <meta charset="utf-8">
    <style>${await style}</style>
    <style>body { margin: 0; background: ${page} } article { padding: 24px }</style>
    <article class="markdown-body">${render.render(markdown)}</article>`,
    view,
  )
  if (await chromium.evaluate<boolean>(`typeof mermaid === 'undefined'`)) {
    await chromium.evaluate(`${await mermaid}; undefined`)
  }
  await chromium.evaluate(`(${draw.toString()})('${theme}')`)
}

declare const window: {
  readonly mermaid: {
    initialize(settings: object): void
    render(id: string, source: string): Promise<{ readonly svg: string }>
  }
}

/** In the page: puts each chart in the place of its fence. */
async function draw(theme: string): Promise<void> {
  window.mermaid.initialize({ startOnLoad: false, securityLevel: 'strict', theme })
  for (const [i, fence] of [...document.querySelectorAll('code.language-mermaid')].entries()) {
    const chart = document.createElement('div')
    chart.className = 'mermaid'
    chart.innerHTML = (await window.mermaid.render(`chart-${i}`, fence.textContent)).svg
    fence.parentElement?.replaceWith(chart)
  }
}
