import { describe, expect, test } from '@jest/globals'
import type { PodTemplateSpec } from 'kubernetes-types/core/v1'
import { parse } from 'yaml'
import type { WorkloadObject } from '../../src/kubernetes/objects.js'
import {
  broughtBack,
  differences,
  isTemplates,
  neededBy,
  templatesDiffer,
} from '../../src/undo/templates.js'

type Json = Readonly<Record<string, unknown>>

/** One container `web` with these fields; `pod` and `meta` are of the pod. */
function template(text: string): PodTemplateSpec {
  const { pod, meta, more, ...web } = (parse(text) ?? {}) as Json
  const containers = [{ name: 'web', ...web }, ...((more ?? []) as Json[])]
  return { metadata: meta ?? {}, spec: { containers, ...(pod as object) } as never }
}

function merged(then: string, released: string, now: string): PodTemplateSpec {
  const spec = { template: template(now) }
  const live: WorkloadObject = { apiVersion: 'apps/v1', kind: 'Deployment', spec }
  return broughtBack(template(then), template(released), live)
}

describe('the restored template', () => {
  test.each<[string, string, string, string, string]>([
    [
      'a field as the release of then wrote it',
      '{command: [a]}',
      '{command: [b]}',
      '{command: [b]}',
      '{command: [a]}',
    ],
    ['nothing where it had none', '{}', '{command: [b]}', '{command: [b]}', '{}'],
    ['a field that the last release did not have', '{command: [a]}', '{}', '{}', '{command: [a]}'],
    [
      'not what a person has set since',
      '{command: [a]}',
      '{command: [b]}',
      '{command: [c]}',
      '{command: [c]}',
    ],
    ['not what a person has added', '{}', '{}', '{command: [c]}', '{command: [c]}'],
    [
      'a variable, beside one that a person has added',
      '{env: [{name: A, value: "1"}]}',
      '{env: [{name: A, value: "2"}, {name: B, value: "2"}]}',
      '{env: [{name: A, value: "2"}, {name: B, value: "2"}, {name: C, value: "9"}]}',
      '{env: [{name: A, value: "1"}, {name: C, value: "9"}]}',
    ],
    [
      'no list where only a person has some of it',
      '{}',
      '{env: [{name: A, value: "2"}]}',
      '{env: [{name: A, value: "2"}, {name: C, value: "9"}]}',
      '{env: [{name: C, value: "9"}]}',
    ],
    [
      'a probe, with a limit that a person has raised',
      '{livenessProbe: {a: 1}, resources: {limits: {cpu: 1, memory: 1}}}',
      '{livenessProbe: {a: 2}, resources: {limits: {cpu: 2, memory: 1}}}',
      '{livenessProbe: {a: 2}, resources: {limits: {cpu: 2, memory: 3}}}',
      '{livenessProbe: {a: 1}, resources: {limits: {cpu: 1, memory: 3}}}',
    ],
    [
      'no container that came later, and one that a person has put there',
      '{}',
      '{more: [{name: new, image: n}]}',
      '{more: [{name: new, image: n}, {name: hand, image: h}]}',
      '{more: [{name: hand, image: h}]}',
    ],
    [
      'volumes with their mounts, which are known by their paths',
      '{volumeMounts: [{name: v, mountPath: /a}, {name: v, mountPath: /b}], pod: {volumes: [{name: v}]}}',
      '{}',
      '{volumeMounts: [{name: hand, mountPath: /c}], pod: {volumes: [{name: hand}]}}',
      '{volumeMounts: [{name: v, mountPath: /a}, {name: v, mountPath: /b}, {name: hand, mountPath: /c}], pod: {volumes: [{name: v}, {name: hand}]}}',
    ],
    [
      'a variable by its value, when a person has given it another one',
      '{env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: a}}}]}',
      '{env: [{name: A, valueFrom: {secretKeyRef: {name: t, key: b}}}]}',
      '{env: [{name: A, value: "9"}]}',
      '{env: [{name: A, value: "9"}]}',
    ],
    [
      'and by what a person has made it read, name and key',
      '{env: [{name: A, value: "1"}, {name: B, valueFrom: {secretKeyRef: {name: s, key: a}}}]}',
      '{env: [{name: A, value: "2"}, {name: B, valueFrom: {secretKeyRef: {name: t, key: b}}}]}',
      '{env: [{name: A, valueFrom: {fieldRef: {fieldPath: x}}}, {name: B, valueFrom: {secretKeyRef: {name: u, key: b}}}]}',
      '{env: [{name: A, valueFrom: {fieldRef: {fieldPath: x}}}, {name: B, valueFrom: {secretKeyRef: {name: u, key: b}}}]}',
    ],
    [
      'a variable that read a Secret then',
      '{env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: a}}}]}',
      '{env: [{name: A, value: "2"}]}',
      '{env: [{name: A, value: "2"}, {name: C, value: "9"}]}',
      '{env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: a}}}, {name: C, value: "9"}]}',
    ],
    [
      'one handler of a probe: that of a person, with the times of then',
      '{readinessProbe: {httpGet: {path: /, port: 1}, periodSeconds: 1}}',
      '{readinessProbe: {httpGet: {path: /ok, port: 1}, periodSeconds: 2}}',
      '{readinessProbe: {exec: {command: [x]}, periodSeconds: 2}}',
      '{readinessProbe: {exec: {command: [x]}, periodSeconds: 1}}',
    ],
    [
      'the handler of then, with a time that a person has set',
      '{lifecycle: {preStop: {exec: {command: [x]}}}, readinessProbe: {tcpSocket: {port: 1}, periodSeconds: 1}}',
      '{lifecycle: {preStop: {sleep: {seconds: 1}}}, readinessProbe: {httpGet: {path: /, port: 1}, periodSeconds: 2}}',
      '{lifecycle: {preStop: {sleep: {seconds: 9}}}, readinessProbe: {httpGet: {path: /, port: 1}, periodSeconds: 9}}',
      '{lifecycle: {preStop: {sleep: {seconds: 9}}}, readinessProbe: {tcpSocket: {port: 1}, periodSeconds: 9}}',
    ],
    [
      'the path of then, with a port that a person has set',
      '{livenessProbe: {httpGet: {path: /a, port: 1}}}',
      '{livenessProbe: {httpGet: {path: /b, port: 1}}}',
      '{livenessProbe: {httpGet: {path: /b, port: 9}}}',
      '{livenessProbe: {httpGet: {path: /a, port: 9}}}',
    ],
    [
      'one source of a volume',
      '{pod: {volumes: [{name: a, emptyDir: {}}, {name: b, configMap: {name: c}}]}}',
      '{pod: {volumes: [{name: a, secret: {secretName: s}}, {name: b, emptyDir: {}}]}}',
      '{pod: {volumes: [{name: a, nfs: {server: x, path: y}}, {name: b, emptyDir: {}}]}}',
      '{pod: {volumes: [{name: a, nfs: {server: x, path: y}}, {name: b, configMap: {name: c}}]}}',
    ],
    [
      'a volume of the last release that a person mounts',
      '{volumeMounts: [{name: a, mountPath: /a}], pod: {volumes: [{name: a, emptyDir: {}}]}}',
      '{volumeMounts: [{name: v, mountPath: /v}], pod: {volumes: [{name: v, emptyDir: {}}]}}',
      '{volumeMounts: [{name: v, mountPath: /v}, {name: v, mountPath: /hand}], pod: {volumes: [{name: v, emptyDir: {}}]}}',
      '{volumeMounts: [{name: a, mountPath: /a}, {name: v, mountPath: /hand}], pod: {volumes: [{name: a, emptyDir: {}}, {name: v, emptyDir: {}}]}}',
    ],
    [
      'one mount of a path',
      '{volumeMounts: [{name: a, mountPath: /x}], pod: {volumes: [{name: a}]}}',
      '{volumeMounts: [{name: b, mountPath: /x}], pod: {volumes: [{name: b}]}}',
      '{volumeMounts: [{name: hand, mountPath: /x}], pod: {volumes: [{name: b}, {name: hand}]}}',
      '{volumeMounts: [{name: hand, mountPath: /x}], pod: {volumes: [{name: a}, {name: hand}]}}',
    ],
    [
      'no request above its limit',
      '{resources: {requests: {memory: 5, cpu: 1}, limits: {memory: 6}}}',
      '{resources: {requests: {memory: 1, cpu: 2}, limits: {memory: 2}}}',
      '{resources: {requests: {memory: 1, cpu: 2}, limits: {memory: 3}}}',
      '{resources: {requests: {memory: 1, cpu: 1}, limits: {memory: 3}}}',
    ],
    [
      'a profile as a whole, and a DNS policy with what it needs',
      '{securityContext: {seccompProfile: {type: Localhost, localhostProfile: a}}, pod: {dnsPolicy: None, dnsConfig: {nameservers: [a]}}}',
      '{securityContext: {seccompProfile: {type: Localhost, localhostProfile: b}}, pod: {dnsPolicy: ClusterFirst}}',
      '{securityContext: {seccompProfile: {type: RuntimeDefault}}, pod: {dnsPolicy: Default}}',
      '{securityContext: {seccompProfile: {type: RuntimeDefault}}, pod: {dnsPolicy: Default}}',
    ],
    [
      'no labels of then where today has some: Services of today find the pods by them',
      '{meta: {labels: {app: web, track: old, more: a}}}',
      '{meta: {labels: {app: web, track: new, tier: web}}}',
      '{meta: {labels: {app: web, track: new, tier: web}}}',
      '{meta: {labels: {app: web, track: new, more: a, tier: web}}}',
    ],
    [
      'annotations, but for the hash of the configuration of today',
      '{meta: {annotations: {a: "1", django-rollout/config-hash: old}}}',
      '{meta: {annotations: {a: "2", django-rollout/config-hash: new}}}',
      '{meta: {annotations: {a: "2", django-rollout/config-hash: new}}}',
      '{meta: {annotations: {a: "1", django-rollout/config-hash: new}}}',
    ],
  ])('is right in the case "%s"', (_, then, released, now, expected) => {
    const wanted = template(expected)
    const labels = wanted.metadata?.labels ?? {}
    expect(merged(then, released, now)).toEqual({
      ...wanted,
      metadata: { ...wanted.metadata, labels },
    })
  })
})

