/** Tables, lists and figures as the pages have them. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

export function list(lines: readonly string[]): string {
  return lines.map((line) => `- ${line}`).join('\n')
}

export function seconds(time: number): string {
  return time.toFixed(Math.abs(time) < 10 ? 2 : 1)
}

export function ratio(one: number | undefined, other: number | undefined): string {
  if (one === undefined || other === undefined || other <= 0) return '—'
  const value = one / other
  return `${value >= 10 ? value.toFixed(0) : value.toFixed(value < 2 ? 2 : 1)}×`
}
