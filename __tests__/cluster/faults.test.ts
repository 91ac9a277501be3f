/**
 * The faults of the catalogue on the real cluster, one of each kind; where a grace is long, its mechanism alone.
 * The others differ in what the cluster shows, which the unit tests judge by its record; test-long plays them all.
 */
import { expect, test } from '@jest/globals'
import { faults } from '../faults/catalogue.js'
import { makeImages } from '../faults/images.js'
import { play } from '../faults/play.js'

/** Played in `make test-long` only. */
const seldom = new Set([
  'private-image',
  'crash-loop',
  'crash-without-a-probe',
  'database-never',
  'configmap-of-a-volume-missing',
  'secret-key-missing',
  'volume-not-mountable',
  'quota-that-old-pods-free',
  'webhook-away',
  'no-node-by-selector',
  'no-node-by-cpu',
  'never-started',
  'slow-start',
  'late-first-probe',
  'old-pod-drains',
  'slow-start-by-startup-probe',
  'condition-of-an-earlier-rollout',
  'scaled-and-evicted',
])

const played = faults.filter(({ name }) => !seldom.has(name))
const images = await makeImages()

for (const fault of played) {
  test.concurrent(`the fault ${fault.name} ends as ${fault.ends.is}`, () => play(fault, images, 'quick'))
}

test('each fault has its own name, and each way to end is played here', () => {
  const names = faults.map(({ name }) => name)
  expect(new Set(names).size).toBe(names.length)
  expect(names).toEqual(expect.arrayContaining([...seldom]))
  const ends = (of: typeof faults) =>
    new Set(of.map(({ ends }) => (ends.is === 'deployed' ? ends.is : `${ends.is}: ${ends.code}`)))
  expect(ends(played)).toEqual(ends(faults))
})
