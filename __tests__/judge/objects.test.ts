/** The ReplicaSet that a Deployment's controller takes for its template. */
import { expect, test } from '@jest/globals'
import type { PodTemplateSpec } from 'kubernetes-types/core/v1'
import { replicaSetOf } from '../../src/judge/objects.js'
import { nothing } from '../support/live.js'

const template: PodTemplateSpec = {
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'web', image: 'shop:1', env: [{ name: 'A', value: '' }] }] },
}
const [web] = template.spec?.containers ?? []
const withContainer = (fields: object) =>
  ({ ...template, spec: { containers: [{ ...web, ...fields }] } }) as PodTemplateSpec

test.each<[string, PodTemplateSpec, boolean]>([
  ['the same', structuredClone(template), true],
  ['in another order', { spec: template.spec!, metadata: template.metadata! }, true],
  ['with an empty field', withContainer({ volumeMounts: [], resources: { limits: {} } }), true],
  ['with a field that is null', withContainer({ workingDir: null }), true],
  [
    'with the label of its ReplicaSet',
    { ...template, metadata: { labels: { app: 'web', 'pod-template-hash': '6b9' } } },
    true,
  ],
  [
    'with that label in another place',
    {
      ...template,
      metadata: { ...template.metadata, annotations: { 'pod-template-hash': '6b9' } },
    },
    false,
  ],
  ['with another image', withContainer({ image: 'shop:2' }), false],
  ['with one field more', withContainer({ tty: true }), false],
  ['with one field less', withContainer({ env: undefined }), false],
  ['with a value that is false', withContainer({ tty: false }), false],
  ['with a value that is not empty', withContainer({ env: [{ name: 'A', value: '0' }] }), false],
  [
    'with a label that objects inherit the name of',
    { ...template, metadata: { labels: { app: 'web', constructor: 'x' } } },
    false,
  ],
  ['with two containers', { ...template, spec: { containers: [web!, web!] } }, false],
])('a template %s', (_, other, isItsOwn) => {
  const ownerReferences = [
    { apiVersion: 'apps/v1', controller: true, kind: '', name: '', uid: 'd' },
  ]
  const set = {
    metadata: { name: 'web-6b9', ownerReferences },
    spec: { selector: {}, template: other },
  }
  const deployment = { metadata: { uid: 'd' }, spec: { selector: {}, template } }
  const clusterState = { ...nothing, replicasets: new Map([['web-6b9', set]]), confirmedAt: 1 }
  for (const _again of [1, 2]) {
    expect(replicaSetOf(clusterState, deployment) === set).toBe(isItsOwn)
  }
})
