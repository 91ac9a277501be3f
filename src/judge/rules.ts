import type { CauseCode } from '../failure/failure.js'
import * as hints from './hints.js'
import type { FailureReason } from '../options/failure-reasons.js'
import type { Evidence } from './remedies.js'
import type { Symptom } from './symptoms.js'
import type { Diagnosis } from './types.js'
import { oneLine } from './words.js'

/** How long a symptom may last, counted from when it was first seen. */
export type Wait =
  | SimpleWait
  /** The container's log decides. */
  | ({ readonly is: 'by-cause' } & Readonly<Record<Diagnosis['kind'], SimpleWait>>)

export type SimpleWait =
  | { readonly is: 'after'; readonly ms: number }
  /** As long as something in the cluster may still remedy it (`remedies.ts`); in ms. */
  | ({ readonly is: 'by-remedy' } & Readonly<Record<Evidence['is'], number>>)
  /** As long as the workload may take for a step: its progressDeadlineSeconds, at most the release's timeout. */
  | { readonly is: 'deadline' }
  /** As long as pods of the previous version took to become Ready, with a margin, and never shorter than a startupProbe. */
  | { readonly is: 'ready' }
  /** At the nth exit of the container, and not before `ms`. `loop`: or as soon as it is in CrashLoopBackOff. */
  | { readonly is: 'exit'; readonly nth: number; readonly ms: number; readonly loop: boolean }

/** A symptom with what its sentence and its hint are made of. */
export interface SymptomDetails {
  /** `web`, or `web (container nginx)` where the pod has several. */
  readonly who: string
  readonly symptom: Symptom
  /** What the container's log says, if it was read. */
  readonly diagnosis?: Diagnosis
}

export interface Rule {
  readonly code: CauseCode
  readonly wait: Wait
  /**
   * The least wait, in ms, while another pod of the new template is Ready, or on a first deploy: one bad node
   * must not undo fifty pods.
   */
  readonly sheltered?: number
  readonly sentence: (details: SymptomDetails) => string
  readonly hint: (details: SymptomDetails) => string
}

const atOnce: Wait = { is: 'after', ms: 0 }
const after = (seconds: number): Wait => ({ is: 'after', ms: seconds * 1000 })
/** In seconds. */
const byRemedy = ({ none, unseen, some }: Readonly<Record<Evidence['is'], number>>): Wait => ({
  is: 'by-remedy',
  none: none * 1000,
  unseen: unseen * 1000,
  some: some * 1000,
})

/** The kind of the crash decides: permanent, transient or unknown. */
const byCause: Wait = {
  is: 'by-cause',
  permanent: { is: 'exit', nth: 1, ms: 0, loop: true },
  transient: { is: 'exit', nth: 3, ms: 60_000, loop: false },
  unknown: { is: 'exit', nth: 2, ms: 0, loop: true },
}

const names = (what: string) => (details: SymptomDetails) =>
  `${details.who}: ${what}: ${details.symptom.message}`

/** Returns the image without its digest: the tag says enough, and the digest is in the log of the write. */
const byTag = ({ image = '' }: Symptom) => image.replace(/(:[\w.-]+)@sha256:\w+$/, '$1')

