import { describe, expect, test } from '@jest/globals'
import {
  added,
  aloneSince,
  appliedSince,
  chosenFrom,
  foundBefore,
  hasGoneLive,
  lastEnded,
  liveSince,
  startsIn,
  wanted,
  withFound,
  type ReleaseEnd,
  type Entry,
  type History,
} from '../../src/state/history.js'

function ended(version: string, more: Partial<ReleaseEnd> = {}): ReleaseEnd {
  return {
    run: `run of ${version}`,
    command: 'release',
    who: 'ada',
    at: '2026-01-31T12:00:00.000Z',
    image: 'ghcr.io/acme/shop',
    tag: version,
    digest: `sha256:${version}`,
    result: 'deployed',
    seconds: 30,
    migrations: [],
    ...more,
  }
}

/** `a` went live; `-b` was undone; `c>1` is a rollback to release 1 (whose version is named), `x>` to an image without one. */
function historyOf(words: string): History {
  return words
    .trim()
    .split(' ')
    .reduce<History>((history, word, i) => {
      const [version = '', back] = word.replace('-', '').split('>')
      return added(
        history,
        ended(version, {
          run: `run ${i}`,
          ...(word.startsWith('-') && { result: 'undone' }),
          ...(back !== undefined && { command: 'rollback' }),
          ...(back && { back: Number(back) }),
        }),
      )
    }, [])
}

const said = (history: History) =>
  history.map(({ number, tag }: Entry) => `${number}${tag}`).join(' ')

describe('a release that is added to the history', () => {
  test('gets the next number', () => {
    expect(said(historyOf('a -b c'))).toBe('1a 2b 3c')
  })

  test('replaces the entry of the same run, and keeps the known fields', () => {
    const known = { cause: 'web: exit 1', migrations: ['orders.0002'], held: [] }
    const stuck = ended('b', { result: 'stuck', ...known })
    // What was to be applied; the run itself knew what was.
    const planned = ['orders.0002', 'orders.0003']
    const recovered = ended('b', {
      result: 'undone',
      cause: 'its run was gone',
      migrations: planned,
      held: ['orders.0002'],
    })
    const [, , entry, ...more] = added(added(historyOf('a c'), stuck), recovered)
    expect(entry).toMatchObject({
      number: 3,
      result: 'undone',
      ...known,
    })
    expect(more).toEqual([])
  })

  test.each([
    ['the oldest goes when there are more than twenty', 22, 3, 22],
    ['twenty are kept', 20, 1, 20],
  ])('limits the history: %s', (_, count, first, last) => {
    const history = historyOf(Array.from({ length: count }, (_, i) => `v${i}`).join(' '))
    expect(history).toHaveLength(20)
    expect([history[0]?.number, history.at(-1)?.number]).toEqual([first, last])
  })

  test('does not displace the last five that went live, however many fail', () => {
    const live = ['a', 'b', 'c', 'd', 'e', 'f']
    const failed = Array.from({ length: 30 }, (_, i) => `-x${i}`)
    const history = historyOf([...live, ...failed].join(' '))
    expect(history).toHaveLength(20)
    expect(said(history.slice(0, 6))).toBe('2b 3c 4d 5e 6f 22x15')
  })

  test('does not displace what a rollback needs, however often one version is rolled back', () => {
    const again = Array.from({ length: 15 }, () => 'b a>2')
    const history = historyOf(['z a', ...again, 'c'].join(' '))
    expect(history).toHaveLength(20)
    expect(wanted(history, 'previous', undefined)).toMatchObject({ entry: { tag: 'a' } })
    const back = added(history, ended('a', { command: 'rollback', back: 2, run: 'back' }))
    expect(wanted(back, 'previous', undefined)).toMatchObject({ entry: { tag: 'z' } })
  })
})

test('the starts of the last ten releases are kept, and the slowest of them counts', () => {
  const web = (slowest: number) => ({ starts: { 'deployment/web': { slowest, count: 2 } } })
  const history = [90_000, 3000, 20_000, ...Array<number>(8).fill(4000)].reduce<History>(
    (before, slowest, i) => added(before, ended(`v${i}`, web(slowest))),
    [],
  )
  expect(startsIn(history)).toEqual({ 'deployment/web': { slowest: 20_000, count: 20 } })
  expect(startsIn([])).toEqual({})
})

describe('the running version', () => {
  /** `b!` is found there, in the place that the history gives it. */
  const withAll = (words: string) =>
    words.split(' ').reduce<History>((history, word, i) => {
      const one = ended(word.replace('!', ''), { run: `run ${i}` })
      return word.endsWith('!') ? withFound(history, foundBefore(one, one)) : added(history, one)
    }, [])

  test.each([
    ['the version before the first release', 'a! b', '1a 2b', 'a'],
    ['a version of another client', 'a b! c', '1a 2b 3c', 'b'],
    ['nothing new', 'a a! b', '1a 2b', 'a'],
    ['an older one, which has its own place again', 'z a b a! c', '1z 2a 3b 4a 5c', 'a'],
    ['an older one, and nothing since', 'z a b a!', '1z 2a 3b 4a', 'z'],
  ])('is added to the history: %s: %s', (_, words, all, tag) => {
    const history = withAll(words)
    expect(said(history)).toBe(all)
    expect(wanted(history, 'previous', undefined)).toMatchObject({ entry: { tag } })
  })
})

