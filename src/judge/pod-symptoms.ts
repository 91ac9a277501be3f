import type { Container, ContainerStatus, Event, Pod, Probe } from 'kubernetes-types/core/v1'
import { conditionOf, isReady, isTakenAway, lastEvent } from './objects.js'
import { brief, isBusy, isLost, probeAnswer, pullWords } from './kubelet-messages.js'
import type { Exit, Reason, Symptom, Startup } from './symptoms.js'
import { oneLine } from './words.js'

/** A container of a pod with its status. Native sidecars (init containers that stay) are main containers here. */
export interface Part {
  readonly spec: Container
  readonly status: ContainerStatus
  readonly init: boolean
}

/**
 * Every trouble that one pod shows. A pod that is being deleted, was evicted or lost its node is no trouble:
 * its controller makes another one.
 *
 * @param events those about this pod, oldest first; they only add words and what no object says.
 */
export function podSymptoms(pod: Pod, events: readonly Event[] = []): readonly Symptom[] {
  if (pod.metadata?.deletionTimestamp || isTakenAway(pod)) return []
  const parts = partsOf(pod)
  const signs = parts.flatMap((part) => partSign(pod, part, events) ?? [])
  const waiting = scheduling(pod, events) ?? mounting(pod, parts, events)
  if (waiting) return [...signs, waiting]
  const unready = signs.length === 0 ? notReady(pod, parts, events) : undefined
  return unready ? [...signs, unready] : signs
}

