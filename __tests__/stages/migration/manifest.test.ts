/** The Job manifest that a migration is made from. */
import { expect, test } from '@jest/globals'
import { parseAllDocuments } from 'yaml'
import type { KubeObject } from '../../../src/kubernetes/objects.js'
import { templateOfJob } from '../../../src/stages/migration/manifest.js'

const job = (spec: string) => `apiVersion: batch/v1
kind: Job
metadata: { name: migrate }
spec: { template: { spec: ${spec} } }
`
const read = (text: string) =>
  templateOfJob(
    parseAllDocuments(text).map((one) => one.toJS() as KubeObject),
    'job.yaml',
    'ghcr.io/acme/shop',
  )

test.each([
  ['the image', 'image: ghcr.io/acme/shop:1, '],
  ['its short name', 'image: shop, '],
  ['no image', ''],
])('the container with %s migrates, without its own command', (_, image) => {
  const found = read(
    job(
      `{ serviceAccountName: db, initContainers: [{ name: wait, image: shop }], containers: [{ name: proxy, image: proxy:2 }, { name: main, ${image}command: [sh], args: [x], env: [{ name: A, value: b }] }] }`,
    ),
  )
  expect(found).toEqual({
    container: 'main',
    containers: ['main', 'wait'],
    template: {
      spec: {
        serviceAccountName: 'db',
        initContainers: [{ name: 'wait', image: 'shop' }],
        containers: [
          { name: 'proxy', image: 'proxy:2' },
          { name: 'main', env: [{ name: 'A', value: 'b' }] },
        ],
      },
    },
  })
})

test.each([
  ['another kind', job('{}').replace('kind: Job', 'kind: Pod'), 'needs one Job of batch/v1'],
  ['two objects', `${job('{}')}---\n${job('{}')}`, 'needs one Job of batch/v1'],
  ['no container', job('{ containers: [] }'), 'no container with the image ghcr.io/acme/shop'],
  [
    'only others',
    job('{ containers: [{ name: a, image: other }] }'),
    'no container with the image ghcr.io/acme/shop',
  ],
  [
    'two of them',
    job('{ containers: [{ name: a }, { name: b, image: shop }] }'),
    'several containers with the image ghcr.io/acme/shop',
  ],
])('%s is refused', (_, text, sentence) => {
  expect(() => read(text)).toThrow(sentence)
})
