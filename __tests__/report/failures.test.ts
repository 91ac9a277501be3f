/** docs/failures.md is where the closing lines send people: it has what they are sent to. */
import { readFileSync } from 'node:fs'
import { expect, test } from '@jest/globals'
import { causeCodes, pageOf } from '../../src/failure/failure.js'
import { failureReasons } from '../../src/options/failure-reasons.js'
import { RULES, type Wait } from '../../src/judge/rules.js'

const page = readFileSync(new URL('../../docs/failures.md', import.meta.url), 'utf8')

/** The text of each section, by its heading. */
const sections = new Map(
  page.split(/^## /m).flatMap((text): [string, string][] => {
    const [, code, body] = /^`([\w-]+)`\n([^]*)$/.exec(text) ?? []
    return code === undefined || body === undefined ? [] : [[code, body]]
  }),
)

test('each cause has its section, in the order of the codes, and no other section exists', () => {
  expect([...sections.keys()]).toEqual(causeCodes)
})

test('each cause has its line in the table at the top', () => {
  const rows = [...page.matchAll(/^\| \[`([\w-]+)`\]\(#([\w-]+)\)/gm)]
  expect(rows.map(([, name]) => name)).toEqual(causeCodes)
  expect(rows.map(([, , anchor]) => anchor)).toEqual(causeCodes)
})

test.each(causeCodes)(
  'the section of %s has its symptom, its timeout, what is restored, and a fix',
  (code) => {
    const points = [...(sections.get(code) ?? '').matchAll(/^- \*\*(.+):\*\*/gm)].map(
      ([, it]) => it,
    )
    expect(points).toEqual(['Symptom', 'Timeout', 'Restored', 'What to do'])
    expect(pageOf({ code })).toMatch(new RegExp(`/docs/failures\\.md#${code}$`))
  },
)

/** As the table of timeouts tells it. */
function words(wait: Wait): RegExp {
  switch (wait.is) {
    case 'after':
      return wait.ms === 0 ? /^at once$/ : new RegExp(`^after ${wait.ms / 1000} s\\b`)
    case 'by-remedy':
      return new RegExp(`^after ${wait.some / 1000} s; ${wait.none / 1000} s where\\b`)
    case 'deadline':
      return /^at the deadline$/
    case 'ready':
      return /^learned from the old version/
    case 'exit':
      return wait.nth === 2 ? /^at the second end$/ : /never/
    case 'by-cause':
      return /^by its cause|^as `Crash`$/
  }
}

test('each symptom has its row with the timeout and the cause of its rule', () => {
  const rows = [...page.matchAll(/^\| `(\w+)` +\| (.+?) +\| \[`([\w-]+)`\]\(#\3\) +\|$/gm)]
  expect(rows.map(([, problem]) => problem)).toEqual(Object.keys(RULES))
  expect(new Set(Object.keys(RULES))).toEqual(new Set(failureReasons))
  for (const [, problem = '', timeouts, code] of rows) {
    const rule = RULES[problem as keyof typeof RULES]
    expect([problem, code]).toEqual([problem, rule.code])
    expect(timeouts).toMatch(words(rule.wait))
    expect(sections.get(rule.code)).toContain(`\`${problem}\``)
  }
})
