/** Following a rollout to its end, and what is said on the way. Scenes as in scene.ts. */
import { afterEach, describe, expect, test } from '@jest/globals'
import { trackRollout, type RolloutOutcome, type Wave } from '../../src/rollout/track.js'
import type {
  DesiredWorkload,
  WriteProgress,
  WriteProgresses,
  Timeouts,
} from '../../src/judge/types.js'
import { handClock, type HandClock } from '../support/clock.js'
import { clusterOf } from '../support/cluster.js'
import { notebook } from '../support/journal.js'
import { standing } from '../support/live.js'
import { AIM, inRepo, NEW, TIMEOUTS, pictureOf, START } from '../judge/scene.js'

interface Rollout {
  readonly clock: HandClock
  readonly said: readonly string[]
  readonly waitsFor: () => string | undefined
  readonly stop: AbortController
  /** How far the workloads have come, as noted last. */
  readonly noted: () => WriteProgresses | undefined
  readonly ended: () => RolloutOutcome | Error | undefined
  /** Lets so many seconds go by, then shows the scene. */
  readonly show: (seconds: number, scene: string) => Promise<void>
  readonly pass: (seconds: number) => Promise<void>
}

const running: AbortController[] = []
afterEach(() => {
  for (const stop of running.splice(0)) stop.abort(new Error('the test is over'))
})

/** Follows a release of `web` that shows `first` at its start. `log`: what each container has written. */
async function rollout(
  first: string,
  {
    desiredWorkloads = [AIM],
    timeouts = TIMEOUTS,
    log = [],
    next,
    verify,
  }: {
    verify?: (signal: AbortSignal) => Promise<void>
    desiredWorkloads?: readonly DesiredWorkload[]
    timeouts?: Timeouts
    log?: readonly string[]
    next?: Wave
  } = {},
): Promise<Rollout> {
  const clock = handClock(START)
  const live = standing(pictureOf(first, 0))
  const stageLog = notebook()
  const stop = new AbortController()
  running.push(stop)
  let ended: RolloutOutcome | Error | undefined
  let noted: WriteProgresses | undefined
  trackRollout({
    cluster: clusterOf({
      // eslint-disable-next-line @typescript-eslint/require-await -- a stream that is there already
      lines: async function* () {
        yield* log
      },
    }),
    clock,
    live,
    signal: stop.signal,
    desiredWorkloads,
    ...(next && { next }),
    ...(verify && { verify }),
    timeouts,
    startedAt: START,
    onProgress: (courses) => (noted = courses),
    toRepo: inRepo,
    stageLog,
  }).then(
    (followed) => (ended = followed),
    (error: unknown) => (ended = error as Error),
  )
  await clock.pass(0)
  return {
    clock,
    said: stageLog.lines,
    waitsFor: stageLog.waitsFor,
    stop,
    noted: () => noted,
    ended: () => ended,
    show: async (seconds, scene) => {
      await clock.pass(seconds * 1000)
      live.change(pictureOf(scene, (clock.now() - START) / 1000))
      await clock.pass(0)
    },
    pass: (seconds) => clock.pass(seconds * 1000),
  }
}

const healthy = 'pods: {web-a: }'
const starting = 'pods: {web-a: {container: {}}}'
const missing = `pods: {web-a: {container: {state: {waiting: {reason: ErrImagePull, message: 'x: not found'}}}}}`
const crashed = 'pods: {web-a: {container: {state: {terminated: {exitCode: 1, reason: Error}}}}}'
const theirs = 'image: registry.example/shop:theirs'

describe('a rollout is done', () => {
  test('after the bake', async () => {
    const release = await rollout(starting)
    await release.show(4, healthy)
    await release.pass(14.9)
    expect(release.ended()).toBeUndefined()
    await release.pass(0.1)
    expect(release.ended()).toEqual({ is: 'done' })
  })

  test('at once without a bake', async () => {
    const release = await rollout(healthy, { timeouts: { ...TIMEOUTS, bake: 0 } })
    expect(release.ended()).toEqual({ is: 'done' })
  })

  test('at once when there is nothing to track', async () => {
    const release = await rollout(healthy, { desiredWorkloads: [] })
    expect(release.ended()).toEqual({ is: 'done' })
    expect(release.said).toEqual([])
  })
})

