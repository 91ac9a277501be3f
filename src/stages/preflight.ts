/** Checks before anything is written: what exists, what this account may do, what will change. */
import type { Service } from 'kubernetes-types/core/v1'
import type { Kubectl } from '../checks/fixes.js'
import { probeFindings } from '../checks/probes.js'
import { subjectsOf } from '../checks/subject.js'
import { workloadFindings } from '../checks/workloads.js'
import { migrationLabels } from '../django/job.js'
import { asRoleRules, missingRights, type Right } from '../kubernetes/access.js'
import { tryCreate } from '../kubernetes/apply.js'
import type { Cluster } from '../kubernetes/cluster.js'
import { readManifests } from '../kubernetes/manifests.js'
import type { KubeObject } from '../kubernetes/objects.js'
import { collection, discover, type Resources } from '../kubernetes/paths.js'
import { idOf } from '../kubernetes/workload.js'
import { fail } from '../failure/failure.js'
import { desiredAsIs } from '../judge/desired.js'
import type { ClusterState } from '../judge/types.js'
import { watchNamespace, type NamespaceWatch } from '../rollout/namespace-watch.js'
import { jobsOf } from './jobs.js'
import { targetsAfterDeletion } from './wait-for-deletion.js'
import { planManifests } from './manifests.js'
import { checkNamespace, labelling, makeNamespace, namespaceMissing } from './namespace.js'
import { planOf, type PlanInput } from './selectors.js'
import type { ClusterContext } from './context.js'
import { alwaysNeeded, forSmoke, forStatefulSets, rightsFor, rightsForWorkloads } from './rights.js'
import { planTargets } from './rollout.js'
import { smokeTarget } from './smoke.js'
import { checkFit, checkImages, describe, findTargets, noWorkload, webOf } from './targets.js'
import type { Web } from '../kubernetes/target.js'
import type { Target } from '../kubernetes/target.js'

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
  /** Services as the release leaves them: they show which workload serves the web. */
  readonly services: readonly Service[]
  /** What may go wrong and is not for a release to decide, a sentence each. */
  readonly warnings: readonly string[]
}

export async function preflight(context: ClusterContext): Promise<PreflightResult> {
  const { platform, settings, app, cluster, log } = context
  const manifests = await readManifests(platform, cluster, settings.manifests, settings.image)
  const presence = await checkNamespace(cluster, manifests)
  const { targets: own, jobs, namespace } = manifests
  const resources = await discover(cluster, [
    ...own,
    ...manifests.others,
    ...(namespace ? [namespace] : []),
  ])
  await checkRights(context, rightsFor(app, manifests, resources))
  if (namespace) await makeNamespace(log, cluster, namespace, presence)
  const { applied, warnings: unlabelled } = await labelling(cluster, manifests)
  const others = [...applied, ...manifests.others]

  const live = await watchNamespace(cluster, platform.clock)
  checkImages(cluster, live.clusterState(), manifests, settings.image)
  const found = findTargets(live.clusterState(), manifests, settings.image, cluster.namespace)
  const targets = await targetsAfterDeletion(context, found)
  if (targets.length === 0) noWorkload(live.clusterState(), settings.image, cluster.namespace)
  checkFit(targets)
  const ids = targets.map(({ id }) => id)
  await checkRights(context, [...rightsForWorkloads(ids), ...forStatefulSets([...ids, ...others])])
  const running = await servicesIn(cluster)
  const clusterState = live.clusterState()
  const unled = await dryRun(context, { targets, others, jobs, services: running, clusterState })

  log.say(`Kubernetes ${cluster.version}, namespace ${cluster.namespace}`)
  targets.forEach((target) => {
    log.say(describe(target))
  })
  const services = servicesWith(others, running)
  const web = webOf(settings, targets, services)
  if (web && settings['smoke-path'] !== undefined) {
    smokeTarget(web, services, settings['smoke-host'])
    await checkRights(context, forSmoke)
  }
  const warnings = [
    ...unlabelled,
    ...warningsOf(context, live.clusterState(), targets, services),
    ...unled,
  ]
  warnings.forEach((warning) => {
    log.say(`warning: ${warning}`)
  })
  return { live, targets, others, jobs, resources, services, warnings, ...(web && { web }) }
}

