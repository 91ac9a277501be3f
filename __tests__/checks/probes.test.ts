import { describe, expect, test } from '@jest/globals'
import type { Container } from 'kubernetes-types/core/v1'
import { probeFindings, type SmokeOptions } from '../../src/checks/probes.js'
import { celery, gunicorn, kubectl, subject, type Drawn } from './subjects.js'

const httpGet = { path: '/healthz', port: 'http' }
const ready = { ...gunicorn, readinessProbe: { httpGet } }
const nginx: Container = { name: 'nginx', image: 'nginx:1', readinessProbe: { httpGet } }
const mendBy = (container: object) =>
  `kubectl -n shop patch deployment/web --patch ${JSON.stringify({ spec: { template: { spec: { containers: [{ name: 'web', ...container }] } } } })}`

const found = (drawn: Drawn, readyMs?: number, asked: SmokeOptions = {}) =>
  probeFindings(
    [subject(drawn)],
    readyMs === undefined ? {} : { 'deployment/web': readyMs },
    asked,
    kubectl,
  )

test('a readinessProbe in every workload that is served is ok', () => {
  expect(found({ containers: [ready] })).toEqual([
    { about: 'probes', severity: 'ok', message: 'deployment/web: has a readinessProbe' },
  ])
})

test.each<[string, Drawn]>([
  ['a worker without connections', { served: false, containers: [celery('worker')] }],
  ['a CronJob', { kind: 'CronJob' }],
])('%s needs no readinessProbe, so no finding is reported', (_, drawn) => {
  expect(found(drawn)).toEqual([])
})

test('the readinessProbe of a sidecar may be the one that counts', () => {
  expect(found({ containers: [gunicorn, nginx] })[0]?.severity).toBe('ok')
})

describe('a readinessProbe that checks the port alone', () => {
  const tcp = { ...gunicorn, readinessProbe: { tcpSocket: { port: 8000 } } }

  test('is reported as ok where nothing better is known', () => {
    expect(found({ containers: [tcp] })).toEqual([
      {
        about: 'probes',
        severity: 'ok',
        message:
          'deployment/web: has a readinessProbe; that of deployment/web checks only the port: set "smoke-path" to request a page',
      },
    ])
  })

  test('is reported with the page of "smoke-path" as its fix', () => {
    const probe = { httpGet: { path: '/up', port: 8000 }, periodSeconds: 2, tcpSocket: null }
    expect(found({ containers: [tcp] }, undefined, { 'smoke-path': '/up' })).toMatchObject([
      { severity: 'warning', fix: mendBy({ readinessProbe: probe }) },
    ])
  })
})

describe('a missing readinessProbe is reported with the best probe that is known', () => {
  const tcp = { tcpSocket: { port: 8000 }, periodSeconds: 2 }
  test.each<[string, Container, SmokeOptions, object | undefined]>([
    ['nothing known', gunicorn, {}, tcp],
    [
      'a path of the user',
      gunicorn,
      { 'smoke-path': '/up' },
      { httpGet: { path: '/up', port: 8000 }, periodSeconds: 2 },
    ],
    [
      'a path and a host',
      gunicorn,
      { 'smoke-path': '/up', 'smoke-host': 'shop.io' },
      {
        httpGet: { path: '/up', port: 8000, httpHeaders: [{ name: 'Host', value: 'shop.io' }] },
        periodSeconds: 2,
      },
    ],
    [
      'a livenessProbe',
      { ...gunicorn, livenessProbe: { httpGet, failureThreshold: 9 } },
      { 'smoke-path': '/up' },
      { httpGet, periodSeconds: 2 },
    ],
    ['no port', { name: 'web', command: ['gunicorn'] }, {}, undefined],
    [
      'several ports',
      { ...gunicorn, ports: [{ containerPort: 9100 }, { name: 'http', containerPort: 8000 }] },
      {},
      tcp,
    ],
  ])('for "%s"', (_, container, asked, readinessProbe) => {
    expect(found({ containers: [container] }, undefined, asked)).toEqual([
      {
        about: 'probes',
        severity: 'warning',
        message:
          'deployment/web, container web has no readinessProbe: its new pods receive requests before they can answer, and a rollout counts them as Ready at once',
        ...(readinessProbe && { fix: mendBy({ readinessProbe }) }),
      },
    ])
  })
})

describe('a livenessProbe that may end a slow start is found', () => {
  const both = (more: object): Container => ({ ...ready, livenessProbe: { httpGet, ...more } })
  test.each<[string, Container, number | undefined, boolean]>([
    [
      'half of its time was needed',
      both({ periodSeconds: 10, failureThreshold: 3 }),
      15_000,
      false,
    ],
    ['more than half of it', both({ periodSeconds: 10, failureThreshold: 3 }), 16_000, true],
    ['by the defaults of the API', both({}), 16_000, true],
    ['it begins late', both({ initialDelaySeconds: 60 }), 16_000, false],
    ['a startupProbe runs before it', { ...both({}), startupProbe: { httpGet } }, 16_000, false],
    [
      'it requests another page, which may answer sooner',
      both({ httpGet: { path: '/version', port: 'http' } }),
      16_000,
      false,
    ],
    ['no pod was seen to start', both({}), undefined, false],
  ])('when "%s"', (_, container, readyMs, told) => {
    const [first, ...others] = found({ containers: [container] }, readyMs)
    expect(others).toEqual([])
    expect(first?.severity).toBe(told ? 'warning' : 'ok')
    if (!told) return
    expect(first?.message).toBe(
      'deployment/web, container web took 16 s to become Ready, and its livenessProbe kills one that takes 30 s: on a busy node a healthy start may never finish',
    )
    expect(first?.fix).toBe(
      mendBy({ startupProbe: { httpGet, periodSeconds: 2, failureThreshold: 80 } }),
    )
  })
})
