/** Checks the cluster as a release does before it writes, and reports all findings. Writes nothing. */
import { aheadBy, clockFindings, clusterFinding } from '../checks/cluster.js'
import { staleConfigurationFindings } from '../checks/configuration.js'
import { releaseFindings } from '../checks/release.js'
import { rightsFindings } from '../checks/rights.js'
import { subjectsOf } from '../checks/subject.js'
import { pullFindings } from '../checks/workloads.js'
import { merged, missingRights, type Right } from '../kubernetes/access.js'
import { ApiError } from '../kubernetes/api-error.js'
import type { Cluster } from '../kubernetes/cluster.js'
import { readsOf } from '../kubernetes/configuration.js'
import { leaseHolderOf } from '../state/lease.js'
import { noManifests, readManifests, type Manifests } from '../kubernetes/manifests.js'
import { templateOf, type KubeObject } from '../kubernetes/objects.js'
import { nameFor } from '../kubernetes/managed.js'
import { collection, discover } from '../kubernetes/paths.js'
import { Failure } from '../failure/failure.js'
import { failed, ok, warning, type Finding } from '../report/finding.js'
import { readHistory } from '../state/history-store.js'
import { desiredPods } from '../judge/objects.js'
import { readRecord } from '../state/record.js'
import type { ClusterState } from '../judge/types.js'
import { watchNamespace } from '../rollout/namespace-watch.js'
import type { Platform } from '../platform/platform.js'
import { checkAlone } from '../stages/name-conflicts.js'
import { ailing } from './health.js'
import { checkNotStale } from '../stages/stale-commit.js'
import { lostImages } from '../stages/pinned-tags.js'
import { checkNamespace } from '../stages/namespace.js'
import { backupOf, checkBackup } from '../stages/migration/backup.js'
import { ownTemplate } from '../stages/migration/manifest.js'
import { inspect, kubectlOf, type InspectInput } from '../stages/inspect.js'
import { toRepo, type ClusterContext } from '../stages/context.js'
import type { ImageToRun } from '../stages/platforms.js'
import { rightsFor, rightsForWorkloads } from '../stages/rights.js'
import { describe } from '../stages/targets.js'
import type { Target } from '../kubernetes/target.js'

export async function examineCluster(
  context: ClusterContext,
  image: ImageToRun,
): Promise<readonly Finding[]> {
  const { platform, settings, cluster } = context
  const [me, kubeContext, manifests] = await Promise.all([
    whoAmI(platform, cluster),
    kubeContextOf(settings['kube-context'], cluster),
    manifestsOf(context),
  ])
  const here = [
    clusterFinding(cluster.version, kubeContext, cluster.namespace),
    ...(me ? clockFindings(me.aheadMs) : []),
  ]
  const none = unseen('cluster', 'rights, workloads, probes and release')
  try {
    if ((await checkNamespace(cluster, manifests.known)).is === 'missing') {
      const message = `the namespace "${cluster.namespace}" does not exist; a release creates it from the manifests`
      return [...here, warning('cluster', message), none]
    }
  } catch (error) {
    return [...here, failed('cluster', error), none]
  }
  const needed = rightsFor(context.app, manifests.known, manifests.resources, backupOf(settings))
  const missing = await missingRights(cluster, needed)
  const may = (verb: string, resources: readonly string[]) =>
    !missing.some(({ resource, verbs }) => resources.includes(resource) && verbs.includes(verb))
  const sees = missing.every(({ verbs }) => !verbs.includes('list') && !verbs.includes('watch'))
  const remembers = may('get', ['leases', 'secrets', 'configmaps'])

  const [migration, workloads, left] = await Promise.all([
    examineMigration(context, manifests, may('get', ['cronjobs'])),
    sees ? examineWorkloads(context, manifests, { missing, image }) : unseenWorkloads(cluster),
    remembers ? examineReleases(context) : [],
  ])
  const parts = [...(sees ? [] : ['workloads and probes']), ...(remembers ? [] : ['release'])]
  return [
    ...here,
    ...rightsFindings(
      {
        all: merged([...needed, ...workloads.needs]),
        missing: merged([...missing, ...workloads.missing]),
        account: me?.name,
        namespace: cluster.namespace,
      },
      kubectlOf(cluster),
    ),
    ...(parts.length > 0 ? [unseen('rights', parts.join(', '))] : []),
    ...manifests.findings,
    ...migration,
    ...workloads.findings,
    ...left,
  ]
}

