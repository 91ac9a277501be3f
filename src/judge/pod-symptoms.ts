import type { Container, ContainerStatus, Event, Pod, Probe } from 'kubernetes-types/core/v1'
import { conditionOf, isReady, isTakenAway, lastEvent } from './objects.js'
import { brief, isBusy, isPermanentPullError, probeAnswer, pullWords } from './kubelet-messages.js'
import type { FailureReason } from '../options/failure-reasons.js'
import type { Exit, Symptom, Startup } from './symptoms.js'
import { readsOfSpec } from '../kubernetes/configuration.js'
import { isSidecar } from '../kubernetes/objects.js'
import { missingWords } from './kubelet-messages.js'
import { oneLine } from './words.js'

/** A container of a pod with its status. Native sidecars (init containers that keep running) are main containers here. */
export interface Part {
  readonly spec: Container
  readonly status: ContainerStatus
  readonly init: boolean
}

/**
 * Returns every symptom of one pod. A pod that is being deleted, was evicted or lost its node has none: its
 * controller makes another one.
 *
 * @param events those about this pod, oldest first; they only add words and what no object says.
 */
export function podSymptoms(pod: Pod, events: readonly Event[] = []): readonly Symptom[] {
  if (pod.metadata?.deletionTimestamp || isTakenAway(pod)) return []
  const parts = partsOf(pod)
  const symptoms = parts.flatMap((part) => partSymptom(pod, part, events) ?? [])
  const waiting = scheduling(pod, events) ?? mounting(pod, parts, events)
  if (waiting) return [...symptoms, waiting]
  const unready = symptoms.length === 0 ? notReady(pod, parts, events) : undefined
  return unready ? [...symptoms, unready] : symptoms
}

/** Returns how many times each container has exited so far, whatever its exit code. */
export function endsOf(pod: Pod): readonly { container: string; count: number; failed: boolean }[] {
  return partsOf(pod).map((part) => {
    const end = lastEndOf(part)
    return {
      container: part.spec.name,
      count: end?.number ?? part.status.restartCount,
      failed: end !== undefined && (end.code !== 0 || shouldKeepRunning(pod, part)),
    }
  })
}

export function partsOf(pod: Pod): readonly Part[] {
  const statuses = [
    ...(pod.status?.initContainerStatuses ?? []),
    ...(pod.status?.containerStatuses ?? []),
  ]
  const part = (spec: Container, init: boolean): readonly Part[] => {
    const status = statuses.find(({ name }) => name === spec.name)
    return status ? [{ spec, status, init }] : []
  }
  return [
    ...(pod.spec?.initContainers ?? []).flatMap((spec) => part(spec, !isSidecar(spec))),
    ...(pod.spec?.containers ?? []).flatMap((spec) => part(spec, false)),
  ]
}

