import { describe, expect, test } from '@jest/globals'
import { ApiError } from '../../src/kubernetes/api-error.js'
import { templateOf, type KubeObject, type WorkloadObject } from '../../src/kubernetes/objects.js'
import { edited, planEdits, writeEdits } from '../../src/stages/edits.js'
import type { Target } from '../../src/kubernetes/target.js'
import { clusterOf } from '../support/cluster.js'
import { notebook } from '../support/journal.js'
import { scripted } from '../support/scripted.js'
import { contextOf } from '../support/settings.js'
import { pinned, target } from '../support/targets.js'

const manifest = { kind: 'Deployment', metadata: {}, spec: {} } as WorkloadObject

describe('the log of the writes', () => {
  const back = templateOf(target('api', ['api']).live!)
  test.each<[string, readonly Target[], readonly string[]]>([
    [
      'the image has one line, with all containers that get it',
      [target('web', ['init', 'web', '-nginx']), target('clean', ['app'])],
      [
        `image ${pinned} for deployment/web (init, web), cronjob/clean (app), each by one write over the version in the snapshot`,
      ],
    ],
    [
      'an earlier template has its own',
      [target('web', ['web'], { back }), target('api', ['api'], { back })],
      ['web', 'api'].map((name) => `deployment/${name} gets the pod template of that release`),
    ],
    ['a workload of the manifests is not written here', [target('web', ['web'], { manifest })], []],
  ])('%s', async (_, targets, lines) => {
    const log = notebook()
    const cluster = clusterOf({
      put: <T>(_path: string, body: unknown) => Promise.resolve(body as T),
    })
    const context = contextOf(scripted([]).platform).with({ cluster, log })
    const version = { repository: 'ghcr.io/acme/shop', image: pinned, cause: 'release' }
    await Promise.all(writeEdits(context, targets, version, () => undefined))
    expect(log.lines).toEqual(lines)
  })
})

test.each<[string, Partial<Target>, object]>([
  ['an image alone', {}, {}],
  [
    'an image and the hash of a changed configuration',
    { restart: { hash: 'abc', because: [] } },
    { metadata: { annotations: { 'django-rollout/config-hash': 'abc' } } },
  ],
])('the template gets %s, in init containers too; others stay', (_, more, also) => {
  const web = target('web', ['web', '-nginx'], more)
  const init = { name: 'init', init: true, image: 'ghcr.io/acme/shop:old' }
  const spec = (image: string) => ({
    initContainers: [{ name: 'init', image }],
    containers: [
      { name: 'web', image },
      { name: 'nginx', image: 'nginx' },
    ],
  })
  const live = { ...web.live, spec: { template: { spec: spec(init.image) } } } as WorkloadObject

  expect(templateOf(edited({ ...web, uses: [init, ...web.uses], live }, pinned))).toEqual({
    spec: spec(pinned),
    ...also,
  })
})

describe('the server is asked for a dry run before the first write', () => {
  const stamped = (object: KubeObject): KubeObject => ({
    ...object,
    spec: {
      template: { ...templateOf(object as WorkloadObject), metadata: { labels: { team: 'a' } } },
    },
  })
  const plan = (dryRun: (object: KubeObject) => KubeObject, more: Partial<Target> = {}) => {
    const stageLog = notebook()
    const asked: KubeObject[] = []
    const cluster = clusterOf({
      dryRun: <T>(_path: string, body: unknown) =>
        // eslint-disable-next-line @typescript-eslint/require-await
        (async () => {
          asked.push(body as KubeObject)
          return dryRun(body as KubeObject) as T
        })(),
    })
    const targets = [target('web', ['web'], more)]
    const version = { repository: 'ghcr.io/acme/shop', image: pinned, cause: 'release' }
    return planEdits({ cluster, log: stageLog }, targets, version).then(([becomes]) => ({
      becomes,
      lines: stageLog.lines,
      asked,
    }))
  }
  const refuse = (status: number, message: string) => () => {
    throw new ApiError(status, '', message)
  }

  test('and a stamped template is recorded', async () => {
    const { becomes, asked } = await plan(stamped)
    expect(templateOf(becomes!)).toMatchObject({
      metadata: { labels: { team: 'a' } },
      spec: { containers: [{ name: 'web', image: pinned }] },
    })
    expect(becomes?.metadata?.annotations).toEqual({ 'kubernetes.io/change-cause': 'release' })
    // Whoever writes in that moment is no conflict, and does not come with the answer.
    expect(asked[0]?.metadata).not.toHaveProperty('resourceVersion')
  })

  test('and a manifest has its own dry run', async () => {
    expect(await plan(refuse(500, 'not asked'), { manifest })).toMatchObject({ asked: [] })
  })

  test.each([
    ['a webhook that takes no dry run', 400, 'admission webhook "x" does not support dry run', 1],
    ['a workload that is gone', 404, 'not found', 0],
    ['another one of its name', 409, 'the UID in the precondition', 0],
  ])('and the template stays as sent for %s', async (_, status, message, lines) => {
    const planned = await plan(refuse(status, message))
    expect(templateOf(planned.becomes!).spec?.containers[0]?.image).toBe(pinned)
    expect(planned.lines).toHaveLength(lines)
  })

  test('and a refusal ends the release before any write', async () => {
    const message = 'admission webhook "x" denied the request: no new versions on Fridays'
    await expect(plan(refuse(403, message))).rejects.toMatchObject({
      cause: {
        code: 'write-failed',
        sentence: `the cluster refuses the new version of deployment/web: ${message}`,
      },
    })
  })
})

