/** What is explored: who runs, and what may go wrong. */
import type { Scene } from './scene.js'

const [A, B] = [2, 3].map((version) => ({ is: 'release', version }) as const)
const S = { is: 'recover' } as const
if (!A || !B) throw new Error('two releases')

/** Version 2 is A's. Its last write is refused where it is bad. */
const good = {}
const bad = { bad: 2 }

export interface Named extends Scene {
  readonly title: string
  /** Ends that have to be among those that were met: else something was not explored. */
  readonly meets: readonly string[]
}

/** A person writes to what a release writes to, in the middle of it. */
const ofManifests = [
  'changes the key of config',
  'adds a key to config',
  'changes extra',
  'deletes extra',
  'makes extra',
] as const
const ofWorkloads = [
  'sets the image of web',
  'sets env of web',
  'scales web',
  'suspends worker',
] as const

const quickPeople: readonly Named[] = [
  {
    title: 'a bad release, a person writes to what it brings',
    ...bad,
    runs: { A },
    brings: ['config', 'extra'],
    deeds: ofManifests,
    faults: { person: 1 },
    meets: ['A undone', 'A superseded'],
  },
  {
    title: 'a bad release, a person writes to its Service',
    ...bad,
    runs: { A },
    brings: ['front'],
    deeds: ['annotates front', 'changes the port of front'],
    faults: { person: 1 },
    meets: ['A undone', 'A superseded'],
  },
  {
    title: 'a bad release, a person writes to its workloads',
    ...bad,
    runs: { A },
    brings: ['config'],
    deeds: ofWorkloads,
    faults: { person: 1 },
    meets: ['A undone', 'A superseded'],
  },
  {
    title: 'a good release, a person writes to its workloads',
    ...good,
    runs: { A },
    brings: ['config'],
    deeds: ofWorkloads,
    faults: { person: 1 },
    meets: ['A deployed', 'A superseded'],
  },
  {
    title: 'a release is killed, a person writes, post follows',
    ...good,
    runs: { A },
    postOf: 'A',
    brings: ['config', 'extra'],
    deeds: ['changes the key of config', 'makes extra', 'changes extra'],
    faults: { kill: 1, person: 1 },
    meets: ['A deployed', 'A superseded', 'A stuck, post undone'],
  },
]

/** A webhook makes what is written, and what is put back, another thing than was sent. */
const quickStamped: readonly Named[] = [
  {
    title: 'a bad release and its post, templates are stamped, both may be killed',
    ...bad,
    runs: { A },
    postOf: 'A',
    stamps: true,
    faults: { kill: 2 },
    meets: ['A stuck, post undone', 'A stuck, post stuck', 'A undone'],
  },
  {
    title: 'a bad release, templates are stamped, a person writes to its workloads',
    ...bad,
    runs: { A },
    brings: ['config'],
    stamps: true,
    deeds: ofWorkloads,
    faults: { person: 1 },
    meets: ['A undone', 'A superseded'],
  },
]

/** Explored by `make test`. */
export const quick: readonly Named[] = [
  {
    title: 'two releases at once',
    ...good,
    runs: { A, B },
    faults: {},
    meets: ['A deployed, B deployed'],
  },
  {
    title: 'two releases, one is killed',
    ...good,
    runs: { A, B },
    faults: { kill: 1 },
    meets: ['A stuck, B deployed', 'A deployed, B stuck'],
  },
  {
    title: 'two releases, one is bad, one is killed',
    ...bad,
    runs: { A, B },
    faults: { kill: 1 },
    meets: ['A undone, B deployed', 'A stuck, B deployed'],
  },
  {
    title: 'two releases, an answer is lost',
    ...good,
    runs: { A, B },
    faults: { lose: 1 },
    meets: ['A deployed, B deployed'],
  },
  {
    title: 'two releases, one is bad, an answer is lost',
    ...bad,
    runs: { A, B },
    faults: { lose: 1 },
    meets: ['A undone, B deployed'],
  },
  {
    title: 'two releases, a request does not arrive',
    ...good,
    runs: { A, B },
    faults: { drop: 1 },
    meets: ['A deployed, B deployed'],
  },
  {
    title: 'a bad release and recover, one is killed',
    ...bad,
    runs: { A, S },
    faults: { kill: 1 },
    meets: ['A stuck, S undone', 'A undone, S stuck'],
  },
  {
    title: 'a release and its post, both may be killed',
    ...good,
    runs: { A },
    postOf: 'A',
    faults: { kill: 2 },
    meets: ['A stuck, post undone', 'A stuck, post stuck', 'A deployed'],
  },
  {
    title: 'a bad release and its post, both may be killed',
    ...bad,
    runs: { A },
    postOf: 'A',
    faults: { kill: 2 },
    meets: ['A stuck, post undone', 'A stuck, post stuck', 'A undone'],
  },
  {
    title: 'a release that is cancelled',
    ...good,
    runs: { A },
    faults: { cancel: 1 },
    meets: ['A cancelled', 'A deployed'],
  },
  {
    title: 'a release that is cancelled, and killed in its undo',
    ...good,
    runs: { A },
    postOf: 'A',
    faults: { cancel: 1, kill: 1 },
    meets: ['A cancelled', 'A stuck, post undone'],
  },
  {
    title: 'a release is killed, recover is cancelled',
    ...good,
    runs: { A, S },
    faults: { kill: 1, cancel: 1 },
    meets: ['A stuck, S undone', 'A stuck, S cancelled', 'A cancelled, S stuck'],
  },
  {
    title: 'a release is cut off, and another one comes',
    ...good,
    runs: { A },
    comes: { B },
    faults: { cut: 1 },
    meets: ['A stuck, B deployed', 'A deployed, B deployed'],
  },
  {
    title: 'a release that is cut off from the cluster',
    ...good,
    runs: { A },
    faults: { cut: 1 },
    meets: ['A deployed'],
  },
  {
    title: 'a bad release that is cut off from the cluster',
    ...bad,
    runs: { A },
    faults: { cut: 1 },
    meets: ['A undone'],
  },
  ...quickPeople,
  ...quickStamped,
]

