import { describe, expect, test } from '@jest/globals'
import { ApiError } from '../../src/kubernetes/api-error.js'
import type { Cluster } from '../../src/kubernetes/cluster.js'
import { noManifests } from '../../src/kubernetes/manifests.js'
import {
  checkNamespace,
  labelling,
  makeNamespace,
  type Presence,
} from '../../src/stages/namespace.js'
import { causeOf } from '../support/cause.js'
import { clusterOf } from '../support/cluster.js'
import { notebook } from '../support/journal.js'

const manifest = {
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name: 'shop', labels: { team: 'a', tier: 'b' } },
}
const withIt = { ...noManifests, namespace: manifest }

/** A cluster that lets do these verbs; the namespace is as given, `403` where nobody may look. */
function cluster(
  verbs: readonly string[],
  live: object | undefined | 403,
  kubectl: Partial<Cluster> = {},
): Cluster {
  const find = () =>
    live === 403
      ? Promise.reject(new ApiError(403, 'Forbidden', 'no'))
      : Promise.resolve(live as never)
  return clusterOf({
    find,
    get: find,
    review: (_, body) => {
      const { spec } = body as { spec: { resourceAttributes: Record<string, string> } }
      const { verb = '', namespace, name } = spec.resourceAttributes
      expect({ name, namespace }).toEqual({
        name: 'shop',
        namespace: verb === 'create' ? undefined : 'shop',
      })
      return Promise.resolve({ status: { allowed: verbs.includes(verb) } } as never)
    },
    ...kubectl,
  })
}

describe('the look-up of the namespace', () => {
  test.each([
    ['is there', { metadata: { uid: 'u' } }, { is: 'there', uid: 'u' }],
    ['is hidden', 403 as const, { is: 'hidden' }],
    ['is missing, and may be made', undefined, { is: 'missing' }],
  ])('finds that it %s', async (_, live, presence) => {
    expect(await checkNamespace(cluster(['create'], live), withIt)).toEqual(presence)
  })

  test.each([
    ['no manifest has it', noManifests, 'does not exist'],
    ['the account may not', withIt, 'does not exist, and this account may not create it'],
  ])('fails when it is missing and %s', async (_, manifests, words) => {
    expect(await causeOf(checkNamespace(cluster([], undefined), manifests))).toMatchObject({
      code: 'namespace-missing',
      sentence: `the namespace "shop" ${words}`,
      hint: expect.stringContaining('kubectl create namespace shop'),
    })
  })
})

describe('the creation of the namespace', () => {
  const make = async (is: Presence['is'], verbs: readonly string[], stderr?: string) => {
    const presence: Presence = is === 'there' ? { is, uid: 'u' } : { is }
    const calls: string[] = []
    const stageLog = notebook()
    const here = cluster(verbs, undefined, {
      kubectl: (args) => {
        calls.push(args.join(' '))
        return Promise.resolve({
          code: stderr === undefined ? 0 : 1,
          stdout: '',
          stderr: stderr ?? '',
        })
      },
    })
    await makeNamespace(stageLog, here, manifest, presence)
    return { calls, said: stageLog.lines }
  }
  const called = ['create --save-config -f -']

  test.each([
    ['there', ['create'], undefined, [], []],
    ['missing', ['create'], undefined, called, ['namespace/shop created']],
    ['hidden', [], undefined, [], []],
    [
      'hidden',
      ['create'],
      'Error from server (AlreadyExists): namespaces "shop" already exists',
      called,
      [],
    ],
  ] as const)(
    'ends as expected when it is %s, the account may %j and the server answers %s',
    async (is, verbs, says, calls, said) => {
      expect(await make(is, verbs, says)).toEqual({ calls, said })
    },
  )

  test('fails with the reason of the server', async () => {
    const says = 'Error from server (Forbidden): denied by policy'
    expect(await causeOf(make('missing', ['create'], says))).toMatchObject({
      code: 'namespace-missing',
      sentence: 'the namespace "shop" does not exist, and creating it failed: denied by policy',
    })
  })
})

describe('the labels of the namespace', () => {
  test.each([
    ['all rights', ['get', 'patch', 'update'], {}, [manifest], 0],
    ['no rights', [], {}, [], 0],
    [
      'to look, and all is so',
      ['get'],
      { metadata: { labels: { team: 'a', tier: 'b', x: 'y' } } },
      [],
      0,
    ],
    ['to look, and some are not', ['get'], { metadata: { labels: { team: 'x' } } }, [], 1],
  ])('are written as far as the account may: %s', async (_, verbs, live, applied, warnings) => {
    const found = await labelling(cluster(verbs, live), withIt)
    expect(found.applied).toEqual(applied)
    expect(found.warnings).toHaveLength(warnings)
    if (warnings > 0) expect(found.warnings[0]).toContain('Its manifest differs in: team, tier')
  })

  test('need no request without a manifest', async () => {
    expect(await labelling(clusterOf({}), noManifests)).toEqual({ applied: [], warnings: [] })
  })
})
