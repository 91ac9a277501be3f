/** What the report says of a run. */
import { describe, expect, test } from '@jest/globals'
import type { WorkloadObject } from '../../src/kubernetes/objects.js'
import { outside } from '../../src/kubernetes/paths.js'
import { LeaseLost } from '../../src/state/held-lease.js'
import { notBegun, report } from '../../src/commands/report-builder.js'
import {
  RunState,
  type Images,
  type Outcome,
  type WritingProgress,
} from '../../src/commands/run-state.js'
import { Failure, type Cause } from '../../src/failure/failure.js'
import type { Result } from '../../src/failure/result.js'
import { Reporter } from '../../src/report/reporter.js'
import type { WriteProgress } from '../../src/judge/types.js'
import type { Restored } from '../../src/undo/restore.js'
import type { PreflightResult } from '../../src/stages/preflight.js'
import type { Target } from '../../src/kubernetes/target.js'
import type { Platform } from '../../src/platform/platform.js'
import { handClock } from '../support/clock.js'
import { standing } from '../support/live.js'
import { contextOf } from '../support/settings.js'

describe('a cancelled run says so, unless something is left inconsistent', () => {
  const failed = (code: Cause['code']) => new Failure({ code, sentence: 'why' })
  test.each<[string, Error, Cause['code'], Result]>([
    ['stopped by it', new DOMException('ended by SIGINT', 'AbortError'), 'cancelled', 'cancelled'],
    ['a failure in its course', failed('crash'), 'cancelled', 'cancelled'],
    ["another's release not restored", failed('restore-failed'), 'restore-failed', 'stuck'],
    ['the lock lost over that', failed('lock-lost'), 'lock-lost', 'stuck'],
    ['the lock lost', new LeaseLost('taken', 'ada'), 'lock-lost', 'stuck'],
  ])('for "%s"', (_, error, code, result) => {
    const ended = notBegun(error, AbortSignal.abort())
    expect(ended.cause.code).toBe(code)
    expect(ended.result).toBe(result)
  })
})

const runOf = () => ({
  command: 'release' as const,
  settings: contextOf({} as Platform).settings,
  reporter: new Reporter({ open() {}, say() {}, quote() {}, close() {} }, handClock()),
  state: new RunState(),
})

const checkedWith = (...targets: readonly Target[]): PreflightResult => ({
  live: standing(),
  targets,
  others: [],
  jobs: [],
  services: [],
  resources: { of: outside, pathOf: outside },
})

/** Any end, with what was seen of the workloads. */
const endOf = (result: Result, current?: Images) =>
  ({
    result,
    cause: { code: 'crash', sentence: 'why' },
    ...(current && { current }),
  }) as unknown as Outcome

describe('the seconds of a workload end with the write that brought it to its state', () => {
  const progress = (from: number, to?: number): WriteProgress => ({
    startedAt: from,
    wanted: 2,
    ready: 2,
    ...(to !== undefined && { completeAt: to }),
  })
  const [rollout, undo] = [progress(0, 4000), progress(9000, 10_500)]

  /** A release of one Deployment that ran before, or did not. */
  function ended(result: Result, progress: WritingProgress, wasThere: boolean) {
    const target: Target = {
      id: { kind: 'Deployment', name: 'web' },
      path: '/web',
      uses: [],
      running: [],
      ...(wasThere && { live: { kind: 'Deployment' } as Target['live'] & object }),
    }
    const run = runOf()
    run.state.begin({ repository: 'shop', tag: 'new', digest: 'sha256:1' }, checkedWith(target))
    run.state.keep(progress)
    return report(run, endOf(result)).workloads[0]
  }

  test.each<
    [string, Result, WriteProgress | undefined, WriteProgress | undefined, number | undefined]
  >([
    ['deployed', 'deployed', rollout, undefined, 4],
    ['restored', 'undone', rollout, undo, 1.5],
    ['restored, but not back yet', 'stuck', rollout, progress(9000), undefined],
    ['left as it is', 'kept', rollout, undefined, 4],
    ['left as it is, not complete', 'kept', progress(0), undefined, undefined],
    ['broken before, so not waited for', 'undone', rollout, undefined, undefined],
    ['never written to', 'failed', undefined, undefined, undefined],
  ])('for a workload that was %s', (_, result, rolled, back, seconds) => {
    const courses = { ...(rolled && { rollout: rolled }), ...(back && { undo: back }) }
    const by = Object.fromEntries(
      Object.entries(courses).map(([name, one]) => [name, { 'deployment/web': one }]),
    )
    const told = ended(result, by, true)
    expect(told).toMatchObject(courses)
    expect(told?.seconds).toBe(seconds)
  })

  test('a workload that was created and removed has no seconds', () => {
    const told = ended('undone', { rollout: { 'deployment/web': rollout } }, false)
    expect(told).toMatchObject({ now: 'removed', rollout })
    expect(told).not.toHaveProperty('seconds')
  })
})

