/** What has to hold in every state. A law that is broken is named by its sentence. */
import type { Lease } from 'kubernetes-types/coordination/v1'
import type { ConfigMap } from 'kubernetes-types/core/v1'
import { isWorkload, nameOf, same, type KubeObject } from '../../src/kubernetes/objects.js'
import type { Report } from '../../src/report/report.js'
import type { Result } from '../../src/failure/result.js'
import type { Deed } from './person.js'
import { otherFolders, pathOf, workloadFolders } from './places.js'
import { imageIn, type Call, type Server } from './server.js'
import { versionOfThing } from './things.js'

export const leasePath = '/apis/coordination.k8s.io/v1/namespaces/shop/leases/django-rollout-shop'
export const recordPath = '/api/v1/namespaces/shop/secrets/django-rollout-shop'
const historyPath = '/api/v1/namespaces/shop/configmaps/django-rollout-shop'

export class Broken extends Error {
  override readonly name = 'Broken'
}

/** Who writes, and what it releases where it does. */
export interface Writer {
  readonly id: string
  readonly version?: number
}

/**
 * How the release of the open record came to its end: the version before runs, or the new one; of each some,
 * since what somebody else has set ended it.
 */
type Outcome = 'old' | 'new' | 'mixed'

interface Closed {
  readonly outcome: Outcome
  /** What has the version of the release then. */
  readonly present: readonly string[]
}

export class Laws {
  /** The versions of all that a release may change, by path: when none was under way for the last time. */
  private base: ReadonlyMap<string, string>
  /** Whose record stands in the cluster. */
  private open: Writer | undefined
  private readonly outcomes = new Map<string, Outcome>()
  /** Who has said so: part of the state by their ends. */
  private readonly deployed = new Set<string>()
  /** Runs without a release of their own that have written to a workload. */
  private readonly recoverers = new Set<string>()
  /** What a person has written last, by path and a word for it. */
  private readonly theirs = new Map<string, Map<string, Theirs>>()
  /** A person has deleted something: whether it is to be there again, a person has to decide. */
  private hasDeleted = false
  /** What each run has looked at. */
  private readonly looks = new Map<string, Set<string>>()
  /** The same when the open record was written. */
  private found: ReadonlyMap<string, string> = new Map()
  /** How releases came to their ends, by who has deleted the record, and whose it was. */
  private readonly closed = new Map<string, Closed>()

  constructor(private readonly server: Server) {
    this.base = this.versions()
  }

  text(): string {
    const theirs = [...this.theirs].map(([path, fields]) => [
      path,
      [...fields].map(([word, { value, unseenBy, edit }]) => [word, value, unseenBy, edit]),
    ])
    const { base, open, outcomes, recoverers, closed } = this
    const kept = [base, outcomes, recoverers, closed].map((one) => [...one])
    return JSON.stringify([open, kept, theirs])
  }

  /** Right after a person has written. */
  wrote({ path, theirs }: Deed): void {
    const live = this.server.find(path)
    if (!live) {
      this.theirs.delete(path)
      this.hasDeleted = true
      return
    }
    const fields = this.theirs.get(path) ?? new Map<string, Theirs>()
    this.theirs.set(path, fields)
    const unseenBy = [...this.looks].flatMap(([id, paths]) => (paths.has(path) ? [id] : []))
    for (const [word, read] of Object.entries(theirs)) {
      fields.set(word, { read, value: read(live), unseenBy, edit: this.server.edits })
    }
  }

  /** Right after a request was performed. */
  performed(writer: Writer, call: Call, status: number): void {
    const { method, path, brings = bringsIn(writer, call) } = call
    if (method === 'GET' && !brings) this.looksOf(writer).add(path)
    if (method === 'GET' || status >= 300) return
    const isRecord = path === recordPath || recordPath.startsWith(`${path}/`)
    const isWorkload = workloadFolders.some((folder) => path.startsWith(folder))
    if (isRecord || isWorkload) this.hasLock(writer)
    if (writer.version === undefined && isWorkload) this.recoverers.add(writer.id)
    this.leavesTheirs(writer, brings)
    const record = this.server.find(recordPath)
    if (record && !this.open) {
      this.open = writer
      this.found = this.versions()
    }
    if (!record) {
      if (this.open) this.close(writer, this.open)
      else if (!this.isBase()) {
        throw new Broken(this.version() === undefined ? twoVersions : 'written to without a record')
      }
      this.open = undefined
      this.base = this.versions()
    }
  }

