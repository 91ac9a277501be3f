import { expect, test } from '@jest/globals'
import { Grouped } from '../../src/judge/grouped.js'
import type { KubeObject } from '../../src/kubernetes/objects.js'

const pod = (name: string, uid: string): KubeObject => ({
  metadata: {
    name,
    ownerReferences: [
      { controller: false, uid: 'another', apiVersion: 'v1', kind: 'Node', name: 'n' },
      { controller: true, uid, apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web' },
    ],
  },
})
const event = (name: string, uid?: string) =>
  ({ metadata: { name }, involvedObject: { ...(uid !== undefined && { uid }) } }) as KubeObject

type Change = (objects: Grouped<KubeObject>) => unknown

test.each<[string, readonly Change[], readonly string[]]>([
  ['of their controller', [(all) => all.set('a', pod('a', 'web'))], ['a']],
  ['of what an event is about', [(all) => all.set('e', event('e', 'web'))], ['e']],
  ['not of an owner that is no controller', [(all) => all.set('a', pod('a', 'other'))], []],
  ['of nothing', [(all) => all.set('a', { metadata: { name: 'a' } })], []],
  [
    'as each was last set',
    [
      (all) => all.set('a', pod('old', 'web')),
      (all) => all.set('b', pod('b', 'web')),
      (all) => all.set('a', pod('new', 'web')),
    ],
    ['b', 'new'],
  ],
  [
    'not after a change of the controller',
    [(all) => all.set('a', pod('a', 'web')), (all) => all.set('a', pod('a', 'other'))],
    [],
  ],
  [
    'not after it was deleted',
    [(all) => all.set('a', pod('a', 'web')), (all) => all.delete('a'), (all) => all.delete('b')],
    [],
  ],
  ['not after all were', [(all) => all.set('a', pod('a', 'web')), (all) => all.clear()], []],
])('objects are grouped %s', (_, changes, expected) => {
  const objects = new Grouped<KubeObject>()
  for (const change of changes) change(objects)
  expect(objects.of('web').map(({ metadata }) => metadata?.name)).toEqual(expected)
})

test('the objects of a watch are grouped already', () => {
  const objects = new Grouped([['a', pod('a', 'web')]])
  expect(Grouped.from(objects)).toBe(objects)
  expect(Grouped.from(new Map(objects)).of('web')).toEqual([pod('a', 'web')])
})
