/** One play: several processes, one server, one clock, and somebody who decides what happens next. */
import type { KubeObject } from '../../src/kubernetes/objects.js'
import type { Report } from '../../src/report/report.js'
import type { Result } from '../../src/failure/result.js'
import { Broken, Laws, type Writer } from './laws.js'
import { deeds, type Deed } from './person.js'
import { otherFolders, pathOf } from './places.js'
import { Process, type Pending } from './process.js'
import type { Fault, Scene } from './scene.js'
import { startRun, type Does } from './runs.js'
import { applied, Server } from './server.js'
import { cronJob, deployment, imageOf, manifestOf } from './things.js'

export interface Choice {
  readonly what: 'serve' | 'post' | 'wait' | 'mend' | Fault
  readonly who: string
  /** The request; a person's deed in the scene's order. */
  readonly id?: number
}

interface Actor {
  readonly process: Process
  readonly writer: Writer
  readonly does: Does
  readonly cancel: AbortController
  result?: Result
}

/**
 * How long a line is cut off, in ms: until right before a lock is over, and longer.
 */
const cutsMs = [29_000, 45_000]
const longestCut = Math.max(...cutsMs)
/** No play takes longer: an undo has 10 minutes, a lock is waited for as long. */
const longestMs = 60 * 60_000

export class Play {
  readonly results: Record<string, Result> = {}
  /** What has happened, for people. */
  readonly told: string[] = []
  private readonly actors = new Map<string, Actor>()
  private readonly server: Server
  private readonly laws: Laws
  private readonly left: Record<Fault, number>
  private now = 0
  /** An answer that no choice has led to. */
  private troubles: Error[] = []

  private constructor(private readonly scene: Scene) {
    this.server = new Server(
      Object.fromEntries(firstOf(scene).map((object) => [pathOf(object), object])),
      scene.weak,
      (path, image) =>
        scene.bad !== undefined && image === imageOf(scene.bad) && path.endsWith('/worker'),
      (change) => {
        for (const { process } of this.actors.values()) process.see(change)
      },
      scene.stamps,
    )
    this.laws = new Laws(this.server)
    const none = { kill: 0, lose: 0, drop: 0, cancel: 0, cut: 0, dawdle: 0, person: 0 }
    this.left = { ...none, ...scene.faults }
  }

  static async begin(scene: Scene): Promise<Play> {
    const play = new Play(scene)
    for (const [name, does] of Object.entries(scene.runs)) play.start(name, does, name)
    await play.drained()
    return play
  }

  /** Everything that decides how it goes on: two plays in the same state have the same future. */
  state(): string {
    const actors = [...this.actors].map(([name, { process, result }]) =>
      result === undefined
        ? `${name} ${process.past} ${process.cutAt} ${[...process.pending.values()].map(({ id, caught }) => `${id}${caught ? '!' : ''}`).join()}`
        : `${name} ${result}`,
    )
    const parts = [this.now, JSON.stringify(this.left), this.laws.text(), ...actors]
    return `${parts.join('|')}\n${this.server.text()}`
  }

  /** What stands in the cluster. */
  standing(): string {
    return this.server.text()
  }

  choices(): readonly Choice[] {
    const { left } = this
    const alive = [...this.actors].filter(
      ([, { process, result }]) => !process.isDead && result === undefined,
    )
    const choices: Choice[] = []
    for (const [who, { process }] of alive) {
      if (process.isCutOff) continue
      for (const { id } of process.next()) choices.push({ what: 'serve', who, id })
    }
    const isServed = choices.length > 0
    const dueAt = this.nextAlarm()
    const isTooLong = alive.some(
      ([, { process }]) => process.cutFor() + dueAt - this.now > longestCut,
    )
    if (dueAt < Infinity && !isTooLong && (!isServed || left.dawdle > 0)) {
      choices.push({ what: isServed ? 'dawdle' : 'wait', who: '' })
    }
    for (const [who, { process, cancel, does }] of alive) {
      const writes = process.next().filter(isWrite)
      if (process.isCutOff) {
        const others = alive.some(
          ([name, other]) =>
            name !== who &&
            !other.process.isCutOff &&
            [...other.process.pending.values()].some(isWrite),
        )
        if (others || (!isServed && crosses(process.cutFor(), dueAt - this.now))) {
          choices.push({ what: 'mend', who })
        }
        continue
      }
      // Reads leave no trace: to be killed before one is to be killed before the write that follows.
      if (writes.length > 0 && left.kill > 0) choices.push({ what: 'kill', who })
      if (writes.length > 0 && left.cut > 0) choices.push({ what: 'cut', who })
      for (const { id } of writes) {
        if (left.lose > 0) choices.push({ what: 'lose', who, id })
        if (left.drop > 0) choices.push({ what: 'drop', who, id })
        if (left.cut > 0) choices.push({ what: 'cut', who, id })
      }
      if (
        does.is !== 'post' &&
        process.pending.size > 0 &&
        left.cancel > 0 &&
        !cancel.signal.aborted
      ) {
        choices.push({ what: 'cancel', who })
      }
    }
    if (left.person > 0) choices.push(...this.deedsNow(alive.map(([, { process }]) => process)))
    return choices
  }

