// Loaded before a program (NODE_OPTIONS): when it ends, MEASURE_FILE has what it took of its machine.
import { writeFileSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { setInterval } from 'node:timers'

const everyMs = 5
const mostBlocks = 20
const ms = ({ user, system }) => (user + system) / 1000
const now = () => ({ at: performance.now(), processor: ms(process.threadCpuUsage()) })

/** How long the event loop was busy with one turn, and what of this it had a processor for; the longest first. */
let blocks = []
/** Each second: the time, and the processor's time of all threads so far. */
const used = []
/** At the last turn: while the program is loaded there is none, and nothing that could wait for one. */
let before
let passed = 0

setInterval(() => {
  const after = now()
  const lasted = before ? after.at - before.at - everyMs : 0
  if (lasted > 2 * everyMs) {
    const took = Math.min(lasted, after.processor - before.processor)
    blocks.push({ at: performance.timeOrigin + before.at, lasted, took })
    blocks = blocks.sort((one, other) => other.took - one.took).slice(0, mostBlocks)
  }
  before = after
  if (after.at - passed < 1000) return
  passed = after.at
  used.push({
    at: Date.now(),
    processor: ms(process.cpuUsage()),
    memory: process.memoryUsage.rss(),
  })
}, everyMs).unref()

process.on('exit', () => {
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage()
  const processor = (userCPUTime + systemCPUTime) / 1000
  const measured = { blocks, used, processor, memory: maxRSS * 1024, endedAt: Date.now() }
  writeFileSync(process.env.MEASURE_FILE, JSON.stringify(measured))
})
