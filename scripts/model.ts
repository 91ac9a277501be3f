/**
 * Explores the protocol of lock, record and writes (docs/protocol.md) and prints the figures; `--all` adds
 * the scenes that take longer. Ends with 1 when a law is broken, after the steps that lead there.
 */
import { explore } from '../__tests__/model/explore.js'
import { long, quick } from '../__tests__/model/scenes.js'

const scenes = process.argv.includes('--all') ? [...quick, ...long] : quick
const width = Math.max(...[...quick, ...long].map(({ title }) => title.length))
let [states, transitions, broken] = [0, 0, 0]

function row(title: string, figures: readonly (string | number)[]): void {
  console.log(title.padEnd(width), ...figures.map((one) => String(one).padStart(11)))
}

/** Of processor time: other programs may keep the machine busy. */
function seconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

row('', ['states', 'transitions', 'violations', 'CPU seconds'])
for (const scene of scenes) {
  const since = seconds()
  const { violations, ...figures } = await explore(scene)
  states += figures.states
  transitions += figures.transitions
  broken += violations.length
  row(scene.title, [
    figures.states,
    figures.transitions,
    violations.length,
    (seconds() - since).toFixed(1),
  ])
  for (const { law, story } of violations) console.log(`\n${law}:\n  ${story.join('\n  ')}\n`)
}
row('in all', [states, transitions, broken, seconds().toFixed(1)])
process.exitCode = broken === 0 ? 0 : 1