describe('the differences between two templates', () => {
  test.each<[string, string, string[]]>([
    ['{image: a}', '{image: b}', []],
    ['{command: [a], args: [x]}', '{command: [b]}', ['web: args, command']],
    [
      '{env: [{name: SECRET, value: hush}, {name: B, value: "1"}]}',
      '{env: [{name: SECRET, value: other}, {name: B, value: "1"}, {name: C, value: "1"}]}',
      ['web: env SECRET C'],
    ],
    ['{}', '{more: [{name: side, image: a}]}', ['side: a container of that release']],
    ['{more: [{name: side, image: a}]}', '{}', ['side: a container that is not in that release']],
    [
      '{pod: {volumes: [{name: a}]}}',
      '{pod: {hostNetwork: true}}',
      ['pod: hostNetwork, volumes a'],
    ],
    ['{meta: {annotations: {a: "1"}, labels: {b: "1"}}}', '{}', ['pod: annotations']],
    ['{meta: {annotations: {kubectl.kubernetes.io/restartedAt: x}}}', '{}', []],
  ])('are found in %s and %s', (from, to, expected) => {
    expect(differences(template(from), template(to))).toEqual(expected)
  })

  test('are listed only for workloads that both have', () => {
    const one = { 'deployment/web': template('{command: [a]}') }
    expect(templatesDiffer(one, { 'deployment/web': template('{command: [b]}') })).toBe(true)
    expect(templatesDiffer(one, { 'deployment/web': template('{command: [a], image: x}') })).toBe(
      false,
    )
    expect(templatesDiffer(one, { 'deployment/worker': template('{}') })).toBe(false)
    expect(templatesDiffer(one, undefined)).toBe(false)
  })
})

