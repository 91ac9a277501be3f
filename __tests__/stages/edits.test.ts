import { describe, expect, test } from '@jest/globals'
import { parse } from 'yaml'
import { ApiError } from '../../src/kubernetes/api-error.js'
import { templateOf, type KubeObject, type WorkloadObject } from '../../src/kubernetes/objects.js'
import {
  edited,
  imageCommands,
  patchCommands,
  planEdits,
  writeEdits,
} from '../../src/stages/edits.js'
import type { Target } from '../../src/kubernetes/target.js'
import { clusterOf } from '../support/cluster.js'
import { notebook } from '../support/journal.js'
import { scripted } from '../support/scripted.js'
import { contextOf } from '../support/settings.js'
import { pinned, target } from '../support/targets.js'

const range = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, nth) => `deployment/w${from + nth}`)

const manifest = { kind: 'Deployment', metadata: {}, spec: {} } as WorkloadObject

describe('the kubectl set image of the log', () => {
  test.each([
    ['one workload', 'web: [web]', ['deployment/web web']],
    [
      'many with a container of the same name share a call',
      '{web: [app], worker: [app], clean: [app]}',
      ['deployment/web deployment/worker cronjob/clean app'],
    ],
    [
      'others need their own: a name that one lacks would fail the call half-way',
      '{web: [web, -nginx], worker: [worker, -nginx]}',
      ['deployment/web web', 'deployment/worker worker'],
    ],
    ['a foreign container keeps its image', 'web: [web, -nginx]', ['deployment/web web']],
    [
      'more than a call writes quickly go side by side, in parts of about the same length',
      `{${Array.from({ length: 32 }, (_, nth) => `w${nth}: [w${nth}]`).join(', ')}}`,
      [range(0, 11), range(11, 22), range(22, 32)].map((ids) => `${ids.join(' ')} *`),
    ],
    [
      'all containers ours: one call for all such workloads',
      '{web: [web, migrate], worker: [worker, sidecar]}',
      ['deployment/web deployment/worker *'],
    ],
  ])('is called with the right arguments: %s', (_, workloads, calls) => {
    const targets = Object.entries(parse(workloads) as Record<string, string[]>).map(
      ([name, containers]) => target(name, containers),
    )
    expect(
      imageCommands(targets, pinned).map((args) =>
        args
          .slice(2)
          .map((word) => word.replace(`=${pinned}`, ''))
          .join(' '),
      ),
    ).toEqual(calls)
  })

  test('is not called for workloads of the manifests', () => {
    expect(imageCommands([target('web', ['web'], { manifest })], pinned)).toEqual([])
  })
})

/** What the server makes of a strategic merge patch: containers are merged by their names. */
function merged(template: object, patch: object): unknown {
  const named = (value: unknown): value is readonly { name: string }[] => Array.isArray(value)
  return Object.fromEntries(
    Object.entries({ ...template, ...patch }).map(([key, value]) => {
      const [old, now] = [template, patch].map((side) => (side as Record<string, unknown>)[key])
      if (now === undefined || old === undefined) return [key, value]
      if (named(old) && named(now)) {
        return [key, old.map((one) => ({ ...one, ...now.find(({ name }) => name === one.name) }))]
      }
      return [key, typeof now === 'object' ? merged(old as object, now!) : now]
    }),
  )
}

test('the recorded template equals the one that kubectl patch writes', () => {
  const restart = { hash: 'abc', because: [] }
  const web = target('web', ['web', '-nginx'], { restart })
  const init = { name: 'init', init: true, image: 'ghcr.io/acme/shop:old' }
  const live = templateOf(web.live!)
  const initContainers = [{ name: 'init', image: init.image }]
  const template = {
    ...live,
    spec: { ...live.spec, containers: live.spec?.containers ?? [], initContainers },
  }
  const whole = {
    ...web,
    uses: [init, ...web.uses],
    live: { ...web.live, spec: { template } } as WorkloadObject,
  }
  const [command = []] = patchCommands([whole], pinned)
  const patch = JSON.parse(command.at(-1) ?? '') as { spec: { template: object } }

  expect(templateOf(edited(whole, pinned))).toEqual(merged(template, patch.spec.template))
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
