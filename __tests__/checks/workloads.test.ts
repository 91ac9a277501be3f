import { describe, expect, test } from '@jest/globals'
import { pullFindings, workloadFindings } from '../../src/checks/workloads.js'
import { celery, gunicorn, kubectl, subject, type Drawn } from './subjects.js'

const uwsgi = (...options: readonly string[]) => ({
  ...gunicorn,
  command: ['uwsgi', '--http', ':8000', '--module', 'shop.wsgi', ...options],
})
const patch = (change: object, id = 'deployment/web') =>
  `kubectl -n shop patch ${id} --patch ${JSON.stringify(change)}`
const rolling = (more: object) => ({ strategy: { type: 'RollingUpdate', rollingUpdate: more } })
const recreate = { spec: { strategy: { type: 'Recreate', rollingUpdate: null } } }
const grace = { spec: { template: { spec: { terminationGracePeriodSeconds: 300 } } } }
const noneGone = { spec: { strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } } } }

describe('no finding is reported', () => {
  test.each<[string, Drawn]>([
    [
      'a Deployment as the API server completes it',
      {
        spec: {
          replicas: 2,
          revisionHistoryLimit: 10,
          ...rolling({ maxUnavailable: '25%', maxSurge: '25%' }),
        },
      },
    ],
    ['one pod that is replaced by a second one', { spec: { replicas: 1 } }],
    [
      'two pods of which one may go',
      { spec: { replicas: 2, ...rolling({ maxUnavailable: 1, maxSurge: 0 }) } },
    ],
    [
      'percents that round to none of them',
      { spec: { replicas: 3, ...rolling({ maxUnavailable: '30%', maxSurge: 0 }) } },
    ],
    [
      'a workload without wanted pods',
      { spec: { replicas: 0, ...rolling({ maxUnavailable: '100%', maxSurge: 0 }) } },
    ],
    [
      'a worker without connections, all of whose pods are replaced',
      {
        served: false,
        spec: { strategy: { type: 'Recreate' } },
        containers: [celery('worker')],
        pod: { terminationGracePeriodSeconds: 600 },
      },
    ],
    [
      'one beat that ends before the next one starts',
      {
        served: false,
        containers: [celery('beat')],
        spec: { replicas: 1, strategy: { type: 'Recreate' } },
      },
    ],
    [
      'a beat of a StatefulSet, which ends a pod before it starts the next',
      { kind: 'StatefulSet', served: false, containers: [celery('beat')] },
    ],
    [
      'a beat without wanted pods',
      { served: false, containers: [celery('beat')], spec: { replicas: 0 } },
    ],
    [
      'a worker of another kind',
      { served: false, containers: [{ name: 'rq', command: ['rq', 'worker'] }] },
    ],
    [
      'uWSGI that ends at SIGTERM, and needs its application',
      { containers: [uwsgi('--master', '--need-app', '--die-on-term')] },
    ],
    [
      'uWSGI whose options are in a file',
      { containers: [uwsgi('--master', '--ini', 'uwsgi.ini')] },
    ],
    ['a CronJob that calls celery', { kind: 'CronJob', containers: [celery('worker')] }],
  ])('for %s', (_, drawn) => {
    expect(workloadFindings([subject(drawn)], kubectl)).toEqual([])
  })
})

