/** What is explored: who runs, and what may go wrong. */
import type { Scene } from './scene.js'

const [A, B] = [2, 3].map((version) => ({ is: 'release', version }) as const)
const S = { is: 'settle' } as const
if (!A || !B) throw new Error('two releases')

/** Version 2 is A's. Its last write is refused where it is bad. */
const good = {}
const bad = { bad: 2 }

export interface Named extends Scene {
  readonly title: string
  /** Ends that have to be among those that were met: else something was not explored. */
  readonly meets: readonly string[]
}

/** Explored by the unit tests. */
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
    title: 'a bad release and settle, one is killed',
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
    title: 'a release is killed, settle is cancelled',
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
]

/** Explored by `make model ALL=1`. */
export const long: readonly Named[] = [
  {
    title: 'a bad release is cut off, and settle comes',
    ...bad,
    runs: { A },
    comes: { S },
    faults: { cut: 1 },
    meets: ['A stuck, S undone', 'A undone, S unchanged'],
  },
  {
    title: 'a bad release and settle, one is cut off',
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
    title: 'two releases and settle, one is killed',
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
]
