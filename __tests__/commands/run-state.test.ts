/** The phases of a run. */
import { describe, expect, test } from '@jest/globals'
import { RunState } from '../../src/commands/run-state.js'
import type { PreflightResult } from '../../src/stages/preflight.js'

const image = { repository: 'shop', tag: 'v2', digest: 'sha256:2' }
const [before, underLock] = [{ targets: [] }, { targets: [] }] as unknown as PreflightResult[]

describe('a run reaches its phases in any order of preflight and image', () => {
  test('when an image is known without preflight, as in a build', () => {
    const state = new RunState()
    state.haveImage(image)
    expect(state.phase).toEqual({ is: 'built', image })
  })

  test('when preflight passes before the image is known, and when it passes after it', () => {
    const [first, last] = [new RunState(), new RunState()]
    first.passPreflight(before!)
    first.haveImage(image)
    last.haveImage(image)
    last.passPreflight(before!)
    expect(first.phase).toEqual({ is: 'built', image, checked: before })
    expect(last.phase).toEqual(first.phase)
  })
})

describe('a release that begins', () => {
  test('has the workloads as they are under the lock', () => {
    const state = new RunState()
    state.passPreflight(before!)
    state.haveImage(image)
    state.begin(image, underLock!)
    expect(state.phase).toEqual({ is: 'begun', image, checked: underLock })
    expect(state.phase.checked).toBe(underLock)
  })

  test('has a progress, which nothing has before', () => {
    const state = new RunState()
    state.keep({ rollout: {} })
    state.detect(1)
    expect(state.phase).toEqual({ is: 'preflight' })
    state.begin(image, underLock!)
    state.keep({ rollout: {} })
    state.keep({ undo: {} })
    expect(state.phase).toMatchObject({ is: 'begun', rollout: {}, undo: {} })
  })

  test('knows when its failure was first detected', () => {
    const state = new RunState()
    state.begin(image, underLock!)
    state.detect(5)
    state.detect(7)
    expect(state.phase).toMatchObject({ detectedAt: 5 })
  })
})
