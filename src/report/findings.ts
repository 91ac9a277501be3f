/** What was found out, told in the order of its topics. Pure. */
import type { ClosingLine } from './closing.js'
import { topics, type Finding } from './finding.js'

export const signs = { good: '✓', warning: '!', bad: '✗' } as const

const kinds = { good: 'good', warning: 'warning', bad: 'error' } as const

/** Each topic that something was found about, with it. */
export function byTopic(
  findings: readonly Finding[],
): readonly (readonly [string, readonly Finding[]])[] {
  return topics
    .map((topic) => [topic, findings.filter(({ about }) => about === topic)] as const)
    .filter(([, found]) => found.length > 0)
}

/** For the log: what mends something stands below it, as it can be copied. */
export function findingLines(findings: readonly Finding[]): readonly ClosingLine[] {
  return byTopic(findings).flatMap(([topic, found]) => [
    { text: topic, kind: 'ours' as const },
    ...found.flatMap(({ is, says, mend }) => {
      const [first = '', ...rest] = says.split('\n')
      const below = [...rest, ...(mend?.split('\n') ?? [])]
      return [
        { text: first, kind: kinds[is] },
        ...below.map((line) => ({ text: `    ${line}`, kind: 'ours' as const })),
      ]
    }),
  ])
}
