/** The whole pipelines that are compared: from a commit to pods that run it. */

export interface Pipeline {
  readonly name: string
  readonly title: string
  /** What the engine has of the build before: its layers, or nothing, as on a new runner. */
  readonly cache: 'warm' | 'cold'
  /** Whether each commit brings a migration, which adds a column. */
  readonly migrates: boolean
  /** So often by each side, in turn; medians count. */
  readonly rounds: number
  /** What is promised: at most this part of the script's time. */
  readonly atMost: number
}

const pipeline = (
  cache: Pipeline['cache'],
  migrates: boolean,
  atMost: Pipeline['atMost'],
): Pipeline => ({
  name: `pipeline-${cache}${migrates ? '-migration' : ''}`,
  title: `${cache} cache, ${migrates ? 'a migration' : 'no migration'}`,
  cache,
  migrates,
  rounds: 5,
  atMost,
})

/** The cold ones come last: they leave no layers. */
export const pipelines: readonly Pipeline[] = [
  pipeline('warm', false, 1),
  pipeline('warm', true, 0.9),
  pipeline('cold', false, 0.8),
  pipeline('cold', true, 0.8),
]