describe('a rollout is failed', () => {
  test('at the event that shows it, with the time of that event', async () => {
    const release = await rollout(starting)
    await release.show(3, missing)
    expect(release.ended()).toMatchObject({
      is: 'failed',
      cause: { code: 'image-not-found', workload: 'deployment/web', pod: 'web-a' },
      at: START + 3000,
    })
  })

  test('by the text of the log, with the line in the repository', async () => {
    const release = await rollout(starting, {
      log: [
        'Traceback (most recent call last):',
        '  File "/app/shop/celery.py", line 3, in <module>',
        '    import shop.task',
        "ModuleNotFoundError: No module named 'shop.task'",
      ],
    })
    await release.show(2, crashed)
    expect(release.ended()).toMatchObject({
      is: 'failed',
      cause: { code: 'crash', annotations: [{ file: 'shop/celery.py', line: 3 }] },
      at: START + 2000,
    })
  })

  test('at the end of a grace although no event comes', async () => {
    const slow = missing.replace('x: not found', 'i/o timeout')
    const release = await rollout(slow, { timeouts: { ...TIMEOUTS, grace: { ImagePull: 20_000 } } })
    await release.pass(19.9)
    expect(release.ended()).toBeUndefined()
    await release.pass(0.1)
    expect(release.ended()).toMatchObject({ is: 'failed', at: START + 20_000 })
  })

  test('but reported after a workload that another client has changed', async () => {
    const gone: DesiredWorkload = { ...AIM, workload: { kind: 'Deployment', name: 'gone' } }
    const release = await rollout(missing, { desiredWorkloads: [AIM, gone] })
    expect(release.ended()).toEqual({
      is: 'superseded',
      by: { 'deployment/gone': 'its deletion' },
    })
  })
})

test.each([
  [theirs, 'image registry.example/shop:theirs in container web'],
  ['gone: true', 'its deletion'],
])('a rollout is superseded by %s', async (scene, by) => {
  const release = await rollout(starting)
  await release.show(2, scene)
  expect(release.ended()).toEqual({ is: 'superseded', by: { 'deployment/web': by } })
})

test('a rollout that is stopped ends with the reason', async () => {
  const release = await rollout(starting)
  release.stop.abort(new Error('cancelled'))
  await release.pass(0)
  expect(release.ended()).toEqual(new Error('cancelled'))
})

describe('each state is logged once', () => {
  test('for a release that goes well', async () => {
    const release = await rollout('replicas: 2\npods: {web-a: {container: {}}}')
    for (const second of [1, 2, 3]) await release.show(second, 'replicas: 2\npods: {web-a: }')
    await release.show(1, 'replicas: 2\npods: {web-a: , web-b: }')
    await release.show(5, 'replicas: 2\npods: {web-a: , web-b: }')
    await release.pass(10)
    expect(release.said).toEqual([
      'deployment/web: 0 of 2 ready',
      'deployment/web: 1 of 2 ready',
      'deployment/web: 2 of 2 ready',
      'deployment/web is ready, watched for another 15 s',
    ])
  })

  test('for a workload that fails', async () => {
    const release = await rollout(starting)
    await release.show(1, missing)
    await release.show(1, missing)
    expect(release.said).toEqual([
      'deployment/web: 0 of 1 ready',
      `deployment/web: failed: image ${NEW} cannot be pulled: x: not found`,
    ])
  })

  test('for a workload that another client has changed', async () => {
    const release = await rollout(theirs)
    expect(release.said).toEqual([
      'deployment/web: runs the version of another client: image registry.example/shop:theirs in container web',
    ])
  })

  test('and again when it comes back', async () => {
    const release = await rollout(starting)
    await release.show(1, healthy)
    await release.show(1, starting)
    await release.show(1, healthy)
    const back = [
      'deployment/web: 1 of 1 ready',
      'deployment/web is ready, watched for another 15 s',
    ]
    const gone = 'deployment/web: 0 of 1 ready'
    expect(release.said).toEqual([gone, ...back, gone, ...back])
  })

  test('for each workload', async () => {
    const clean: DesiredWorkload = { ...AIM, workload: { kind: 'Deployment', name: 'clean' } }
    const release = await rollout(starting, { desiredWorkloads: [AIM, clean] })
    expect(release.said).toEqual([
      'deployment/web: 0 of 1 ready',
      'deployment/clean: was deleted by another client',
    ])
  })
})

test('the awaited state is shown with its seconds at that moment, until it is reached', async () => {
  const release = await rollout(starting)
  const answers = [release.waitsFor()]
  await release.pass(7)
  answers.push(release.waitsFor())
  await release.show(1, healthy)
  await release.pass(7)
  answers.push(release.waitsFor())
  await release.pass(8)
  answers.push(release.waitsFor())
  expect(answers).toEqual([
    'deployment/web: 0 of 1 ready, waiting for web-a (container web is not ready, 0 s of 600 s)',
    'deployment/web: 0 of 1 ready, waiting for web-a (container web is not ready, 7 s of 600 s)',
    'all are ready, watched for 7 s of 15 s',
    undefined,
  ])
})

