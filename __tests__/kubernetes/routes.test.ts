import { describe, expect, test } from '@jest/globals'
import type { Service } from 'kubernetes-types/core/v1'
import { parse } from 'yaml'
import type { KubeObject } from '../../src/kubernetes/objects.js'
import { placeOf } from '../../src/kubernetes/selectors.js'

const ingress = (...backends: readonly string[]) =>
  parse(
    `{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web}, spec: {rules: [{http: {paths: [${backends
      .map((backend) => `{path: /, pathType: Prefix, backend: {${backend}}}`)
      .join(', ')}]}}]}}`,
  ) as KubeObject
/** `web 80` */
const to = (text: string) => {
  const [name, port = '80'] = text.split(' ')
  const by = /^\d+$/.test(port) ? 'number' : 'name'
  return `service: {name: ${name}, port: {${by}: ${port}}}`
}
/** `web 80 http`, with the target port 8000 */
const services = (...all: readonly string[]) =>
  all.map((text) => {
    const [name, port, named] = text.split(' ')
    const ports = port ? [{ port: Number(port), name: named, targetPort: 8000 }] : []
    return { metadata: { name }, spec: { ports } } as Service
  })
const of = (live: readonly Service[], becomes = live) => ({ live, becomes })
const web = of(services('web 80 http'))
const none = of([])

describe('an Ingress', () => {
  test.each<
    readonly [
      string,
      KubeObject | undefined,
      KubeObject,
      typeof web,
      boolean,
      string,
      RegExp | undefined,
    ]
  >([
    ['to a Service', undefined, ingress(to('web 80')), web, false, 'last', undefined],
    [
      'to a Service by the name of its port',
      undefined,
      ingress(to('web http')),
      web,
      false,
      'last',
      undefined,
    ],
    [
      'to a new Service',
      undefined,
      ingress(to('web 80')),
      of([], web.live),
      false,
      'last',
      undefined,
    ],
    [
      'to the target port, which some controllers take',
      undefined,
      ingress(to('web 8000')),
      web,
      false,
      'last',
      undefined,
    ],
    ['without backends', undefined, ingress(), none, false, 'last', undefined],
    [
      'to a resource',
      undefined,
      ingress('resource: {apiGroup: k8s.example.com, kind: Bucket, name: static}'),
      none,
      false,
      'last',
      undefined,
    ],
    [
      'that AWS answers',
      undefined,
      ingress(to('ssl-redirect use-annotation'), to('web 80')),
      web,
      false,
      'last',
      undefined,
    ],
    [
      'to a name outside',
      undefined,
      ingress(to('cdn 443')),
      of([{ metadata: { name: 'cdn' }, spec: { type: 'ExternalName' } }]),
      false,
      'last',
      undefined,
    ],
    [
      'to no Service',
      undefined,
      ingress(to('web 80'), to('wbe 80')),
      web,
      false,
      'never',
      /^ingress\/web leads to service\/wbe, which exists neither in the cluster nor in the manifests; correct the name in ingress\/web, or add service\/wbe to the manifests$/,
    ],
    [
      'to a Service that may be made yet',
      undefined,
      ingress(to('pg 80')),
      web,
      true,
      'last',
      /service\/pg, which exists neither/,
    ],
    [
      'that leads nowhere already',
      ingress(to('wbe 80')),
      ingress(to('wbe 80'), to('web 80')),
      web,
      false,
      'last',
      /service\/wbe/,
    ],
    [
      'that leads nowhere in its new version',
      ingress(to('web 80')),
      ingress(to('wbe 80')),
      web,
      false,
      'never',
      /service\/wbe/,
    ],
    [
      'to another number',
      undefined,
      ingress(to('web 8080')),
      web,
      false,
      'never',
      /^ingress\/web leads to port 8080 of service\/web, which has 80 \(http\); use one of these/,
    ],
    [
      'to another name',
      undefined,
      ingress(to('web https')),
      web,
      false,
      'never',
      /port https of service\/web/,
    ],
    [
      'whose Service loses its port',
      ingress(to('web 80')),
      ingress(to('web 80')),
      of(web.live, services('web 81')),
      false,
      'never',
      /port 80 of service\/web, which has 81;/,
    ],
    [
      'that moves with its port',
      ingress(to('web 80')),
      ingress(to('web 81')),
      of(web.live, services('web 81')),
      false,
      'never',
      /^service\/web loses port 80, which ingress\/web uses .*; split the change into two releases: first service\/web with port 80 beside/,
    ],
    [
      'that leaves a Service',
      ingress(to('web 80')),
      ingress(to('api 80')),
      of(services('web 80', 'api 80')),
      false,
      'last',
      undefined,
    ],
  ])('%s is judged rightly', (_, before, after, all, makes, when, says) => {
    const placed = placeOf(before, after, [], { services: all, makes })
    expect(placed.when).toBe(when)
    const told = placed.when === 'never' ? `${placed.sentence}; ${placed.hint}` : placed.warning
    if (says) expect(told).toMatch(says)
    else expect(told).toBeUndefined()
  })

  test('is judged by its default backend too', () => {
    const text = `{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web}, spec: {defaultBackend: {${to('wbe 80')}}}}`
    expect(placeOf(undefined, parse(text) as KubeObject, [], { services: web }).when).toBe('never')
  })
})

describe('a route', () => {
  const gateway = (refs: string) =>
    `{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: web, namespace: shop}, spec: {rules: [{backendRefs: [${refs}]}]}}`
  const traefik = (refs: string) =>
    `{apiVersion: traefik.io/v1alpha1, kind: IngressRoute, metadata: {name: web, namespace: shop}, spec: {routes: [{match: a, services: [${refs}]}]}}`
  test.each([
    ['last', gateway('{name: web, port: 80}')],
    ['last', gateway('{name: web, namespace: other, port: 80}')],
    ['last', gateway('{name: bucket, group: acme.example.com, kind: Bucket}')],
    ['last', gateway('{name: wbe, port: 80, weight: 0}')],
    ['never', gateway('{name: wbe, port: 80}')],
    ['never', gateway('{name: web, namespace: shop, port: 81}')],
    ['last', gateway('')],
    ['last', traefik('{name: web, port: http}')],
    ['last', traefik('{name: api@internal, kind: TraefikService}')],
    ['never', traefik('{name: wbe, port: 80}')],
    ['last', '{apiVersion: projectcontour.io/v1, kind: HTTPProxy, metadata: {name: web}}'],
    ['last', '{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: web}}'],
  ])('is "%s" for %s', (when, text) => {
    expect(placeOf(undefined, parse(text) as KubeObject, [], { services: web }).when).toBe(when)
  })
})