test('the needs of a pod template have keys, and leave out optional objects', () => {
  const all = template(`
envFrom: [{configMapRef: {name: all}}, {secretRef: {name: perhaps, optional: true}}]
env:
  - {name: A, valueFrom: {configMapKeyRef: {name: shop, key: a}}}
  - {name: B, valueFrom: {configMapKeyRef: {name: shop, key: b}}}
  - {name: C, valueFrom: {secretKeyRef: {name: secret, key: c}}}
  - {name: D, valueFrom: {secretKeyRef: {name: secret, key: d, optional: true}}}
pod:
  initContainers: [{name: init, env: [{name: E, valueFrom: {configMapKeyRef: {name: init, key: e}}}]}]
  volumes:
    - {name: a, configMap: {name: files, items: [{key: f, path: x}]}}
    - {name: b, secret: {secretName: tls}}
    - {name: c, projected: {sources: [{secret: {name: secret, items: [{key: g, path: x}]}}]}}
    - {name: d, emptyDir: {}}`)
  const words = neededBy(all).map(({ kind, name, keys }) =>
    `${kind} ${name} ${keys.join(' ')}`.trim(),
  )
  expect(words.sort()).toEqual([
    'ConfigMap all',
    'ConfigMap files f',
    'ConfigMap init e',
    'ConfigMap shop a b',
    'Secret secret c g',
    'Secret tls',
  ])
})

test.each<[string, boolean]>([
  ['{"a": {"spec": {"containers": [{"name": "web"}]}}}', true],
  ['{"a": {"spec": {"containers": "web"}}}', false],
  ['{"a": {"spec": {"containers": [{}]}}}', false],
  ['{"a": {}}', false],
  ['[]', false],
])('the text %s is a list of templates: %s', (json, are) => {
  expect(isTemplates(JSON.parse(json))).toBe(are)
})