  /**
   * What a person has written last stays, field by field. A release brings its own over what it has found
   * there when it looked first, and over what came when its kubectl was on its way: over nothing between.
   */
  private leavesTheirs({ id }: Writer, brings: Call['brings']): void {
    for (const [path, fields] of this.theirs) {
      const live = this.server.find(path)
      for (const [word, { read, value, unseenBy, edit }] of fields) {
        if (live && same(read(live), value)) continue
        if (!brings || (unseenBy.includes(id) && edit <= brings.since)) {
          const who = brings ? 'a release' : 'a way back'
          const what = `${path.split('/').at(-1) ?? ''} ${word}`
          throw new Broken(`${who} ${live ? 'overwrites' : 'deletes'} what a person wrote: ${what}`)
        }
        // An object of that moment is taken for the release's own: kubectl has no fencing.
        if (edit > brings.since) this.theirs.delete(path)
        else fields.delete(word)
      }
    }
  }

  private looksOf({ id }: Writer): Set<string> {
    const looks = this.looks.get(id) ?? new Set<string>()
    this.looks.set(id, looks)
    return looks
  }

  /** A run says how it has ended. `calm`: nothing went wrong around it. */
  told({ id, version }: Writer, report: Report, calm: boolean): void {
    const { result, cause } = report
    const outcome = this.outcomes.get(id)
    if (result === 'deployed') this.deployed.add(id)
    if (result === 'deployed' && outcome !== 'new' && !this.isLiveWithoutLock(id, version)) {
      throw new Broken('a run says that it has deployed, and its version does not run')
    }
    const says = `a run says that it is ${result}`
    const isOthers = result === 'superseded' && this.server.edits > 0
    if (version !== undefined && takenBack.includes(result) && outcome === 'new' && !isOthers) {
      throw new Broken(`${says}, and its version runs`)
    }
    this.tells({ id, ...(version !== undefined && { version }) }, says, report)
    // Whoever has the lock after it reads the record then, and recovers it.
    if (result !== 'stuck' && this.open?.id === id && ['', id].includes(this.holder())) {
      throw new Broken(`${says}, and leaves its record`)
    }
    if (version === undefined && result === 'cancelled') {
      // What another run has left may be of two versions: recover has not touched it then.
      if (this.recoverers.has(id)) throw new Broken(`${says}, and has begun to restored`)
    } else if (
      asBefore.includes(result) &&
      ['', id].includes(this.holder()) &&
      this.version() === undefined &&
      !this.isBase()
    ) {
      throw new Broken(`${says}, and the workloads are of two versions`)
    }
    if (calm && cause?.code === 'internal') throw new Broken(`${says}: ${cause.sentence}`)
    if (calm && result === 'stuck' && !this.hasDeleted)
      throw new Broken(`${says}, with nothing in its way: ${cause?.sentence ?? ''}`)
  }

  /** Where something of a release is left beside what is not its own, that is said, object by object. */
  private tells({ id, version }: Writer, says: string, report: Report): void {
    const { result } = report
    for (const [key, { outcome, present }] of this.closed) {
      const [by, whose] = key.split('>')
      // A release that has recovered another one before it began tells of itself.
      if (by !== id || (version !== undefined && whose !== id) || result === 'stuck') continue
      if (outcome === 'new' && result !== 'superseded') continue
      if (present.length > 0 && result !== 'superseded') {
        throw new Broken(`${says}, and leaves ${present.join(', ')}`)
      }
      const words = JSON.stringify([
        report.cause,
        report.restored,
        report.warnings,
        standing(report),
      ])
      for (const title of present) {
        if (!words.includes(title))
          throw new Broken(`${says}, and no word of ${title}, which it leaves`)
      }
    }
  }

