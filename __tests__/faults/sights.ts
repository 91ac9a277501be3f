/** What an observer sees in pods, ReplicaSets and the like: the moments that a release is measured from. */

export interface Seen {
  readonly kind: string
  /** Of an event. */
  readonly reason?: string
  readonly metadata: {
    readonly name: string
    readonly uid: string
    readonly creationTimestamp: string
  }
  readonly spec?: { readonly containers?: readonly { readonly image: string }[] }
  readonly status?: {
    readonly initContainerStatuses?: readonly SeenContainer[]
    readonly containerStatuses?: readonly SeenContainer[]
    readonly conditions?: readonly { readonly type: string; readonly status: string }[]
  }
}

export interface SeenContainer {
  readonly name: string
  readonly restartCount: number
  readonly ready: boolean
  readonly state?: State
  readonly lastState?: State
}

interface State {
  readonly running?: object
  readonly terminated?: { readonly exitCode: number }
  readonly waiting?: { readonly reason?: string }
}

export type EvaluationContext = (object: Seen) => boolean

export const containers =
  (meets: (container: SeenContainer) => boolean): EvaluationContext =>
  ({ status }) =>
    [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])].some(meets)

/** A container has ended with an error so many times; CrashLoopBackOff ends any counting. */
export const exits = (times: number): EvaluationContext =>
  containers(({ state, lastState, restartCount }) => {
    const failed = (one?: State) => (one?.terminated?.exitCode ?? 0) !== 0
    const now = failed(state) ? 1 : 0
    const loops = state?.waiting?.reason === 'CrashLoopBackOff'
    return (failed(lastState) || now > 0) && (now + restartCount >= times || loops)
  })

/** The same, whatever the exit code: a process that ends well when it is told to is killed for its probe all the same. */
export const ends = (times: number): EvaluationContext =>
  containers(({ state, restartCount }) => {
    const now = state?.terminated ? 1 : 0
    return now + restartCount >= times || state?.waiting?.reason === 'CrashLoopBackOff'
  })

export const waits = (...reasons: readonly string[]): EvaluationContext =>
  containers(({ state }) => reasons.includes(state?.waiting?.reason ?? ''))

export const conditions =
  (type: string, status: string): EvaluationContext =>
  (object) =>
    (object.status?.conditions ?? []).some((one) => one.type === type && one.status === status)
