import type { DeedName } from './person.js'
import type { Does } from './runs.js'
import type { Thing } from './things.js'
import type { Weakness } from './server.js'

/** What may go wrong, each so many times in a play. */
export interface Faults {
  /** A process is killed. */
  readonly kill?: number
  /** A write is performed, and its answer is lost. */
  readonly lose?: number
  /** A write does not arrive. */
  readonly drop?: number
  /** A person cancels a run. */
  readonly cancel?: number
  /** Nothing comes through between a process and the server, until it does again. */
  readonly cut?: number
  /** A process takes its time: the clock goes on though it could. */
  readonly dawdle?: number
  /** A person writes to what the release writes to. */
  readonly person?: number
}
export type Fault = keyof Faults

export interface Scene {
  readonly runs: Readonly<Record<string, Does>>
  readonly faults: Faults
  /** Runs that begin when the first one is cut off. */
  readonly comes?: Readonly<Record<string, Does>>
  /** Post of this run follows when it is killed, or ends stuck. */
  readonly postOf?: string
  /** What the releases bring beside the image; the web is a Deployment then. */
  readonly brings?: readonly Thing[]
  /** What the person may do. */
  readonly deeds?: readonly DeedName[]
  /** The version whose last write is refused. */
  readonly bad?: number
  /** An admission webhook writes into each pod template that is sent. */
  readonly stamps?: true
  readonly weak?: Weakness
}
