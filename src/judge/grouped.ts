import type { Event } from 'kubernetes-types/core/v1'
import type { ObjectMeta } from 'kubernetes-types/meta/v1'

/** An object that may belong to another one: to its controller, or an event to what it is about. */
interface Belonging {
  readonly metadata?: ObjectMeta
  readonly involvedObject?: Event['involvedObject']
}

/**
 * Objects by name, and in groups by the uid of the one that they belong to. The groups are kept as the objects change:
 * a look at a namespace finds the few that it needs, and does not go through the thousands of others.
 */
export class Grouped<T extends Belonging> extends Map<string, T> {
  readonly #groups = new Map<string, Set<T>>()

  constructor(objects: Iterable<readonly [name: string, object: T]> = []) {
    super()
    for (const [name, object] of objects) this.set(name, object)
  }

  /** Returns these objects with their groups; those of a watch have them already. */
  static from<T extends Belonging>(objects: ReadonlyMap<string, T>): Grouped<T> {
    return objects instanceof Grouped ? (objects as Grouped<T>) : new Grouped(objects)
  }

  /** Returns the objects that belong to the one with this uid. */
  of(uid: string): readonly T[] {
    return [...(this.#groups.get(uid) ?? [])]
  }

  override set(name: string, object: T): this {
    this.#leave(name)
    const uid = subjectOf(object)
    if (uid !== undefined) {
      const group = this.#groups.get(uid)
      if (group) group.add(object)
      else this.#groups.set(uid, new Set([object]))
    }
    return super.set(name, object)
  }

  override delete(name: string): boolean {
    this.#leave(name)
    return super.delete(name)
  }

  override clear(): void {
    this.#groups.clear()
    super.clear()
  }

  #leave(name: string): void {
    const object = this.get(name)
    const uid = object && subjectOf(object)
    if (object === undefined || uid === undefined) return
    const group = this.#groups.get(uid)
    group?.delete(object)
    if (group?.size === 0) this.#groups.delete(uid)
  }
}

function subjectOf({ metadata, involvedObject }: Belonging): string | undefined {
  return (involvedObject ?? metadata?.ownerReferences?.find(({ controller }) => controller))?.uid
}
