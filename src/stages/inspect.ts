/**
 * Looks at what a release will work on, and writes nothing: preflight ends at the first error, doctor reports all.
 */
import type { Service } from 'kubernetes-types/core/v1'
import type { Kubectl } from '../checks/fixes.js'
import { probeFindings } from '../checks/probes.js'
import { subjectsOf } from '../checks/subject.js'
import { workloadFindings } from '../checks/workloads.js'
import { migrationLabels } from '../django/job.js'
import { fail } from '../failure/failure.js'
import { desiredAsIs } from '../judge/desired.js'
import type { ClusterState } from '../judge/types.js'
import { asRoleRules, missingRights, rightsInWords, type Right } from '../kubernetes/access.js'
import { tryCreate } from '../kubernetes/apply.js'
import type { Cluster } from '../kubernetes/cluster.js'
import type { Manifests } from '../kubernetes/manifests.js'
import type { KubeObject } from '../kubernetes/objects.js'
import { collection } from '../kubernetes/paths.js'
import type { Target, Web } from '../kubernetes/target.js'
import { idOf } from '../kubernetes/workload.js'
import { failed, ok, warning, type Finding } from '../report/finding.js'
import type { NamespaceWatch } from '../rollout/namespace-watch.js'
import type { ClusterContext } from './context.js'
import { jobsOf } from './jobs.js'
import { planManifests } from './manifests.js'
import { labelling, namespaceMissing } from './namespace.js'
import { alwaysNeeded, forSmoke, forStatefulSets, rightsForWorkloads } from './rights.js'
import { planTargets } from './rollout.js'
import { checkPlatforms, type ImageToRun } from './platforms.js'
import { planOf, type PlanInput } from './selectors.js'
import { smokeTarget } from './smoke.js'
import { withoutOthers } from './other-applications.js'
import {
  checkFit,
  checkImages,
  describe,
  findTargets,
  noWorkload,
  webOf,
  workloadsIn,
} from './targets.js'
import { targetsAfterDeletion } from './wait-for-deletion.js'

/** An error is thrown, or it is a finding among all others. */
type Until = 'the first error' | 'the end'

export interface InspectInput {
  readonly manifests: Manifests
  readonly live: NamespaceWatch
  /** Rights that the account lacks for the manifests: the server would refuse the dry run too. */
  readonly missing: readonly Right[]
  readonly until: Until
  /** Missing: it is not known yet. */
  readonly image?: ImageToRun
}

export interface Inspection {
  /** None only at the end: the findings say why. */
  readonly targets: readonly Target[]
  /** Manifests of everything that does not run the released image. */
  readonly others: readonly KubeObject[]
  /** Services as the release leaves them: they show which workload serves the web. */
  readonly services: readonly Service[]
  readonly web?: Web
  /** Rights that these workloads need besides, and those of them that the account lacks. */
  readonly needs: readonly Right[]
  readonly missing: readonly Right[]
  readonly findings: Findings
}

interface Findings {
  readonly images: readonly Finding[]
  readonly web: readonly Finding[]
  readonly workloads: readonly Finding[]
  readonly probes: readonly Finding[]
  readonly namespace: readonly Finding[]
  readonly dryRun: readonly Finding[]
}

const none: Findings = {
  images: [],
  web: [],
  workloads: [],
  probes: [],
  namespace: [],
  dryRun: [],
}

export async function inspect(context: ClusterContext, all: InspectInput): Promise<Inspection> {
  const { settings, cluster, log } = context
  const { live, until, image } = all
  const { manifests, left } = withoutOthers(all.manifests, workloadsIn(live.clusterState()))
  const input = { ...all, manifests }
  left.forEach(({ id, image }) => {
    log.say(`${id} is left to the releases of ${image}: its manifest is not applied`)
  })
  const { targets, findings } = await inspectTargets(context, input)
  if (targets.length === 0) {
    return { targets, findings, others: manifests.others, services: [], needs: [], missing: [] }
  }
  const clusterState = live.clusterState()
  const needs = rightsOf(context, manifests, targets)
  const missing = until === 'the end' ? await missingRights(cluster, needs) : []
  if (until === 'the first error') await requireRights(context, needs)
  const running = await servicesIn(cluster)
  const planned =
    input.missing.length + missing.length > 0
      ? { others: manifests.others, namespace: [], dryRun: [] }
      : await inspectWrites(context, input, { targets, services: running, clusterState })

  log.say(`Kubernetes ${cluster.version}, namespace ${cluster.namespace}`)
  targets.forEach((target) => {
    log.say(describe(target))
  })
  const services = servicesWith(manifests.others, running)
  const served = await inspectWeb(context, until, { targets, services })
  const subjects = subjectsOf(targets, services)
  const platforms = await findingsOf(until, async () =>
    image ? warned(await checkPlatforms(context, { subjects, image, clusterState })) : [],
  )
  const kubectl = kubectlOf(cluster)
  const { others, namespace, dryRun } = planned
  return {
    targets,
    others,
    services,
    needs,
    missing,
    ...(served.web && { web: served.web }),
    findings: {
      ...findings,
      namespace,
      dryRun,
      web: served.findings,
      workloads: [...workloadFindings(subjects, kubectl), ...platforms],
      probes: probeFindings(subjects, readyTimes(clusterState, targets), settings, kubectl),
    },
  }
}

