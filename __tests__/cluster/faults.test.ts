/**
 * The faults of the catalogue on the real cluster, some of each kind; where a grace is long, its mechanism alone.
 * The others differ in what the cluster shows, which the unit tests judge by its record; test-long plays them all
 * (__tests__/long/faults.test.ts).
 */
import { expect, test } from '@jest/globals'
import { faults } from '../faults/catalogue.js'
import { makeImages } from '../faults/images.js'
import { play } from '../faults/play.js'

const seldom = new Set([
  'private-image',
  'crash-loop',
  'crash-without-a-probe',
  'database-never',
  'database-late',
  'configmap-of-a-volume-missing',
  'secret-key-missing',
  'secret-10-s-late',
  'volume-claim-missing',
  'volume-not-mountable',
  'quota-that-old-pods-free',
  'webhook-away',
  'no-node-by-selector',
  'no-node-by-cpu',
  'no-node-until-the-old-pod-has-ended',
  'never-started',
  'killed-for-liveness',
  'slow-start',
  'late-first-probe',
  'old-pod-drains',
  'slow-start-by-startup-probe',
  'one-bad-pod',
  'one-bad-pod-that-recovers',
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
