import { expect, test } from '@jest/globals'
import type { Node } from 'kubernetes-types/core/v1'
import { misplaced, namesIn, platformsIn } from '../../src/checks/platforms.js'
import { subject } from './subjects.js'

/** A node of a platform, by that name where none is given. */
function node(platform: string, spec: object = {}, labels: object = {}): Node {
  const [os = '', arch = ''] = platform.split('/')
  return {
    metadata: {
      name: arch,
      labels: { 'kubernetes.io/os': os, 'kubernetes.io/arch': arch, ...labels },
    },
    spec,
  }
}

const amd64 = node('linux/amd64')
const arm64 = node('linux/arm64')
const windows = node('windows/amd64')
const unknown: Node = { metadata: { name: 'unknown' } }
const both = [amd64, arm64]

const required = (...terms: readonly object[]) => ({
  affinity: {
    nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } },
  },
})
const expression = (operator: string, values: readonly string[], key = 'kubernetes.io/arch') => ({
  matchExpressions: [{ key, operator, values }],
})
const onArm = { nodeSelector: { 'kubernetes.io/arch': 'arm64' } }
const onAmd = { nodeSelector: { 'kubernetes.io/arch': 'amd64' } }
const tainted = (effect: string) =>
  node('linux/arm64', { taints: [{ key: 'kubernetes.io/arch', value: 'arm64', effect }] })
const tolerates = (toleration: object) => ({ tolerations: [toleration] })

/** By pod and nodes: `all` or `some`, and which nodes cannot run an image for linux/amd64. */
test.each<[string, object, readonly Node[], string]>([
  ['nodes that fit', {}, [amd64], ''],
  ['no nodes', {}, [], ''],
  ['only others', {}, [arm64], 'all arm64'],
  ['one of two', {}, both, 'some arm64'],
  ['another system', {}, [amd64, windows], 'some amd64'],
  ['a node that does not say what it is', {}, [unknown], ''],
  ['such a node, and another', {}, [unknown, arm64], 'some arm64'],
  ['a cordoned node', {}, [amd64, node('linux/arm64', { unschedulable: true })], ''],
  [
    'a fitting node that is cordoned',
    {},
    [node('linux/amd64', { unschedulable: true }), arm64],
    'all arm64',
  ],
  ['a selector of fitting nodes', onAmd, both, ''],
  ['a selector of the others', onArm, both, 'all arm64'],
  ['a selector of no node', { nodeSelector: { pool: 'gpu' } }, both, ''],
  [
    'a selector of a pool',
    { nodeSelector: { pool: 'a' } },
    [amd64, node('linux/arm64', {}, { pool: 'a' })],
    'all arm64',
  ],
  ['an affinity to fitting nodes', required(expression('In', ['amd64'])), both, ''],
  ['an affinity to both', required(expression('In', ['amd64', 'arm64'])), both, 'some arm64'],
  ['an affinity by exclusion', required(expression('NotIn', ['arm64'])), both, ''],
  [
    'an affinity to nodes without a label',
    required(expression('DoesNotExist', [], 'gpu')),
    both,
    'some arm64',
  ],
  [
    'an affinity to either',
    required(expression('In', ['amd64']), expression('Exists', [])),
    both,
    'some arm64',
  ],
  [
    'an affinity to a name',
    required({ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['arm64'] }] }),
    both,
    'all arm64',
  ],
  ['an empty affinity, which no node meets', required({}), both, ''],
  [
    'a number that is enough',
    required(expression('Gt', ['4'], 'cpus')),
    [node('linux/arm64', {}, { cpus: '8' })],
    'all arm64',
  ],
  [
    'a number that is too little',
    required(expression('Gt', ['4'], 'cpus')),
    [node('linux/arm64', {}, { cpus: '2' })],
    '',
  ],
  [
    'a number that is little enough',
    required(expression('Lt', ['4'], 'cpus')),
    [node('linux/arm64', {}, { cpus: '2' })],
    'all arm64',
  ],
  ['no number', required(expression('Lt', ['4'], 'cpus')), both, ''],
  [
    'a preferred affinity, which decides nothing',
    { affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [] } } },
    both,
    'some arm64',
  ],
  ['a taint, as clouds give it', {}, [amd64, tainted('NoSchedule')], ''],
  ['a taint that evicts', {}, [amd64, tainted('NoExecute')], ''],
  ['a taint that only prefers', {}, [amd64, tainted('PreferNoSchedule')], 'some arm64'],
  [
    'a tolerated taint',
    tolerates({ key: 'kubernetes.io/arch', value: 'arm64' }),
    [amd64, tainted('NoSchedule')],
    'some arm64',
  ],
  [
    'another value',
    tolerates({ key: 'kubernetes.io/arch', value: 'arm' }),
    [amd64, tainted('NoSchedule')],
    '',
  ],
  [
    'another effect',
    tolerates({ key: 'kubernetes.io/arch', operator: 'Exists', effect: 'NoExecute' }),
    [amd64, tainted('NoSchedule')],
    '',
  ],
  [
    'any value',
    tolerates({ key: 'kubernetes.io/arch', operator: 'Exists' }),
    [amd64, tainted('NoSchedule')],
    'some arm64',
  ],
  ['any taint', tolerates({ operator: 'Exists' }), [amd64, tainted('NoSchedule')], 'some arm64'],
  [
    'a fitting node with a taint that may pass',
    {},
    [
      node('linux/amd64', {
        taints: [{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }],
      }),
      arm64,
    ],
    'some arm64',
  ],
])('%s', (_, pod, nodes, expected) => {
  const found = misplaced([subject({ pod })], ['linux/amd64'], nodes)
  expect(found.map(({ is, nodes }) => `${is} ${namesIn(nodes)}`).join()).toBe(expected)
})

test.each([
  [['linux/amd64', 'linux/arm64'], both, 0],
  [['linux/arm64'], both, 1],
  [['linux/arm64/v8'], [arm64], 0],
  [['linux/aarch64'], [arm64], 0],
  [['aarch64'], [arm64], 0],
  [['linux/x86_64'], [amd64], 0],
  [['x86_64'], [arm64], 1],
  // A processor also runs what its predecessor ran.
  [['linux/386'], [amd64], 0],
  [['linux/arm/v7'], [arm64], 0],
  [['linux/arm64'], [node('linux/arm')], 1],
])('an image for %j', (platforms, nodes, count) => {
  expect(misplaced([subject()], platforms, nodes)).toHaveLength(count)
})

test('each workload has its own nodes', () => {
  const subjects = [
    subject({ pod: onAmd }),
    subject({ pod: onArm }, 'worker'),
    subject({ kind: 'CronJob' }, 'clean'),
  ]
  const found = misplaced(subjects, ['linux/amd64'], both)
  expect(found.map(({ id, is }) => `${id} ${is}`)).toEqual([
    'deployment/worker all',
    'cronjob/clean some',
  ])
})

test('nodes are named, three of them, by their platforms', () => {
  const names = ['d', 'c', 'b', 'a', 'e'].map((name) => ({
    ...arm64,
    metadata: { ...arm64.metadata, name },
  }))
  expect(namesIn(names)).toBe('a, b, c and 2 more')
  expect(platformsIn([windows, ...names])).toEqual(['linux/arm64', 'windows/amd64'])
})
