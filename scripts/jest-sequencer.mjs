/** Starts the longest test files first, so that none of them runs alone at the end; jest knows only their sizes. */
import Sequencer from '@jest/test-sequencer'

const longest = ['cases', 'faults', 'judged', 'adopted', 'reversed', 'interrupted', 'chaos'].map(
  (name) => `/cluster/${name}.test.ts`,
)

export default class LongestFirst extends Sequencer {
  /** Returns the tests of `longest` in their order, then the others as jest has them. */
  sort(tests) {
    const others = super.sort(tests)
    const rank = ({ path }) =>
      longest.findIndex((end) => path.endsWith(end)) + 1 || longest.length + 1
    return others.toSorted((one, other) => rank(one) - rank(other))
  }
}
