import type { Job } from 'kubernetes-types/batch/v1'
import type {
  Affinity,
  Container,
  DownwardAPIVolumeFile,
  EnvVar,
  PodSpec,
  PodTemplateSpec,
  Volume,
} from 'kubernetes-types/core/v1'
import { appLabel, runAnnotation } from '../kubernetes/jobs.js'
import type { ClaimUse } from './claims.js'
import { whySkipped, type InitChoice } from './init-container.js'
import { podLabels, type Neighbours, type PodLabels } from './pod-labels.js'

export interface MigrationJobOptions {
  /** See `jobName`. */
  readonly name: string
  readonly app: string
  readonly sha: string
  /** Id of the run that migrates: whose Job it is when the run has vanished. */
  readonly run: string
  /** The pod template of the workload that serves the web. */
  readonly template: PodTemplateSpec
  /** Name of the container in it that the migration is made from. */
  readonly container: string
  /** Names of all containers in it, init containers too, that run our image. */
  readonly webContainers: readonly string[]
  /** Which of its init containers that run our image run here, too; default: `visible`. */
  readonly inits?: InitChoice
  /** The new image, by digest. */
  readonly image: string
  /** Program and arguments, to be taken as they are written: nothing in them is expanded. */
  readonly command: readonly string[]
  /** Labels and annotations of a running pod that its template lacks: those of admission. */
  readonly live?: PodMarks
  /** How the claims of its volumes can be used, by their names. */
  readonly claims?: Readonly<Record<string, ClaimUse>>
  /** Added to the container's own; one of the same name is replaced. */
  readonly env?: readonly EnvVar[]
  /** Requests and limits of the container that differ: `cpu`, `limits.memory`. */
  readonly resources?: Readonly<Record<string, string>>
  readonly timeoutSeconds: number
  /** It runs a command of the user's, and migrates nothing. */
  readonly isCommand?: true
  /** It lists the migrations, and applies none: it is no release's to end. */
  readonly plansOnly?: boolean
  /** How long the ended Job is kept for inspection; default: an hour. */
  readonly keepSeconds?: number
  /** What selects pods in the namespace. */
  readonly near: Neighbours
}

