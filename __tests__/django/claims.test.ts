import { expect, test } from '@jest/globals'
import { claimUses, type UsedClaim } from '../../src/django/claims.js'

const on = (node: string | undefined, isLost = false) => ({ node, isLost })
const claim = (name: string, mode: string, ...users: UsedClaim['users']): UsedClaim => ({
  name,
  modes: mode.split(' '),
  users,
})
const there = (node: string) => ({ is: 'on-node', node })
const no = (why: string) => ({ is: 'out-of-reach', why })

test.each<[string, readonly UsedClaim[], object]>([
  ['without users', [claim('a', 'ReadWriteOncePod'), claim('b', 'ReadWriteOnce')], {}],
  [
    'of all nodes',
    [claim('a', 'ReadWriteMany', on('n1')), claim('b', 'ReadWriteOnce ReadWriteMany', on('n1'))],
    {},
  ],
  [
    'of one pod',
    [claim('a', 'ReadWriteOncePod', on('n1'))],
    { a: no('is ReadWriteOncePod, and a running pod uses it') },
  ],
  ['of one node', [claim('a', 'ReadWriteOnce', on('n1'), on('n1'))], { a: there('n1') }],
  [
    'that is on two nodes although it is of one',
    [claim('a', 'ReadWriteOnce', on('n1'), on('n2'))],
    {},
  ],
  ['whose pod has no node yet', [claim('a', 'ReadWriteOnce', on(undefined))], {}],
  [
    'whose node does not answer',
    [
      claim('a', 'ReadWriteOnce', on('n1', true), on(undefined)),
      claim('b', 'ReadWriteOnce', on('n2')),
    ],
    { a: no('is mounted on the node n1, which does not answer'), b: there('n2') },
  ],
  [
    'on different nodes',
    [
      claim('a', 'ReadWriteOnce', on('n1')),
      claim('b', 'ReadWriteOnce', on('n2')),
      claim('c', 'ReadWriteOnce', on('n2')),
    ],
    { a: no('is mounted on the node n1, and others on n2'), b: there('n2'), c: there('n2') },
  ],
])('claims %s', (_, claims, uses) => {
  expect(claimUses(claims)).toEqual(uses)
})
