import { describe, expect, test } from '@jest/globals'
import { parse } from 'yaml'
import { lastApplied, type KubeObject } from '../../src/kubernetes/objects.js'
import { replicasForgotten, withLiveReplicas } from '../../src/kubernetes/replicas.js'

const object = (text: string) => parse(text) as KubeObject

describe('the live number of replicas', () => {
  test.each([
    ['of an autoscaler', 'replicas: 7', 7],
    ['of a user who stopped it', 'replicas: 0', 0],
    ['without a number', '', 1],
  ])('is kept in the case "%s"', (_, live, replicas) => {
    const web = object('{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 1}}')
    expect(withLiveReplicas(web, object(`{spec: {${live}}}`)).spec).toEqual({ replicas })
  })

  test('is set where the manifest leaves it out, and not where no workload exists', () => {
    const bare = object('{apiVersion: apps/v1, kind: StatefulSet, spec: {}}')
    expect(withLiveReplicas(bare, object('{spec: {replicas: 3}}')).spec).toEqual({ replicas: 3 })
    expect(withLiveReplicas(bare).spec).toEqual({})
  })

  test.each([
    '{apiVersion: v1, kind: Service, spec: {}}',
    '{apiVersion: example.com/v1, kind: Database, spec: {replicas: 1}}',
    '{apiVersion: v1, kind: ConfigMap, data: {}}',
  ])('is not set in %s', (text) => {
    expect(withLiveReplicas(object(text), object('{spec: {replicas: 3}}'))).toEqual(object(text))
  })
})

describe('the note of the last apply', () => {
  const noted = (note?: string): KubeObject => ({
    metadata: {
      name: 'web',
      resourceVersion: '7',
      annotations: { a: 'b', ...(note !== undefined && { [lastApplied]: note }) },
    },
    spec: { replicas: 3 },
  })

  test.each([
    ['is not there', undefined],
    ['names no replicas', '{"kind":"Deployment","spec":{"paused":false}}'],
    ['has no spec', '{"kind":"Deployment"}'],
    ['is no JSON', 'x'],
  ])('is left alone when it %s', (_, note) => {
    expect(replicasForgotten(noted(note))).toBeUndefined()
  })

  test('loses its replicas, and the live ones stay', () => {
    const note = '{"kind":"Deployment","spec":{"replicas":3,"paused":false}}\n'
    expect(replicasForgotten(noted(note))).toEqual(
      noted('{"kind":"Deployment","spec":{"paused":false}}\n'),
    )
  })
})