  /** When all runs are over, and `recover` after them. `named`: who may still stand in the Lease. */
  recovered(named: readonly string[]): void {
    if (this.server.find(recordPath)) throw new Broken('a record is left')
    if (this.version() === undefined && !this.isBase())
      throw new Broken('the workloads are of two versions at the end')
    for (const { run, result } of this.history()) {
      if (result === 'superseded' && this.server.edits > 0) continue
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

  /** The record of a release is deleted: it has come to its end. */
  private close(writer: Writer, { id, version }: Writer): void {
    const own = `v${version ?? ''}`
    const all = this.objects()
    const untouched = all.filter((object) => !this.isTheirs(object))
    const isNew = (object: KubeObject) => versionOf(object) === own
    const isOld = (object: KubeObject) => versionOf(object) === this.found.get(pathOf(object))
    const strange = untouched.filter((object) => !isNew(object) && !isOld(object))
    if (strange.length > 0) throw new Broken(`neither old nor new: ${strange.map(titleOf).join()}`)
    const outcome = untouched.every(isOld) ? 'old' : untouched.every(isNew) ? 'new' : 'mixed'
    // Nobody but somebody else can keep a release from coming to one end.
    if (outcome === 'mixed' && this.server.edits === 0) throw new Broken(twoVersions)
    const isBack = this.workloads().every((object) => !this.isTheirs(object) && isOld(object))
    if (outcome === 'mixed' && isBack)
      throw new Broken('no workload is new, and what came with it is')
    this.outcomes.set(id, outcome)
    this.closed.set(`${writer.id}>${id}`, { outcome, present: all.filter(isNew).map(titleOf) })
  }

  private versions(): ReadonlyMap<string, string> {
    return new Map(this.objects().map((object) => [pathOf(object), versionOf(object)]))
  }

  /** Whether all is as it was when no release was under way, but for what people did. */
  private isBase(): boolean {
    return this.objects().every(
      (object) => this.isTheirs(object) || versionOf(object) === this.base.get(pathOf(object)),
    )
  }

  private objects(): readonly KubeObject[] {
    return [...this.workloads(), ...this.things()]
  }

  /** What comes with the manifests. */
  private things(): readonly KubeObject[] {
    return otherFolders.flatMap((folder) => this.server.list(folder)).filter(isBrought)
  }

  private workloads(): readonly KubeObject[] {
    return workloadFolders.flatMap((folder) => this.server.list(folder))
  }

  /** Whether a person has set what makes its version. */
  private isTheirs(object: KubeObject): boolean {
    const words = [...(this.theirs.get(pathOf(object))?.keys() ?? [])]
    return words.some((word) => (isWorkload(object) ? ['image', 'env'].includes(word) : true))
  }

  /** The version of all workloads, template for template; none when they differ. */
  private version(): string | undefined {
    const all = this.workloads()
      .filter((object) => !this.isTheirs(object))
      .map(versionOf)
    return all.every((one) => one === all[0]) ? all[0] : undefined
  }
}

interface Theirs {
  readonly read: (live: KubeObject) => unknown
  readonly value: unknown
  /** Runs that had looked at the object before. */
  readonly unseenBy: readonly string[]
  /** How many there were, with this one. */
  readonly edit: number
}

function isBrought(object: KubeObject): boolean {
  return ['config', 'extra', 'front'].includes(nameOf(object))
}

function titleOf(object: KubeObject): string {
  return `${(object.kind ?? '').toLowerCase()}/${nameOf(object)}`
}

/** What a report says of workloads whose version is not certain. */
function standing({ workloads }: Report): readonly string[] {
  return workloads.flatMap(({ kind, name, runs }) =>
    runs === undefined ? [] : [`${kind.toLowerCase()}/${name} ${runs}`],
  )
}

/** Whose log says that all is as it was. */
const asBefore: readonly Result[] = ['undone', 'cancelled']
const takenBack: readonly Result[] = ['undone', 'failed', 'cancelled', 'locked', 'superseded']

const twoVersions = 'no record, and the workloads are of two versions'

/** A release's own PUT: it is guarded, so that no later write of a person may fall to it. */
function bringsIn({ version }: Writer, { method, path, body }: Call): Call['brings'] {
  if (method !== 'PUT' || !workloadFolders.some((folder) => path.startsWith(folder))) return
  return versionOf(body as KubeObject) === `v${version}` ? { since: Infinity } : undefined
}

function versionOf(object: KubeObject): string {
  if (!isWorkload(object)) return versionOfThing(object)
  return /:(v\d+)@/.exec(imageIn(object))?.[1] ?? ''
}
