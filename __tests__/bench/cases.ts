/** What is compared: healthy releases of several sizes, a slow one, and faults of the catalogue. */
import { faults, type Fault } from '../faults/catalogue.js'
import type { EvaluationContext } from '../faults/sights.js'
import type { Shape } from '../faults/workload.js'

/** All Deployments of a healthy release are the same. */
export interface Healthy {
  readonly is: 'healthy'
  readonly name: string
  readonly title: string
  readonly workloads: number
  /** So often to and fro; the middle one counts. */
  readonly rounds: number
  readonly shape: Shape
}

export interface Slow {
  readonly is: 'slow'
  readonly name: string
  readonly title: string
  readonly fault: Fault
}

export interface Broken {
  readonly is: 'broken'
  readonly name: string
  readonly title: string
  readonly fault: Fault
  /** What shows the fault in the cluster, and how long the rule waits from there, in s; none: nothing gets there. */
  readonly rule?: { readonly sign: EvaluationContext; readonly grace: number }
  /** The true cause, as any tool may put it. */
  readonly cause: RegExp
}

export type Case = Healthy | Slow | Broken

/** No pod more than there are workloads, so that 60 fit on any node. */
const oneForOne: Shape = {
  spec: { strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } } },
}

const healthy = (workloads: number, rounds: number): Healthy => ({
  is: 'healthy',
  name: `healthy-${workloads}`,
  title: workloads === 1 ? '1 workload' : `${workloads} workloads`,
  workloads,
  rounds,
  shape: oneForOne,
})

function faultOf(name: string): Fault {
  const fault = faults.find((one) => one.name === name)
  if (!fault) throw new Error(`the catalogue has no ${name}`)
  return fault
}

function broken(name: string, title: string, cause: RegExp, also?: Shape): Broken {
  const fault = faultOf(name)
  const { ends } = fault
  if (ends.is === 'deployed') throw new Error(`${name} is no fault`)
  const always = { ...fault.always, ...also }
  return {
    is: 'broken',
    name,
    title,
    fault: { ...fault, always },
    ...(ends.is === 'undone' && { rule: { sign: ends.sign, grace: ends.grace } }),
    cause,
  }
}

export const cases: readonly Case[] = [
  healthy(1, 7),
  healthy(20, 1),
  healthy(60, 1),
  {
    is: 'slow',
    name: 'slow-start',
    title: 'healthy, Ready after 40 s',
    fault: faultOf('slow-start'),
  },
  broken(
    'bad-tag',
    'the tag was never pushed',
    /no-such-tag\W.*not found|registry has no .*no-such-tag/i,
  ),
  broken(
    'bad-tag-beside',
    'the tag of another container does not exist',
    /no-such-tag\W.*not found/i,
  ),
  broken('crash-at-import', 'a module is missing', /a_package_that_nobody_installed/),
  broken('crash-loop', 'it exits with an unknown message', /the licence has expired/),
  broken(
    'crash-without-a-probe',
    'the same, and no probe would see it',
    /the licence has expired/,
    { spec: { minReadySeconds: 10 } },
  ),
  broken('database-never', 'its database does not answer', /Connection refused/i),
  // Kubernetes' own bake, so that none of the three is done at the first Ready.
  broken(
    'crash-after-ready',
    'it dies 4 s after each start',
    /crashed twice|exited with 1\b|exit code:? 1\b|back-?off restarting|CrashLoopBackOff/i,
    { spec: { minReadySeconds: 10 } },
  ),
  broken('init-container', 'an init container fails', /no such queue/),
  broken('command-not-found', 'its command is not in the image', /gunicron.*not found/i),
  broken('out-of-memory', 'it needs more memory than its limit', /OOMKilled|more memory than/),
  broken('configmap-missing', 'a ConfigMap is missing', /configmap "not-there" not found/),
  broken(
    'configmap-of-a-volume-missing',
    'the ConfigMap of a volume is missing',
    /configmap "not-there" not found/,
  ),
  broken('secret-key-missing', 'a key of a Secret is missing', /couldn't find key stripe/),
  broken(
    'volume-claim-missing',
    'its volume claim does not exist',
    /persistentvolumeclaim "not-there" not found/,
  ),
  broken('volume-not-mountable', 'its volume cannot be mounted', /hostPath type check failed/),
  broken('quota-full', 'the quota has no room', /exceeded quota/),
  broken('admission', 'admission refuses its pods', /images have to be signed/),
  broken('webhook-away', 'a webhook for its pods does not answer', /failed calling webhook/),
  broken('no-node-by-selector', 'no node has the label', /didn't match Pod's node affinity/),
  broken('no-node-by-cpu', 'no node has so much CPU', /Insufficient cpu/),
  broken('never-ready', 'its readiness probe never passes', /Readiness probe failed.*503/),
  broken('never-started', 'its startup probe never passes', /Startup probe failed.*refused/),
  broken('killed-for-liveness', 'its liveness probe kills it', /Liveness probe failed.*503/, {
    spec: { minReadySeconds: 10 },
  }),
]
