import { expect, test } from '@jest/globals'
import {
  lostImages,
  pinsOf,
  runsAlready,
  warningsWithoutDigest,
} from '../../src/stages/pinned-tags.js'
import { templateOf, usesOf, workloadId } from '../../src/kubernetes/objects.js'
import type { Target } from '../../src/kubernetes/target.js'
import { notebook } from '../support/journal.js'
import { standing } from '../support/live.js'
import { digest, running } from '../support/running.js'
import { has, lacks, refuses } from '../support/registry.js'
import { scripted, type Line } from '../support/scripted.js'
import { contextOf } from '../support/settings.js'

const shop = 'ghcr.io/acme/shop'

/** The registry's answer about a tag or a digest: a letter stands for a digest. */
const names = (name: string, letter: string): Line => has(name, digest(letter))
const hangs: Line = { when: /^HEAD /, hangs: true }

const onLatest = `web: {image: '${shop}:latest', pods: [a]}`
const elsewhere = `web: {image: '${shop}:latest', pods: ['ghcr.io/acme/other@${digest('a')}']}`
const unknown =
  'the digest that shop:latest runs is unknown: an undo would restore what the tag names then'
const back = (tag: string, letter: string) => `${shop}:${tag}@${digest(letter)}`
const short = (letter: string) => digest(letter).slice(0, 19)

type Case = [string, string, Line[], Record<string, Record<string, string>>, string[]]

test.each<Case>([
  ['a tag that names what runs stays', onLatest, [names('latest', 'a')], {}, []],
  [
    'a tag that has moved',
    onLatest,
    [names('latest', 'b')],
    { 'statefulset/web': { app: back('latest', 'a') } },
    [`shop:latest has moved: an undo would restore ${short('a')}, which is running`],
  ],
  [
    'a tag that was deleted',
    onLatest,
    [lacks('latest')],
    { 'statefulset/web': { app: back('latest', 'a') } },
    [`shop:latest may have moved: an undo would restore ${short('a')}, which is running`],
  ],
  [
    'a registry that does not answer',
    onLatest,
    [hangs],
    { 'statefulset/web': { app: back('latest', 'a') } },
    [`shop:latest may have moved: an undo would restore ${short('a')}, which is running`],
  ],
  [
    'each tag is looked up once, and each workload has its own digest',
    `{web: {image: '${shop}:latest', pods: [a]}, worker: {image: '${shop}:latest', pods: [b]}, old: {image: '${shop}:v1', init: '${shop}:latest', pods: [c]}}`,
    [names('latest', 'a'), names('v1', 'c')],
    {
      'statefulset/worker': { app: back('latest', 'b') },
      'statefulset/old': { init: back('latest', 'c') },
    },
    ['b', 'c'].map(
      (letter) => `shop:latest has moved: an undo would restore ${short(letter)}, which is running`,
    ),
  ],
  [
    'an image with a digest is not looked up',
    `web: {image: '${back('v1', 'a')}', pods: [a]}`,
    [],
    {},
    [],
  ],
  ...(
    [
      [
        'that ours has too',
        names(digest('a'), 'a'),
        { 'statefulset/web': { app: back('latest', 'a') } },
        `shop:latest has moved: an undo would restore ${short('a')}, which is running`,
      ],
      ['that ours has not', lacks(digest('a')), {}, unknown],
    ] as const
  ).map(([which, asked, pins, line]): Case => [
    `a tag that has moved, of which the pods name a digest of another repository ${which}`,
    elsewhere,
    [names('latest', 'b'), asked],
    pins,
    [line],
  ]),
  [
    'a tag that names what the pods name of another repository stays',
    elsewhere,
    [names('latest', 'a')],
    {},
    [],
  ],
  ['an image that no pod reports', `web: {image: '${shop}:latest'}`, [], {}, [unknown]],
])('a tag is pinned by digest where needed: %s', async (_, text, registry, expected, said) => {
  const { clusterState, workloads } = running(text)
  const { platform, ran } = scripted(registry)
  const stageLog = notebook()
  const targets = workloads.map((live) => ({ live }) as unknown as Target)
  const pins = await pinsOf(
    contextOf(platform).with({ log: stageLog }),
    standing(clusterState),
    targets,
  )
  expect(Object.fromEntries(pins)).toEqual(expected)
  expect(stageLog.lines).toEqual(said)
  expect(ran).toHaveLength(registry.length)
})

test('a cancelled run does not mistake the abort for the registry’s answer', async () => {
  const stop = new AbortController()
  const { clusterState, workloads } = running(onLatest)
  const targets = workloads.map((live) => ({ live }) as unknown as Target)
  const context = contextOf(scripted([hangs]).platform, {}, stop.signal)
  const pins = pinsOf(context.with({ log: notebook() }), standing(clusterState), targets)
  stop.abort(new Error('cancelled'))
  await expect(pins).rejects.toThrow('cancelled')
})