/** The labels and annotations of a pod. */
export interface PodMarks {
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

const shaAnnotation = 'django-rollout/sha'

/** The version that a Job is named for. */
export function shaOf({ metadata }: Job): string | undefined {
  return metadata?.annotations?.[shaAnnotation]
}

/** The id of the run that a Job was made by. */
export function runOf({ metadata }: Job): string | undefined {
  return metadata?.annotations?.[runAnnotation]
}

export type MigrationJob =
  | {
      readonly is: 'made'
      readonly job: Job
      /** Differences from the template that may matter to the user. */
      readonly notes: readonly string[]
      /** Something counts its pod, one that has ended too: it is removed at its end. */
      readonly isCounted: boolean
    }
  | {
      readonly is: 'impossible'
      /** A sentence without a full stop. */
      readonly problem: string
    }

/** How long a Job that something counts is kept after a run that was killed, in seconds. */
const briefSeconds = 60

/** What a Job that is made of the web's template does. */
export type JobKind = 'migrate' | 'plan' | 'command'

/**
 * `<app>-migrate-<sha7>-<attempt>`, or `<app>-plan-…`, a DNS label of at most 63 characters, since it becomes a label of
 * the pod (https://kubernetes.io/docs/concepts/workloads/controllers/job/#writing-a-job-spec). A Job's
 * template cannot be changed, so each attempt needs a different name.
 */
export function jobName(
  app: string,
  sha: string,
  attempt: number | string,
  kind: JobKind = 'migrate',
): string {
  const end = `-${kind}-${dns(sha).slice(0, 7)}-${dns(String(attempt))}`
  return `${
    dns(app)
      .slice(0, 63 - end.length)
      .replace(/-+$/, '') || 'app'
  }${end}`
}

/**
 * The Job that migrates: the web pod's template with our container only in the new image and with the new
 * command, so that it has the same environment, secrets, account and place. Everything that ties a pod to
 * its workload or to traffic is left out.
 */
export function migrationJob(options: MigrationJobOptions): MigrationJob {
  const { template, container: name } = options
  const spec = template.spec
  const container = spec?.containers.find((each) => each.name === name)
  if (!spec || !container)
    return { is: 'impossible', problem: `the template has no container ${name}` }

  const own = migrationLabels(options.app)
  const marks = marksOf(options)
  const found = podLabels(template.metadata?.labels ?? {}, own, marks.labels, options.near)
  const caught = found.matched.find(({ takesUnready }) => takesUnready)
  if (caught) {
    const problem = `the selector of ${caught.of} would match the migration's pod (its labels: ${listed({ ...found.labels, ...own })})`
    return { is: 'impossible', problem }
  }

  const notes = labelNotes(found, template.metadata?.labels ?? {}, options.near)
  const isCounted = found.matched.length > 0
  const marked: Record<string, string> = {}
  const pod = markedPod(podOf(spec, options, container, notes), marks, marked)
  const annotations = {
    ...annotationsOf(template.metadata ?? {}, options.sha),
    ...marked,
  }
  return {
    is: 'made',
    notes,
    isCounted,
    job: {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: {
        name: options.name,
        labels: jobLabels(options),
        annotations: { [shaAnnotation]: options.sha, [runAnnotation]: options.run },
      },
      spec: {
        // A failed migration is never retried automatically: it needs a decision.
        backoffLimit: 0,
        activeDeadlineSeconds: options.timeoutSeconds,
        ttlSecondsAfterFinished: options.keepSeconds ?? (isCounted ? briefSeconds : 3600),
        template: {
          metadata: { labels: { ...injectorsOf(marks), ...found.labels, ...own }, annotations },
          spec: pod,
        },
      },
    },
  }
}

function jobLabels({ app, plansOnly, isCommand }: MigrationJobOptions) {
  if (plansOnly === true) return planLabels(app)
  // A run that vanishes leaves it, as it leaves a migration: the next one ends both.
  return { ...migrationLabels(app), ...(isCommand && { 'django-rollout/job': 'command' }) }
}

/**
 * Of a Job that only plans. Its pod has the labels of a migration's: it needs the same network policies, and runs no
 * version. The Job has others: a release ends the migrations that it finds, and a plan is no release's.
 */
export function planLabels(app: string): Readonly<Record<string, string>> {
  return {
    'app.kubernetes.io/managed-by': 'django-rollout',
    'django-rollout/job': 'plan',
    'django-rollout/plan': app,
  }
}

/** Of the Job and of its pod. */
export function migrationLabels(app: string): Readonly<Record<string, string>> {
  return {
    'app.kubernetes.io/managed-by': 'django-rollout',
    [appLabel]: app,
    'django-rollout/job': 'migrate',
  }
}

/** Says where the pod is not let in as the web, or is counted. */
function labelNotes(
  { changed, matched, lost, wanted }: PodLabels,
  template: Readonly<Record<string, string>>,
  { policies }: Neighbours,
): string[] {
  const policy = (names: readonly string[]) =>
    names.map((name) => `networkpolicy/${name}`).join(', ')
  const by = (keys: readonly string[]) =>
    keys.map((key) => `${key}=${template[key] ?? ''}`).join(', ')
  return [
    ...(policies || changed.length === 0
      ? []
      : [
          `the account may not list NetworkPolicies: those that know the web by ${by(changed)} do not let the migration's pod pass`,
        ]),
    ...(lost.length === 0
      ? []
      : [
          `${policy(lost)} does not let the migration's pod pass as the web: its labels must differ`,
        ]),
    ...(matched.length === 0
      ? []
      : [
          `${matched.map(({ of }) => of).join(', ')} selects the migration's pod too${
            wanted.length > 0 ? `, by labels that ${policy(wanted)} requires` : ''
          }: the pod is never Ready, and is removed when it has ended`,
        ]),
  ]
}

function podOf(
  spec: PodSpec,
  options: MigrationJobOptions,
  container: Container,
  notes: string[],
): PodSpec {
  // Everything that is not named here is kept, so that what Kubernetes adds to pods later is kept too.
  const {
    topologySpreadConstraints: _spread,
    schedulingGates: _held,
    activeDeadlineSeconds: _deadline,
    nodeName: _node,
    subdomain: _subdomain,
    ephemeralContainers: _debug,
    affinity: affinityOfWeb,
    containers,
    initContainers = [],
    volumes = [],
    ...kept
  } = spec
  const { podAntiAffinity: _apart, ...near } = affinityOfWeb ?? {}
  const before = [
    ...initContainers.flatMap((each) => initOf(each, options, notes)),
    ...containers.flatMap((each) => (each === container ? [] : sidecarOf(each, options, notes))),
  ]
  const main = mainOf(container, options)
  const claims = options.claims ?? {}
  const own = volumes.map((volume) => withinReach(volume, claims, notes))
  const all = [...own, ...claimed([...before, main], volumes, notes)]
  const node = nodeOf(own, claims, notes)
  const affinity = node === undefined ? near : onNode(near, node)
  return {
    ...kept,
    // It is never set: no Service, created meanwhile or by labels that it shares, sends requests here.
    readinessGates: [{ conditionType: 'django-rollout/serves' }],
    ...(Object.keys(affinity).length > 0 ? { affinity } : {}),
    ...(node !== undefined && {
      // Its pods run there: that no new ones are wanted must not keep a claim from being reached.
      tolerations: [
        ...(kept.tolerations ?? []),
        {
          key: 'node.kubernetes.io/unschedulable',
          operator: 'Exists' as const,
          effect: 'NoSchedule' as const,
        },
      ],
    }),
    ...(all.length > 0 ? { volumes: all } : {}),
    ...(before.length > 0 ? { initContainers: before } : {}),
    containers: [main],
    restartPolicy: 'Never',
    // A migration ignores SIGTERM (Python is process 1 and has no handler), and its transaction
    // ends with its connection: waiting longer would only delay the undo.
    terminationGracePeriodSeconds: 5,
  }
}

/** `command` replaces the image's entrypoint, which may wait or migrate itself. */
function mainOf(container: Container, options: MigrationJobOptions): Container {
  const {
    args: _args,
    livenessProbe: _liveness,
    readinessProbe: _readiness,
    startupProbe: _startup,
    lifecycle: _lifecycle,
    ports: _ports,
    command: _command,
    env = [],
    ...kept
  } = container
  const added = options.env ?? []
  const all = [...env.filter(({ name }) => added.every((each) => each.name !== name)), ...added]
  return {
    ...kept,
    ...resourcesOf(container, options.resources ?? {}),
    image: options.image,
    // `$(NAME)` would be expanded, and `$$` shortened: https://kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container/
    command: options.command.map((word) => word.replaceAll('$', '$$$$')),
    ...(all.length > 0 ? { env: all } : {}),
  }
}

function resourcesOf(
  { resources = {} }: Container,
  changes: Readonly<Record<string, string>>,
): Pick<Container, 'resources'> {
  const all = Object.entries(changes)
  if (all.length === 0) return {}
  const changed = (isLimit: boolean) =>
    all
      .filter(([name]) => name.startsWith('limits.') === isLimit)
      .map(([name, value]) => [name.replace(/^(limits|requests)\./, ''), value] as const)
  const limits = { ...resources.limits, ...Object.fromEntries(changed(true)) }
  const requests = { ...resources.requests, ...Object.fromEntries(changed(false)) }
  return { resources: { ...resources, limits, requests } }
}

function initOf(container: Container, options: MigrationJobOptions, notes: string[]): Container[] {
  if (!options.webContainers.includes(container.name)) return [container]
  const why = whySkipped(container, options.inits ?? 'visible')
  if (why !== undefined) {
    notes.push(`init container ${container.name} is skipped: ${why}`)
    return []
  }
  return [{ ...container, image: options.image }]
}

/**
 * Another container becomes a native sidecar, which does not keep the pod from ending
 * (https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/, on from Kubernetes 1.29). Its
 * startup probe stays, since it is what makes the migration wait until a proxy listens.
 */
function sidecarOf(
  container: Container,
  options: MigrationJobOptions,
  notes: string[],
): Container[] {
  if (options.webContainers.includes(container.name)) {
    notes.push(
      `container ${container.name} is skipped: it would run the same code during the migration`,
    )
    return []
  }
  const { livenessProbe: _liveness, readinessProbe: _readiness, ports, ...kept } = container
  return [
    {
      ...kept,
      // Probes may name a port; one of the node's own could already be taken by the web pod.
      ...(ports ? { ports: ports.map(({ hostPort: _host, ...port }) => port) } : {}),
      restartPolicy: 'Always',
    },
  ]
}

/** A StatefulSet's claims are no volumes of its template: an empty folder replaces each. */
function claimed(
  containers: readonly Container[],
  volumes: readonly Volume[],
  notes: string[],
): Volume[] {
  const mounted = containers.flatMap((each) => [
    ...(each.volumeMounts ?? []).map((mount) => mount.name),
    ...(each.volumeDevices ?? []).map((device) => device.name),
  ])
  const missing = [...new Set(mounted)].filter((name) =>
    volumes.every((each) => each.name !== name),
  )
  for (const name of missing) {
    notes.push(`volume ${name} is per pod of a StatefulSet: the migration gets an empty one`)
  }
  return missing.map((name) => ({ name, emptyDir: {} }))
}

/** An empty folder replaces a claim that the pod cannot have. */
function withinReach(
  volume: Volume,
  claims: Readonly<Record<string, ClaimUse>>,
  notes: string[],
): Volume {
  const claim = volume.persistentVolumeClaim?.claimName ?? ''
  const use = claims[claim]
  if (use?.is !== 'out-of-reach') return volume
  notes.push(
    `volume ${volume.name}: the claim ${claim} ${use.why}: the migration gets an empty volume instead`,
  )
  return { name: volume.name, emptyDir: {} }
}

/** Where the claims are that are mounted on one node at a time. */
function nodeOf(
  volumes: readonly Volume[],
  claims: Readonly<Record<string, ClaimUse>>,
  notes: string[],
): string | undefined {
  for (const { persistentVolumeClaim } of volumes) {
    const claim = persistentVolumeClaim?.claimName ?? ''
    const use = claims[claim]
    if (use?.is === 'on-node') {
      notes.push(`the claim ${claim} is mounted on the node ${use.node}: the migration runs there`)
      return use.node
    }
  }
  return undefined
}

function onNode(affinity: Affinity, node: string): Affinity {
  const { nodeAffinity = {} } = affinity
  const required = nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution
  const onNode = { key: 'metadata.name', operator: 'In' as const, values: [node] }
  const terms = (required?.nodeSelectorTerms ?? [{}]).map((term) => ({
    ...term,
    matchFields: [...(term.matchFields ?? []), onNode],
  }))
  return {
    ...affinity,
    nodeAffinity: {
      ...nodeAffinity,
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms },
    },
  }
}

