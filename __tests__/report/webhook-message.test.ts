import { expect, test } from '@jest/globals'
import { messageOf } from '../../src/report/webhook-message.js'
import { newSha, reportOf } from '../support/report.js'

const ada = { who: 'ada', url: 'https://github.com/acme/shop/actions/runs/7?a=1&b=2' }

test('the message of a release that went well names the version', () => {
  expect(messageOf(reportOf(), ada).text.split('\n')).toEqual([
    '✓ *shop ef2714eb63e4 is deployed: 2 workloads in namespace prod*',
    `shop in namespace prod, version ${newSha}, by ada, 1 min 01 s`,
    'https://github.com/acme/shop/actions/runs/7?a=1&amp;b=2',
  ])
})

test('the message of a failed release has its cause, and only what is known', () => {
  const cause = { code: 'registry', sentence: 'the registry is away' } as const
  const report = reportOf({ result: 'failed', cause, tag: '', workloads: [], seconds: 2 })
  expect(messageOf(report, { who: 'ada' }).text.split('\n')).toEqual([
    '✗ *shop did not go live: the running version was not touched*',
    'the registry is away',
    'shop in namespace prod, by ada, 2.0 s',
  ])
})

test.each([
  ['a < b & c > d', 'a &lt; b &amp; c &gt; d'],
  ['<!channel> <https://bad.example|good>', '&lt;!channel&gt; &lt;https://bad.example|good&gt;'],
  [
    '@everyone @here @all, ada@example.org',
    '@\u200beveryone @\u200bhere @\u200ball, ada@\u200bexample.org',
  ],
  ['[log](http://bad.example) of @jane', '[log]\u200b(http://bad.example) of @\u200bjane'],
  ['two\nlines', 'two lines'],
  ['\u001b[31mred', 'red'],
  ['x'.repeat(1_200), 'x'.repeat(1_000)],
])('foreign text in a message stays text, for example %j', (sentence, shown) => {
  const cause = { code: 'crash', sentence } as const
  expect(messageOf(reportOf({ result: 'undone', cause }), ada).text.split('\n')[1]).toBe(shown)
})
