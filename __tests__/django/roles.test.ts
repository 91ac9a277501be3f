import { describe, expect, test } from '@jest/globals'
import type { Container, Service } from 'kubernetes-types/core/v1'
import { roleOf, runsBeat, webWorkload } from '../../src/django/roles.js'
import type { Candidate } from '../../src/django/roles.js'

const container = (command?: string[], args?: string[], port?: number): Container => ({
  name: 'app',
  ...(command ? { command } : {}),
  ...(args ? { args } : {}),
  ...(port === undefined ? {} : { ports: [{ containerPort: port }] }),
})

describe('the role of a container', () => {
  test.each<[string, string[] | undefined, string[] | undefined, number | undefined, string]>([
    ['gunicorn', ['gunicorn', 'shop.wsgi', '--bind=:8000'], undefined, undefined, 'web'],
    ['a path', ['/venv/bin/uvicorn', 'shop.asgi:application'], undefined, undefined, 'web'],
    ['args behind an entrypoint', undefined, ['daphne', 'shop.asgi:application'], undefined, 'web'],
    ['a module', ['python', '-m', 'gunicorn', 'shop.wsgi'], undefined, undefined, 'web'],
    ['runserver', ['python', 'manage.py', 'runserver', '0:8000'], undefined, undefined, 'web'],
    ['a shell', ['sh', '-c', 'sleep 1; exec gunicorn shop.wsgi'], undefined, undefined, 'web'],
    ['no command, a port', undefined, undefined, 8000, 'web'],
    ['no command, no port', undefined, undefined, undefined, 'other'],
    ['a worker', ['celery', '-A', 'shop', 'worker', '-l', 'info'], undefined, undefined, 'worker'],
    ['an app named worker', ['celery', '-A', 'worker', 'beat'], undefined, undefined, 'beat'],
    ['a worker with a port', ['celery', '--app=shop', 'worker'], undefined, 9540, 'worker'],
    [
      'a module of celery',
      ['python', '-m', 'celery', '-A', 'shop', 'beat'],
      undefined,
      undefined,
      'beat',
    ],
    ['flower', ['celery', '-A', 'shop', 'flower', '--port=5555'], undefined, 5555, 'flower'],
    ['inspect', ['celery', '-A', 'shop', 'inspect', 'ping'], undefined, undefined, 'other'],
    [
      'a shell with celery',
      ['bash', '-c', 'celery -A shop worker -l info'],
      undefined,
      undefined,
      'worker',
    ],
    ['rq', ['rq', 'worker', 'default'], undefined, undefined, 'worker'],
    ['dramatiq', ['dramatiq', 'shop.tasks'], undefined, undefined, 'worker'],
    [
      'a command of the project',
      ['python', 'manage.py', 'process_orders'],
      undefined,
      undefined,
      'worker',
    ],
    ['something else', ['sleep', 'infinity'], undefined, undefined, 'other'],
  ])('is recognized: %s', (_name, command, args, port, role) => {
    expect(roleOf(container(command, args, port))).toBe(role)
  })

  test.each([
    [['celery', '-A', 'shop', 'beat'], true],
    [['celery', '-A', 'shop', 'worker', '-B'], true],
    [['sh', '-c', 'celery -A shop worker --beat'], true],
    [['celery', '-A', 'shop', 'worker', '-EB', '-l', 'info'], true],
    [
      [
        'celery',
        '-A',
        'shop',
        'beat',
        '--scheduler',
        'django_celery_beat.schedulers:DatabaseScheduler',
      ],
      true,
    ],
    [['/start-celerybeat'], true],
    [['/entrypoint.sh', 'beat'], true],
    [['python', 'manage.py', 'beat_reports'], false],
    [['/entrypoint.sh', 'drumbeat'], false],
    [['celery', '-A', 'shop', 'worker'], false],
    [['gunicorn', 'shop.wsgi', '-B'], false],
  ])('includes scheduled tasks for %j: %s', (command, beat) => {
    expect(runsBeat(container(command))).toBe(beat)
  })
})

const candidate = (name: string, own: Container, kind = 'Deployment' as const): Candidate => ({
  workload: { kind, name },
  template: {
    metadata: { labels: { app: name } },
    spec: { containers: [{ name: 'nginx', ports: [{ containerPort: 80 }] }, own] },
  },
  containers: ['app'],
})
const service = (app: string): Service => ({ spec: { selector: { app } } })

const web = candidate('web', container(['gunicorn', 'shop.wsgi']))
const plain = candidate('web', container(undefined, undefined, 8000))
const mute = candidate('mute', container())
const api = candidate('api', container(['uvicorn', 'shop.asgi']))
const worker = candidate('worker', container(['celery', '-A', 'shop', 'worker']))
const flower = candidate('flower', container(['celery', '-A', 'shop', 'flower'], undefined, 5555))

describe('the workload that serves the web', () => {
  test.each<[string, Candidate[], Service[], string | undefined, string]>([
    ['behind a Service', [worker, web, api], [service('web')], undefined, 'web by service'],
    ['by its port', [worker, plain], [service('web')], undefined, 'web by service'],
    ['not flower', [flower, web], [service('web'), service('flower')], undefined, 'web by service'],
    [
      'a server before a port',
      [plain, api],
      [service('web'), service('api')],
      undefined,
      'api by service',
    ],
    ['without a Service', [worker, web], [], undefined, 'web by command'],
    ['the only one', [worker], [], undefined, 'worker by only'],
    ['named', [web, worker], [service('web')], 'worker', 'worker by named'],
    ['named with its kind', [web, worker], [], 'deployment/worker', 'worker by named'],
    ['a wrong name', [web, worker], [], 'wep', 'no-such-name: deployment/web, deployment/worker'],
    [
      'two behind Services',
      [web, api],
      [service('web'), service('api')],
      undefined,
      'several: deployment/web, deployment/api',
    ],
    [
      'two that say nothing',
      [mute, worker],
      [],
      undefined,
      'several: deployment/mute, deployment/worker',
    ],
    [
      'a Service without a selector',
      [mute, worker],
      [{ spec: {} }],
      undefined,
      'several: deployment/mute, deployment/worker',
    ],
    ['none', [], [service('web')], undefined, 'none: '],
  ])('is found: %s', (_name, candidates, services, from, expected) => {
    const found = webWorkload(candidates, services, from)
    expect(
      found.is === 'found'
        ? `${found.candidate.workload.name} by ${found.because}`
        : `${found.because}: ${found.candidates.join(', ')}`,
    ).toBe(expected)
  })

  test('is found with the container that is our web server', () => {
    const both: Candidate = {
      workload: { kind: 'Deployment', name: 'all' },
      template: {
        spec: {
          containers: [
            { name: 'worker', command: ['celery', 'worker'] },
            { name: 'server', command: ['gunicorn', 'shop.wsgi'] },
          ],
        },
      },
      containers: ['worker', 'server'],
    }
    expect(webWorkload([both], [])).toMatchObject({ is: 'found', container: 'server' })
  })

  test('is not one with only an init container of ours', () => {
    expect(webWorkload([{ ...web, containers: ['assets'] }], [])).toMatchObject({ because: 'none' })
  })
})
