/** The story of a run as it reaches the terminal: one stage after the other, whatever goes on at the same time. */
import { describe, expect, test } from '@jest/globals'
import type { StageLog, StatusRow, WaitedFor } from '../../src/platform/stage-log.js'
import { Reporter, type Sink } from '../../src/report/reporter.js'
import { handClock, type HandClock } from '../support/clock.js'

const start = Date.parse('2026-01-01T12:00:00Z')

interface Run {
  readonly clock: HandClock
  readonly reporter: Reporter
  readonly sink: Sink
  /** What was shown, in its order. */
  readonly shown: string[]
}

function run(): Run {
  const shown: string[] = []
  const sink: Sink = {
    open: (stage) => shown.push(`[${stage}`),
    say: (line, seconds) => shown.push(`${seconds} ${line}`),
    quote: (line) => shown.push(`> ${line}`),
    close: (stage, ended, seconds) => shown.push(`${stage}] ${ended} ${seconds}`),
  }
  const clock = handClock(start)
  return { clock, shown, sink, reporter: new Reporter(sink, clock) }
}

/** A stage that is led by hand. */
function stage({ reporter }: Run, name: string) {
  let stageLog: StageLog | undefined
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const ended = reporter.stage(name, (own) => {
    stageLog = own
    return promise
  })
  ended.catch(() => {})
  return { stageLog: stageLog!, ended, end: resolve, fail: reject }
}

function workload(of: string, words: string, is: StatusRow['is'] = 'waiting'): StatusRow {
  return { of, is, words }
}

function named(name: string, message: string): Error {
  return Object.assign(new Error(message), { name })
}

describe('a stage', () => {
  test('writes its beginning, its lines and its end, with the seconds of the run and of the stage', async () => {
    const release = run()
    await release.clock.pass(1500)
    const build = stage(release, 'build')
    await release.clock.pass(1000)
    build.stageLog.say('building shop')
    build.stageLog.quote('#1 FROM python')
    await release.clock.pass(500)
    build.end('built')
    expect(await build.ended).toBe('built')
    expect(release.shown).toEqual([
      '[build',
      '2.5 building shop',
      '> #1 FROM python',
      'build] done 1.5',
    ])
    expect(release.reporter.stages).toEqual([
      { name: 'build', startedAt: start + 1500, seconds: 1.5, ended: 'done' },
    ])
    expect(release.reporter.seconds()).toBe(3)
  })

  test('writes each line at once', () => {
    const release = run()
    const build = stage(release, 'build')
    build.stageLog.say('building shop')
    expect(release.shown).toEqual(['[build', '0 building shop'])
  })

  test.each([
    [named('Error', 'disk full'), 'failed'],
    [named('Failure', 'no such image'), 'failed'],
    [named('AbortError', 'cancelled'), 'stopped'],
  ])('passes on %s when it throws it, and has the state %s', async (error, ended) => {
    const release = run()
    const build = stage(release, 'build')
    build.fail(error)
    await expect(build.ended).rejects.toBe(error)
    expect(release.shown).toEqual(['[build', `build] ${ended} 0`])
    expect(release.reporter.stages).toMatchObject([{ name: 'build', ended }])
  })

  test('may throw before it waits for anything', async () => {
    const release = run()
    const error = new Error('at once')
    const ended = release.reporter.stage('build', () => {
      throw error
    })
    await expect(ended).rejects.toBe(error)
    expect(release.shown).toEqual(['[build', 'build] failed 0'])
  })
})

