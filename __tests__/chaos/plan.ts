/** One round of chaos, drawn from the seed and the round's number alone. Pure. */

/** The images, by tag: which of the containers ends at once, or what else is wrong with them. */
export const faultOf = {
  a: '',
  b: '',
  c: '',
  import: 'import',
  web: 'web',
  worker: 'worker',
  store: 'store',
  agent: 'agent',
  unready: 'unready',
  migration: 'migration',
} as const
export type Tag = keyof typeof faultOf

export const goodTags = ['a', 'b', 'c'] as const
export type GoodTag = (typeof goodTags)[number]
export type BadTag = Exclude<Tag, GoodTag>

/** A good image is named by how far it is from the one that runs: 1 is the next, 2 the one after it. */
export type Wanted =
  { readonly is: 'good'; readonly ahead: 1 | 2 } | { readonly is: 'bad'; readonly tag: BadTag }

/** What comes with the release: nothing, ConfigMaps, or ConfigMaps and the web's own manifest. */
export type Manifests = 'none' | 'config' | 'config-and-web'

export interface Order {
  readonly image: Wanted
  readonly migrates: boolean
  readonly manifests: Manifests
}

export type Interruption =
  | { readonly is: 'none' }
  | { readonly is: 'signal'; readonly signal: 'SIGINT' | 'SIGTERM' | 'SIGKILL' }
  /** Every process of the run, at once; its connections are cut. */
  | { readonly is: 'machine-gone' }
  /** A person's Ctrl-C, and then the end in the middle of the undo. */
  | { readonly is: 'killed-in-undo'; readonly afterMs: number }
  | { readonly is: 'second-release' }
  | { readonly is: 'proxy-killed' }
  /** Every process of the run, and they go on later: a machine that sleeps. */
  | { readonly is: 'stopped'; readonly ms: number }
  /** Every connection to the API server is reset, and new ones are for so long. */
  | { readonly is: 'network-reset'; readonly ms: number }
  /** No byte goes either way for so long, and nothing says so. */
  | { readonly is: 'network-silent'; readonly ms: number }

export type Stage = 'lock' | 'snapshot' | 'manifests' | 'plan' | 'migrate' | 'rollout' | 'undo'

export type Moment =
  | { readonly at: 'stage'; readonly stage: Stage; readonly plusMs: number }
  /** A share of what an uninterrupted release takes. */
  | { readonly at: 'share'; readonly share: number }

/** What somebody does by hand meanwhile. */
export type Deed =
  /** Of what the manifests bring. */
  | { readonly is: 'rotates-secret' }
  | { readonly is: 'changes-config' }
  /** Another key than the release's. */
  | { readonly is: 'adds-key' }
  /** Deletes what the release has created, and makes an object of its name. */
  | { readonly is: 'replaces-extra' }
  | { readonly is: 'annotates-service' }
  | { readonly is: 'changes-port' }
  /** Of a workload. */
  | { readonly is: 'scales' | 'sets-image' | 'edits-env'; readonly of: 'web' | 'worker' }

export interface Person {
  readonly deed: Deed
  /** `end`: when the run is over, and before somebody comes next. */
  readonly moment: Moment | { readonly at: 'end' }
}

/** Who comes next: another process, on another machine. */
export type Next =
  | { readonly is: 'recover' }
  /** It is killed too, and another one comes. */
  | { readonly is: 'recover-killed'; readonly afterMs: number }
  | { readonly is: 'release' }

export interface Round {
  readonly number: number
  readonly order: Order
  readonly interruption: Interruption
  readonly moment: Moment
  readonly next: Next
  /** `at-once`: the next one does not wait for the end of the interrupted run. */
  readonly nextBegins: 'at-once' | 'after'
  readonly person?: Person
}

/** Two of three are short. Longer than the lock lasts without its renewal: it is taken over meanwhile. */
const cutsMs = [2_000, 8_000, 40_000]

export function planRound(seed: string, number: number): Round {
  const draw = drawing(`${seed}/${number}`)
  const order = planOrder(draw)
  return {
    number,
    order,
    interruption: planInterruption(draw),
    moment: planMoment(draw, order),
    next: draw.one<() => Next>([
      () => ({ is: 'recover' }),
      () => ({ is: 'recover' }),
      () => ({ is: 'recover-killed', afterMs: draw.upTo(4_000) }),
      () => ({ is: 'release' }),
    ])(),
    nextBegins: draw.one(['at-once', 'after']),
    ...(draw.chance(0.5) && { person: planPerson(draw, order) }),
  }
}

function planPerson(draw: Drawing, order: Order): Person {
  const of = () => draw.one(['web', 'worker'] as const)
  const inWorkloads = [
    () => ({ is: 'scales', of: of() }) as const,
    () => ({ is: 'sets-image', of: of() }) as const,
    () => ({ is: 'edits-env', of: of() }) as const,
  ]
  const inManifests = [
    () => ({ is: 'rotates-secret' }) as const,
    () => ({ is: 'changes-config' }) as const,
    () => ({ is: 'adds-key' }) as const,
    () => ({ is: 'replaces-extra' }) as const,
    () => ({ is: 'annotates-service' }) as const,
    () => ({ is: 'changes-port' }) as const,
  ]
  const all = order.manifests === 'none' ? inWorkloads : [...inWorkloads, ...inManifests]
  const moment = draw.chance(0.3) ? ({ at: 'end' } as const) : planMoment(draw, order)
  return { deed: draw.one<() => Deed>(all)(), moment }
}

