/** What people are told while a rollout runs, for what the judge says one look after the other. */
import { describe, expect, test } from '@jest/globals'
import { newObservations } from '../../src/judge/observations.js'
import { progressLines, nothingLogged, statusRowsOf } from '../../src/rollout/progress-log.js'
import type { Judgement, Progress, Verdict } from '../../src/judge/types.js'
import { stillWaiting } from '../../src/report/sentences.js'
import { START } from '../judge/scene.js'

const bake = 15_000

/** One workload at one look: `1/3`, `3/3 complete`, `0/3 Crash`, `new` (not seen by its controller). */
function parse(text: string): { readonly verdict: Verdict; readonly progress?: Progress } {
  if (text === 'new') {
    return {
      verdict: { is: 'waiting', on: 'its controller has not seen it' },
      progress: { ready: 0 },
    }
  }
  if (text.startsWith('failed')) {
    const cause = { code: 'crash', sentence: text.slice('failed '.length) } as const
    return { verdict: { is: 'failed', cause }, progress: { ready: 0, wanted: 1 } }
  }
  if (text.startsWith('theirs')) {
    return { verdict: { is: 'superseded', by: text.slice('theirs '.length) } }
  }
  const [count = '', how = ''] = text.split(' ')
  const [ready = 0, wanted = 0] = count.split('/').map(Number)
  const progress = { ready, wanted }
  if (how === 'complete' || how === 'done') return { verdict: { is: how }, progress }
  const on = `${ready} of ${wanted} ready, waiting for x (${how || 'starts'})`
  const reason = how !== '' && { reason: how as 'Crash' }
  return { verdict: { is: 'waiting', on, ...reason }, progress }
}

/** All workloads at one look: `web 0/2, worker 1/3`. Deployments, seen 20 s after our write. */
function judgement(look: string, completeSince = {}): Judgement {
  const all = look.split(', ').map((one) => {
    const [name = '', ...rest] = one.split(' ')
    return [`deployment/${name}`, parse(rest.join(' '))] as const
  })
  const verdicts = Object.fromEntries(all.map(([id, { verdict }]) => [id, verdict]))
  const progress = all.flatMap(([id, seen]) => (seen.progress ? [[id, seen.progress]] : []))
  const isThere = all.every(([, { verdict }]) => ['complete', 'done'].includes(verdict.is))
  return {
    verdicts,
    progress: Object.fromEntries(progress) as Judgement['progress'],
    observations: { ...newObservations(START), completeSince },
    logsWanted: [],
    factsWanted: [],
    ...(isThere && { completeAt: START + 17_000 }),
  }
}

/** The lines that each of these looks gives. */
function said(looks: readonly string[], ownBake: number | undefined = bake): readonly string[] {
  let told = nothingLogged
  return looks.flatMap((look) => {
    const { lines, logged: after } = progressLines(judgement(look), told, ownBake)
    told = after
    return lines
  })
}

describe('each change of state is logged in one line', () => {
  test.each<[string, string[], string[]]>([
    [
      'a release that goes well',
      ['web new', 'web 0/2', 'web 0/2', 'web 1/2', 'web 2/2', 'web 2/2 complete', 'web 2/2 done'],
      [
        'deployment/web: 0 of 2 ready',
        'deployment/web: 1 of 2 ready',
        'deployment/web: 2 of 2 ready',
        'deployment/web is ready, watched for another 15 s',
      ],
    ],
    ['one that runs already', ['web 2/2 done'], ['deployment/web: 2 of 2 ready']],
    ['one without pods', ['web 0/0 done'], ['deployment/web: no pods to wait for']],
    [
      'the last pod is not logged before the workload is done',
      ['web 1/2', 'web 2/2', 'web 2/2', 'web 2/2 complete'],
      [
        'deployment/web: 1 of 2 ready',
        'deployment/web: 2 of 2 ready',
        'deployment/web is ready, watched for another 15 s',
      ],
    ],
    [
      'it falls back, and comes again',
      ['web 2/2 complete', 'web 1/2', 'web 2/2 complete'],
      [
        'deployment/web: 2 of 2 ready',
        'deployment/web is ready, watched for another 15 s',
        'deployment/web: 1 of 2 ready',
        'deployment/web: 2 of 2 ready',
        'deployment/web is ready, watched for another 15 s',
      ],
    ],
    [
      'another client scales it',
      ['web 1/2', 'web 1/4', 'web 1/4'],
      ['deployment/web: 1 of 2 ready', 'deployment/web: 1 of 4 ready'],
    ],
    [
      'a symptom, each kind once, however often it comes and goes',
      ['web 0/2', 'web 0/2 Crash', 'web 0/2', 'web 0/2 Crash', 'web 0/2 Volume', 'web 0/2 Crash'],
      [
        'deployment/web: 0 of 2 ready',
        'deployment/web: 0 of 2 ready, waiting for x (Crash)',
        'deployment/web: 0 of 2 ready, waiting for x (Volume)',
      ],
    ],
    [
      'a symptom that is there at the first evaluation',
      ['web 0/2 Crash', 'web 0/2'],
      ['deployment/web: 0 of 2 ready, waiting for x (Crash)'],
    ],
    [
      'what it fails of, without its name for a second time',
      ['web 0/1', 'web failed web: exited with 1', 'web failed web: exited with 1'],
      ['deployment/web: 0 of 1 ready', 'deployment/web: failed: exited with 1'],
    ],
    [
      'one container of several',
      ['web failed web (container nginx): exited with 1'],
      ['deployment/web: failed: web (container nginx): exited with 1'],
    ],
    [
      'an image of another client',
      ['web theirs image x in container web'],
      ['deployment/web: runs the version of another client: image x in container web'],
    ],
    [
      'another client deletes it',
      ['web theirs its deletion'],
      ['deployment/web: was deleted by another client'],
    ],
  ])('in the case "%s"', (_, looks, lines) => {
    expect(said(looks)).toEqual(lines)
  })
})

