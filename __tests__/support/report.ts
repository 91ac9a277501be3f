import type { Report, WorkloadReport } from '../../src/report/report.js'

export const oldSha = 'dbfb78c41221'.padEnd(40, '0')
export const newSha = 'ef2714eb63e4'.padEnd(40, '0')
const digest = `sha256:${'ab'.repeat(32)}`

export function workloadOf(name: string, more: Partial<WorkloadReport> = {}): WorkloadReport {
  return {
    kind: 'Deployment',
    name,
    from: `ghcr.io/acme/shop:${oldSha}`,
    to: `ghcr.io/acme/shop:${newSha}@${digest}`,
    now: 'new',
    ...more,
  }
}

/** A release of two workloads that went well, but for what is said. */
export function reportOf(more: Partial<Report> = {}): Report {
  return {
    command: 'release',
    result: 'deployed',
    app: 'shop',
    namespace: 'prod',
    image: 'ghcr.io/acme/shop',
    tag: newSha,
    digest,
    previousTag: oldSha,
    stages: [],
    workloads: [workloadOf('web', { seconds: 8.2 }), workloadOf('worker', { seconds: 125 })],
    migrations: [],
    warnings: [],
    restored: [],
    startedAt: 0,
    seconds: 61,
    ...more,
  }
}
