import { describe, expect, test } from '@jest/globals'
import { after, judgeState, type Effect, type Told } from './invariant.js'

const web = (image: string, env?: object) => ({
  template: { spec: { containers: [{ name: 'web', image, ...env }] } },
})
const before = {
  'deployment/web': web('a'),
  'deployment/worker': web('a'),
  'configmap/x': { of: 'a' },
}
const toB: Effect = { image: 'b', data: { 'configmap/x': { of: 'b' } }, annotations: {} }
const toC: Effect = { image: 'c', data: {}, annotations: {} }
const one: Told = { name: 'new', effect: toB, isGood: true, began: 0, ended: 10 }
const meanwhile: Told = { name: 'second', effect: toC, isGood: true, began: 5, ended: 15 }
const later: Told = { ...meanwhile, name: 'next', began: 11, ended: 20 }
const allB = after(before, toB)
const allC = after(before, toC)

test('a release changes every container, and what comes with it', () => {
  const { webEnv, ...effect } = { ...toB, webEnv: [{ name: 'RELEASE', value: '1' }] }
  expect(after(before, { ...effect, webEnv })).toEqual({
    'deployment/web': web('b', { env: webEnv }),
    'deployment/worker': web('b'),
    'configmap/x': { of: 'b' },
  })
})

describe('the check of the final state gives the right verdict', () => {
  const torn = { ...allB, 'deployment/worker': before['deployment/worker'] }
  test.each<[string, object, readonly Told[], string]>([
    ['all old, after a run that was killed', before, [one], 'old'],
    ['all new, after a run that was killed', allB, [one], 'new'],
    ['some of both', torn, [one], 'torn'],
    ['old pods, new ConfigMap', { ...before, 'configmap/x': { of: 'b' } }, [one], 'torn'],
    ['all new, and it said so', allB, [{ ...one, result: 'deployed' }], 'new'],
    ['all old, and it said deployed', before, [{ ...one, result: 'deployed' }], 'torn'],
    ['all old, and it said undone', before, [{ ...one, result: 'undone' }], 'old'],
    ['all new, and it said undone', allB, [{ ...one, result: 'undone' }], 'torn'],
    ['a bad version', allB, [{ ...one, isGood: false }], 'torn'],
    ['the other of two', allC, [one, meanwhile], 'second'],
    ['one over the other', after(allB, toC), [one, meanwhile], 'new, then second'],
    [
      'the first again, since they met',
      after(allC, toB),
      [
        { ...one, result: 'deployed' },
        { ...meanwhile, result: 'deployed' },
      ],
      'second, then new',
    ],
    [
      'the first again, though it had ended',
      after(allC, toB),
      [one, { ...later, result: 'deployed' }],
      'torn',
    ],
    [
      'what a superseded one said it leaves, and no more',
      { ...before, 'deployment/web': web('b') },
      [{ ...one, isGood: false, result: 'superseded', leaves: ['deployment/web'] }],
      'new',
    ],
    [
      'less than what a superseded one said it leaves',
      before,
      [{ ...one, result: 'superseded', leaves: ['deployment/web'] }],
      'torn',
    ],
    [
      'more than what a superseded one said it leaves',
      allB,
      [{ ...one, result: 'superseded', leaves: ['deployment/web'] }],
      'torn',
    ],
    [
      'a later release over what a superseded one leaves',
      { ...allC, 'configmap/x': { of: 'b' } },
      [
        { ...one, result: 'superseded', leaves: ['configmap/x', 'deployment/web'] },
        { ...later, result: 'deployed' },
      ],
      'new, then next',
    ],
  ])('for "%s"', (_name, now, told, expected) => {
    const judged = judgeState(before, now as typeof before, told)
    expect(judged.is === 'whole' ? judged.as : judged.is).toBe(expected)
  })
})

describe('what another client has written by hand meanwhile', () => {
  const theirs = {
    id: 'configmap/x',
    current: (content: unknown) => (content as { mine?: string }).mine === 'by-hand',
    without: (content: unknown) => ({ of: (content as { of?: string }).of }),
  }
  const nobody = { theirs, mayCover: () => false }
  const meddled = { 'configmap/x': { of: 'a', mine: 'by-hand' } }
  const beside = { 'configmap/x': { of: 'b', mine: 'by-hand' } }
  const undone = { ...one, result: 'undone' }
  test.each<[string, object, Told, object, string]>([
    ['stays beside the old version', { ...before, ...meddled }, undone, nobody, 'old'],
    ['stays beside the new version', { ...allB, ...beside }, one, nobody, 'new'],
    [
      'stays, with the remains that are named',
      { ...before, ...beside },
      undone,
      nobody,
      'old, something left',
    ],
    ['is gone', before, undone, nobody, 'torn'],
    ['is gone, since it came before', allB, one, { ...nobody, mayCover: () => true }, 'new'],
    ['excuses nothing else', { ...torn(), ...meddled }, undone, nobody, 'torn'],
  ])('%s', (_name, now, told, by, expected) => {
    const judged = judgeState(before, now as typeof before, [told], by as typeof nobody)
    const left = judged.is === 'whole' && judged.left ? ', something left' : ''
    expect(judged.is === 'whole' ? judged.as + left : judged.is).toBe(expected)
  })

  function torn() {
    return { ...before, 'deployment/worker': web('b') }
  }
})
