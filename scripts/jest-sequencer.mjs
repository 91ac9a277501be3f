/** Starts the longest test files first, so that none of them runs alone at the end; jest knows only their sizes. */
import Sequencer from '@jest/test-sequencer'

// With PLAY=all the first one is the longest by far.
const longest = `
  cluster/cases cluster/steps cluster/faults cluster/reversed cluster/interrupted cluster/judged
  cluster/adopted workflows/pipelines
`
  .trim()
  .split(/\s+/)
  .map((name) => `/__tests__/${name}.test.ts`)

export default class LongestFirst extends Sequencer {
  /** Returns the tests of `longest` in their order, then the others as jest has them. */
  sort(tests) {
    const others = super.sort(tests)
    const rank = ({ path }) =>
      longest.findIndex((end) => path.endsWith(end)) + 1 || longest.length + 1
    return others.toSorted((one, other) => rank(one) - rank(other))
  }
}
