import { describe, expect, test } from '@jest/globals'
import {
  cacheProblem,
  medianOf,
  middleOfRounds,
  stagesOfReport,
  stagesOfScript,
  type Round,
} from './pipeline-figures.js'

const start = 1_000_000
const line = (seconds: number, text: string) => ({ at: start + seconds * 1000, text })

test('a step of the script lasts until the next one, and the last one until the end', () => {
  const said = [
    line(0.1, '== build'),
    line(0.5, '#5 [2/4] RUN == test'),
    line(2, '== test'),
    line(5, 'OK'),
    line(6.5, '== push'),
  ]
  expect(stagesOfScript(said, start, start + 7000)).toEqual([
    { name: 'build', from: 0.1, seconds: 1.9 },
    { name: 'test', from: 2, seconds: 4.5 },
    { name: 'push', from: 6.5, seconds: 0.5 },
  ])
})

test('stages of a release begin after the start of its process, and may overlap', () => {
  const stages = [
    { name: 'preflight', startedAt: start + 300, seconds: 0.8 },
    { name: 'build', startedAt: start + 300, seconds: 1.5 },
  ]
  expect(stagesOfReport(stages, start)).toEqual([
    { name: 'preflight', from: 0.3, seconds: 0.8 },
    { name: 'build', from: 0.3, seconds: 1.5 },
  ])
})

describe('of several rounds', () => {
  const round = (whole: number, test: number, migrate?: number): Round => ({
    seconds: whole,
    stages: [
      ...(migrate === undefined ? [] : [{ name: 'migrate', from: 5, seconds: migrate }]),
      { name: 'test', from: 1, seconds: test },
    ],
  })

  test('medians count, and stages are in the order of their starts', () => {
    expect(middleOfRounds([round(20, 5, 2), round(22, 3, 1), round(40, 4)])).toEqual({
      seconds: 22,
      least: 20,
      most: 40,
      stages: [
        { name: 'test', from: 1, seconds: 4 },
        { name: 'migrate', from: 5, seconds: 1.5 },
      ],
    })
  })

  test.each([
    [[3, 1, 2], 2],
    [[4, 1, 2, 3], 2.5],
    [[7], 7],
  ])('the median of %j is %d', (values, median) => {
    expect(medianOf(values)).toBe(median)
  })
})

test.each([
  ['warm', 'script', ['python', 'venv 1', 'code 2'], undefined],
  ['warm', 'script', ['python', 'venv 2', 'code 2'], 'no layer is of the build before'],
  [
    'warm',
    'script',
    ['python', 'venv 1', 'code 1'],
    'all layers are of the build before: nothing is new',
  ],
  ['cold', 'script', ['python', 'venv 2', 'code 2'], undefined],
  ['cold', 'script', ['python', 'venv 1', 'code 2'], '1 of 2 layers are of the build before'],
  [
    'cold',
    'script',
    ['debian', 'code 2'],
    'the image is not made from the base image of this machine',
  ],
  ['cold', 'django-rollout', ['python', 'venv 1', 'code 2'], undefined],
  ['cold', 'django-rollout', ['python', 'venv 2', 'code 2'], 'no layer is of the build before'],
] as const)('a build meant to be %s by %s with the layers %j: %s', (cache, side, now, problem) => {
  const before = ['python', 'venv 1', 'code 1']
  expect(cacheProblem(cache, side, { base: ['python'], before, now })).toBe(problem)
})
