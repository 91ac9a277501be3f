/** What is wrong with a workload before a release, or would be in the middle of one. Pure. */
import type { DeploymentSpec } from 'kubernetes-types/apps/v1'
import { runsBeat, runsCeleryWorker, uwsgiOptions } from '../django/roles.js'
import { isBeingDeleted, templateOf } from '../kubernetes/objects.js'
import { error, warning, type Finding } from '../report/finding.js'
import { inContainer, inTemplate, fixOf, type Kubectl } from './fixes.js'
import { ownerOf } from './owners.js'
import type { Subject } from './subject.js'

/** A task that takes longer than this is killed: the default of Kubernetes, in s. */
const usualGraceSeconds = 30

/** Each check of a single workload is a row here. */
const checks: readonly ((subject: Subject, kubectl: Kubectl) => readonly Finding[])[] = [
  paused,
  leaving,
  owned,
  withoutRevisions,
  recreated,
  allAtOnce,
  cutShort,
  reloads,
  startsWithoutApp,
  beatsTwice,
]

export function workloadFindings(
  subjects: readonly Subject[],
  kubectl: Kubectl,
): readonly Finding[] {
  return [
    ...subjects.flatMap((subject) => checks.flatMap((check) => check(subject, kubectl))),
    ...manyBeats(subjects, kubectl),
  ]
}

function paused({ id, target }: Subject, kubectl: Kubectl): readonly Finding[] {
  if (!target.live?.spec.paused) return []
  const message = `${id} is paused, so a new version would never roll out`
  return [error('workloads', message, kubectl(['rollout', 'resume', id]))]
}

function leaving({ id, target }: Subject, kubectl: Kubectl): readonly Finding[] {
  if (!target.live || !isBeingDeleted(target.live)) return []
  const message = `${id} is being deleted: a write to it would be lost`
  const show = kubectl(['get', id, '-o', 'jsonpath={.metadata.finalizers}'])
  // A release waits for what a manifest recreates.
  return [(target.manifest ? warning : error)('workloads', message, show)]
}

function owned({ id, target }: Subject): readonly Finding[] {
  const owner = target.live && ownerOf(target.live)
  if (!owner) return []
  const message = `${id} belongs to ${owner.name}, which resets its image ${owner.when}`
  return [warning('workloads', message, owner.fix)]
}

function withoutRevisions({ id, target, object }: Subject, kubectl: Kubectl): readonly Finding[] {
  if (object.spec.revisionHistoryLimit !== 0) return []
  const message = `${id} has revisionHistoryLimit: 0, so Kubernetes keeps no earlier version, and "kubectl rollout undo" cannot work`
  return [
    warning('workloads', message, fixOf(target, { spec: { revisionHistoryLimit: 10 } }, kubectl)),
  ]
}

function recreated(
  { id, target, object, isServed }: Subject,
  kubectl: Kubectl,
): readonly Finding[] {
  const { strategy } = object.spec as Partial<DeploymentSpec>
  if (object.kind !== 'Deployment' || !isServed || strategy?.type !== 'Recreate') return []
  const message = `${id} has strategy: Recreate, so there is downtime from the end of its old pods until the new ones are Ready`
  // The new type is only accepted without the fields of the other one.
  const change = { spec: { strategy: { type: 'RollingUpdate' } } }
  return [warning('workloads', message, fixOf(target, change, kubectl))]
}

function allAtOnce(
  { id, target, object, isServed }: Subject,
  kubectl: Kubectl,
): readonly Finding[] {
  const { strategy } = object.spec as Partial<DeploymentSpec>
  const replicas = object.spec.replicas ?? 1
  if (object.kind !== 'Deployment' || !isServed || strategy?.type === 'Recreate') return []
  const { maxUnavailable = '25%', maxSurge = '25%' } = strategy?.rollingUpdate ?? {}
  const surge = countOf(maxSurge, replicas, Math.ceil)
  const gone = countOf(maxUnavailable, replicas, Math.floor)
  // Kubernetes takes 1 where both are 0: nothing would ever move.
  const replaced = surge === 0 && gone === 0 ? 1 : gone
  if (replicas === 0 || replaced < replicas) return []
  const message =
    replicas === 1
      ? `${id} may lose its only pod while the new one starts (maxUnavailable: ${maxUnavailable}): there is downtime until then`
      : `${id} may lose all of its ${replicas} pods while the new ones start (maxUnavailable: ${maxUnavailable}): there is downtime until then`
  const rollingUpdate = { maxUnavailable: 0, maxSurge: 1 }
  return [
    warning(
      'workloads',
      message,
      fixOf(target, { spec: { strategy: { rollingUpdate } } }, kubectl),
    ),
  ]
}