/** Reports the files and objects that the migration needs besides the workloads. */
async function examineMigration(
  context: ClusterContext,
  { known, findings }: ReleaseManifests,
  mayReadCronJobs: boolean,
): Promise<readonly Finding[]> {
  // Manifests that cannot be read may bring the CronJob.
  const isKnown = mayReadCronJobs && findings.length === 0
  const checks = [ownTemplate(context), ...(isKnown ? [checkBackup(context, known)] : [])]
  return (await Promise.allSettled(checks)).flatMap((check) =>
    check.status === 'rejected' ? [failed('workloads', check.reason)] : [],
  )
}

/** Returns one finding for everything that could not be read. */
function unseen(about: 'cluster' | 'rights', parts: string): Finding {
  return warning(about, `skipped because of the findings above: ${parts}`)
}

interface Account {
  /** `system:serviceaccount:shop:django-rollout` */
  readonly name: string
  readonly aheadMs: number
}

/** Requests what `kubectl auth whoami` requests; returns `undefined` when the server does not answer it. */
async function whoAmI({ clock }: Platform, cluster: Cluster): Promise<Account | undefined> {
  interface Review {
    readonly metadata?: { readonly creationTimestamp?: string | null }
    readonly status?: { readonly userInfo?: { readonly username?: string } }
  }
  const apiVersion = 'authentication.k8s.io/v1'
  const from = clock.now()
  try {
    const { metadata, status } = await cluster.review<Review>(
      `/apis/${apiVersion}/selfsubjectreviews`,
      {
        apiVersion,
        kind: 'SelfSubjectReview',
      },
    )
    const account = status?.userInfo?.username
    const stamped = metadata?.creationTimestamp
    const aheadMs = stamped ? aheadBy(stamped, { from, to: clock.now() }) : 0
    return account === undefined ? undefined : { name: account, aheadMs }
  } catch (error) {
    if (error instanceof ApiError) return undefined
    throw error
  }
}

async function kubeContextOf(
  chosen: string | undefined,
  cluster: Cluster,
): Promise<string | undefined> {
  if (chosen !== undefined) return chosen
  const { code, stdout } = await cluster.kubectl(['config', 'current-context'])
  return code === 0 ? stdout.trim() : undefined
}

interface ReleaseManifests {
  readonly known: Manifests
  readonly resources: Awaited<ReturnType<typeof discover>>
  /** Why they cannot be applied. */
  readonly findings: readonly Finding[]
}

async function manifestsOf({
  platform,
  settings,
  cluster,
}: ClusterContext): Promise<ReleaseManifests> {
  try {
    const known = await readManifests(platform, cluster, settings.manifests, settings.image)
    const { targets, others, namespace } = known
    const all = [...targets, ...others, ...(namespace ? [namespace] : [])]
    const resources = await discover(cluster, all)
    all.forEach((object) => resources.of(object))
    return { known, resources, findings: [] }
  } catch (error) {
    return {
      known: noManifests,
      resources: await discover(cluster, []),
      findings: [failed('workloads', error)],
    }
  }
}

interface Workloads {
  readonly findings: readonly Finding[]
  /** Rights that only these workloads need. */
  readonly needs: readonly Right[]
  /** Those that the account lacks. */
  readonly missing: readonly Right[]
}

/** Returns the rights for all kinds of workloads, since they are unknown. */
async function unseenWorkloads(
  cluster: Cluster,
  findings: readonly Finding[] = [],
): Promise<Workloads> {
  const needs = rightsForWorkloads()
  return { findings, needs, missing: await missingRights(cluster, needs) }
}