function partSymptom(pod: Pod, part: Part, events: readonly Event[]): Symptom | undefined {
  const { status, spec } = part
  const make = (reason: FailureReason, message: string, exit?: Exit): Symptom => ({
    reason,
    key: `${pod.metadata?.uid ?? ''}/${spec.name}/${reason}`,
    message: brief(message, spec.image),
    ...(pod.metadata?.name !== undefined && { pod: pod.metadata.name }),
    ...(pod.metadata?.uid !== undefined && { podUid: pod.metadata.uid }),
    container: spec.name,
    oneOfMany: (pod.spec?.containers.length ?? 1) > 1 || part.init || isSidecar(spec),
    ...(spec.image !== undefined && { image: spec.image }),
    ...(pod.spec?.imagePullSecrets && {
      pullSecrets: pod.spec.imagePullSecrets.flatMap(({ name }) => name ?? []),
    }),
    ...(exit && { exit }),
    ...(exit?.probe !== undefined && probeTargetOf(spec, exit.probe)),
    ...(reason === 'ConfigMissing' && { missing: missingOf(pod, message) }),
  })
  const waiting = status.state?.waiting
  const message = waiting?.message ?? ''
  switch (waiting?.reason) {
    case 'ErrImageNeverPull':
    case 'InvalidImageName':
      return make('ImageNotFound', message || waiting.reason)
    case 'ErrImagePull':
    case 'ImagePullBackOff':
    case 'ImageInspectError':
    case 'RegistryUnavailable':
    case 'SignatureValidationFailed': {
      const words = pullWords(message, spec.image, events) || waiting.reason
      return make(isPermanentPullError(words, spec.image) ? 'ImageNotFound' : 'ImagePull', words)
    }
    case 'CreateContainerConfigError':
      // The kubelet has not filled its own cache yet: never the image's fault, and soon over.
      if (/failed to sync \w+ cache/.test(message)) return undefined
      return make(/runAsNonRoot/i.test(message) ? 'CannotStart' : 'ConfigMissing', message)
    case 'CreateContainerError':
    case 'RunContainerError':
    case 'StartError':
    case 'PostStartHookError':
    case 'PreCreateHookError':
    case 'PreStartHookError':
      return make(isBusy(message) ? 'Sandbox' : 'CannotStart', message || waiting.reason)
    default:
      return exitSymptom(part, shouldKeepRunning(pod, part), events, make)
  }
}

/** Returns whether an exit with code 0 is a fault: only of a container that is always restarted. */
function shouldKeepRunning(pod: Pod, { init }: Part): boolean {
  return !init && (pod.spec?.restartPolicy ?? 'Always') === 'Always'
}

function exitSymptom(
  part: Part,
  keepsRunning: boolean,
  events: readonly Event[],
  make: (reason: FailureReason, message: string, exit?: Exit) => Symptom,
): Symptom | undefined {
  const end = lastEndOf(part)
  if (!end) return undefined
  const { status, spec } = part
  const state = end.state
  const exit: Exit = {
    code: end.code,
    number: end.number,
    previous: status.state?.terminated === undefined,
    loops: status.state?.waiting?.reason === 'CrashLoopBackOff',
    running: status.state?.running !== undefined,
    probed: spec.readinessProbe !== undefined || spec.startupProbe !== undefined,
    ...killedFor(spec, end.code, events),
  }
  if (state.reason === 'StartError' || state.reason === 'ContainerCannotRun') {
    if (exit.running) return undefined
    const message = state.message ?? state.reason
    return make(isBusy(message) ? 'Sandbox' : 'CannotStart', message)
  }
  if (end.code === 0 && !keepsRunning) return undefined
  const message = state.message || `exited with ${end.code}`
  if (state.reason === 'OOMKilled') return make('OutOfMemory', message, exit)
  return make(part.init ? 'InitCrash' : 'Crash', message, exit)
}

/** Returns the last exit of a container, with its number. The restart count is the number of the current or last run. */
export function lastEndOf({ status }: Part) {
  const { state, lastState, restartCount } = status
  const [end, number] = state?.terminated
    ? [state.terminated, restartCount + 1]
    : [lastState?.terminated, state?.running ? restartCount : restartCount + 1]
  // The node was unreachable: how it exited is unknown.
  if (!end || end.reason === 'ContainerStatusUnknown') return undefined
  return { state: end, code: end.exitCode, number: Math.max(1, number) }
}

/** Returns the probe's answer, if the kubelet killed the container for it: the exit is by a signal then (or 0). */
function killedFor(
  spec: Container,
  code: number,
  events: readonly Event[],
): { readonly probe?: string } {
  if (code !== 0 && code !== 137 && code !== 143) return {}
  const kill = lastEvent(events, ['Killing'])?.message ?? ''
  if (!kill.includes(`Container ${spec.name} failed `)) return {}
  const kind = /failed (liveness|startup) probe/.exec(kill)?.[1]
  return kind === undefined ? {} : { probe: probeWords(events, spec.name, kind) ?? oneLine(kill) }
}

