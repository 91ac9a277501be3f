import { expect, test } from '@jest/globals'
import { pinsOf } from '../../src/stages/pins.js'
import type { Target } from '../../src/stages/targets.js'
import { notebook } from '../support/journal.js'
import { standing } from '../support/live.js'
import { digest, running } from '../support/running.js'
import { scripted, type Line } from '../support/scripted.js'
import { releaseOf } from '../support/settings.js'

const shop = 'ghcr.io/acme/shop'

/** The registry's answer about `:tag` or `@digest`: a letter stands for a digest. */
const names = (name: string, letter: string): Line => ({
  when: new RegExp(`imagetools inspect .* ${shop}${name}$`),
  stdout: JSON.stringify({ digest: digest(letter) }),
})
const refuses = (name: string, stderr: string): Line => ({
  when: new RegExp(`imagetools inspect .* ${shop}${name}$`),
  code: 1,
  stderr,
})
const hangs: Line = { when: /imagetools inspect/, hangs: true }

const onLatest = `web: {image: '${shop}:latest', pods: [a]}`
const elsewhere = `web: {image: '${shop}:latest', pods: ['ghcr.io/acme/other@${digest('a')}']}`
const unknown = 'which shop:latest runs is not known: an undo would bring back what it names then'
const back = (tag: string, letter: string) => `${shop}:${tag}@${digest(letter)}`
const short = (letter: string) => digest(letter).slice(0, 19)

type Case = [string, string, Line[], Record<string, Record<string, string>>, string[]]

test.each<Case>([
  ['a tag that names what runs stays', onLatest, [names(':latest', 'a')], {}, []],
  [
    'a tag that has moved',
    onLatest,
    [names(':latest', 'b')],
    { 'statefulset/web': { app: back('latest', 'a') } },
    [`shop:latest has moved: an undo would bring back ${short('a')}, which runs`],
  ],
  [
    'a tag that was deleted',
    onLatest,
    [refuses(':latest', 'manifest unknown')],
    { 'statefulset/web': { app: back('latest', 'a') } },
    [`shop:latest may have moved: an undo would bring back ${short('a')}, which runs`],
  ],
  [
    'a registry that does not answer',
    onLatest,
    [hangs],
    { 'statefulset/web': { app: back('latest', 'a') } },
    [`shop:latest may have moved: an undo would bring back ${short('a')}, which runs`],
  ],
  [
    'each tag is asked for once, and each workload has its own digest',
    `{web: {image: '${shop}:latest', pods: [a]}, worker: {image: '${shop}:latest', pods: [b]}, old: {image: '${shop}:v1', init: '${shop}:latest', pods: [c]}}`,
    [names(':latest', 'a'), names(':v1', 'c')],
    {
      'statefulset/worker': { app: back('latest', 'b') },
      'statefulset/old': { init: back('latest', 'c') },
    },
    ['b', 'c'].map(
      (letter) => `shop:latest has moved: an undo would bring back ${short(letter)}, which runs`,
    ),
  ],
  [
    'what has a digest is not asked for',
    `web: {image: '${back('v1', 'a')}', pods: [a]}`,
    [],
    {},
    [],
  ],
  ...(
    [
      [
        'that ours has too',
        names(`@${digest('a')}`, 'a'),
        { 'statefulset/web': { app: back('latest', 'a') } },
        `shop:latest has moved: an undo would bring back ${short('a')}, which runs`,
      ],
      ['that ours has not', refuses(`@${digest('a')}`, 'not found'), {}, unknown],
    ] as const
  ).map(([which, asked, pins, line]): Case => [
    `a tag that has moved, of which the pods name a digest of another repository ${which}`,
    elsewhere,
    [names(':latest', 'b'), asked],
    pins,
    [line],
  ]),
  [
    'a tag that names what the pods name of another repository stays',
    elsewhere,
    [names(':latest', 'a')],
    {},
    [],
  ],
  ['what no pod tells', `web: {image: '${shop}:latest'}`, [], {}, [unknown]],
])('%s', async (_, text, registry, expected, said) => {
  const { picture, workloads } = running(text)
  const { world, ran } = scripted(registry)
  const journal = notebook()
  const targets = workloads.map((live) => ({ live }) as unknown as Target)
  const pins = await pinsOf(releaseOf(world), journal, standing(picture), targets)
  expect(Object.fromEntries(pins)).toEqual(expected)
  expect(journal.lines).toEqual(said)
  expect(ran).toHaveLength(registry.length)
})

test('a run that is cancelled does not take that for the registry’s answer', async () => {
  const stop = new AbortController()
  const { picture, workloads } = running(onLatest)
  const targets = workloads.map((live) => ({ live }) as unknown as Target)
  const release = releaseOf(scripted([hangs]).world, {}, stop.signal)
  const pins = pinsOf(release, notebook(), standing(picture), targets)
  stop.abort(new Error('cancelled'))
  await expect(pins).rejects.toThrow('cancelled')
})