/** Returns what `doctor` reports too, with the command that fixes it. */
function warningsOf(
  { settings, cluster }: ClusterContext,
  clusterState: ClusterState,
  targets: readonly Target[],
  services: readonly Service[],
): readonly string[] {
  const subjects = subjectsOf(targets, services)
  const kubectl = kubectlOf(cluster)
  const found = [
    ...workloadFindings(subjects, kubectl),
    ...probeFindings(subjects, readyTimes(clusterState, targets), settings, kubectl),
  ]
  return found
    .filter(({ severity }) => severity === 'warning')
    .map(({ message, fix }) => (fix?.startsWith('kubectl ') ? `${message}: ${fix}` : message))
}

/** Renders commands for a person to type in this cluster. */
export function kubectlOf(cluster: Cluster): Kubectl {
  return (args) => cluster.commandLine(args)
}

/** Returns how long the slowest pod of each workload took to become Ready, in ms, where that is known; by its id. */
export function readyTimes(
  clusterState: ClusterState,
  targets: readonly Target[],
): Readonly<Record<string, number>> {
  return Object.fromEntries(
    targets.flatMap(({ id, live }) => {
      const took = live && desiredAsIs(id, live, clusterState).readyBefore
      return took === undefined ? [] : [[idOf(id), took]]
    }),
  )
}

export async function servicesIn(cluster: Cluster): Promise<readonly Service[]> {
  const path = collection('v1', cluster.namespace, 'services')
  return (await cluster.get<{ items: readonly Service[] }>(path)).items
}

/** Returns the Services as they will be: one in a manifest replaces the live one of its name. */
export function servicesWith(
  manifests: readonly KubeObject[],
  live: readonly Service[],
): readonly Service[] {
  const planned = manifests.filter(({ kind }) => kind === 'Service') as unknown as Service[]
  const names = planned.map(({ metadata }) => metadata?.name)
  return [...planned, ...live.filter(({ metadata }) => !names.includes(metadata?.name))]
}

async function checkRights(
  { app, cluster }: ClusterContext,
  rights: readonly Right[],
): Promise<void> {
  const missing = await missingRights(cluster, rights)
  if (missing.length === 0) return
  if (
    alwaysNeeded(app).every(({ group, resource, verbs }) =>
      missing.some(
        (right) =>
          right.group === group &&
          right.resource === resource &&
          verbs.every((verb) => right.verbs.includes(verb)),
      ),
    )
  ) {
    namespaceMissing(cluster.namespace, 'does not exist, or this account has no rights in it')
  }
  const words = missing.map(({ resource, verbs }) => `${verbs.join(', ')} ${resource}`).join('; ')
  fail({
    code: 'right-missing',
    sentence: `the account may not ${words} in the namespace "${cluster.namespace}"`,
    hint: `add these rules to its Role (examples/rbac.yaml is complete):\n${asRoleRules(missing)}`,
  })
}

/** What a release would write. */
export interface DryRunInput extends Pick<PlanInput, 'targets' | 'services' | 'clusterState'> {
  readonly others: readonly KubeObject[]
  readonly jobs: readonly KubeObject[]
}

/**
 * Runs a server-side dry run of all manifests: a refusal is known before anything is written. Throws a Failure
 * when something that finds the released pods would lose them, and resolves with what will find none.
 */
export async function dryRun(
  context: ClusterContext,
  { targets, others, jobs, services, clusterState }: DryRunInput,
): Promise<readonly string[]> {
  const { settings, source, app, cluster } = context
  const { image: repository, digest } = settings
  const image = digest === undefined ? `${repository}:${source.tag}` : `${repository}@${digest}`
  const ran = jobsOf(context, jobs, image)
  const [own, changes] = await Promise.all([
    planTargets(cluster, targets, { repository, image }),
    planManifests(context, others),
    tryCreate(cluster, ran),
  ])
  const migration = {
    ...{ kind: 'Job', metadata: { name: 'migrate' } },
    spec: { template: { metadata: { labels: migrationLabels(app) } } },
  }
  const all = [...ran, migration]
  return planOf({ others: changes, own, targets, services, clusterState, jobs: all }).warnings
}