/** What the web's pods are marked by: what the template has, and what else a running one has got. */
function marksOf({ template, live }: MigrationJobOptions): PodMarks {
  const { labels = {}, annotations = {} } = template.metadata ?? {}
  return {
    labels: { ...live?.labels, ...labels },
    annotations: { ...live?.annotations, ...annotations },
  }
}

/**
 * Labels of admission that change a pod's environment: one says who may use Azure's identities
 * (https://azure.github.io/azure-workload-identity/docs/topics/service-account-labels-and-annotations.html#pod).
 */
function injectorsOf({ labels }: PodMarks): Record<string, string> {
  return Object.fromEntries(
    Object.entries(labels).filter(([key]) => key.startsWith('azure.workload.identity/')),
  )
}

/**
 * The Job's pod is not marked wholly as the web's, so that no Service or workload selects it: where a container
 * reads a mark, the value is put in its place. Files have it from annotations of the Job's own (`annotations`).
 */
function markedPod(pod: PodSpec, marks: PodMarks, annotations: Record<string, string>): PodSpec {
  const { initContainers, volumes } = pod
  const valued = (container: Container): Container =>
    container.env
      ? { ...container, env: container.env.map((each) => valuedEnv(each, marks)) }
      : container
  const file = (item: DownwardAPIVolumeFile): DownwardAPIVolumeFile => {
    const value = markOf(item.fieldRef?.fieldPath, marks)
    if (value === undefined) return item
    const key = `django-rollout/mark-${Object.keys(annotations).length}`
    annotations[key] = value
    return { ...item, fieldRef: { fieldPath: `metadata.annotations['${key}']` } }
  }
  const filled = (volume: Volume): Volume => {
    const { downwardAPI, projected } = volume
    if (downwardAPI?.items) {
      return { ...volume, downwardAPI: { ...downwardAPI, items: downwardAPI.items.map(file) } }
    }
    if (!projected?.sources) return volume
    const sources = projected.sources.map((source) =>
      source.downwardAPI?.items
        ? { ...source, downwardAPI: { items: source.downwardAPI.items.map(file) } }
        : source,
    )
    return { ...volume, projected: { ...projected, sources } }
  }
  return {
    ...pod,
    containers: pod.containers.map(valued),
    ...(initContainers && { initContainers: initContainers.map(valued) }),
    ...(volumes && { volumes: volumes.map(filled) }),
  }
}

