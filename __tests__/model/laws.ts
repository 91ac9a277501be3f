/** What has to hold in every state. A law that is broken is named by its sentence. */
import type { Lease } from 'kubernetes-types/coordination/v1'
import type { ConfigMap } from 'kubernetes-types/core/v1'
import { isWorkload, templateOf, type KubeObject } from '../../src/kubernetes/objects.js'
import type { Report, Result } from '../../src/report/report.js'
import type { Call, Server } from './server.js'

export const leasePath = '/apis/coordination.k8s.io/v1/namespaces/shop/leases/django-rollout-shop'
export const recordPath = '/api/v1/namespaces/shop/secrets/django-rollout-shop'
const historyPath = '/api/v1/namespaces/shop/configmaps/django-rollout-shop'
export const cronJobs = '/apis/batch/v1/namespaces/shop/cronjobs'

export class Broken extends Error {
  override readonly name = 'Broken'
}

/** Who writes, and what it releases where it does. */
export interface Writer {
  readonly id: string
  readonly version?: number
}

/** How the release of the open record came to its end: the version before runs, or the new one. */
type Outcome = 'old' | 'new'

export class Laws {
  /** The version that all workloads run when no release is under way. */
  private base: string
  /** Whose record stands in the cluster. */
  private open: Writer | undefined
  private readonly outcomes = new Map<string, Outcome>()
  /** Who has said so: part of the state by their ends. */
  private readonly deployed = new Set<string>()
  /** Runs without a release of their own that have written to a workload. */
  private readonly settlers = new Set<string>()

  constructor(private readonly server: Server) {
    this.base = this.version() ?? ''
  }

  text(): string {
    return JSON.stringify([this.base, this.open, [...this.outcomes], [...this.settlers]])
  }

  /** Right after a request was performed. */
  performed(writer: Writer, { method, path }: Call, status: number): void {
    if (method === 'GET' || status >= 300) return
    const isRecord = path === recordPath || recordPath.startsWith(`${path}/`)
    if (isRecord || path.startsWith(cronJobs)) this.hasLock(writer)
    if (writer.version === undefined && path.startsWith(cronJobs)) this.settlers.add(writer.id)
    const record = this.server.find(recordPath)
    if (record && !this.open) this.open = writer
    if (!record) {
      const version = this.version()
      if (version === undefined)
        throw new Broken('no record, and the workloads are of two versions')
      if (this.open) this.ends(this.open, version)
      else if (version !== this.base) throw new Broken('written to without a record')
      this.open = undefined
      this.base = version
    }
  }

  /** A run says how it has ended. `calm`: nothing went wrong around it. */
  told({ id, version }: Writer, { result, cause }: Report, calm: boolean): void {
    const outcome = this.outcomes.get(id)
    if (result === 'deployed') this.deployed.add(id)
    if (result === 'deployed' && outcome !== 'new' && !this.isLiveWithoutLock(id, version)) {
      throw new Broken('a run says that it has deployed, and its version does not run')
    }
    const says = `a run says that it is ${result}`
    if (version !== undefined && takenBack.includes(result) && outcome === 'new') {
      throw new Broken(`${says}, and its version runs`)
    }
    // Whoever has the lock after it reads the record then, and settles it.
    if (result !== 'stuck' && this.open?.id === id && ['', id].includes(this.holder())) {
      throw new Broken(`${says}, and leaves its record`)
    }
    if (version === undefined && result === 'cancelled') {
      // What another run has left may be of two versions: settle has not touched it then.
      if (this.settlers.has(id)) throw new Broken(`${says}, and has begun to put back`)
    } else if (asBefore.includes(result) && ['', id].includes(this.holder()) && !this.version()) {
      throw new Broken(`${says}, and the workloads are of two versions`)
    }
    if (calm && cause?.code === 'internal') throw new Broken(`${says}: ${cause.sentence}`)
    if (calm && result === 'stuck')
      throw new Broken(`${says}, with nothing in its way: ${cause?.sentence ?? ''}`)
  }

  /** When all runs are over, and `settle` after them. `named`: who may still stand in the Lease. */
  settled(named: readonly string[]): void {
    if (this.server.find(recordPath)) throw new Broken('a record is left')
    if (this.version() === undefined)
      throw new Broken('the workloads are of two versions at the end')
    for (const { run, result } of this.history()) {
      if ((result === 'deployed') !== (this.outcomes.get(run) === 'new')) {
        throw new Broken(`the history says ${result} of a release that has ended otherwise`)
      }
    }
    for (const id of this.deployed) {
      if (this.outcomes.get(id) !== 'new') {
        throw new Broken('a run has said that it has deployed, and was taken back')
      }
    }
    const holder = this.holder()
    if (holder !== '' && !named.includes(holder))
      throw new Broken('the Lease still names a run that has ended')
  }

  private history(): readonly { readonly run: string; readonly result: Result }[] {
    const { data = {} } = (this.server.find(historyPath) ?? {}) as ConfigMap
    return Object.values(data).map((text) => JSON.parse(text) as { run: string; result: Result })
  }

  /** The lock was lost after the history had it: whoever has it now deletes the record, and no more. */
  private isLiveWithoutLock(id: string, version: number | undefined): boolean {
    const isTold = this.history().some(({ run, result }) => run === id && result === 'deployed')
    const isGone = !['', id].includes(this.holder())
    return isTold && isGone && this.open?.id === id && this.version() === `v${version ?? ''}`
  }

  private holder(): string {
    return (this.server.find(leasePath) as Lease | undefined)?.spec?.holderIdentity ?? ''
  }

  private hasLock({ id }: Writer): void {
    if (this.holder() !== id) throw new Broken('a run writes that has no lock')
  }

  private ends({ id, version }: Writer, runs: string): void {
    if (runs === this.base) this.outcomes.set(id, 'old')
    else if (runs === `v${version}`) this.outcomes.set(id, 'new')
    else throw new Broken('a release ends with a version that is neither the old nor its own')
  }

  /** The version of all workloads, template for template; none when they differ. */
  private version(): string | undefined {
    const all = this.server.list(cronJobs).map(versionOf)
    return all.every((one) => one === all[0]) ? all[0] : undefined
  }
}

/** Whose log says that all is as it was. */
const asBefore: readonly Result[] = ['undone', 'cancelled']
const takenBack: readonly Result[] = ['undone', 'failed', 'cancelled', 'locked', 'superseded']

function versionOf(object: KubeObject): string {
  if (!isWorkload(object)) return ''
  const { image = '' } = templateOf(object).spec?.containers[0] ?? {}
  return /:(v\d+)@/.exec(image)?.[1] ?? ''
}
