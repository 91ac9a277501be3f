import { expect, test } from '@jest/globals'
import type { RawInputs } from '../../src/options/read.js'
import { longestOf } from '../../src/commands/steps.js'
import { scripted } from '../support/scripted.js'
import { contextOf } from '../support/settings.js'

test.each<[RawInputs, number]>([
  [{ timeout: '1m', bake: '15s' }, 135],
  [{ timeout: '1m', bake: '15s', 'smoke-path': '/', 'smoke-timeout': '5m' }, 420],
  [{ timeout: '1m', bake: '10m', 'smoke-path': '/', 'smoke-timeout': '5m' }, 720],
  [{ timeout: '1m', bake: '15s', 'smoke-timeout': '5m' }, 135],
])('with %j a rollout ends within %i s', (given, seconds) => {
  expect(longestOf(contextOf(scripted([]).platform, given).settings)).toBe(seconds * 1000)
})
