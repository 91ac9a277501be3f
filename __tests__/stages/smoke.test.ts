import { describe, expect, test } from '@jest/globals'
import type { Service } from 'kubernetes-types/core/v1'
import { parse } from 'yaml'
import { endpointsOf, smokeAim } from '../../src/stages/smoke.js'
import type { Web } from '../../src/stages/targets.js'

const web = (probe = ''): Web => ({
  workload: { kind: 'Deployment', name: 'web' },
  template: parse(`
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: web, image: shop:1${probe} }] }
  `) as Web['template'],
  container: 'web',
  containers: ['web'],
})

const service = (yaml: string) => parse(yaml) as Service

describe('what a smoke request asks', () => {
  test.each([
    [
      'the only Service that leads to the web',
      '{ metadata: { name: shop }, spec: { selector: { app: web }, ports: [{ port: 80 }] } }',
      { service: 'shop', port: '' },
    ],
    [
      'its port called http',
      `{ metadata: { name: shop }, spec: { selector: { app: web },
         ports: [{ name: metrics, port: 9100 }, { name: http, port: 80 }] } }`,
      { service: 'shop', port: 'http' },
    ],
    [
      'else its first port',
      `{ metadata: { name: shop }, spec: { selector: { app: web },
         ports: [{ name: wsgi, port: 8000 }, { name: metrics, port: 9100 }] } }`,
      { service: 'shop', port: 'wsgi' },
    ],
  ])('%s', (_, yaml, aim) => {
    expect(smokeAim(web(), [service(yaml)], undefined)).toMatchObject(aim)
  })

  const any = service('{ spec: { selector: { app: web }, ports: [{ port: 80 }] } }')
  const probe = ', readinessProbe: { httpGet: { httpHeaders: [{ name: Host, value: shop.test }] } }'
  test.each([
    ['as localhost', web(), undefined, 'localhost'],
    ['by the name that the readiness probe uses', web(probe), undefined, 'shop.test'],
    ['by the name that is given', web(probe), 'shop.example.com', 'shop.example.com'],
  ])('%s', (_, of, given, host) => {
    expect(smokeAim(of, [any], given)).toMatchObject({ host })
  })

  test.each([
    ['no Service', []],
    ['one for other pods', ['{ spec: { selector: { app: api }, ports: [{ port: 80 }] } }']],
    ['one without a port', ['{ spec: { selector: { app: web } } }']],
  ])('cannot be told with %s', (_, services) => {
    expect(() => smokeAim(web(), services.map(service), undefined)).toThrow(
      '"smoke-path" is asked through a Service, and none leads to web',
    )
  })
})

describe('the pods that a Service sends requests to', () => {
  test.each([
    [
      'those that are ready, or of which it is not said',
      `- ports: [{ name: http, port: 8000 }]
         endpoints:
         - { conditions: { ready: true }, targetRef: { kind: Pod, name: a } }
         - { conditions: { ready: false }, targetRef: { kind: Pod, name: b } }
         - { targetRef: { kind: Pod, name: c } }
         - { conditions: { ready: true } }`,
      [
        { pod: 'a', port: 8000 },
        { pod: 'c', port: 8000 },
      ],
    ],
    [
      'none at another port',
      '- { ports: [{ name: metrics, port: 9 }], endpoints: [{ targetRef: { kind: Pod, name: a } }] }',
      [],
    ],
    ['none of an empty slice', '- { ports: null, endpoints: null }', []],
  ])('%s', (_, yaml, pods) => {
    const slices = parse(yaml.replace(/^ {7}/gm, '')) as Parameters<typeof endpointsOf>[0]
    expect(endpointsOf(slices, 'http')).toEqual(pods)
  })
})
