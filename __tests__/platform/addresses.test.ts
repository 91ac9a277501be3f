import { expect, test } from '@jest/globals'
import { isWithin } from '../../src/platform/addresses.js'

const ranges = [
  '192.168.0.0/16',
  'fd00::/8',
  'no range',
  '127.0.0.0/8',
  '10.0.0.5',
  '10.1.0.0/',
  '10.1.0.0/33',
  '10.1.0.0/8/8',
]
test.each([
  ['192.168.7.4', true],
  ['192.169.7.4', false],
  ['fd12::1', true],
  ['fe80::1', false],
  ['10.0.0.5', true],
  ['10.1.0.1', false],
  ['registry.lan', false],
])('%s is within the ranges: %s', (address, is) => {
  expect(isWithin(address, ranges)).toBe(is)
})
