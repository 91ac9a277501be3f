/** An undo to a version of which a part was broken before: as many pods as were there have to be there again. */
import { expect, test } from '@jest/globals'
import type { Fault } from '../faults/catalogue.js'
import { makeImages } from '../faults/images.js'
import { makePlace, type Place } from '../faults/place.js'
import { conditions, exits, type Seen, type EvaluationContext } from '../faults/sights.js'

const images = await makeImages()

/** Its pod 0 never starts in version `first`; pod 1 is well. */
const fault: Fault = {
  name: 'half-well',
  tag: 'import',
  always: { kind: 'StatefulSet', replicas: 2, spec: { podManagementPolicy: 'Parallel' } },
  ends: { is: 'deployed' },
}

const runs = ({ spec }: Seen, tag: 'first') =>
  spec?.containers?.every(({ image }) => image === images.pinned[tag]) === true
const isWell: EvaluationContext = (pod) =>
  pod.metadata.name === 'web-1' && runs(pod, 'first') && conditions('Ready', 'True')(pod)

test('a broken version with one healthy pod is restored, and its healthy pod is waited for', async () => {
  const place = await makePlace(fault, images)
  try {
    await place.setImage('first')
    await place.until((pod) => pod.metadata.name === 'web-0' && exits(2)(pod))
    await place.until(isWell)
    const { code, output, report } = await deploy(place)
    expect({ code, result: report.result, output }).toMatchObject({ code: 1, result: 'undone' })
    expect(report.cause?.sentence).toMatch(/^web: ModuleNotFoundError/)
    // Right when the run has ended: it was waited for.
    const pods = JSON.parse(await place.kubectl('get', 'pods', '-o', 'json')) as { items: Seen[] }
    expect(pods.items.filter(isWell)).toHaveLength(1)
    expect(await place.site.leftovers()).toEqual([])
  } finally {
    await place.remove()
  }
})

function deploy({ site, repository }: Place) {
  return site.cli('deploy', {
    image: repository,
    namespace: site.namespace,
    tag: 'import',
    'migrate-command': '',
    bake: '2s',
  })
}
