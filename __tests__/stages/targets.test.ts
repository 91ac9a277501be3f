import { describe, expect, test } from '@jest/globals'
import { findWeb, guessWeb, type Target } from '../../src/stages/targets.js'

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
