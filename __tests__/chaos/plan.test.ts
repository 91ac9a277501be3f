import { describe, expect, test } from '@jest/globals'
import { faultOf, planRound, stagesOf, type Order } from './plan.js'

const many = Array.from({ length: 400 }, (_, i) => planRound('any', i + 1))

describe('a round', () => {
  test('is the same for the same seed and number, and differs for others', () => {
    expect(planRound('any', 17)).toEqual(many[16])
    expect(planRound('other', 17)).not.toEqual(many[16])
    expect(planRound('any', 18)).not.toEqual(many[16])
  })

  test('uses every interruption, image, competitor and successor in turn', () => {
    const kinds = (of: (round: (typeof many)[number]) => string) =>
      [...new Set(many.map(of))].sort()
    expect(kinds(({ interruption }) => interruption.is)).toEqual([
      'killed-in-undo',
      'machine-gone',
      'network-reset',
      'network-silent',
      'none',
      'proxy-killed',
      'second-release',
      'signal',
      'stopped',
    ])
    const bad = Object.keys(faultOf).filter((tag) => !['a', 'b', 'c'].includes(tag))
    expect(kinds(({ order: { image } }) => (image.is === 'good' ? image.is : image.tag))).toEqual(
      [...bad, 'good'].sort(),
    )
    expect(kinds(({ order }) => order.manifests)).toEqual(['config', 'config-and-web', 'none'])
    expect(kinds(({ next }) => next.is)).toEqual(['recover', 'recover-killed', 'release'])
    expect(kinds(({ person }) => person?.deed.is ?? 'nobody')).toEqual([
      'adds-key',
      'annotates-service',
      'changes-config',
      'changes-port',
      'edits-env',
      'nobody',
      'replaces-extra',
      'rotates-secret',
      'scales',
      'sets-image',
    ])
  })

  test('is interrupted at a stage that its release reaches', () => {
    for (const { moment, order } of many) {
      if (moment.at === 'stage') expect(stagesOf(order)).toContain(moment.stage)
    }
  })
})

describe('the stages of a release are right', () => {
  const good = { is: 'good', ahead: 1 } as const
  const bad = (tag: 'import' | 'worker' | 'migration') => ({ is: 'bad', tag }) as const
  const plain = { migrates: false, manifests: 'none' } as const
  test.each<[string, Order, string]>([
    ['good', { ...plain, image: good }, 'lock snapshot rollout'],
    [
      'good, with all that may come',
      { image: good, migrates: true, manifests: 'config' },
      'lock snapshot manifests plan migrate rollout',
    ],
    ['broken in the worker', { ...plain, image: bad('worker') }, 'lock snapshot rollout undo'],
    [
      'broken in the plan, with nothing written',
      { ...plain, image: bad('import'), migrates: true },
      'lock snapshot plan',
    ],
    [
      'broken in the migration, with ConfigMaps to take back',
      { image: bad('migration'), migrates: true, manifests: 'config' },
      'lock snapshot manifests plan migrate undo',
    ],
  ])('for an image that is %s', (_name, order, stages) => {
    expect(stagesOf(order).join(' ')).toBe(stages)
  })
})
