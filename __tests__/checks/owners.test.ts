import { expect, test } from '@jest/globals'
import { ownerOf } from '../../src/checks/owners.js'
import { subject, type Drawn } from './subjects.js'

const tracking = 'argocd.argoproj.io/tracking-id'
const flux = (tool: string) => ({
  [`${tool}.toolkit.fluxcd.io/name`]: 'apps',
  [`${tool}.toolkit.fluxcd.io/namespace`]: 'flux-system',
})
const helm = {
  labels: { 'app.kubernetes.io/managed-by': 'Helm' },
  annotations: { 'meta.helm.sh/release-name': 'shop' },
}
const owner = { apiVersion: 'acme.io/v1', kind: 'Shop', name: 'main', uid: '1' }

test.each<[string, Drawn['metadata'], string | undefined, Drawn['kind']?]>([
  ['no other tool', {}, undefined],
  [
    'Argo CD',
    { annotations: { [tracking]: 'shop:apps/Deployment:shop/web' } },
    'Argo CD (application shop)',
  ],
  [
    'Argo CD, a CronJob',
    { annotations: { [tracking]: 'shop:batch/CronJob:shop/web' } },
    'Argo CD (application shop)',
    'CronJob',
  ],
  [
    'Argo CD, a mark that was copied from another object',
    { annotations: { [tracking]: 'shop:apps/Deployment:shop/api' } },
    undefined,
  ],
  [
    'Argo CD, by its own label',
    { labels: { 'argocd.argoproj.io/instance': 'shop' } },
    'Argo CD (application shop)',
  ],
  ['a label that many charts set', { labels: { 'app.kubernetes.io/instance': 'shop' } }, undefined],
  ['Flux', { labels: flux('kustomize') }, 'Flux (Kustomization flux-system/apps)'],
  [
    'Flux, configured to ignore it',
    {
      labels: flux('kustomize'),
      annotations: { 'kustomize.toolkit.fluxcd.io/reconcile': 'disabled' },
    },
    undefined,
  ],
  [
    'Flux, configured to create it only',
    {
      labels: flux('kustomize'),
      annotations: { 'kustomize.toolkit.fluxcd.io/ssa': 'IfNotPresent' },
    },
    undefined,
  ],
  [
    'Flux by helm',
    { ...helm, labels: { ...helm.labels, ...flux('helm') } },
    'Flux (HelmRelease flux-system/apps)',
  ],
  ['Helm', helm, 'Helm (release shop)'],
  ['the label of Helm alone', { labels: helm.labels }, undefined],
  ['an operator', { ownerReferences: [{ ...owner, controller: true }] }, 'Shop main'],
  ['an owner that controls nothing', { ownerReferences: [owner] }, undefined],
])('the owner of a workload is recognized: %s', (_, metadata = {}, name, kind) => {
  expect(ownerOf(subject({ metadata, ...(kind && { kind }) }).object)?.name).toBe(name)
})

test('the lines for Argo CD name the images of the kinds that have images', () => {
  const annotations = { [tracking]: 'shop:batch/CronJob:shop/web' }
  const { object } = subject({ kind: 'CronJob', metadata: { annotations } })
  expect(ownerOf(object)?.fix).toBe(`# in the application shop
spec:
  ignoreDifferences:
    - group: batch
      kind: CronJob
      name: web
      jqPathExpressions:
        - .spec.jobTemplate.spec.template.spec.containers[].image
  syncPolicy:
    syncOptions:
      - RespectIgnoreDifferences=true`)
})