/** Explored by `make model ALL=1`. */
export const long: readonly Named[] = [
  {
    title: 'a bad release is cut off, and recover comes',
    ...bad,
    runs: { A },
    comes: { S },
    faults: { cut: 1 },
    meets: ['A stuck, S undone', 'A undone, S unchanged'],
  },
  {
    title: 'a bad release and recover, one is cut off',
    ...bad,
    runs: { A, S },
    faults: { cut: 1 },
    meets: ['A stuck, S undone'],
  },
  {
    title: 'two releases, one is bad, one is cancelled',
    ...bad,
    runs: { A, B },
    faults: { cancel: 1 },
    meets: ['A cancelled, B deployed'],
  },
  {
    title: 'two releases, two are killed, post follows',
    ...bad,
    runs: { A, B },
    postOf: 'A',
    faults: { kill: 2 },
    meets: ['A stuck, B deployed, post unchanged'],
  },
  {
    title: 'two releases, one is killed, an answer is lost',
    ...good,
    runs: { A, B },
    faults: { kill: 1, lose: 1 },
    meets: ['A stuck, B deployed'],
  },
  {
    title: 'two releases, one is killed, one is cancelled',
    ...good,
    runs: { A, B },
    faults: { kill: 1, cancel: 1 },
    meets: ['A stuck, B cancelled'],
  },
  {
    title: 'two releases and recover, one is killed',
    ...bad,
    runs: { A, B, S },
    faults: { kill: 1 },
    meets: ['A stuck, B deployed, S undone'],
  },
]

/** The protocol without something that it needs, and the law that falls then. */
export const weakened: readonly (Scene & { readonly breaks: RegExp })[] = [
  {
    weak: 'a write is taken whatever version it was decided on',
    runs: { A, B },
    faults: {},
    breaks: /a run writes that has no lock/,
  },
  {
    weak: 'a record is answered and not kept',
    runs: { A },
    faults: {},
    breaks: /no record, and the workloads are of two versions/,
  },
  {
    weak: 'a record is there again after its end',
    runs: { A },
    faults: {},
    breaks: /says that it has deployed, and its version does not run/,
  },
  {
    weak: 'no time goes by for a run that is cut off',
    runs: { A, B },
    faults: { cut: 1 },
    breaks: /no lock|does not run/,
  },
  {
    weak: 'a request that was given up arrives later',
    runs: { A, B },
    faults: { cut: 1 },
    breaks: /no lock/,
  },
  {
    weak: 'a write is taken whatever version it was decided on',
    ...bad,
    runs: { A },
    brings: ['config'],
    deeds: ['changes the key of config'],
    faults: { person: 1 },
    breaks: /a way back overwrites what a person wrote: config A/,
  },
  {
    weak: 'what a person has changed looks as it was',
    ...bad,
    runs: { A },
    brings: ['config', 'extra'],
    deeds: ['changes the key of config', 'changes extra'],
    faults: { person: 1 },
    breaks: /a way back (overwrites|deletes) what a person wrote/,
  },
]
