/** Every fault of the catalogue on the real cluster; where a grace is long, its mechanism alone. */
import { expect, test } from '@jest/globals'
import { faults } from '../faults/catalogue.js'
import { makeImages } from '../faults/images.js'
import { play } from '../faults/play.js'

const images = await makeImages()

for (const fault of faults) {
  test.concurrent(`${fault.name}: ${fault.ends.is}`, () => play(fault, images, 'quick'))
}

test('each fault has a name of its own', () => {
  const names = faults.map(({ name }) => name)
  expect(new Set(names).size).toBe(names.length)
})