describe('stages that run in parallel', () => {
  test('are written one after the other, each line with its own time', async () => {
    const release = run()
    const push = stage(release, 'push')
    const tests = stage(release, 'test')
    await release.clock.pass(1000)
    tests.stageLog.say('t1')
    push.stageLog.say('p1')
    await release.clock.pass(1000)
    tests.stageLog.quote('t2')
    push.stageLog.say('p2')
    expect(release.shown).toEqual(['[push', '1 p1', '2 p2'])
    push.end('')
    await push.ended
    expect(release.shown).toEqual([
      '[push',
      '1 p1',
      '2 p2',
      'push] done 2',
      '[test',
      '1 t1',
      '> t2',
    ])
    tests.stageLog.say('t3')
    expect(release.shown.at(-1)).toBe('2 t3')
  })

  test('are written in their order even when the second ends first', async () => {
    const release = run()
    const push = stage(release, 'push')
    const tests = stage(release, 'test')
    tests.stageLog.say('t1')
    tests.end('')
    await tests.ended
    await release.clock.pass(3000)
    push.stageLog.say('p1')
    push.end('')
    await push.ended
    expect(release.shown).toEqual([
      '[push',
      '3 p1',
      'push] done 3',
      '[test',
      '0 t1',
      'test] done 0',
    ])
    expect(release.reporter.stages.map(({ name }) => name)).toEqual(['test', 'push'])
  })

  test('are all written when three run and the last two end first', async () => {
    const release = run()
    const stages = ['a', 'b', 'c'].map((name) => stage(release, name))
    for (const one of stages.toReversed()) {
      one.end('')
      await one.ended
    }
    expect(release.shown).toEqual(['[a', 'a] done 0', '[b', 'b] done 0', '[c', 'c] done 0'])
  })

  test('are all written when the first fails', async () => {
    const release = run()
    const push = stage(release, 'push')
    const tests = stage(release, 'test')
    push.fail(new Error('denied'))
    await expect(push.ended).rejects.toThrow('denied')
    tests.fail(named('AbortError', 'stopped: another stage failed'))
    await expect(tests.ended).rejects.toThrow('another stage')
    expect(release.shown).toEqual(['[push', 'push] failed 0', '[test', 'test] stopped 0'])
  })
})

describe('a line after 10 s of silence', () => {
  test.each<[string, WaitedFor | undefined, string]>([
    ['nothing is known', undefined, 'build is still running'],
    ['a text', 'building: step 3 of 9', 'building: step 3 of 9'],
    ['workloads', () => [workload('web', '1 of 3 ready')], 'web: 1 of 3 ready'],
    [
      'workloads that are all there',
      () => [workload('web', '', 'ready')],
      'build is still running',
    ],
  ])('is written for "%s"', async (_, on, line) => {
    const release = run()
    const build = stage(release, 'build')
    build.stageLog.waiting(on)
    await release.clock.pass(9999)
    expect(release.shown).toEqual(['[build'])
    await release.clock.pass(20_001)
    expect(release.shown).toEqual(['[build', `10 ${line}`, `20 ${line}`, `30 ${line}`])
  })

  test('has the text that a function returns at that time', async () => {
    const release = run()
    const build = stage(release, 'build')
    build.stageLog.waiting(() => [workload('web', `${release.reporter.seconds()} s`)])
    await release.clock.pass(20_000)
    expect(release.shown).toEqual(['[build', '10 web: 10 s', '20 web: 20 s'])
  })

  test('comes every 10 s for workloads, whatever lines other stages write meanwhile', async () => {
    const release = run()
    const rollout = stage(release, 'rollout')
    await release.clock.pass(2000)
    rollout.stageLog.waiting(() => [workload('web', 'no node')])
    for (let second = 0; second < 24; second += 4) {
      rollout.stageLog.say('worker: ready')
      await release.clock.pass(4000)
    }
    const reasons = release.shown.filter((line) => line.includes('web'))
    expect(reasons).toEqual(['12 web: no node', '22 web: no node'])
  })

  test('counts from zero again when a stage waits for something else', async () => {
    const release = run()
    const rollout = stage(release, 'rollout')
    rollout.stageLog.waiting(() => [workload('web', 'starts')])
    await release.clock.pass(9000)
    rollout.stageLog.waiting(() => [workload('web', 'is watched')])
    await release.clock.pass(10_000)
    expect(release.shown).toEqual(['[rollout', '19 web: is watched'])
  })

  test.each<[string, (stageLog: StageLog) => void]>([
    ['one of our own', (stageLog) => stageLog.say('x')],
    ['a foreign one', (stageLog) => stageLog.quote('x')],
  ])('counts from the last line, even from %s', async (_, speak) => {
    const release = run()
    const build = stage(release, 'build')
    await release.clock.pass(6000)
    speak(build.stageLog)
    await release.clock.pass(9000)
    expect(release.shown).toHaveLength(2)
    await release.clock.pass(1000)
    expect(release.shown.slice(2)).toEqual(['16 build is still running'])
  })

  test('does not count from a change of the text', async () => {
    const release = run()
    const build = stage(release, 'build')
    await release.clock.pass(6000)
    build.stageLog.waiting('step 4')
    build.stageLog.waiting(undefined)
    await release.clock.pass(4000)
    expect(release.shown).toEqual(['[build', '10 build is still running'])
  })

  test('is counted for each stage alone', async () => {
    const release = run()
    const push = stage(release, 'push')
    const tests = stage(release, 'test')
    await release.clock.pass(8000)
    push.stageLog.say('p1')
    await release.clock.pass(4000)
    expect(release.shown).toEqual(['[push', '8 p1'])
    push.end('')
    await push.ended
    expect(release.shown.slice(2)).toEqual(['push] done 12', '[test', '10 test is still running'])
    tests.end('')
    await tests.ended
  })

  test('stops when the stage is over', async () => {
    const release = run()
    const build = stage(release, 'build')
    build.fail(new Error('x'))
    await expect(build.ended).rejects.toThrow('x')
    await release.clock.pass(60_000)
    expect(release.shown).toEqual(['[build', 'build] failed 0'])
  })
})

