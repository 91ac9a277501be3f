import { describe, expect, test } from '@jest/globals'
import { parse } from 'yaml'
import { fingerprintOf, jobNameOf, releasedJob } from '../../src/kubernetes/jobs.js'
import type { KubeObject } from '../../src/kubernetes/objects.js'

const repository = 'ghcr.io/acme/shop'
const digest = `sha256:${'0'.repeat(64)}`
const image = `${repository}:1f0e9c7d2b@${digest}`
const how = { repository, image, app: 'shop', run: 'run-1', timeoutSeconds: 900 }

const job = (spec: string, command = 'seed') =>
  parse(
    `{apiVersion: batch/v1, kind: Job, metadata: {name: seed, labels: {a: b}}, spec: {${spec}template: {spec: {initContainers: [{name: wait, image: busybox}], containers: [{name: app, image: shop, command: [${command}]}]}}}}`,
  ) as KubeObject

test('a Job of a release has the image, its own name, and the labels of its owner', () => {
  expect(releasedJob(job(''), how)).toMatchObject({
    metadata: {
      name: expect.stringMatching(/^seed-1f0e9c7-[0-9a-f]{5}$/),
      labels: { a: 'b', 'django-rollout/app': 'shop' },
      annotations: { 'django-rollout/run': 'run-1' },
    },
    spec: {
      activeDeadlineSeconds: 900,
      ttlSecondsAfterFinished: 86400,
      template: {
        spec: {
          initContainers: [{ name: 'wait', image: 'busybox' }],
          containers: [{ name: 'app', image }],
        },
      },
    },
  })
})

test('the fields of the manifest stay as they are', () => {
  const own = 'activeDeadlineSeconds: 5, ttlSecondsAfterFinished: 0, backoffLimit: 3, '
  expect(releasedJob(job(own), how).spec).toMatchObject({
    activeDeadlineSeconds: 5,
    ttlSecondsAfterFinished: 0,
    backoffLimit: 3,
  })
})

describe('the name of a Job', () => {
  test.each([
    ['seed', `${repository}:v1@${digest}`, /^seed-v1-[0-9a-f]{5}$/],
    ['seed', `${repository}:V1.2_rc@${digest}`, /^seed-v1-2-rc-[0-9a-f]{5}$/],
    ['seed', `${repository}@${digest}`, /^seed-[0-9a-f]{5}$/],
    ['a.'.repeat(40), image, /^(a\.)+a-1f0e9c7-[0-9a-f]{5}$/],
  ])('is right for %s and %s', (name, of, pattern) => {
    const made = jobNameOf(name, of, 'run-1')
    expect(made).toMatch(pattern)
    expect(made.length).toBeLessThanOrEqual(63)
    expect(jobNameOf(name, of, 'run-1')).toBe(made)
    expect(jobNameOf(name, of, 'run-2')).not.toBe(made)
  })

  test('differs for names that begin alike', () => {
    const long = 'x'.repeat(60)
    expect(jobNameOf(`${long}-a`, image, 'r')).not.toBe(jobNameOf(`${long}-b`, image, 'r'))
  })
})

describe('the fingerprint of a Job', () => {
  const of = (object: KubeObject, version = digest) =>
    fingerprintOf(object, repository, `${repository}@${version}`)

  test('is the same for equal manifests, however they are written', () => {
    expect(of(job('backoffLimit: 1, completions: 2, '))).toBe(
      of(job('completions: 2, backoffLimit: 1, ')),
    )
  })

  test.each([
    ['command', of(job('', 'load'))],
    ['image', of(job(''), `sha256:${'1'.repeat(64)}`)],
    ['field', of(job('backoffLimit: 1, '))],
  ])('differs for another %s', (_, other) => {
    expect(other).not.toBe(of(job('')))
  })
})
