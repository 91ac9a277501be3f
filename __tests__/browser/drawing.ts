/// <reference lib="dom" />
/// <reference lib="dom.iterable" />

/** A timeline as it was drawn, and what is wrong with it for the eye. */
export interface Drawing {
  readonly sections: readonly string[]
  /** Of the rows, from above. */
  readonly labels: readonly string[]
  readonly ticks: readonly string[]
  readonly problems: readonly string[]
}

/** To be run in a page that shows one summary: nothing from outside of it is known there. */
export function lookAtDrawing(): Drawing {
  /** Text on a background is told from it well from this ratio on (WCAG 2.2, 1.4.3). */
  const enough = 4.5
  /** In CSS pixels: what bounding boxes may differ by. */
  const slack = 1

  const svg = document.querySelector('.mermaid svg')
  if (!svg) throw new Error('there is no chart')
  const all = (selector: string) => [...svg.querySelectorAll(selector)]
  const words = (element: Element) => element.textContent.trim()
  const box = (element: Element) => element.getBoundingClientRect()
  const meet = (a: DOMRect, b: DOMRect) =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > slack &&
    Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > slack
  const inside = (a: DOMRect, b: DOMRect) =>
    a.left >= b.left - slack &&
    a.right <= b.right + slack &&
    a.top >= b.top - slack &&
    a.bottom <= b.bottom + slack

  const colour = (text: string) => (text.match(/[\d.]+/g) ?? []).slice(0, 3).map(Number)
  const light = (rgb: readonly number[]) => {
    const [red = 0, green = 0, blue = 0] = rgb.map((value) => {
      const part = value / 255
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
  }
  const contrast = (a: string, b: string) => {
    const [dark = 0, bright = 0] = [light(colour(a)), light(colour(b))].sort((x, y) => x - y)
    return (bright + 0.05) / (dark + 0.05)
  }
  const page = getComputedStyle(document.body).backgroundColor
  const fill = (element: Element) => getComputedStyle(element).fill

  const labels = all('text[class*=taskText]').sort((a, b) => box(a).top - box(b).top)
  const bars = all('rect.task')
  const titles = all('text.sectionTitle')
  const ticks = all('.grid .tick text')
  const texts = [...labels, ...titles, ...ticks]
  const problems: string[] = []

  const frame = box(svg)
  if (frame.right > document.documentElement.clientWidth) problems.push('the chart leaves the page')
  for (const bar of bars) {
    if (!inside(box(bar), frame)) problems.push(`a bar leaves the frame: ${bar.id}`)
    if (box(bar).width < slack) problems.push(`a bar cannot be seen: ${bar.id}`)
  }
  for (const text of texts) {
    if (!inside(box(text), frame)) problems.push(`"${words(text)}" leaves the frame`)
    const under = bars.filter((bar) => meet(box(bar), box(text)))
    const isOn = under.length === 1 && under.every((bar) => inside(box(text), box(bar)))
    if (under.length > 0 && !isOn) problems.push(`"${words(text)}" is half on a bar`)
    const ratio = contrast(fill(text), under[0] ? fill(under[0]) : page)
    if (ratio < enough) problems.push(`"${words(text)}" has a contrast of ${ratio.toFixed(1)}`)
  }
  for (const [i, one] of texts.entries()) {
    for (const other of texts.slice(i + 1)) {
      if (meet(box(one), box(other))) problems.push(`"${words(one)}" is on "${words(other)}"`)
    }
  }
  return {
    sections: titles.map(words),
    labels: labels.map(words),
    ticks: ticks.map(words),
    problems,
  }
}
