/** Every fault of the catalogue on the real cluster; where a grace is long, its mechanism alone. */
import { expect, test } from '@jest/globals'
import { faults } from '../faults/catalogue.js'
import { makeImages } from '../faults/images.js'
import { play } from '../faults/play.js'

const images = await makeImages()

for (const fault of faults) {
  test.concurrent(`the fault ${fault.name} ends as ${fault.ends.is}`, () => play(fault, images, 'quick'))
}

test('each fault has its own name', () => {
  const names = faults.map(({ name }) => name)
  expect(new Set(names).size).toBe(names.length)
})
