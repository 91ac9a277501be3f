/** Workloads of a release, told in short. */
import type { WorkloadKind } from '../../src/kubernetes/workload.js'
import type { Target } from '../../src/kubernetes/target.js'

const digest = `sha256:${'a'.repeat(64)}`
/** What they get. */
export const pinned = `ghcr.io/acme/shop:new@${digest}`

/** `web: [web]` or `web: [web, -nginx]`: a minus before a container that is not ours. */
export function target(
  name: string,
  containers: readonly string[],
  more: Partial<Target> = {},
): Target {
  const kind: WorkloadKind = name === 'clean' ? 'CronJob' : 'Deployment'
  const ours = containers.filter((one) => !one.startsWith('-'))
  const template = {
    spec: {
      containers: containers.map((one) => ({
        name: one.replace('-', ''),
        image: one.startsWith('-') ? 'nginx' : 'ghcr.io/acme/shop:old',
      })),
    },
  }
  const spec = kind === 'CronJob' ? { jobTemplate: { spec: { template } } } : { template }
  return {
    id: { kind, name },
    path: `/${name}`,
    uses: ours.map((one) => ({ name: one, init: false, image: 'ghcr.io/acme/shop:old' })),
    running: ours.map(() => 'ghcr.io/acme/shop:old'),
    live: { apiVersion: 'apps/v1', kind, metadata: { name }, spec },
    ...more,
  }
}
