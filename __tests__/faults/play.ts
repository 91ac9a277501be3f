/** Plays one fault: the release of a version that has it, by the command, under the least account. */
import { expect } from '@jest/globals'
import { kubectl } from '../e2e/stack.js'
import type { Fault } from './catalogue.js'
import type { Images } from './images.js'
import { makePlace } from './place.js'

/** `real`: as users have it. `quick`: the mechanism alone, where a grace is long. */
export type Pace = 'real' | 'quick'

export async function play(fault: Fault, images: Images, pace: Pace): Promise<void> {
  const { ends, meanwhile, options = {} } = fault
  const place = await makePlace(fault, images)
  const { site, repository } = place
  try {
    const before = await site.state()
    const manifests = await place.manifest()
    const quick = ends.is === 'undone' && pace === 'quick' ? ends.quick : undefined
    let happened: unknown
    const { code, output, report } = await site.cli(
      'deploy',
      {
        image: repository,
        namespace: site.namespace,
        tag: fault.tag ?? 'next',
        'migrate-command': '',
        bake: '2s',
        ...options,
        ...quick?.options,
        ...(manifests !== undefined && { manifests }),
      },
      {
        onOutput: (soFar) => {
          if (/^▸ rollout/m.test(soFar)) happened ??= meanwhile?.(place) ?? 'nothing'
        },
      },
    )
    await happened

    // With all that was said, so that a failure of the test can be read.
    expect({ result: report.result, output }).toMatchObject({ result: ends.is })
    expect(await site.leftovers()).toEqual([])
    if (ends.is === 'deployed') {
      expect(code).toBe(0)
      expect(new Set(report.workloads.map(({ now }) => now))).toEqual(new Set(['new']))
    } else {
      expect(code).toBe(1)
      expect({ code: report.cause?.code, sentence: report.cause?.sentence }).toEqual({
        code: ends.code,
        sentence: expect.stringMatching(ends.sentence) as unknown,
      })
      expect(output).toContain(report.cause?.sentence)
      expect(await site.state()).toEqual(before)
    }
    if (ends.is === 'undone') {
      // The grace began after the write.
      const rollout = report.stages.find(({ name }) => name === 'rollout')
      expect(rollout?.seconds).toBeGreaterThanOrEqual((quick ?? ends).grace)
      const kind = fault.always?.kind ?? 'Deployment'
      await kubectl(
        '-n',
        site.namespace,
        'rollout',
        'status',
        `${kind.toLowerCase()}/web`,
        '--timeout=1s',
      )
    }
  } finally {
    await place.remove()
  }
}
