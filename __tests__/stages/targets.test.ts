import { describe, expect, test } from '@jest/globals'
import { Failure } from '../../src/report/cause.js'
import type { Picture } from '../../src/rollout/types.js'
import { findWeb, guessWeb, noWorkload, type Target } from '../../src/stages/targets.js'

const target = (name: string): Target => ({
  ...{ id: { kind: 'Deployment', name }, path: `/${name}`, running: [] },
  uses: [{ name: 'app', image: 'shop:1' }] as unknown as Target['uses'],
  live: {
    kind: 'Deployment',
    metadata: { name },
    spec: { template: { spec: { containers: [{ name: 'app', image: 'shop:1' }] } } },
  },
})
const two = [target('one'), target('two')]

describe('what serves the web', () => {
  test('is the one that is named', () => {
    expect(findWeb(two, [], 'deployment/two')).toMatchObject({ workload: { name: 'two' } })
  })

  test.each([
    [
      'several may',
      undefined,
      'it is not clear which workload serves the web: deployment/one, deployment/two',
    ],
    [
      'a wrong name',
      'three',
      '"migrate-from" names three, which is no workload of this release: deployment/one, deployment/two',
    ],
  ])('%s: the user has to say which', (_, named, sentence) => {
    expect(() => findWeb(two, [], named)).toThrow(sentence)
  })

  test('is not known where nobody has to know', () => {
    expect(guessWeb(two, [])).toBeUndefined()
  })
})

describe('no workload runs the image', () => {
  test.each([
    [
      'one that is written almost like it',
      'ghcr.io/acme/shop-web:1',
      /^did you mean image: ghcr\.io\/acme\/shop-web\? Else check/,
    ],
    ['another one', 'postgres:17', /^check the options image and namespace/],
  ])('%s', (_, image, hint) => {
    const spec = { template: { spec: { containers: [{ name: 'app', image }] } } }
    const picture = {
      deployments: new Map([['web', { metadata: { name: 'web' }, spec }]]),
      statefulsets: new Map(),
    } as unknown as Picture
    let thrown: unknown
    try {
      noWorkload(picture, 'ghcr.io/acme/shop', 'prod')
    } catch (error) {
      thrown = error
    }
    expect(thrown).toBeInstanceOf(Failure)
    expect((thrown as Failure).cause).toMatchObject({
      code: 'no-workload',
      sentence: `no workload in the namespace "prod" runs ghcr.io/acme/shop; it has web (${image.split(':')[0]})`,
      hint: expect.stringMatching(hint),
    })
  })
})
