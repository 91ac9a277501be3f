import { describe, expect, test } from '@jest/globals'
import type { Figures } from './figures.js'
import type { ToolName } from './names.js'
import { pageOf, type Row } from './page.js'

const figures = (tool: ToolName, more: Partial<Figures>): Figures => ({
  tool,
  said: 'deployed',
  verdict: 1,
  named: false,
  requests: 10,
  megabytes: 100,
  ...more,
})

const healthy: Row = {
  of: { is: 'healthy', name: 'healthy-20', title: '20 workloads' },
  by: {
    'django-rollout': figures('django-rollout', {
      verdict: 10.2,
      written: 1,
      limit: { sign: 10, grace: 0 },
    }),
    script: figures('script', { verdict: 15.3, written: 3, limit: { sign: 14, grace: 0 } }),
    helm: figures('helm', { said: 'failed', verdict: 122, written: 1.5 }),
  },
}
const broken: Row = {
  of: { is: 'broken', name: 'configmap-missing', title: 'a ConfigMap is missing' },
  by: {
    'django-rollout': figures('django-rollout', {
      said: 'failed',
      verdict: 22.2,
      limit: { sign: 2, grace: 20 },
      restored: 22.4,
      named: true,
      requests: 70,
    }),
    script: figures('script', { said: 'failed', verdict: 120.4, restored: 121, named: true }),
    helm: figures('helm', { verdict: 2, megabytes: 80 }),
  },
}
const early: Row = {
  of: { is: 'broken', name: 'bad-tag', title: 'the tag was never pushed' },
  by: {
    'django-rollout': figures('django-rollout', {
      said: 'failed',
      verdict: 0.5,
      restored: 'untouched',
    }),
  },
}

const page = pageOf([healthy, broken, early], [], 'All cases.')
const lineWith = (...words: readonly string[]) =>
  page.split('\n').find((line) => words.every((word) => line.includes(word)))

describe('the benchmark page', () => {
  test.each([
    [
      'a healthy release',
      ['20 workloads | script'],
      '| 20 workloads | script | 3.00 | 14.0 | 15.3 | 1.30 | 1.09× | 1.50× | 10 | 100 |',
    ],
    [
      'one that a tool took for a failure',
      ['20 workloads | helm'],
      '| 20 workloads | helm | 1.50 | — | said failed: 122.0 | — | — | 12× | 10 | 100 |',
    ],
    [
      'the verdict on a fault, and a tool without one',
      ['a ConfigMap is missing'],
      '| configmap-missing | a ConfigMap is missing | 2.00 + 20 | 22.2 | 1.01× | 120.4 | 5.4× | never: said deployed | — |',
    ],
    [
      'a verdict before anything was written',
      ['the tag was never pushed'],
      '| bad-tag | the tag was never pushed | — | 0.50 | — | — | — | — | — |',
    ],
    [
      'until all is as before',
      ['configmap-missing | 22.4'],
      '| configmap-missing | 22.4 | 121.0 | 5.4× | never | — |',
    ],
    ['nothing was touched', ['bad-tag | never'], '| bad-tag | never touched | — | — | — | — |'],
    [
      'cause, requests and memory',
      ['configmap-missing | yes'],
      '| configmap-missing | yes | yes | no | 70 | 10 | 10 | 100 | 100 | 80 |',
    ],
    [
      'where no tool does better',
      ['time to the verdict', 'of'],
      '- **time to the verdict**: no other tool is better in 1 of 1 cases',
    ],
    [
      'where it is not',
      ['**requests**'],
      '- **requests**: no other tool is better in 1 of 2 cases; better: configmap-missing (script, helm)',
    ],
  ])('has the right rows for "%s"', (_title, words, line) => {
    expect(lineWith(...words)).toBe(line)
  })

  test('begins with what was promised', () => {
    expect(page).toContain(
      "- A fault is recognised within 1 s of its first sign and the rule's grace in 1 of 1 cases; the latest is configmap-missing, by 0.20 s.",
    )
    expect(page).toContain(
      '- A healthy release of 20 workloads ends 0.20 s after the last new pod is Ready',
    )
  })
})

describe('the page of whole pipelines', () => {
  const by = {
    script: {
      seconds: 20,
      least: 19.5,
      most: 25,
      stages: [
        { name: 'build', from: 0.05, seconds: 1.5 },
        { name: 'check', from: 1.5, seconds: 1 },
      ],
    },
    'django-rollout': {
      seconds: 17,
      least: 16,
      most: 18.2,
      stages: [
        { name: 'preflight', from: 0.3, seconds: 0.9 },
        { name: 'build', from: 0.31, seconds: 1.6 },
      ],
    },
  }
  const alone = pageOf([], [{ of: { title: 'warm cache', rounds: 5, atMost: 0.9 }, by }], 'One.')

  test.each([
    "- A whole pipeline (warm cache) takes 0.85 of the script's time (promised: at most 0.9).",
    '| warm cache | 5 | 20.0 | 17.0 | 0.85× | 19.5 to 25.0 | 16.0 to 18.2 |',
    '| warm cache | preflight | — | — | 0.30 | 0.90 |',
    '| warm cache | build | 0.05 | 1.50 | 0.31 | 1.60 |',
    '| warm cache | check | 1.50 | 1.00 | — | — |',
  ])('has the line %s', (line) => {
    expect(alone.split('\n')).toContain(line)
  })

  test('has no section of what was not played', () => {
    expect(alone.match(/^### .*/gm)).toEqual(['### In short', '### Whole pipelines, in seconds'])
    expect(page).not.toContain('pipeline')
  })
})
