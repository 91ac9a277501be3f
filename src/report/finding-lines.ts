/** Renders findings in the order of their topics. Pure. */
import type { FinalLine } from './final-lines.js'
import { topics, type Finding } from './finding.js'

export const signs = { ok: '✓', warning: '!', error: '✗' } as const

const kinds = { ok: 'good', warning: 'warning', error: 'error' } as const

/** Returns each topic that has findings, with them. */
export function byTopic(
  findings: readonly Finding[],
): readonly (readonly [string, readonly Finding[]])[] {
  return topics
    .map((topic) => [topic, findings.filter(({ about }) => about === topic)] as const)
    .filter(([, found]) => found.length > 0)
}

/** Renders the findings for the log: each with its fix below it, ready to copy. */
export function findingLines(findings: readonly Finding[]): readonly FinalLine[] {
  return byTopic(findings).flatMap(([topic, found]) => [
    { text: topic, kind: 'plain' as const },
    ...found.flatMap(({ severity, message, fix }) => {
      const [first = '', ...rest] = message.split('\n')
      const below = [...rest, ...(fix?.split('\n') ?? [])]
      return [
        { text: first, kind: kinds[severity] },
        ...below.map((line) => ({ text: `    ${line}`, kind: 'plain' as const })),
      ]
    }),
  ])
}