describe('a workload is written by one request that names the version of the snapshot', () => {
  const version = { repository: 'ghcr.io/acme/shop', image: pinned, cause: 'release' }
  const web = target('web', ['web', '-nginx'])
  const snapshot: Target = {
    ...web,
    live: { ...web.live!, metadata: { name: 'web', resourceVersion: '1' } },
  }
  const at = (resourceVersion: string, more: object = {}): WorkloadObject => ({
    ...snapshot.live!,
    metadata: { name: 'web', resourceVersion },
    spec: { ...snapshot.live!.spec, ...more },
  })
  const conflict = new ApiError(409, 'Conflict', 'the object has been modified')

  /** @param answers what each PUT gets, `found` what each GET finds. */
  async function write(
    answers: readonly (Error | 'done')[],
    found: readonly (WorkloadObject | undefined)[] = [],
  ) {
    const [left, finds] = [[...answers], [...found]]
    const asked: string[] = []
    const sent: WorkloadObject[] = []
    const cluster = clusterOf({
      commandLine: (args) => args.join(' '),
      find: <T>() => {
        asked.push('GET')
        return Promise.resolve(finds.shift() as T | undefined)
      },
      put: <T>(_path: string, body: unknown) => {
        asked.push(`PUT ${(body as WorkloadObject).metadata?.resourceVersion ?? ''}`)
        const answer = left.shift() ?? 'done'
        if (answer !== 'done') return Promise.reject(answer)
        sent.push(body as WorkloadObject)
        return Promise.resolve(body as T)
      },
    })
    const context = contextOf(scripted([]).platform).with({ cluster, log: notebook() })
    const got: KubeObject[] = []
    const error = await Promise.all(
      writeEdits(context, [snapshot], version, (objects) => got.push(...objects)),
    ).then(
      () => undefined,
      (thrown: unknown) => (thrown as { cause?: { code?: string } }).cause?.code,
    )
    return { asked, sent, got, error }
  }

  test('with image and change-cause at once, and without a look before it', async () => {
    const { asked, sent, got } = await write(['done'])
    expect(asked).toEqual(['PUT 1'])
    expect(templateOf(sent[0]!).spec?.containers).toEqual([
      { name: 'web', image: pinned },
      { name: 'nginx', image: 'nginx' },
    ])
    expect(sent[0]?.metadata?.annotations).toEqual({ 'kubernetes.io/change-cause': 'release' })
    expect(got).toEqual(sent)
  })

  test('again, on what a scaling has left', async () => {
    const { asked, sent } = await write([conflict, 'done'], [at('2', { replicas: 7 })])
    expect(asked).toEqual(['PUT 1', 'GET', 'PUT 2'])
    expect(sent[0]?.spec).toMatchObject({ replicas: 7 })
  })

  test('again as it was, when no answer came: the version tells whether it arrived', async () => {
    const mine = {
      ...at('2', { template: edited({ ...snapshot, live: snapshot.live! }, pinned).spec.template }),
      metadata: {
        name: 'web',
        resourceVersion: '2',
        annotations: { 'kubernetes.io/change-cause': 'release' },
      },
    }
    const lost = new Error('read ECONNRESET')
    const { asked, error } = await write([lost, conflict], [mine])
    expect({ asked, error }).toEqual({ asked: ['PUT 1', 'PUT 1', 'GET'], error: undefined })
  })

  test.each<[string, WorkloadObject | undefined]>([
    ['another template', target('web', ['web', '-squid']).live],
    ['nothing', undefined],
  ])('and not over what others have made of it: %s', async (_, found) => {
    const { asked, error } = await write([conflict], [found])
    expect({ asked, error }).toEqual({ asked: ['PUT 1', 'GET'], error: 'superseded' })
  })
})