async function examineWorkloads(
  context: ClusterContext,
  { known: manifests, findings: wrong }: ReleaseManifests,
  { missing, image }: Pick<InspectInput, 'missing'> & { readonly image: ImageToRun },
): Promise<Workloads> {
  const { platform, cluster } = context
  const live = await watchNamespace(cluster, platform.clock)
  const inspected = await inspect(context, { manifests, live, missing, until: 'the end', image })
  const { targets, services, findings } = inspected
  if (targets.length === 0) {
    // The errors of the manifests may be the reason.
    const why = [...findings.images, ...findings.workloads]
    return unseenWorkloads(cluster, wrong.length > 0 ? [] : why)
  }
  const clusterState = live.clusterState()
  const [sick, stale, alone, lost] = await Promise.all([
    ailing(targets, clusterState, { cluster, clock: platform.clock, toRepo: toRepo(context) }),
    staleConfiguration(cluster, clusterState, targets),
    // Errors of lock, record or history themselves are reported with them.
    checkAlone(context, { live, targets }).then(
      () => [],
      (error: unknown) => (isOfTwo(error) ? [failed('release', error)] : []),
    ),
    lostImages(context, targets),
  ])
  const kubectl = kubectlOf(cluster)
  return {
    findings: [
      ...targets.map((target) => ok('workloads', describe(target))),
      ...findings.web,
      ...findings.workloads,
      ...pullFindings(subjectsOf(targets, services), kubectl),
      ...Object.entries(sick).map(([id, why]) => {
        const message = `${id} is unhealthy before the release: ${why}`
        return warning('workloads', message, kubectl(['describe', id]))
      }),
      ...findings.images,
      ...lost.map((message) =>
        warning(
          'registry',
          message,
          'push the image again, or release before its pods are rescheduled',
        ),
      ),
      ...stale,
      ...alone,
      ...findings.namespace,
      ...findings.dryRun,
      ...findings.probes,
    ],
    needs: inspected.needs,
    missing: inspected.missing,
  }
}

/** Returns what running pods have read before it was changed. Skips an object that may not be read. */
async function staleConfiguration(
  cluster: Cluster,
  clusterState: ClusterState,
  targets: readonly Target[],
): Promise<readonly Finding[]> {
  const reads = targets.flatMap(({ live }) => (live ? readsOf(templateOf(live)) : []))
  const paths = reads.map(({ kind, name }) => {
    const plural = kind === 'Secret' ? 'secrets' : 'configmaps'
    return `${collection('v1', cluster.namespace, plural)}/${name}`
  })
  const found = await Promise.all(
    [...new Set(paths)].map((path) =>
      cluster.find<KubeObject>(path).catch((error: unknown) => {
        if (error instanceof ApiError && error.status === 403) return undefined
        throw error
      }),
    ),
  )
  const objects = found.flatMap((object) => (object ? [object] : []))
  return targets.flatMap((target) => {
    const desired = { workload: target.id, images: {}, generation: 0, first: false }
    const pods = desiredPods(clusterState, desired)
    return staleConfigurationFindings(target, pods, objects, kubectlOf(cluster))
  })
}

function isOfTwo(error: unknown): boolean {
  return error instanceof Failure && error.cause.code === 'usage'
}

/** Reports what other releases have left, and whether a newer commit is live. */
async function examineReleases(context: ClusterContext): Promise<readonly Finding[]> {
  const { platform, settings, app, cluster } = context
  const [keeper, record, history] = await Promise.allSettled([
    leaseHolderOf(cluster, nameFor(app)),
    readRecord(cluster, app, settings.image),
    readHistory(cluster, app, settings.image),
  ])
  const wrong = [keeper, record, history].flatMap((one) =>
    one.status === 'rejected' ? [failed('release', one.reason)] : [],
  )
  if (keeper.status !== 'fulfilled' || record.status !== 'fulfilled') return wrong
  if (history.status !== 'fulfilled') return wrong
  // A CI's checkout is completed for this question; here it is left as it is.
  const here = { ...platform, env: { ...platform.env, CI: undefined } }
  const stale = await checkNotStale(context.with({ platform: here }), history.value).then(
    () => [],
    (error: unknown) => [failed('release', error)],
  )
  const known = releaseFindings(settings, keeper.value, record.value?.begun, history.value)
  return [...known, ...stale]
}

/** Returns the findings for a cluster that could not be opened. */
export function closed(error: unknown): readonly Finding[] {
  return [failed('cluster', error), unseen('cluster', 'rights, workloads, probes and release')]
}