describe('the finding about a workload and the command that fixes it', () => {
  test.each<[string, Drawn, RegExp, string]>([
    [
      'revisions are not kept',
      { spec: { replicas: 2, revisionHistoryLimit: 0 } },
      /^deployment\/web has revisionHistoryLimit: 0, so/,
      patch({ spec: { revisionHistoryLimit: 10 } }),
    ],
    [
      'all pods end first',
      { spec: { strategy: { type: 'Recreate' } } },
      /^deployment\/web has strategy: Recreate, so there is downtime/,
      patch({ spec: { strategy: { type: 'RollingUpdate' } } }),
    ],
    [
      'its only pod may go',
      { spec: { replicas: 1, ...rolling({ maxUnavailable: 1, maxSurge: 0 }) } },
      /lose its only pod while the new one starts \(maxUnavailable: 1\)/,
      patch(noneGone),
    ],
    [
      'Kubernetes lets one go where both are none',
      { spec: { replicas: 1, ...rolling({ maxUnavailable: 0, maxSurge: 0 }) } },
      /lose its only pod/,
      patch(noneGone),
    ],
    [
      'all three pods may go',
      { spec: { replicas: 3, ...rolling({ maxUnavailable: '100%', maxSurge: 1 }) } },
      /lose all of its 3 pods/,
      patch(noneGone),
    ],
    [
      'tasks have 30 s',
      { served: false, containers: [celery('worker')] },
      /container celery: a Celery task that takes longer than 30 s/,
      patch(grace),
    ],
    [
      'tasks have 30 s, by a shell and beside a beat',
      {
        served: false,
        containers: [{ name: 'all', command: ['sh', '-c', 'exec celery -A shop worker -B'] }],
        pod: { terminationGracePeriodSeconds: 30 },
        spec: { strategy: { type: 'Recreate' } },
      },
      /container all: a Celery task/,
      patch(grace),
    ],
    [
      'beat runs twice',
      { served: false, containers: [celery('beat')], spec: { replicas: 2, ...recreate.spec } },
      /^Celery's beat runs 2 times \(deployment\/web\)/,
      'kubectl -n shop scale deployment/web --replicas=1',
    ],
    [
      'beat runs twice for a moment',
      { served: false, containers: [celery('beat')] },
      /^deployment\/web, container celery: the old and the new Celery beat .* side by side .*: set strategy: Recreate$/,
      patch(recreate),
    ],
    [
      'so does that of a worker, without a surge too',
      {
        served: false,
        containers: [celery('worker', '-B')],
        pod: { terminationGracePeriodSeconds: 90 },
        spec: { replicas: 1, ...rolling({ maxUnavailable: 1, maxSurge: 0 }) },
      },
      /^deployment\/web, container celery: the old and the new Celery beat/,
      patch(recreate),
    ],
  ])('are right when %s', (_, drawn, says, mend) => {
    expect(workloadFindings([subject(drawn)], kubectl)).toEqual([
      { about: 'workloads', severity: 'warning', message: expect.stringMatching(says), fix: mend },
    ])
  })

  test('say that a paused Deployment keeps a release from going live', () => {
    expect(workloadFindings([subject({ spec: { paused: true } })], kubectl)).toEqual([
      {
        about: 'workloads',
        severity: 'error',
        message: 'deployment/web is paused, so a new version would never roll out',
        fix: 'kubectl -n shop rollout resume deployment/web',
      },
    ])
  })

  test('say that a workload that is being deleted cannot be released', () => {
    const deletionTimestamp = '2026-07-01T10:00:00Z'
    const found = workloadFindings([subject({ metadata: { deletionTimestamp } })], kubectl)
    expect(found).toEqual([
      {
        about: 'workloads',
        severity: 'error',
        message: 'deployment/web is being deleted: a write to it would be lost',
        fix: 'kubectl -n shop get deployment/web -o jsonpath={.metadata.finalizers}',
      },
    ])
  })

  test('report a beat beside a web process, which no command moves', () => {
    const [found] = workloadFindings([subject({ containers: [gunicorn, celery('beat')] })], kubectl)
    expect(found?.message).toMatch(
      /container celery: the old and the new Celery beat .* without a Service$/,
    )
    expect(found?.fix).toBeUndefined()
  })

  test('leave the choice between beats of several workloads to a person', () => {
    const [found, ...others] = workloadFindings(
      [
        subject({ served: false, containers: [celery('beat')], spec: recreate.spec }, 'beat'),
        subject(
          {
            served: false,
            containers: [celery('worker', '-B')],
            pod: { terminationGracePeriodSeconds: 90 },
            spec: recreate.spec,
          },
          'worker',
        ),
      ],
      kubectl,
    )
    expect(others).toEqual([])
    expect(found).toEqual({
      about: 'workloads',
      severity: 'warning',
      message:
        "Celery's beat runs 2 times (deployment/beat and deployment/worker), so every scheduled task is sent that often",
    })
  })

  test('report a beat that runs on each node', () => {
    const [found] = workloadFindings(
      [subject({ kind: 'DaemonSet', served: false, containers: [celery('beat')] })],
      kubectl,
    )
    expect(found?.message).toContain('once per node')
    expect(found?.fix).toBeUndefined()
  })

  test('give lines for the manifest where a manifest would undo the command', () => {
    const [found] = workloadFindings(
      [subject({ fromManifest: true, spec: { revisionHistoryLimit: 0 } })],
      kubectl,
    )
    expect(found?.fix).toBe(
      '# in the manifest of deployment/web\nspec:\n  revisionHistoryLimit: 10',
    )
  })

  test('use the replicas of the live object, whatever the manifest has', () => {
    const live = subject({ served: false, containers: [celery('beat')], spec: { replicas: 2 } })
    const manifest = subject({
      served: false,
      containers: [celery('beat')],
      fromManifest: true,
      spec: { replicas: 1, ...recreate.spec },
    })
    expect(live.object.spec.replicas).toBe(2)
    expect(workloadFindings([manifest], kubectl)).toEqual([])
  })
})

test('a workload that another tool manages is reported with the setting that makes the tool leave its image alone', () => {
  const annotations = { 'argocd.argoproj.io/tracking-id': 'shop:apps/Deployment:shop/web' }
  expect(workloadFindings([subject({ metadata: { annotations } })], kubectl)).toEqual([
    {
      about: 'workloads',
      severity: 'warning',
      message:
        'deployment/web belongs to Argo CD (application shop), which resets its image at its next sync, unless the application ignores images',
      fix: expect.stringContaining('# in the application shop\nspec:\n  ignoreDifferences:'),
    },
  ])
})

test.each([
  [
    'Always',
    [
      {
        about: 'workloads',
        severity: 'warning',
        message: expect.stringMatching(
          /^deployment\/web, container web has imagePullPolicy: Always/,
        ),
        fix: patch({
          spec: {
            template: { spec: { containers: [{ name: 'web', imagePullPolicy: 'IfNotPresent' }] } },
          },
        }),
      },
    ],
  ],
  ['IfNotPresent', []],
  [undefined, []],
])('imagePullPolicy %s is judged rightly', (imagePullPolicy, expected) => {
  const container = { ...gunicorn, ...(imagePullPolicy !== undefined && { imagePullPolicy }) }
  expect(pullFindings([subject({ containers: [container] })], kubectl)).toEqual(expected)
})

test.each([
  [
    ['--master', '--need-app'],
    /uWSGI takes SIGTERM for a reload.* killed after 30 s: add --die-on-term/,
  ],
  [['--master', '--die-on-term'], /uWSGI starts without the application.*: add --need-app/],
])('what uWSGI does without an option: %j', (options, message) => {
  const found = workloadFindings([subject({ containers: [uwsgi(...options)] })], kubectl)
  expect(found).toEqual([
    { about: 'workloads', severity: 'warning', message: expect.stringMatching(message) },
  ])
})