describe('a next wave', () => {
  const begun: string[] = []
  const clean = { ...AIM, workload: { kind: 'CronJob', name: 'clean' } } as const
  const next: Wave = {
    isDue: ({ progress }) => (progress['deployment/web']?.ready ?? 0) > 0,
    begin: () => {
      begun.push('clean')
      return Promise.resolve([clean])
    },
  }
  afterEach(() => void begun.splice(0))

  test('begins when the first wave has a Ready pod, and the rollout is not done before it', async () => {
    const release = await rollout(starting, { next, timeouts: { ...TIMEOUTS, bake: 0 } })
    expect(begun).toEqual([])
    await release.show(2, healthy)
    expect(begun).toEqual(['clean'])
    // The picture has no such CronJob: that it is missed shows that it is followed.
    expect(release.ended()).toMatchObject({ is: 'superseded' })
  })

  test('never begins when the first fails', async () => {
    const release = await rollout(starting, { next })
    await release.show(2, missing)
    expect(release.ended()).toMatchObject({ is: 'failed' })
    expect(begun).toEqual([])
  })

  test('passes on the errors of its writes', async () => {
    const failing = { ...next, begin: () => Promise.reject(new Error('kubectl: forbidden')) }
    const release = await rollout(healthy, { next: failing })
    expect(release.ended()).toEqual(new Error('kubectl: forbidden'))
  })
})

describe('the progress of a workload is recorded', () => {
  const web = (progress: Partial<WriteProgress>) => ({
    'deployment/web': { startedAt: START, wanted: 1, ready: 0, ...progress },
  })

  test('from its write until it is complete', async () => {
    const release = await rollout(starting)
    expect(release.noted()).toEqual(web({}))
    await release.show(4, healthy)
    expect(release.noted()).toEqual(web({ ready: 1, completeAt: START + 4000 }))
    await release.pass(15)
    expect(release.ended()).toEqual({ is: 'done' })
    expect(release.noted()).toEqual(web({ ready: 1, completeAt: START + 4000 }))
  })

  test('from the write of its own wave', async () => {
    let isDue = false
    const next = { isDue: () => isDue, begin: () => Promise.resolve([AIM]) }
    const release = await rollout(healthy, { desiredWorkloads: [], next })
    isDue = true
    await release.show(3, healthy)
    const at = START + 3000
    expect(release.noted()).toEqual(web({ startedAt: at, ready: 1, completeAt: at }))
  })

  test('when it fails', async () => {
    const release = await rollout(starting)
    await release.show(3, missing)
    expect(release.noted()).toEqual(web({}))
  })

  test('when tracking is cut off', async () => {
    const release = await rollout(healthy)
    release.stop.abort(new Error('cancelled'))
    await release.pass(0)
    expect(release.ended()).toEqual(new Error('cancelled'))
    expect(release.noted()).toEqual(web({ ready: 1, completeAt: START }))
  })
})

describe('a verification', () => {
  const asked = () => {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>()
    let begun = 0
    let signal: AbortSignal | undefined
    const verify = async (own: AbortSignal) => {
      begun += 1
      signal = own
      await promise
    }
    return {
      verify,
      reject,
      good: () => {
        resolve(undefined)
      },
      begun: () => begun,
      isOver: () => signal?.aborted,
    }
  }

  test('begins once when all workloads are complete, during the bake', async () => {
    const request = asked()
    const release = await rollout(starting, { verify: request.verify })
    expect(request.begun()).toBe(0)
    await release.show(1, healthy)
    await release.pass(5)
    await release.show(1, healthy)
    expect(request.begun()).toBe(1)
    request.good()
    await release.pass(20)
    expect(release.ended()).toMatchObject({ is: 'done' })
  })

  test('is waited for after the bake, and changes meanwhile are seen', async () => {
    const request = asked()
    const release = await rollout(healthy, { verify: request.verify })
    await release.pass(20)
    expect(release.ended()).toBeUndefined()
    expect(release.waitsFor()).toContain('waiting for a successful response')
    await release.show(1, theirs)
    expect(release.ended()).toMatchObject({ is: 'superseded' })
    expect(request.isOver()).toBe(true)
  })

  test('that succeeds after the bake ends the rollout', async () => {
    const request = asked()
    const release = await rollout(healthy, { verify: request.verify })
    await release.pass(20)
    request.good()
    await release.pass(0)
    expect(release.ended()).toMatchObject({ is: 'done' })
  })

  test('that fails ends the rollout at once', async () => {
    const request = asked()
    const release = await rollout(healthy, { verify: request.verify })
    request.reject(new Error('answered 500'))
    await release.pass(0)
    expect(release.ended()).toEqual(new Error('answered 500'))
  })
})