const targetsOf = (workloads: ReturnType<typeof running>['workloads']) =>
  workloads.map((live) => ({
    id: workloadId(live),
    live,
    uses: usesOf(templateOf(live), (image) => image.startsWith(shop)),
    running: usesOf(templateOf(live), () => true).map(({ image }) => image),
  })) as unknown as Target[]

test.each<[string, string, Line[], boolean]>([
  ['its pods say so', `web: {image: '${shop}:v1', pods: [a, a]}`, [], true],
  ['its template says so', `web: {image: '${back('v1', 'a')}', pods: [a]}`, [], true],
  ['the same by another tag', `web: {image: '${back('v0', 'a')}', pods: [a]}`, [], true],
  ['not all of its pods', `web: {image: '${shop}:v1', pods: [a, b]}`, [], false],
  ['a pod that does not say', `web: {image: '${shop}:v1', pods: [a, '']}`, [], false],
  ['another digest in the template', `web: {image: '${back('v1', 'b')}', pods: [b]}`, [], false],
  [
    'another init container',
    `web: {image: '${shop}:v1', init: '${back('v1', 'b')}', pods: [a]}`,
    [],
    false,
  ],
  [
    'a node that has it from another repository',
    `web: {image: '${shop}:v1', pods: ['ghcr.io/acme/other@${digest('a')}']}`,
    [],
    true,
  ],
  [
    'a CronJob whose tag names it',
    `job: {kind: CronJob, image: '${shop}:v1'}`,
    [names('v1', 'a')],
    true,
  ],
  [
    'one whose tag names another',
    `job: {kind: CronJob, image: '${shop}:v1'}`,
    [names('v1', 'b')],
    false,
  ],
  [
    'one whose registry does not answer',
    `job: {kind: CronJob, image: '${shop}:v1'}`,
    [refuses('v1', 403)],
    false,
  ],
  [
    'one workload of two',
    `{web: {image: '${shop}:v1', pods: [a]}, worker: {image: '${shop}:v1', pods: [b]}}`,
    [],
    false,
  ],
])('it is known whether an image runs already: %s', async (_, text, registry, is) => {
  const { clusterState, workloads } = running(text)
  const context = contextOf(scripted(registry).platform)
  const image = { repository: shop, tag: 'new', digest: digest('a') }
  expect(await runsAlready(context, standing(clusterState), targetsOf(workloads), image)).toBe(is)
})

test('a workload that does not exist does not run the image', async () => {
  const targets = [{ uses: [{ name: 'web' }] }] as unknown as Target[]
  const image = { repository: shop, tag: 'new', digest: digest('a') }
  expect(await runsAlready(contextOf(scripted([]).platform), standing(), targets, image)).toBe(
    false,
  )
})

test('each image that runs by a tag alone is named once', () => {
  const { workloads } = running(
    `{web: {image: '${shop}:v1'}, worker: {image: '${shop}:v1'}, old: {image: '${back('v1', 'a')}'}}`,
  )
  expect(warningsWithoutDigest(targetsOf(workloads))).toEqual([
    `statefulset/web, statefulset/worker names ${shop}:v1 without a digest: new pods run what that tag names then. The next release of another image adds the digest`,
  ])
})

const gone = (image: string) =>
  `the registry no longer has ${image}, which statefulset/web runs: nodes without a cached copy cannot start it, so an undo may fail`

test.each<[string, string, Line[], string[]]>([
  ['is there', back('v1', 'a'), [names(digest('a'), 'a')], []],
  ['is gone', back('v1', 'a'), [lacks(digest('a'))], [gone(back('v1', 'a'))]],
  ['has a tag that is gone', `${shop}:v1`, [lacks('v1')], [gone(`${shop}:v1`)]],
  ['may not be read', back('v1', 'a'), [refuses(digest('a'), 403)], []],
  ['has a registry that does not answer', back('v1', 'a'), [hangs], []],
])('the undo is possible or not with an image that %s', async (_, image, registry, said) => {
  const { workloads } = running(`web: {image: '${image}'}`)
  expect(await lostImages(contextOf(scripted(registry).platform), targetsOf(workloads))).toEqual(
    said,
  )
})

test('an image of the undo is looked up by its digest, once for all workloads', async () => {
  const { workloads } = running(`{web: {image: '${shop}:v1'}, worker: {image: '${shop}:v1'}}`)
  const pin = { app: back('v1', 'a') }
  const pins = new Map(workloads.map((one) => [`statefulset/${one.metadata?.name ?? ''}`, pin]))
  const { platform } = scripted([lacks(digest('a'))])
  expect(await lostImages(contextOf(platform), targetsOf(workloads), pins)).toEqual([
    gone(back('v1', 'a')).replace('statefulset/web', 'statefulset/web, statefulset/worker'),
  ])
})