  /**
   * What a person may do now. Nobody watches a ConfigMap or a Service: only what is right before a request for
   * it is another story.
   */
  private deedsNow(alive: readonly Process[]): readonly Choice[] {
    const asked = alive.flatMap((process) => process.next().map(({ call }) => call.path))
    return this.deeds().flatMap(({ path, makes }, id) => {
      const isSeen = !otherFolders.some((folder) => path.startsWith(`${folder}/`))
      const isAsked = asked.some((one) => one === path || path.startsWith(`${one}/`))
      const isDone = makes(this.server.find(path)) === 'no'
      return (isSeen ? asked.length > 0 : isAsked) && !isDone
        ? [{ what: 'person', who: '', id } as const]
        : []
    })
  }

  private deeds(): readonly Deed[] {
    return (this.scene.deeds ?? []).map((name): Deed => deeds[name])
  }

  private deed(id: number): void {
    const deed = this.deeds()[id]
    if (!deed) return
    const object = deed.makes(this.server.find(deed.path))
    if (object === 'no') return
    this.told.push(`${this.at()} a person ${this.scene.deeds?.[id] ?? ''}`)
    this.server.edit(deed.path, object)
    this.laws.wrote(deed)
  }

  /** Throws what is broken. */
  async do({ what, who, id = 0 }: Choice): Promise<void> {
    const actor = this.actors.get(who)
    if (what in this.left) this.left[what as Fault] -= 1
    if (what === 'wait' || what === 'dawdle') await this.wait(what)
    else if (what === 'person') this.deed(id)
    else if (actor) this.act(actor, what, who, id)
    await this.drained()
    const [problem] = this.troubles
    if (problem) throw problem
    if (this.followUp()) await this.drained()
  }

  /** Lets a `recover` put everything back that is left, as a person would; then all laws are asked. */
  async recover(): Promise<void> {
    const dead = [...this.actors.values()].filter(({ process }) => process.isDead)
    const named = this.isCalm()
      ? []
      : [...dead, ...this.actors.values()].map(({ writer }) => writer.id)
    for (const [name, { result, process }] of this.actors) {
      if (result === undefined && !process.isDead) throw new Broken(`${name} never ends`)
    }
    this.start('last', { is: 'recover' }, 'last')
    await this.drained()
    while (this.actors.get('last')?.result === undefined) {
      const [choice] = this.choices()
      if (!choice) throw new Broken('recover never ends')
      await this.do(choice.what === 'dawdle' ? { ...choice, what: 'wait' } : choice)
    }
    if (!['undone', 'unchanged', 'superseded'].includes(this.results['last'] ?? '')) {
      throw new Broken(`recover ends ${this.results['last'] ?? ''}`)
    }
    this.laws.recovered(named)
  }

  private start(name: string, does: Does, holder: string): void {
    const process = new Process(name, this.server, () => this.now, this.scene.weak)
    const cancel = new AbortController()
    const writer = does.is === 'release' ? { id: holder, version: does.version } : { id: holder }
    const actor: Actor = { process, writer, does, cancel }
    this.actors.set(name, actor)
    startRun(does, holder, process.platform, cancel.signal, this.scene.brings).then(
      (report) => this.end(name, actor, report),
      (error: unknown) => this.troubles.push(error as Error),
    )
  }