describe('the report says what becomes of a workload that existed and of one that did not', () => {
  const both = (web: string[], fresh: string[]): Images => ({
    'deployment/web': web,
    'deployment/fresh': fresh,
  })
  test.each<[Result, 'begun' | 'not begun', Images | undefined, string, string]>([
    ['deployed', 'begun', undefined, 'new', 'new'],
    ['undone', 'begun', undefined, 'old', 'removed'],
    ['cancelled', 'begun', undefined, 'old', 'removed'],
    ['cancelled', 'not begun', undefined, 'old', 'absent'],
    ['failed', 'begun', undefined, 'old', 'absent'],
    ['failed', 'not begun', undefined, 'old', 'absent'],
    ['superseded', 'begun', both([], ['shop:c']), 'gone', 'unknown'],
    // A newer commit is live.
    ['superseded', 'not begun', undefined, 'old', 'absent'],
    ['kept', 'begun', both(['shop:b'], ['shop:b']), 'unknown', 'unknown'],
    ['stuck', 'begun', undefined, 'unknown', 'unknown'],
    ['stuck', 'not begun', undefined, 'old', 'absent'],
    // What another run had left could not be put back.
    ['stuck', 'not begun', { 'deployment/web': ['shop:c'] }, 'unknown', 'absent'],
    ['stuck', 'not begun', {}, 'unknown', 'absent'],
  ])(
    'in a run that is %s, its writes %s, and the images %j: %s and %s',
    (result, begun, current, web, fresh) => {
      const run = runOf()
      const checked = checkedWith(target('web', 'there'), target('fresh', 'not there'))
      const image = { repository: 'shop', tag: 'b', digest: 'sha256:0' }
      if (begun === 'begun') run.state.begin(image, checked)
      else {
        run.state.passPreflight(checked)
        run.state.haveImage(image)
      }
      const told = report(run, endOf(result, current))
      expect(told.workloads.map(({ now }) => now)).toEqual([web, fresh])
    },
  )

  function target(name: string, is: 'there' | 'not there'): Target {
    const live = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name }, spec: {} }
    return {
      id: { kind: 'Deployment', name },
      path: '',
      uses: [],
      ...(is === 'there' ? { live: live as WorkloadObject, running: ['shop:a'] } : { running: [] }),
    }
  }
})

describe('the report', () => {
  const prior = (name: string): Restored['prior'] => {
    const object = { kind: 'ConfigMap', metadata: { name } }
    return { path: '', object, written: object, change: 'apply', of: 'other' }
  }
  const all: readonly Restored[] = [
    { prior: prior('a'), did: 'put' },
    { prior: prior('b'), did: 'put', external: 'has another data.B' },
    { prior: prior('c'), did: 'delete' },
    { prior: prior('d'), did: 'keep', why: 'statefulset/db needs it' },
    { prior: prior('e'), did: 'external', external: 'is another object' },
    { prior: prior('f'), did: 'nothing' },
    { prior: prior('g'), did: 'ask' },
  ]
  const told = (seen: { restored: readonly Restored[] } | { left: readonly Restored[] }) => {
    const cause = { code: 'superseded', sentence: 'why' } as const
    const { restored } = report(runOf(), { ...seen, result: 'superseded', cause, current: {} })
    return restored.map(({ object, action }) => `${object}: ${action}`)
  }

  test('names what an undo did to each object', () => {
    expect(told({ restored: all })).toEqual([
      'configmap/a: restored',
      'configmap/b: restored, except that it has another data.B',
      'configmap/c: removed',
      'configmap/d: kept, because statefulset/db needs it',
      'configmap/e: left alone, because another client changed it: it is another object',
    ])
  })

  test('names each object that is left inconsistent where nothing is restored', () => {
    expect(told({ left: all })).toEqual([
      'configmap/a: stays as this release wrote it',
      'configmap/b: stays as this release wrote it',
      'configmap/c: stays, created by this release',
      'configmap/d: stays as this release wrote it',
      'configmap/e: stays as another client changed it: it is another object',
      'configmap/g: was deleted by another client',
    ])
  })
})