test.each([
  [
    'the version of the last release',
    [
      ['a', 0],
      ['b', 1],
    ],
    'b',
    '01:00:30',
  ],
  [
    'from its first release on',
    [
      ['a', 0],
      ['b', 1],
      ['b', 2],
      ['-c', 3],
    ],
    'b',
    '01:00:30',
  ],
  [
    'after a rollback',
    [
      ['a', 0],
      ['b', 1],
      ['a', 2],
    ],
    'a',
    '02:00:30',
  ],
  [
    'not one that another has replaced',
    [
      ['a', 0],
      ['b', 1],
    ],
    'a',
    undefined,
  ],
  ['not one that was found', [['a!', 0]], 'a', undefined],
  ['not one of no release', [], 'a', undefined],
] as const)('since when a version is the only one: %s', (_, releases, version, time) => {
  const history = releases.reduce<History>((all, [name, hour]) => {
    const result = name.startsWith('-') ? 'undone' : name.endsWith('!') ? 'found' : 'deployed'
    const at = `2026-01-31T0${hour}:00:00.000Z`
    const tag = name.replace(/[-!]/, '')
    return added(all, ended(tag, { run: `${name} ${hour}`, at, result }))
  }, [])
  const since = time === undefined ? undefined : `2026-01-31T${time}.000Z`
  expect(aloneSince(history, `sha256:${version}`)).toBe(since)
})

test('what is applied after the last release is not its own, where that has ended well', () => {
  const at = Date.parse('2026-01-31T12:00:00.000Z') / 1000
  const history = added([], ended('a', { seconds: 12.5 }))
  expect(lastEnded([])).toBeUndefined()
  expect(lastEnded(history)).toBe(at + 12.5)
  // A run that was killed does not know what it has applied.
  expect(lastEnded(added(history, ended('b', { result: 'undone' })))).toBeUndefined()
})

