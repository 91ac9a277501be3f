/** Every fault with its real grace; what is healthy is never undone, however often. */
import { test } from '@jest/globals'
import { faults } from '../faults/catalogue.js'
import { makeImages } from '../faults/images.js'
import { play } from '../faults/play.js'

const repeats = 10

const images = await makeImages()

for (const fault of faults) {
  const { name, ends } = fault
  if (ends.is === 'deployed') {
    for (let nth = 1; nth <= repeats; nth += 1) {
      test.concurrent(`the fault ${name} ends as deployed, time ${nth} of ${repeats}`, () =>
        play(fault, images, 'real'),
      )
    }
  } else {
    test.concurrent(`the fault ${name} ends as ${ends.is}`, () => play(fault, images, 'real'))
  }
}