function planOrder(draw: Drawing): Order {
  const bad = Object.keys(faultOf).filter((tag): tag is BadTag => faultOf[tag as Tag] !== '')
  const image: Wanted = draw.chance(0.5)
    ? { is: 'good', ahead: 1 }
    : { is: 'bad', tag: draw.one(bad) }
  const migrates = draw.chance(0.6)
  return {
    image,
    // Without its migration that image is a good one.
    migrates: migrates || (image.is === 'bad' && image.tag === 'migration'),
    manifests: draw.one<Manifests>(['none', 'config', 'config-and-web']),
  }
}

function planInterruption(draw: Drawing): Interruption {
  return draw.one<() => Interruption>([
    () => ({ is: 'none' }),
    () => ({ is: 'signal', signal: 'SIGINT' }),
    () => ({ is: 'signal', signal: 'SIGTERM' }),
    () => ({ is: 'signal', signal: 'SIGKILL' }),
    () => ({ is: 'machine-gone' }),
    () => ({ is: 'killed-in-undo', afterMs: draw.upTo(3_000) }),
    () => ({ is: 'second-release' }),
    () => ({ is: 'proxy-killed' }),
    () => ({ is: 'stopped', ms: draw.one(cutsMs) }),
    () => ({ is: 'network-reset', ms: draw.one(cutsMs) }),
    () => ({ is: 'network-silent', ms: draw.one(cutsMs) }),
  ])()
}

function planMoment(draw: Drawing, order: Order): Moment {
  if (draw.chance(0.3)) return { at: 'share', share: draw.upTo(1_000) / 1_000 }
  const stage = draw.one(stagesOf(order))
  // The writes are at the beginning of a stage, and the waiting comes after it.
  const longest = draw.chance(0.5) ? 500 : stage === 'rollout' ? 8_000 : 1_500
  return { at: 'stage', stage, plusMs: draw.upTo(longest) }
}

/** The stages that an uninterrupted release of this kind goes through, from the lock on. */
export function stagesOf({ image, migrates, manifests }: Order): readonly Stage[] {
  const isBad = image.is === 'bad'
  const failsInPlan = isBad && image.tag === 'import' && migrates
  const failsInMigration = isBad && image.tag === 'migration'
  const writes = manifests !== 'none' || !(failsInPlan || failsInMigration)
  return [
    'lock',
    'snapshot',
    ...(manifests === 'none' ? [] : (['manifests'] as const)),
    ...(migrates ? (['plan'] as const) : []),
    ...(migrates && !failsInPlan ? (['migrate'] as const) : []),
    ...(failsInPlan || failsInMigration ? [] : (['rollout'] as const)),
    ...(isBad && writes ? (['undo'] as const) : []),
  ]
}

interface Drawing {
  one<T>(from: readonly T[]): T
  chance(of: number): boolean
  /** A whole number from 0 up to this one. */
  upTo(most: number): number
}

/** Mulberry32, begun by FNV-1a of the text: small, and the same everywhere. */
function drawing(text: string): Drawing {
  let state = 0x811c9dc5
  for (const letter of text) state = Math.imul(state ^ (letter.codePointAt(0) ?? 0), 0x01000193)
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    one: (from) => {
      const chosen = from[Math.floor(next() * from.length)]
      if (chosen === undefined) throw new Error('nothing to draw from')
      return chosen
    },
    chance: (of) => next() < of,
    upTo: (most) => Math.floor(next() * (most + 1)),
  }
}

/** `import with migrations; SIGKILL at rollout+312 ms; recover after it` */
export function titleOf(round: Round): string {
  const { order, interruption, moment, next, nextBegins, person } = round
  const { image, migrates, manifests } = order
  const what = image.is === 'good' ? 'good' : `bad ${image.tag}`
  const withWhat = [
    ...(migrates ? ['migrations'] : []),
    ...(manifests === 'none' ? [] : [manifests.replaceAll('-', ' ')]),
  ]
  const release = withWhat.length === 0 ? what : `${what} with ${withWhat.join(' and ')}`
  const cut =
    interruption.is === 'none'
      ? 'undisturbed'
      : `${interruptionTitle(interruption)} at ${momentTitle(moment)}`
  const then = next.is === 'recover-killed' ? `recover killed after ${next.afterMs} ms` : next.is
  const by = person ? `; somebody ${deedTitle(person.deed)} at ${momentTitle(person.moment)}` : ''
  return `${release}; ${cut}${by}; ${then} ${nextBegins === 'after' ? 'after it' : 'at once'}`
}

function momentTitle(moment: Person['moment']): string {
  if (moment.at === 'end') return 'its end'
  return moment.at === 'stage'
    ? `${moment.stage}+${moment.plusMs} ms`
    : `${Math.round(moment.share * 100)} % of its time`
}

/** `rotates secret`, `scales worker` */
export function deedTitle(deed: Deed): string {
  return [deed.is.replaceAll('-', ' '), ...('of' in deed ? [`of ${deed.of}`] : [])].join(' ')
}

export function interruptionTitle(interruption: Interruption): string {
  switch (interruption.is) {
    case 'signal':
      return interruption.signal
    case 'killed-in-undo':
      return `SIGINT, and SIGKILL ${interruption.afterMs} ms into the undo,`
    case 'stopped':
    case 'network-reset':
    case 'network-silent':
      return `${interruption.is.replace('-', ' ')} for ${interruption.ms / 1000} s`
    case 'none':
    case 'machine-gone':
    case 'second-release':
    case 'proxy-killed':
      return interruption.is.replace('-', ' ')
  }
}