describe('a rollback', () => {
  test.each([
    ['what ran before', 'a b', 'previous', 'a'],
    ['what ran before, and nothing that failed', 'a b -c -d', 'previous', 'a'],
    ['not the failed one in between', 'a -b c', 'previous', 'a'],
    ['another version, when the same one was released twice', 'a b b', 'previous', 'a'],
    ['further back after a rollback', 'a b c b>2', 'previous', 'a'],
    ['not what was rolled back from, after the next release', 'a b a>1 c', 'previous', 'a'],
    ['further back than that, the second time', 'z a b a>2 c a>2', 'previous', 'z'],
    ['not a failed rollback', 'a b c -b>2', 'previous', 'b'],
    ['what was rolled back from, once it was released again', 'a b a>1 b c', 'previous', 'b'],
    ['what ran before a version that a person named again', 'a b a>1 b>2', 'previous', 'a'],
    ['not what that rollback has left', 'a b a>1 c b>2', 'previous', 'a'],
    ['nothing that a rollback far back has passed by', 'z a b c a>2 d', 'previous', 'a'],
    ['not the same version in an older release, either', 'y b a b a>3 c a>3', 'previous', 'y'],
    ['what ran before a rollback to an image of the registry', 'a b x> ', 'previous', 'a'],
    ['a rollback to such an image', 'a b x> c', 'previous', 'x'],
    ['not the same version released twice in a row', 'a b b a>1 c', 'previous', 'a'],
    ['a number', 'a b c', '2', 'b'],
    ['a number that is written as one', 'a b c', '#2', 'b'],
    ['a tag, and none that only begins like it', 'v1.2 v1.20', 'v1.2', 'v1.2'],
    ['a tag that is an unused number', 'a 47', '47', '47'],
    ['a tag that went live and failed later', 'v1 -v1', 'v1', 'v1'],
  ])('finds its target in the case "%s": %s', (_, words, to, tag) => {
    const found = wanted(historyOf(words), to, undefined)
    expect(found.is === 'found' ? found.entry.tag : found.why).toBe(tag)
  })

  test('finds a commit, whatever its tag is', () => {
    const history = added(historyOf('a'), ended('v2', { sha: '4f2c1d9'.padEnd(40, '0') }))
    expect(wanted(history, '4f2c1d9', undefined)).toMatchObject({
      is: 'found',
      entry: { tag: 'v2' },
    })
  })

  test.each([
    ['what was live last', 'a b -c', 'b'],
    ['the first release, though nothing was before it', 'a -b', 'a'],
  ])('while a release is open goes to %s', (_, words, tag) => {
    expect(wanted(historyOf(words), 'previous', { command: 'release' })).toMatchObject({
      entry: { tag },
    })
  })

  test('while a rollback is open goes to the target of that rollback', () => {
    const open = { command: 'rollback' } as const
    expect(wanted(historyOf('a b c b>2 d'), 'previous', open)).toMatchObject({
      entry: { tag: 'b' },
    })
    expect(wanted(historyOf('a b'), 'previous', open)).toMatchObject({ entry: { tag: 'a' } })
  })

  test('takes a version as it ran last, with the result of a rollback to it', () => {
    expect(wanted(historyOf('a b a>1 c'), 'previous', undefined)).toMatchObject({
      entry: { number: 3, back: 1 },
    })
  })

  test('treats the same image with another template as another version', () => {
    const differ = (one: Entry, other: Entry) => one.number !== other.number
    expect(wanted(historyOf('a a a>1 b'), 'previous', undefined, differ)).toMatchObject({
      entry: { number: 3 },
    })
    expect(wanted(historyOf('a b b'), 'previous', undefined, differ)).toMatchObject({
      entry: { number: 2 },
    })
  })

  test('regards a release as open while its record exists, unless the history has it as deployed', () => {
    const history = historyOf('a b')
    const [, b] = history
    const begun = ended('c')
    expect(chosenFrom(history, undefined)).toEqual({ history })
    expect(chosenFrom(history, begun)).toEqual({ history, open: begun })
    expect(chosenFrom(history, b)).toEqual({ history })
    expect(hasGoneLive(historyOf('a -b'), { run: 'run 1' })).toBe(false)
  })

  test.each([
    ['nothing', 'a b', 'a b', undefined, undefined],
    ['what failed', 'a b', 'a b -c', undefined, undefined],
    ['another release', 'a b', 'a b c', undefined, 'c'],
    ['another rollback', 'a b', 'a b a>1', undefined, 'a'],
    ['the release that was open then', 'a b', 'a b c', 'c', undefined],
    ['one after it', 'a b', 'a b c d', 'c', 'd'],
  ])('finds what went live since: %s', (_, before, now, open, tag) => {
    const history = historyOf(now)
    const chosen = {
      history: history.slice(0, before.split(' ').length),
      ...(open !== undefined && { open: history.find((one) => one.tag === open) ?? ended(open) }),
    }
    expect(liveSince(chosen, history)?.tag).toBe(tag)
  })

  test('needs at least seven letters of a commit', () => {
    const history = added(historyOf('a'), ended('1'.repeat(40)))
    expect(wanted(history, '1111111', undefined)).toMatchObject({ is: 'found' })
    expect(wanted(history, '111111', undefined)).toMatchObject({ is: 'unknown' })
  })

  test.each([
    ['a history of failures', '-a', 'previous', 'none', 'no release in the history ever went live'],
    ['the first release', 'a', 'previous', 'none', 'no release before a is in the history'],
    [
      'what was rolled back from',
      'a b a>1',
      'previous',
      'none',
      'no release before a is in the history that was not rolled back from. To restore that one, name it: --to 2',
    ],
    ['a number that is not there', 'a', '7', 'unknown', 'release 7 is not in the history'],
    ['a number that failed', 'a -b', '2', 'none', 'release 2 (b) did not go live: undone'],
    ['a tag that failed', 'a -b', 'b', 'none', 'release 2 (b) did not go live: undone'],
    [
      'a tag that is also a number',
      'a 1',
      '1',
      'none',
      '"1" is both a tag and the number of the release of a: write #1 for the release',
    ],
    [
      'a tag that is not there',
      'a',
      'zz',
      'unknown',
      'no release in the history has the commit or tag "zz"',
    ],
  ])('is refused: %s', (_, words, to, is, why) => {
    expect(wanted(historyOf(words), to, undefined)).toEqual({ is, why })
  })
})

test('each build of a commit is found by its tag, and the first one by the commit', () => {
  const sha = 'a'.repeat(40)
  const own = `${sha}-cccccccccccc`
  const history = [sha, own].reduce<History>(
    (before, tag) => added(before, ended(tag, { run: tag, sha, digest: `sha256:${tag}` })),
    [],
  )
  const found = (to: string) => {
    const one = wanted(history, to, undefined)
    return one.is === 'found' ? one.entry.tag : one.why
  }
  expect([found(sha), found(own), found(`${sha.slice(0, 12)}-cccccccccccc`)]).toEqual([
    sha,
    own,
    own,
  ])
  expect(found('aaaaaaa')).toBe(`"aaaaaaa" may be ${sha} or ${own}`)
})

test('what was reversed since is not applied any more, until it is applied again', () => {
  const since = (...entries: readonly Partial<ReleaseEnd>[]) => {
    const first = ended('a')
    const history = [first, ...entries.map((more, i) => ended(`v${i}`, more))].reduce<History>(
      added,
      [],
    )
    const [release] = history
    return release ? appliedSince(history, release) : []
  }
  const grams = { migrations: ['shop.2', 'shop.3'] }
  const back = { command: 'rollback', back: 1, reversed: ['shop.3'] } as const
  expect(since(grams)).toEqual(['shop.2', 'shop.3'])
  expect(since(grams, back)).toEqual(['shop.2'])
  expect(since(grams, back, { migrations: ['shop.3'] })).toEqual(['shop.2', 'shop.3'])
  expect(since({ ...grams, result: 'undone', reversed: ['shop.3', 'shop.2'] })).toEqual([])
})