/** How many times each container has ended so far, whatever its exit code. */
export function endsOf(pod: Pod): readonly { container: string; count: number; failed: boolean }[] {
  return partsOf(pod).map((part) => {
    const end = lastEndOf(part)
    return {
      container: part.spec.name,
      count: end?.number ?? part.status.restartCount,
      failed: end !== undefined && (end.code !== 0 || isToStay(pod, part)),
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

/** An init container that is to stay (Kubernetes 1.29). The field is younger than the types in use. */
function isSidecar(spec: Container): boolean {
  return (spec as { restartPolicy?: string }).restartPolicy === 'Always'
}

function partSign(pod: Pod, part: Part, events: readonly Event[]): Symptom | undefined {
  const { status, spec } = part
  const make = (reason: Reason, says: string, exit?: Exit): Symptom => ({
    reason,
    key: `${pod.metadata?.uid ?? ''}/${spec.name}/${reason}`,
    says: brief(says, spec.image),
    ...(pod.metadata?.name !== undefined && { pod: pod.metadata.name }),
    ...(pod.metadata?.uid !== undefined && { podUid: pod.metadata.uid }),
    container: spec.name,
    oneOfMany: (pod.spec?.containers.length ?? 1) > 1 || part.init || isSidecar(spec),
    ...(spec.image !== undefined && { image: spec.image }),
    ...(pod.spec?.imagePullSecrets && {
      pullSecrets: pod.spec.imagePullSecrets.flatMap(({ name }) => name ?? []),
    }),
    ...(exit && { exit }),
    ...(exit?.probe !== undefined && asked(spec, exit.probe)),
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
      return make(isLost(words, spec.image) ? 'ImageNotFound' : 'ImagePull', words)
    }
    case 'CreateContainerConfigError':
      // The kubelet has not read its own copy yet: never the image's fault, and soon over.
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
      return endSign(part, isToStay(pod, part), events, make)
  }
}

/** Whether an end with exit code 0 is a fault: only of what is started again for ever. */
function isToStay(pod: Pod, { init }: Part): boolean {
  return !init && (pod.spec?.restartPolicy ?? 'Always') === 'Always'
}

function endSign(
  part: Part,
  stays: boolean,
  events: readonly Event[],
  make: (reason: Reason, says: string, exit?: Exit) => Symptom,
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
    const says = state.message ?? state.reason
    return make(isBusy(says) ? 'Sandbox' : 'CannotStart', says)
  }
  if (end.code === 0 && !stays) return undefined
  const says = state.message || `exited with ${end.code}`
  if (state.reason === 'OOMKilled') return make('OutOfMemory', says, exit)
  return make(part.init ? 'InitCrash' : 'Crash', says, exit)
}

/** The last end of a container, by number. The restart count is the number of the run that is now or was last. */
export function lastEndOf({ status }: Part) {
  const { state, lastState, restartCount } = status
  const [end, number] = state?.terminated
    ? [state.terminated, restartCount + 1]
    : [lastState?.terminated, state?.running ? restartCount : restartCount + 1]
  // The node was away and nobody knows how it ended.
  if (!end || end.reason === 'ContainerStatusUnknown') return undefined
  return { state: end, code: end.exitCode, number: Math.max(1, number) }
}

/** What the probe said, where the kubelet killed the container for it: it ends by a signal then (or by 0). */
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
 * `Readiness probe failed: HTTP probe failed with statuscode: 503`: the newest answer of a container to one
 * kind of probe.
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

/** What the probe asks for that gave this answer. */
function asked(spec: Container, words: string): Pick<Symptom, 'asks'> {
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
  // What follows, a query or arguments, may hold a secret.
  if (httpGet) {
    return { asks: `GET ${(httpGet.path ?? '/').replace(/\?.*/, '')} on ${portOf(httpGet.port)}` }
  }
  if (tcpSocket) return { asks: portOf(tcpSocket.port) }
  const program = exec?.command?.[0]
  return program === undefined ? {} : { asks: oneLine(program, 100) }
}

function podSymptom(pod: Pod, reason: Reason, says: string): Symptom {
  const { uid, name } = pod.metadata ?? {}
  return {
    reason,
    key: `${uid ?? ''}//${reason}`,
    says: oneLine(says),
    ...(name !== undefined && { pod: name }),
    ...(uid !== undefined && { podUid: uid }),
  }
}

function scheduling(pod: Pod, events: readonly Event[]): Symptom | undefined {
  const scheduled = conditionOf(pod, 'PodScheduled')
  if (scheduled?.status !== 'False' || scheduled.reason !== 'Unschedulable') return undefined
  const says = scheduled.message ?? 'no node fits'
  // Told by the scheduler, though no node has anything to do with it.
  if (/persistentvolumeclaim "[^"]*" not found/.test(says)) return podSymptom(pod, 'Volume', says)
  // The scheduler is making room by preemption.
  if (pod.status?.nominatedNodeName) return podSymptom(pod, 'ScalingUp', says)
  // Cluster Autoscaler's events, and Karpenter's `Nominated`.
  const scaler = lastEvent(events, ['NotTriggerScaleUp', 'TriggeredScaleUp', 'Nominated'])
  if (!scaler) return podSymptom(pod, 'Unschedulable', says)
  const none = scaler.reason === 'NotTriggerScaleUp'
  return podSymptom(pod, none ? 'NoScaleUp' : 'ScalingUp', `${says} ${scaler.message ?? ''}`)
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
        ? podSymptom(pod, 'ConfigMissing', message)
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

const FAILED_HOLDS = [
  'FailedMount',
  'FailedAttachVolume',
  'FailedCreatePodSandBox',
  'NetworkNotReady',
]
/** Events that say that it went on since. */
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
  // The answers of a startup probe that is over say nothing any more.
  const kind = startups.length > 0 ? 'startup' : 'readiness'
  const says = late
    ? (probeWords(events, late.spec.name, kind) ?? `container ${late.spec.name} is not ready`)
    : gate
      ? `readiness gate ${gate.conditionType} is not met`
      : (conditionOf(pod, 'Ready')?.message ?? 'not Ready')
  const sign = podSymptom(pod, 'NotReady', says)
  const probing = startups.length > 0 ? [] : main.flatMap(probingOf)
  return {
    ...sign,
    ...(probing[0] && {
      probing: {
        delay: Math.max(...probing.map(({ delay }) => delay)),
        tries: Math.max(...probing.map(({ tries }) => tries)),
      },
    }),
    // Its time to be Ready begins when the startupProbe has let it through.
    ...(startups.length > 0 && { key: `${sign.key}/startup` }),
    ...(late && {
      container: late.spec.name,
      oneOfMany: main.length > 1,
      ...asked(late.spec, says),
    }),
    startups,
  }
}

/** Three tries before a pod is called not Ready: the first may come too early, and the second be unlucky. */
function probingOf({ spec: { readinessProbe }, status }: Part): readonly Probing[] {
  if (!readinessProbe || status.ready) return []
  const { initialDelaySeconds = 0, periodSeconds = 10, successThreshold = 1 } = readinessProbe
  const tries = (successThreshold + 2) * periodSeconds
  return [{ delay: initialDelaySeconds * 1000, tries: tries * 1000 }]
}

type Probing = NonNullable<Symptom['probing']>

/** How long a startupProbe lets its container take, in ms. Defaults are those of the API. */
export function budgetOf(probe: Probe): number {
  const { initialDelaySeconds = 0, failureThreshold = 3, periodSeconds = 10 } = probe
  return (initialDelaySeconds + failureThreshold * periodSeconds) * 1000
}