describe('a sink that draws', () => {
  /** What is drawn, when it is asked for; every change of it is noted down. */
  function drawing() {
    const release = run()
    let standings: (() => readonly StatusRow[]) | undefined
    const sink: Sink = {
      ...release.sink,
      draw: (now) => {
        standings = now
        release.shown.push(now ? 'draws' : 'draws nothing')
      },
    }
    const reporter = new Reporter(sink, release.clock)
    return { ...release, reporter, drawn: () => standings?.() }
  }

  test('receives the current state, and nothing more after the end', async () => {
    const release = drawing()
    const rollout = stage(release, 'rollout')
    rollout.stageLog.waiting(() => [workload('web', `${release.reporter.seconds()} s`)])
    await release.clock.pass(3000)
    expect(release.drawn()).toEqual([workload('web', '3 s')])
    rollout.fail(new Error('x'))
    await expect(rollout.ended).rejects.toThrow('x')
    expect(release.shown).toEqual(['[rollout', 'draws', 'draws nothing', 'rollout] failed 3'])
  })

  test('receives text lines with the seconds of the stage', async () => {
    const release = drawing()
    await release.clock.pass(1000)
    const build = stage(release, 'build')
    build.stageLog.waiting('building: step 3 of 9')
    await release.clock.pass(4000)
    expect(release.drawn()).toEqual([{ is: 'waiting', words: 'building: step 3 of 9', seconds: 4 }])
    build.stageLog.waiting(undefined)
    expect(release.drawn()).toBeUndefined()
  })

  test('needs no line every 10 s, unless there is nothing to draw', async () => {
    const release = drawing()
    const rollout = stage(release, 'rollout')
    rollout.stageLog.waiting(() => [workload('web', 'starts')])
    await release.clock.pass(30_000)
    expect(release.shown).toEqual(['[rollout', 'draws'])
    rollout.stageLog.waiting(undefined)
    await release.clock.pass(10_000)
    expect(release.shown.slice(2)).toEqual(['draws nothing', '40 rollout is still running'])
  })

  test('draws a stage that had to wait for another one', async () => {
    const release = drawing()
    const push = stage(release, 'push')
    const tests = stage(release, 'test')
    tests.stageLog.waiting('running the tests')
    expect(release.drawn()).toBeUndefined()
    push.end('')
    await push.ended
    expect(release.drawn()).toMatchObject([{ words: 'running the tests' }])
  })
})