  private end(name: string, actor: Actor, report: Report): void {
    actor.result = report.result
    this.results[name] = report.result
    this.told.push(`${this.at()} ${name} ends ${report.result}: ${report.cause?.sentence ?? ''}`)
    actor.process.end()
    try {
      this.laws.told(actor.writer, report, this.isCalm())
    } catch (error) {
      this.troubles.push(error as Error)
    }
  }

  private act(actor: Actor, what: Choice['what'], who: string, id: number): void {
    const { process } = actor
    const pending = process.pending.get(id)
    const say = (words: string) => {
      const asks = pending
        ? ` ${pending.call.method} ${pending.call.path.split('/').slice(-2).join('/')}`
        : ''
      this.told.push(`${this.at()} ${who}${asks}${words}`)
    }
    switch (what) {
      case 'serve':
        if (!pending) break
        process.answer(id, this.perform(actor, pending, say))
        break
      case 'lose':
        if (pending)
          this.perform(actor, pending, (words) => say(`${words}, and the answer is lost`))
        process.breakOff(id)
        break
      case 'drop':
        say(' does not arrive')
        process.breakOff(id)
        break
      case 'cut':
        if (pending) pending.caught = this.perform(actor, pending, say)
        this.told.push(`${this.at()} ${who} is cut off`)
        process.cutAt = this.now
        break
      case 'mend':
        say(' is connected again')
        process.cutAt = undefined
        for (const { id, caught } of [...process.pending.values()]) {
          if (caught) process.answer(id, caught)
        }
        break
      case 'kill':
        say(' is killed')
        process.kill()
        this.results[who] = 'stuck'
        break
      case 'cancel':
        say(' is cancelled')
        process.meet('cancel')
        actor.cancel.abort(new DOMException('cancelled', 'AbortError'))
        break
      default:
    }
  }

  private perform(actor: Actor, { call }: Pending, say: (words: string) => void) {
    const answer = this.server.perform(call)
    say(`: ${answer.status}`)
    this.laws.performed(actor.writer, call, answer.status)
    return answer
  }

  /** Time goes by until somebody is woken. */
  private async wait(what: 'wait' | 'dawdle'): Promise<void> {
    this.now = this.nextAlarm()
    if (this.now > longestMs) throw new Broken('it goes on for ever')
    if (what === 'dawdle') this.told.push(`${this.at()} it is later`)
    for (const { process } of this.actors.values()) await process.ring(() => this.drained())
  }

  /** Whether somebody has come. */
  private followUp(): boolean {
    const before = this.actors.size
    const { postOf, comes = {} } = this.scene
    const isCut = this.left.cut < (this.scene.faults.cut ?? 0)
    for (const [name, does] of Object.entries(comes)) {
      if (isCut && !this.actors.has(name)) this.start(name, does, name)
    }
    const main = postOf === undefined ? undefined : this.actors.get(postOf)
    if (
      main &&
      postOf &&
      !this.actors.has('post') &&
      (main.process.isDead || main.result === 'stuck')
    ) {
      this.start('post', { is: 'post' }, postOf)
    }
    return this.actors.size > before
  }

  private nextAlarm(): number {
    return Math.min(...[...this.actors.values()].map(({ process }) => process.nextAlarm()))
  }

  /** Nothing that the world does has gone wrong so far; people write as they like. */
  private isCalm(): boolean {
    return (Object.keys(this.left) as Fault[]).every(
      (fault) => fault === 'person' || this.left[fault] === (this.scene.faults[fault] ?? 0),
    )
  }

  private at(): string {
    return `${(this.now / 1000).toFixed(2)} s`
  }

  /** Lets the code go on to its next questions: all that waits for nothing is done then. */
  private drained(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve))
  }
}

/** All of version 1. */
function firstOf({ brings }: Scene): readonly KubeObject[] {
  if (!brings) return [cronJob('web', 1), cronJob('worker', 1)]
  const things = brings.flatMap((thing) => manifestOf(thing, 1) ?? [])
  return [
    deployment('web', 1),
    cronJob('worker', 1),
    ...things.map((object) => applied(object, undefined)),
  ]
}

/** Whether the line may come back now: it does before each write of another run, and after these times. */
function crosses(cutFor: number, wait: number): boolean {
  return cutsMs.some((ms) => cutFor <= ms && cutFor + wait > ms)
}

function isWrite({ call, caught }: Pending): boolean {
  return call.method !== 'GET' && caught === undefined
}
