/** Says what would be published, or what keeps it from being. */
import { main, readPlan } from './given.ts'

await main(() => {
  const { name, version, tag, movingTag, notes } = readPlan()
  console.log(`${name} ${version}: the tags ${tag} and ${movingTag}, and these notes:\n\n${notes}`)
})