/**
 * Returns the newest answer of a container to one kind of probe:
 * `Readiness probe failed: HTTP probe failed with statuscode: 503`.
 */
function probeWords(events: readonly Event[], container: string, kind: string): string | undefined {
  const answers = events.filter(
    ({ reason, message, involvedObject: { fieldPath } }) =>
      reason === 'Unhealthy' &&
      (fieldPath?.includes(`{${container}}`) ?? true) &&
      (message ?? '').toLowerCase().startsWith(kind),
  )
  const last = answers.at(-1)?.message
  return last === undefined ? undefined : probeAnswer(last)
}

/** Returns what the probe that got this answer requests. */
function probeTargetOf(spec: Container, words: string): Pick<Symptom, 'probeTarget'> {
  const probes = {
    Readiness: spec.readinessProbe,
    Liveness: spec.livenessProbe,
    Startup: spec.startupProbe,
  }
  const kind = /^(Readiness|Liveness|Startup) probe/.exec(words)?.[1] as
    keyof typeof probes | undefined
  const { httpGet, tcpSocket, exec } = (kind ? probes[kind] : spec.readinessProbe) ?? {}
  const portOf = (port: string | number) =>
    `port ${spec.ports?.find(({ name }) => name === port)?.containerPort ?? port}`
  // What follows, a query or arguments, may contain a secret.
  if (httpGet) {
    return {
      probeTarget: `GET ${(httpGet.path ?? '/').replace(/\?.*/, '')} on ${portOf(httpGet.port)}`,
    }
  }
  if (tcpSocket) return { probeTarget: portOf(tcpSocket.port) }
  const program = exec?.command?.[0]
  return program === undefined ? {} : { probeTarget: oneLine(program, 100) }
}

function podSymptom(pod: Pod, reason: FailureReason, message: string): Symptom {
  const { uid, name } = pod.metadata ?? {}
  return {
    reason,
    key: `${uid ?? ''}//${reason}`,
    message: oneLine(message),
    ...(name !== undefined && { pod: name }),
    ...(uid !== undefined && { podUid: uid }),
  }
}

function scheduling(pod: Pod, events: readonly Event[]): Symptom | undefined {
  const scheduled = conditionOf(pod, 'PodScheduled')
  if (scheduled?.status !== 'False' || scheduled.reason !== 'Unschedulable') return undefined
  const message = scheduled.message ?? 'no node fits'
  // The scheduler reports it, though no node is involved.
  if (/persistentvolumeclaim "[^"]*" not found/.test(message))
    return podSymptom(pod, 'Volume', message)
  // The scheduler is making room by preemption.
  if (pod.status?.nominatedNodeName) return podSymptom(pod, 'ScalingUp', message)
  // Cluster Autoscaler's events, and Karpenter's `Nominated`.
  const scaler = lastEvent(events, ['NotTriggerScaleUp', 'TriggeredScaleUp', 'Nominated'])
  if (!scaler) return podSymptom(pod, 'Unschedulable', message)
  const none = scaler.reason === 'NotTriggerScaleUp'
  return podSymptom(pod, none ? 'NoScaleUp' : 'ScalingUp', `${message} ${scaler.message ?? ''}`)
}

function mounting(pod: Pod, parts: readonly Part[], events: readonly Event[]): Symptom | undefined {
  const isHeld = (reason?: string) => reason === 'ContainerCreating' || reason === 'PodInitializing'
  if (!parts.some(({ status }) => isHeld(status.state?.waiting?.reason))) return undefined
  const last = lastEvent(events, [...FAILED_HOLDS, ...PAST_HOLDS])
  const message = last?.message ?? ''
  switch (last?.reason) {
    case 'FailedMount':
      if (/failed to sync \w+ cache/.test(message)) return undefined
      return /(configmap|secret) "[^"]*" not found|references non-existent/.test(message)
        ? { ...podSymptom(pod, 'ConfigMissing', message), missing: missingOf(pod, message) }
        : podSymptom(pod, 'Volume', message)
    case 'FailedAttachVolume':
      return podSymptom(pod, message.includes('Multi-Attach') ? 'MultiAttach' : 'Volume', message)
    case 'FailedCreatePodSandBox':
    case 'NetworkNotReady':
      return podSymptom(pod, 'Sandbox', message)
    default:
      return undefined
  }
}

