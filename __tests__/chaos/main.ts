/** `make chaos N=20 SEED=… ROUND=17`: random interruptions on the local stack, which has to be up. */
import { play, summaryOf } from './play.js'

const { N, PLACES, ROUND, SEED } = process.env
const seed = SEED || Math.random().toString(36).slice(2, 8)
const rounds = ROUND
  ? ROUND.split(',').map(Number)
  : Array.from({ length: Number(N || 20) }, (_, i) => i + 1)
const game = { seed, rounds, places: Math.min(Number(PLACES || 4), rounds.length) }

const say = (line: string) => {
  console.log(line)
}
say(`seed ${seed}, ${rounds.length} rounds in ${game.places} namespaces`)
const end = new AbortController()
process.once('SIGINT', () => {
  say('the rounds that are under way are played to their end')
  end.abort()
})
const startedAt = Date.now()
const result = await play(game, say, end.signal)
say('')
summaryOf(game, result).forEach(say)
say(`${((Date.now() - startedAt) / 60_000).toFixed(1)} minutes`)
process.exitCode = result.played.some(({ violations }) => violations.length > 0) ? 1 : 0