/** When a rollout has failed, one row for each reason. If two are due at the same time, the upper one is reported. */
export const RULES: Readonly<Record<FailureReason, Rule>> = {
  ImageNotFound: {
    code: 'image-not-found',
    wait: atOnce,
    sentence: ({ who, symptom }) =>
      `${who}: image ${byTag(symptom)} cannot be pulled: ${symptom.message}`,
    hint: hints.ofImage,
  },
  ImagePull: {
    code: 'image-pull',
    wait: after(60),
    sentence: ({ who, symptom }) =>
      `${who}: image ${byTag(symptom)} could not be pulled: ${symptom.message}`,
    hint: hints.ofPull,
  },
  CannotStart: {
    code: 'cannot-start',
    wait: atOnce,
    sentence: names('cannot be started'),
    hint: hints.ofStart,
  },
  ConfigMissing: {
    code: 'config-missing',
    wait: byRemedy({ none: 3, unseen: 20, some: 20 }),
    sentence: names('its configuration is missing'),
    hint: hints.ofConfig,
  },
  OutOfMemory: {
    code: 'out-of-memory',
    wait: { is: 'exit', nth: 2, ms: 0, loop: false },
    sentence: ({ who, symptom }) =>
      `${who}: killed${symptom.exit?.number === 1 ? '' : ' again'} for using more memory than its limit`,
    hint: () => 'Raise `resources.limits.memory` of the container, or let it start fewer processes',
  },
  CrashAfterReady: {
    code: 'crash-after-ready',
    wait: atOnce,
    sentence: ({ who, ...details }) =>
      `${who}: was Ready, then crashed twice: ${endWords(details)}`,
    hint: hints.ofEnd,
  },
  Crash: {
    code: 'crash',
    wait: byCause,
    sheltered: 60_000,
    sentence: ({ who, ...details }) => `${who}: ${endWords(details)}`,
    hint: hints.ofEnd,
  },
  InitCrash: {
    code: 'init-crash',
    wait: byCause,
    sheltered: 60_000,
    sentence: ({ who, ...details }) => `${who}: ${endWords(details)}`,
    hint: hints.ofEnd,
  },
  PodRefused: {
    code: 'pod-refused',
    wait: after(5),
    sentence: names('the cluster refuses its pods'),
    hint: hints.ofRefusal,
  },
  PodNotCreated: {
    code: 'pod-refused',
    wait: after(60),
    sentence: names('its pods could not be created'),
    hint: hints.ofWebhook,
  },
  Quota: {
    code: 'quota',
    wait: byRemedy({ none: 5, unseen: 30, some: 30 }),
    sentence: names("the namespace's quota has no room for its pods"),
    hint: hints.ofQuota,
  },
  NoScaleUp: {
    code: 'unschedulable',
    wait: atOnce,
    sentence: names('no node fits, and the autoscaler adds none'),
    hint: hints.ofPlace(
      'Lower the requests, loosen the placement rules, or let the node group grow',
    ),
  },
  ScalingUp: {
    code: 'unschedulable',
    wait: { is: 'deadline' },
    sentence: names('the node that is being added or freed was not ready in time'),
    hint: () => 'Check the autoscaler: new nodes take longer than the deadline',
  },
  Unschedulable: {
    code: 'unschedulable',
    // The cluster-autoscaler looks every 10 s, and writes an event for each pod: where one may be out of sight, it has
    // time for that.
    wait: byRemedy({ none: 10, unseen: 11.5, some: 120 }),
    sentence: names('no node fits'),
    hint: hints.ofPlace('Lower the requests, loosen the placement rules, or add a node'),
  },
  MultiAttach: {
    code: 'cannot-start',
    wait: { is: 'deadline' },
    sentence: names('its volume is still held by another pod'),
    hint: () =>
      'A volume that only one node can mount needs `strategy: Recreate`, or a claim for each pod',
  },
  Volume: {
    code: 'cannot-start',
    wait: after(120),
    sentence: names('a volume cannot be mounted'),
    hint: hints.ofVolume,
  },
  Sandbox: {
    code: 'cannot-start',
    wait: after(120),
    sentence: names('the node cannot set up the pod'),
    hint: () => "Check the node's network plugin and container runtime",
  },
  NotReady: {
    code: 'not-ready',
    wait: { is: 'ready' },
    sentence: names('runs, but is not Ready'),
    hint: hints.ofUnready,
  },
  ProgressDeadline: {
    code: 'progress-deadline',
    wait: atOnce,
    sentence: names('made no progress within progressDeadlineSeconds'),
    hint: () =>
      'Check what its pods wait for; raise `progressDeadlineSeconds` if the start just takes long',
  },
}

/** Returns how a container exited: the error itself if the log names it. */
function endWords({ symptom, diagnosis }: Omit<SymptomDetails, 'who'>): string {
  const probe = symptom.exit?.probe
  if (probe !== undefined) return `killed by its probe: ${probe}`
  const code = symptom.exit?.code ?? 0
  const summary = diagnosis?.summary
  if (
    summary !== undefined &&
    /^[\w.]+(Error|Exception|Exit|Configured|NotReady)\b/.test(summary)
  ) {
    return summary
  }
  const ended = code === 0 ? 'exited with code 0, but should keep running' : `exited with ${code}`
  const words = summary ?? (symptom.message.startsWith('exited with') ? undefined : symptom.message)
  return words === undefined ? ended : `${ended}: ${oneLine(words)}`
}
