/** The one workload that the faults happen to, as a manifest. */

export interface Shape {
  readonly kind?: 'Deployment' | 'StatefulSet'
  readonly replicas?: number
  /** Fields of the workload's, the pod's and the container's spec. */
  readonly spec?: Readonly<Record<string, unknown>>
  readonly pod?: Readonly<Record<string, unknown>>
  readonly container?: Readonly<Record<string, unknown>>
}

/** A web process of this image; of shapes that say the same, the last one counts. */
export function workload(image: string, ...shapes: readonly Shape[]): object {
  const { kind, replicas } = shapes.reduce((one, other) => ({ ...one, ...other }), {})
  const all = (part: 'spec' | 'pod' | 'container') =>
    Object.assign({}, ...shapes.map((shape) => shape[part] ?? {})) as object
  const container = {
    name: 'web',
    image,
    ports: [{ containerPort: 8000 }],
    // A busy machine may answer late.
    readinessProbe: {
      httpGet: { path: '/ready', port: 8000 },
      periodSeconds: 1,
      timeoutSeconds: 5,
    },
    resources: { requests: { cpu: '20m' }, limits: { memory: '64Mi' } },
    volumeMounts: [{ name: 'state', mountPath: '/state' }],
    ...all('container'),
  }
  const pod = {
    terminationGracePeriodSeconds: 5,
    containers: [container],
    volumes: [{ name: 'state', emptyDir: {} }],
    ...all('pod'),
  }
  const labels = { app: 'web' }
  return {
    apiVersion: 'apps/v1',
    kind: kind ?? 'Deployment',
    metadata: { name: 'web' },
    spec: {
      replicas: replicas ?? 1,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: pod },
      ...(kind === 'StatefulSet' && { serviceName: 'web' }),
      ...all('spec'),
    },
  }
}