function missingOf({ spec }: Pod, message: string): NonNullable<Symptom['missing']> {
  return { ...missingWords(message), reads: readsOfSpec(spec) }
}

const FAILED_HOLDS = [
  'FailedMount',
  'FailedAttachVolume',
  'FailedCreatePodSandBox',
  'NetworkNotReady',
]
/** Events that show that the pod has made progress since. */
const PAST_HOLDS = ['SuccessfulAttachVolume', 'Pulling', 'Pulled', 'Created', 'Started']

function notReady(pod: Pod, parts: readonly Part[], events: readonly Event[]): Symptom | undefined {
  const main = parts.filter(({ init }) => !init)
  const run = main.filter(({ status }) => status.state?.running)
  const running = run.length === main.length && run.length >= (pod.spec?.containers.length ?? 1)
  if (isReady(pod) || !running) return undefined
  const late = main.find(({ status }) => !status.ready)
  const startups: readonly Startup[] = main.flatMap(({ spec, status }) =>
    status.started === false && spec.startupProbe
      ? [{ container: spec.name, run: status.restartCount, budget: budgetOf(spec.startupProbe) }]
      : [],
  )
  const gate = pod.spec?.readinessGates?.find(
    ({ conditionType }) => conditionOf(pod, conditionType)?.status !== 'True',
  )
  // The answers of a startup probe that has passed say nothing any more.
  const kind = startups.length > 0 ? 'startup' : 'readiness'
  const message = late
    ? (probeWords(events, late.spec.name, kind) ?? `container ${late.spec.name} is not ready`)
    : gate
      ? `readiness gate ${gate.conditionType} is not met`
      : (conditionOf(pod, 'Ready')?.message ?? 'not Ready')
  const symptom = podSymptom(pod, 'NotReady', message)
  const probing = startups.length > 0 ? [] : main.flatMap(probingOf)
  return {
    ...symptom,
    ...(probing[0] && {
      probing: {
        delay: Math.max(...probing.map(({ delay }) => delay)),
        tries: Math.max(...probing.map(({ tries }) => tries)),
      },
    }),
    // Its time to become Ready begins when the startupProbe has passed.
    ...(startups.length > 0 && { key: `${symptom.key}/startup` }),
    ...(late && {
      container: late.spec.name,
      oneOfMany: main.length > 1,
      ...probeTargetOf(late.spec, message),
    }),
    startups,
  }
}

/** Allows three tries before a pod counts as not Ready, or as many as the probe itself does. */
function probingOf({ spec: { readinessProbe }, status }: Part): readonly Probing[] {
  if (!readinessProbe || status.ready) return []
  const { initialDelaySeconds = 0, periodSeconds = 10 } = readinessProbe
  const { successThreshold = 1, failureThreshold = 3 } = readinessProbe
  const tries = (successThreshold - 1 + Math.max(3, failureThreshold)) * periodSeconds
  return [{ delay: initialDelaySeconds * 1000, tries: tries * 1000 }]
}

type Probing = NonNullable<Symptom['probing']>

/** Returns how long a startupProbe allows its container, in ms. Defaults are those of the API. */
export function budgetOf(probe: Probe): number {
  const { initialDelaySeconds = 0, failureThreshold = 3, periodSeconds = 10 } = probe
  return (initialDelaySeconds + failureThreshold * periodSeconds) * 1000
}