/** A value is expanded where it is written, and not where a field gives it. */
function valuedEnv(variable: EnvVar, marks: PodMarks): EnvVar {
  const value = markOf(variable.valueFrom?.fieldRef?.fieldPath, marks)
  return value === undefined
    ? variable
    : { name: variable.name, value: value.replaceAll('$', '$$$$') }
}

/** The label or annotation that a field reads, one or all; `undefined` for any other field. */
function markOf(path: string | undefined, marks: PodMarks): string | undefined {
  const [, kind, , key] = /^metadata\.(labels|annotations)(\['(.*)'\])?$/.exec(path ?? '') ?? []
  if (kind === undefined) return undefined
  const all = kind === 'labels' ? marks.labels : marks.annotations
  if (key !== undefined) return all[key] ?? ''
  return Object.entries(all)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .join('\n')
}

/** Volumes that end with the pod, or that nothing can be written to. */
const passing = [
  'name',
  'emptyDir',
  'ephemeral',
  'configMap',
  'secret',
  'projected',
  'downwardAPI',
  'image',
]

/** Folders of a container that outlive the pod of its migration. */
export function lastingFolders(
  { spec }: PodTemplateSpec,
  container: string,
  claims: Readonly<Record<string, ClaimUse>>,
): readonly string[] {
  const lasting = (spec?.volumes ?? []).filter(
    (volume) =>
      Object.keys(volume).some((key) => !passing.includes(key)) &&
      claims[volume.persistentVolumeClaim?.claimName ?? '']?.is !== 'out-of-reach',
  )
  const mounts = spec?.containers.find(({ name }) => name === container)?.volumeMounts ?? []
  return mounts
    .filter((mount) => lasting.some(({ name }) => name === mount.name))
    .map(({ mountPath }) => mountPath)
}

