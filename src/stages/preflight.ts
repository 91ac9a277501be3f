/** Checks before anything is written: what exists, what this account may do, what will change. */
import type { Service } from 'kubernetes-types/core/v1'
import { skewFindings } from '../checks/tools.js'
import type { Cluster } from '../kubernetes/cluster.js'
import { readManifests } from '../kubernetes/manifests.js'
import type { KubeObject } from '../kubernetes/objects.js'
import { discover, type Resources } from '../kubernetes/paths.js'
import type { Target, Web } from '../kubernetes/target.js'
import type { Finding } from '../report/finding.js'
import { watchNamespace, type NamespaceWatch } from '../rollout/namespace-watch.js'
import { abortable } from '../platform/time.js'
import { logWarning, type ClusterContext, type StageContext } from './context.js'
import { inspect, requireRights } from './inspect.js'
import { backupOf, checkBackup } from './migration/backup.js'
import { ownTemplate } from './migration/manifest.js'
import { checkAlone } from './name-conflicts.js'
import { checkNamespace, makeNamespace } from './namespace.js'
import type { ImageToRun } from './platforms.js'
import { rightsFor } from './rights.js'

/** What a running version has reported that no release has written, packed. */
export interface Reported {
  readonly tag: string
  readonly needs: string
  readonly tasks?: string
}

/** What the release will work on. */
export interface PreflightResult {
  readonly live: NamespaceWatch
  readonly targets: readonly Target[]
  /** Manifests of everything that does not run the released image. */
  readonly others: readonly KubeObject[]
  /** Manifests of the Jobs that run the released image: each release runs them again. */
  readonly jobs: readonly KubeObject[]
  readonly resources: Resources
  /** The workload that serves the web: it goes first, and the migration Job is made from it. Missing when unknown. */
  readonly web?: Web
  /** The uid of the namespace, where the account may read it. */
  readonly namespaceUid?: string
  /** Services as the release leaves them: they show which workload serves the web. */
  readonly services: readonly Service[]
  /** By the digests of their images. */
  readonly reported?: ReadonlyMap<string, Reported>
}

/** Opens the cluster by `open`, and checks everything that the release concerns; without `image` not the nodes. */
export function preflight(
  context: StageContext,
  open: () => Promise<Cluster>,
  image?: ImageToRun,
): Promise<{ readonly cluster: Cluster; readonly checked: PreflightResult }> {
  // Nothing is written here, so an abort does not wait for a server that does not answer.
  return abortable(context.signal, async () => {
    const cluster = await open()
    const withCluster = context.with({ cluster })
    const checked = await check(withCluster, image)
    // A deploy takes the lock at once, and checks the same under it, where it counts.
    if (context.command !== 'deploy') await checkAlone(withCluster, checked)
    return { cluster, checked }
  })
}

async function check(context: ClusterContext, image?: ImageToRun): Promise<PreflightResult> {
  const { platform, settings, app, cluster, log } = context
  const manifests = await readManifests(platform, cluster, settings.manifests, settings.image)
  const presence = await checkNamespace(cluster, manifests)
  const { targets: own, jobs, namespace } = manifests
  const all = [...own, ...manifests.others, ...(namespace ? [namespace] : [])]
  const resources = await discover(cluster, all)
  await ownTemplate(context)
  await requireRights(context, rightsFor(app, manifests, resources, backupOf(settings)))
  await checkBackup(context, manifests)
  if (namespace) await makeNamespace(log, cluster, namespace, presence)

  const live = await watchNamespace(cluster, platform.clock)
  const input = { manifests, live, missing: [], until: 'the first error' } as const
  const { findings, targets, others, services, web } = await inspect(context, {
    ...input,
    ...(image && { image }),
  })
  const warnings = warningsOf([
    ...skewFindings(cluster.client, cluster.version),
    ...findings.namespace,
    ...findings.workloads,
    ...findings.probes,
    ...findings.dryRun,
  ])
  for (const warning of warnings) {
    logWarning(context, warning)
  }
  const namespaceUid = presence.is === 'there' ? presence.uid : undefined
  return {
    live,
    targets,
    others,
    jobs,
    resources,
    services,
    ...(namespaceUid !== undefined && { namespaceUid }),
    ...(web && { web }),
  }
}

/** Returns a sentence each, with the command that fixes it. */
function warningsOf(findings: readonly Finding[]): readonly string[] {
  return findings
    .filter(({ severity }) => severity === 'warning')
    .map(({ message, fix }) => (fix?.startsWith('kubectl ') ? `${message}: ${fix}` : message))
}