async function inspectTargets(
  context: ClusterContext,
  { manifests, live, until }: InspectInput,
): Promise<Pick<Inspection, 'targets' | 'findings'>> {
  const { settings, cluster } = context
  const images = await findingsOf(until, () => {
    checkImages(cluster, live.clusterState(), manifests, settings.image)
    return []
  })
  const found = findTargets(live.clusterState(), manifests, settings.image, cluster.namespace)
  const targets = until === 'the end' ? found : await targetsAfterDeletion(context, found)
  const workloads = await findingsOf(until, () =>
    targets.length === 0 ? noWorkload(live.clusterState(), settings.image, cluster.namespace) : [],
  )
  // What is paused is among the findings of the workloads, with a command for this cluster.
  if (until === 'the first error') checkFit(targets)
  return { targets, findings: { ...none, images, workloads } }
}

function rightsOf(
  { settings }: ClusterContext,
  manifests: Manifests,
  targets: readonly Target[],
): readonly Right[] {
  const ids = targets.map(({ id }) => id)
  return [
    ...rightsForWorkloads(ids),
    ...forStatefulSets([...ids, ...manifests.others]),
    ...(settings['smoke-path'] === undefined ? [] : forSmoke),
  ]
}

/** Has the server try what the release will write. */
async function inspectWrites(
  context: ClusterContext,
  { manifests, until }: InspectInput,
  seen: Pick<PlanInput, 'targets' | 'services' | 'clusterState'>,
): Promise<Pick<Inspection, 'others'> & Pick<Findings, 'namespace' | 'dryRun'>> {
  let { others } = manifests
  const namespace = await findingsOf(until, async () => {
    const { applied, warnings } = await labelling(context.cluster, manifests)
    others = [...applied, ...others]
    return warned(warnings)
  })
  const dryRun = await findingsOf(until, async () =>
    warned(await dryRunOf(context, { ...seen, others, jobs: manifests.jobs })),
  )
  return { others, namespace, dryRun }
}

function warned(messages: readonly string[]): readonly Finding[] {
  return messages.map((message) => warning('workloads', message))
}

async function inspectWeb(
  { settings }: ClusterContext,
  until: Until,
  { targets, services }: Pick<Inspection, 'targets' | 'services'>,
): Promise<{ readonly web?: Web; readonly findings: readonly Finding[] }> {
  let web: Web | undefined
  const findings = await findingsOf(until, () => {
    web = webOf(settings, targets, services)
    if (!web) return []
    if (settings['smoke-path'] !== undefined) smokeTarget(web, services, settings['smoke-host'])
    return [ok('workloads', `${idOf(web.workload)} (container ${web.container}) serves the web`)]
  })
  return { ...(web && { web }), findings }
}

/** Returns what a check finds; at the end its Failure too. */
async function findingsOf(
  until: Until,
  check: () => readonly Finding[] | Promise<readonly Finding[]>,
): Promise<readonly Finding[]> {
  try {
    return await check()
  } catch (error) {
    if (until === 'the first error') throw error
    return [failed('workloads', error)]
  }
}

/** Renders commands for a person to type in this cluster. */
export function kubectlOf(cluster: Cluster): Kubectl {
  return (args) => cluster.commandLine(args)
}

/** Returns how long the slowest pod of each workload took to become Ready, in ms, where that is known; by its id. */
function readyTimes(
  clusterState: ClusterState,
  targets: readonly Target[],
): Readonly<Record<string, number>> {
  return Object.fromEntries(
    targets.flatMap(({ id, live }) => {
      const took = live && desiredAsIs(id, live, clusterState).starts?.slowest
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

/** Throws a Failure that names the rights which the account lacks. */
export async function requireRights(
  { app, cluster }: Pick<ClusterContext, 'app' | 'cluster'>,
  rights: readonly Right[],
  basics: readonly Right[] = alwaysNeeded(app),
): Promise<void> {
  const missing = await missingRights(cluster, rights)
  if (missing.length === 0) return
  if (
    basics.every(({ group, resource, verbs }) =>
      verbs.every((verb) =>
        missing.some(
          (right) =>
            right.group === group && right.resource === resource && right.verbs.includes(verb),
        ),
      ),
    )
  ) {
    namespaceMissing(cluster.namespace, 'does not exist, or this account has no rights in it')
  }
  fail({
    code: 'right-missing',
    sentence: `the account may not ${rightsInWords(missing)} in the namespace "${cluster.namespace}"`,
    hint: `add these rules to its Role (examples/rbac.yaml is complete):\n${asRoleRules(missing)}`,
  })
}

/** What a release would write. */
interface DryRunInput extends Pick<PlanInput, 'targets' | 'services' | 'clusterState'> {
  readonly others: readonly KubeObject[]
  readonly jobs: readonly KubeObject[]
}

/**
 * Runs a server-side dry run of all manifests: a refusal is known before anything is written. Throws a Failure
 * when something that finds the released pods would lose them, and resolves with what will find none.
 */
async function dryRunOf(
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
    kind: 'Job',
    metadata: { name: 'migrate' },
    spec: { template: { metadata: { labels: migrationLabels(app) } } },
  }
  const all = [...ran, migration]
  return planOf({ others: changes, own, targets, services, clusterState, jobs: all }).warnings
}