describe('several workloads share the log', () => {
  test.each<[string, string[], string[]]>([
    [
      'workloads of the same state share a line',
      ['a 0/2, b 0/2, c 0/3', 'a 1/2, b 1/2, c 1/3', 'a 2/2 complete, b 1/2, c 1/3'],
      [
        'deployment/a, deployment/b: 0 of 2 ready',
        'deployment/c: 0 of 3 ready',
        'deployment/a, deployment/b: 1 of 2 ready',
        'deployment/c: 1 of 3 ready',
        'deployment/a: 2 of 2 ready',
      ],
    ],
    [
      'the names of many are counted',
      ['a 0/2, b 0/2, c 0/2, d 0/2, e 0/3', 'a 1/2, b 1/2, c 1/2, d 0/2, e 0/3'],
      [
        'deployment/a, deployment/b and 2 more: 0 of 2 ready',
        'deployment/e: 0 of 3 ready',
        'deployment/a, deployment/b, deployment/c: 1 of 2 ready',
      ],
    ],
    [
      'all of them',
      ['a 0/2, b 0/2', 'a 2/2 complete, b 2/2 complete', 'a 2/2 done, b 2/2 done'],
      [
        'all 2 workloads: 0 of 2 ready',
        'all 2 workloads: 2 of 2 ready',
        'all 2 workloads are ready, watched for another 15 s',
      ],
    ],
    [
      'a second wave',
      ['a 0/1', 'a 1/1 complete, b 0/2, c 0/2'],
      [
        'deployment/a: 0 of 1 ready',
        'deployment/a: 1 of 1 ready',
        'deployment/b, deployment/c: 0 of 2 ready',
      ],
    ],
  ])('in the case "%s"', (_, looks, lines) => {
    expect(said(looks)).toEqual(lines)
  })

  test('and no bake is logged while other workloads are still to be written', () => {
    let told = nothingLogged
    const lines = [undefined, bake].map((ownBake) => {
      const now = progressLines(judgement('a 1/1 complete'), told, ownBake)
      told = now.logged
      return now.lines
    })
    expect(lines).toEqual([
      ['deployment/a: 1 of 1 ready'],
      ['deployment/a is ready, watched for another 15 s'],
    ])
  })

  test.each([
    // Workloads, pods of each, at most so many lines.
    [1, 3, 5],
    [20, 3, 62],
    [60, 3, 62],
    [1, 50, 13],
    [100, 1, 102],
    [10, 100, 112],
  ])(
    'with %d workloads of %d pods that become Ready one after the other, in at most %d lines',
    (count, pods, most) => {
      const ready = Array.from({ length: count }, () => 0)
      const look = () =>
        ready.map((now, i) => `w${i} ${now}/${pods}${now === pods ? ' complete' : ''}`).join(', ')
      const looks = [look()]
      for (let pod = 0; pod < pods; pod++) {
        for (let i = 0; i < count; i++) {
          ready[i] = pod + 1
          looks.push(look())
        }
      }
      const lines = said(looks)
      expect(lines.length).toBeLessThanOrEqual(most)
      expect(new Set(lines).size).toBe(lines.length)
    },
  )
})

describe('the current state of all workloads', () => {
  test('has the seconds of each, which stop when a workload is complete', () => {
    const seen = judgement('web 2/2 complete, worker 1/3, beat 0/1 Crash', {
      'deployment/web': START + 8000,
    })
    expect(statusRowsOf(seen, START + 20_000, bake)).toEqual([
      { of: 'deployment/web', is: 'ready', words: '2 of 2 ready', seconds: 8 },
      {
        of: 'deployment/worker',
        is: 'waiting',
        seconds: 20,
        words: '1 of 3 ready, waiting for x (starts)',
      },
      {
        of: 'deployment/beat',
        is: 'degraded',
        seconds: 20,
        words: '0 of 1 ready, waiting for x (Crash)',
      },
    ])
  })

  test.each<[string, number | undefined, string | undefined]>([
    ['watched', bake, 'all are ready, watched for 3 s of 15 s'],
    ['requested', 2000, 'all are ready, waiting for a successful response of the new version'],
    ['followed by others', undefined, undefined],
  ])('says what is waited for when all are complete: %s', (_, ownBake, words) => {
    const last = statusRowsOf(judgement('web 2/2 complete'), START + 20_000, ownBake).slice(1)
    expect(last).toEqual(words === undefined ? [] : [{ is: 'waiting', words }])
  })

  test.each([
    ['web 2/2 complete, worker 1/3', 'deployment/worker: 1 of 3 ready, waiting for x (starts)'],
    [
      'a 0/1, b 0/1 Crash',
      'deployment/b: 0 of 1 ready, waiting for x (Crash); deployment/a: 0 of 1 ready, waiting for x (starts)',
    ],
    ['a 1/1 complete', 'all are ready, watched for 3 s of 15 s'],
    ['a 1/1 done, b failed b: x', 'deployment/b: failed: x'],
  ])('fits on one line: %s', (look, line) => {
    expect(stillWaiting(statusRowsOf(judgement(look), START + 20_000, bake))).toBe(line)
  })

  test('fits on one line, however many workloads there are', () => {
    const sixty = Array.from({ length: 60 }, (_, i) => `w${i} 0/3`).join(', ')
    const line = stillWaiting(statusRowsOf(judgement(sixty), START, bake))
    expect(line).toMatch(/^deployment\/w0: .*; deployment\/w2: 0 of 3 [^;]*; … and 57 more$/)
    expect(line.length).toBeLessThan(200)
  })
})