/**
 * Half a migration is worse than a node that stays a few minutes longer: autoscalers and deschedulers leave such a pod
 * alone. https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md
 * https://karpenter.sh/docs/concepts/disruption/#pod-level-controls https://github.com/kubernetes-sigs/descheduler#pod-evictions
 */
const staying = {
  'cluster-autoscaler.kubernetes.io/safe-to-evict': 'false',
  'karpenter.sh/do-not-disrupt': 'true',
  'descheduler.alpha.kubernetes.io/prefer-no-eviction': 'true',
}

/**
 * The template's annotations are kept, since injectors of secrets read them; those that only ever mark a rollout are
 * not. A mesh adds its proxy as it does to the web: where it is strict, nothing else reaches the database.
 */
function annotationsOf(
  { annotations = {} }: NonNullable<PodTemplateSpec['metadata']>,
  sha: string,
): Record<string, string> {
  const kept = Object.entries(annotations).filter(
    ([key]) => !/^(kubectl\.)?kubernetes\.io\//.test(key),
  )
  return {
    // Istio starts both at once: a command that connects to the database first would be refused.
    'proxy.istio.io/config': '{"holdApplicationUntilProxyStarts": true}',
    ...Object.fromEntries(kept),
    ...staying,
    [shaAnnotation]: sha,
  }
}

function dns(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
}

function listed(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(', ')
}