/** A number of pods, which may be written as a part of all. */
function countOf(
  value: number | string,
  replicas: number,
  round: (value: number) => number,
): number {
  return typeof value === 'number' ? value : round((parseInt(value, 10) * replicas) / 100)
}

function cutShort(
  { id, target, object, containers }: Subject,
  kubectl: Kubectl,
): readonly Finding[] {
  const grace = templateOf(object).spec?.terminationGracePeriodSeconds ?? usualGraceSeconds
  const worker = containers.find(runsCeleryWorker)
  if (object.kind === 'CronJob' || !worker || grace > usualGraceSeconds) return []
  const message = `${id}, container ${worker.name}: a Celery task that takes longer than ${grace} s is killed by each release (terminationGracePeriodSeconds)`
  const change = inTemplate(target, { terminationGracePeriodSeconds: 300 })
  return [warning('workloads', message, fixOf(target, change, kubectl))]
}

/** https://uwsgi-docs.readthedocs.io/en/latest/Options.html#die-on-term */
function reloads({ id, object, containers }: Subject): readonly Finding[] {
  const grace = templateOf(object).spec?.terminationGracePeriodSeconds ?? usualGraceSeconds
  return containers.flatMap((container) => {
    const options = uwsgiOptions(container) ?? []
    const hasMaster = options.includes('--master') || options.includes('-M')
    if (!hasMaster || options.includes('--die-on-term') || container.lifecycle?.preStop) return []
    const message = `${id}, container ${container.name}: uWSGI takes SIGTERM for a reload, so each old pod ends only when it is killed after ${grace} s: add --die-on-term to its command, unless the image has STOPSIGNAL SIGINT`
    return [warning('workloads', message)]
  })
}

function startsWithoutApp({ id, containers }: Subject): readonly Finding[] {
  return containers.flatMap((container) => {
    const options = uwsgiOptions(container)
    if (!options || options.includes('--need-app')) return []
    const message = `${id}, container ${container.name}: uWSGI starts without the application when its import fails, and answers each request with an error: add --need-app to its command`
    return [warning('workloads', message)]
  })
}

/**
 * A rolling update starts the new pod beside the old one. Without a surge it starts while the old one
 * ends, which may take its whole grace: only Recreate waits for the end.
 */
function beatsTwice({ id, target, object, containers, isServed }: Subject, kubectl: Kubectl) {
  const { strategy } = object.spec as Partial<DeploymentSpec>
  const isRolling = object.kind === 'Deployment' && strategy?.type !== 'Recreate'
  const beat = containers.find(runsBeat)
  if (!isRolling || !beat || object.spec.replicas === 0) return []
  const message = `${id}, container ${beat.name}: the old and the new Celery beat run side by side for a moment in each release, so tasks that are due then are sent twice`
  if (isServed)
    return [warning('workloads', `${message}: move beat to a Deployment without a Service`)]
  const change = { spec: { strategy: { type: 'Recreate', rollingUpdate: null } } }
  return [
    warning('workloads', `${message}: set strategy: Recreate`, fixOf(target, change, kubectl)),
  ]
}

/** https://docs.celeryq.dev/en/stable/userguide/periodic-tasks.html#starting-the-scheduler */
function manyBeats(subjects: readonly Subject[], kubectl: Kubectl): readonly Finding[] {
  const beats = subjects.filter(
    ({ object, containers }) => object.kind !== 'CronJob' && containers.some(runsBeat),
  )
  const pods = beats.map(({ object: { kind, spec } }) =>
    // A DaemonSet has one on each node.
    kind === 'DaemonSet' ? Infinity : (spec.replicas ?? 1),
  )
  const all = pods.reduce((sum, each) => sum + each, 0)
  const [first, ...others] = beats
  if (!first || all <= 1) return []
  const who = beats.map(({ id }) => id).join(' and ')
  const times = all === Infinity ? 'once per node' : `${all} times`
  const message = `Celery's beat runs ${times} (${who}), so every scheduled task is sent that often`
  const isOne = others.length === 0 && all !== Infinity
  return [
    warning('workloads', message, isOne ? kubectl(['scale', first.id, '--replicas=1']) : undefined),
  ]
}

/** Returns facts that a user may want to know once, and that no release repeats. */
export function pullFindings(subjects: readonly Subject[], kubectl: Kubectl): readonly Finding[] {
  return subjects.flatMap(({ id, target, containers }) =>
    containers
      .filter(({ imagePullPolicy }) => imagePullPolicy === 'Always')
      .map(({ name }) => {
        const message = `${id}, container ${name} has imagePullPolicy: Always, so none of its pods can start while the registry is unavailable, although a release pins the image by its digest`
        const change = inContainer(target, name, { imagePullPolicy: 'IfNotPresent' })
        return warning('workloads', message, fixOf(target, change, kubectl))
      }),
  )
}
