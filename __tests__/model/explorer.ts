/**
 * Explores the scene whose place in its list it is sent. A process for itself: in jest's sandbox, where each
 * use of a global is a look-up, the model takes nearly twice as long.
 */
import { explore } from './explore.js'
import { quick, weakened } from './scenes.js'

export interface Order {
  readonly list: 'quick' | 'weakened'
  readonly place: number
}

process.on('message', ({ list, place }: Order) => {
  const scene = { quick, weakened }[list][place]
  if (!scene) throw new Error(`There is no ${list} scene ${place}.`)
  void explore(scene, { stopsAtFirst: list === 'weakened' }).then((explored) =>
    process.send?.(explored),
  )
})
