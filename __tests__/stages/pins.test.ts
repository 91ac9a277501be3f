import { expect, test } from '@jest/globals'
import { pinsOf } from '../../src/stages/pins.js'
import type { Target } from '../../src/stages/targets.js'
import { notebook } from '../support/journal.js'
import { standing } from '../support/live.js'
import { digest, running } from '../support/running.js'
import { scripted, type Line } from '../support/scripted.js'
import { releaseOf } from '../support/settings.js'

const shop = 'ghcr.io/acme/shop'

/** The registry's answer about a tag: a letter stands for a digest. */
const names = (tag: string, letter: string): Line => ({
  when: new RegExp(`imagetools inspect .* ${shop}:${tag}$`),
  stdout: JSON.stringify({ digest: digest(letter) }),
})
const refuses = (tag: string, stderr: string): Line => ({
  when: new RegExp(`imagetools inspect .* ${shop}:${tag}$`),
  code: 1,
  stderr,
})
const hangs: Line = { when: /imagetools inspect/, hangs: true }

const onLatest = `web: {image: '${shop}:latest', pods: [a]}`
const back = (tag: string, letter: string) => `${shop}:${tag}@${digest(letter)}`
const short = (letter: string) => digest(letter).slice(0, 19)

test.each<[string, string, Line[], Record<string, Record<string, string>>, string[]]>([
  ['a tag that names what runs stays', onLatest, [names('latest', 'a')], {}, []],
  [
    'a tag that has moved',
    onLatest,
    [names('latest', 'b')],
    { 'statefulset/web': { app: back('latest', 'a') } },
    [`shop:latest names another image by now: an undo would bring back ${short('a')}, which runs`],
  ],
  [
    'a tag that was deleted',
    onLatest,
    [refuses('latest', 'manifest unknown')],
    { 'statefulset/web': { app: back('latest', 'a') } },
    [`what shop:latest names now is not known: an undo would bring back ${short('a')}, which runs`],
  ],
  [
    'a registry that does not answer',
    onLatest,
    [hangs],
    { 'statefulset/web': { app: back('latest', 'a') } },
    [`what shop:latest names now is not known: an undo would bring back ${short('a')}, which runs`],
  ],
  [
    'each tag is asked for once, and each workload has its own digest',
    `{web: {image: '${shop}:latest', pods: [a]}, worker: {image: '${shop}:latest', pods: [b]}, old: {image: '${shop}:v1', init: '${shop}:latest', pods: [c]}}`,
    [names('latest', 'a'), names('v1', 'c')],
    {
      'statefulset/worker': { app: back('latest', 'b') },
      'statefulset/old': { init: back('latest', 'c') },
    },
    [],
  ],
  [
    'what has a digest is not asked for',
    `web: {image: '${back('v1', 'a')}', pods: [a]}`,
    [],
    {},
    [],
  ],
  [
    'what no pod tells',
    `web: {image: '${shop}:latest'}`,
    [],
    {},
    ['no pod tells which shop:latest it runs: an undo would bring back what the tag names then'],
  ],
])('%s', async (_, text, registry, expected, said) => {
  const { picture, workloads } = running(text)
  const { world, ran } = scripted(registry)
  const journal = notebook()
  const targets = workloads.map((live) => ({ live }) as unknown as Target)
  const pins = await pinsOf(releaseOf(world), journal, standing(picture), targets)
  expect(Object.fromEntries(pins)).toEqual(expected)
  if (said.length > 0) expect(journal.lines).toEqual(said)
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
