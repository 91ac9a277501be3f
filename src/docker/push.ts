import { fail } from '../failure/failure.js'
import type { StageLog } from '../platform/stage-log.js'
import { retry } from '../platform/time.js'
import type { Finished, Platform } from '../platform/platform.js'
import type { Built } from './build.js'
import { docker, engineCause, reasonOf } from './client.js'
import { pinned, type Image } from './image.js'
import { addTags, configDigestOf, findImage } from './registry.js'
import { plain } from './text.js'
import { pushCause } from './push-cause.js'
import { hostOf, registryErrorOf } from './registry-errors.js'

/**
 * Gives a built image its tag in the registry. A transient failure is tried three times, after pauses of 2 s
 * and 6 s, unless the engine itself has tried a layer again and again; layers that have arrived are not sent again.
 *
 * Throws a `Failure`: `push-failed`, `tool-missing` without docker or engine, or `registry` where what the builder has
 * pushed gets no tag.
 */
export async function pushImage(
  platform: Platform,
  built: Built,
  stageLog: StageLog,
  signal: AbortSignal,
): Promise<Image> {
  const { repository, tag, id, digest: there } = built
  if (there !== undefined) {
    const image = { repository, tag, digest: there }
    await addTags(platform, image, [tag], signal)
    stageLog.say(`tagged ${pinned(image)}, which the builder has pushed`)
    return image
  }
  const name = `${repository}:${tag}`
  const pushed = await retry<{ finished: Finished; layers: PushLog }>(
    {
      clock: platform.clock,
      signal,
      tries: 3,
      pause: 2_000,
      isTransient: ({ finished, layers }) =>
        finished.code !== 0 &&
        !layers.isGivenUp &&
        registryErrorOf(reasonOf(finished), repository) === 'transient',
      onRetry: ({ finished }, pause) => {
        stageLog.quote(reasonOf(finished))
        stageLog.say(`the push to ${hostOf(repository)} failed; retrying in ${pause / 1000} s`)
      },
    },
    async () => {
      const layers = new PushLog()
      // Another build may move the tag in the engine, also during a pause: what was tested is the id.
      const tagged = await docker(platform, ['image', 'tag', id, name], { signal })
      if (tagged.code !== 0) return { finished: tagged, layers }
      stageLog.waiting(`pushing ${name}`)
      const finished = await docker(platform, ['push', name], {
        signal,
        onLine: (line) => {
          layers.read(line)
          stageLog.waiting(`pushing ${name}: ${layers.progress}`)
        },
      })
      return { finished: { ...finished, stderr: layers.last.join('\n') }, layers }
    },
  )
  stageLog.waiting(undefined)
  const { finished } = pushed
  if (finished.code !== 0)
    fail(
      engineCause('push', finished) ??
        pushCause(built, reasonOf(finished), finished.stderr.split('\n')),
    )
  stageLog.say(`pushed ${name}: ${pushed.layers.progress}`)

  const { digest } = pushed.layers
  const image =
    digest === undefined
      ? await findImage(platform, repository, tag, signal)
      : { repository, tag, digest }
  if (image === undefined)
    return fail({
      code: 'push-failed',
      sentence: `push: ${hostOf(repository)} accepted ${name}, but does not have it`,
    })
  // The id of an image is its configuration's digest, or its own in the image store of containerd.
  const config = await configDigestOf(platform, image, signal)
  // podman writes it without the name of the hash.
  const ids = [config, image.digest].flatMap((one) => one?.replace(/^sha256:/, '') ?? [])
  if (config !== undefined && !ids.includes(id.replace(/^sha256:/, '')))
    return fail({
      code: 'push-failed',
      sentence: `push: ${name} is another image than the one that was built and tested: something moved this tag in the engine at the same time`,
      hint: 'Run it again; builds of one commit on one engine with other inputs need a "tag" each',
    })
  return image
}

/** Reads what `docker push` writes where there is no terminal: a line for each change of a layer. */
export class PushLog {
  readonly last: string[] = []
  readonly #layers = new Map<string, string>()
  #digest: string | undefined

  /** Of the manifest, once it has arrived. */
  get digest(): string | undefined {
    return this.#digest
  }

  /** Whether the engine has tried a layer several times (five, with pauses of 50 s in all), and not sent it. */
  get isGivenUp(): boolean {
    return [...this.#layers.values()].some(isRetried)
  }

  /** `3 of 8 layers sent, 5 already there`. */
  get progress(): string {
    const states = [...this.#layers.values()]
    const sent = states.filter((state) => state === 'Pushed').length
    const there = states.filter((state) =>
      /^(Layer already exists|Mounted from)/.test(state),
    ).length
    const layers = states.length === 1 ? 'layer' : 'layers'
    const known = there === 0 ? '' : `, ${there} already there`
    const failed = states.filter(isRetried).length
    const again = failed === 0 ? '' : `, ${failed} failed and sent again`
    return `${sent} of ${states.length} ${layers} sent${known}${again}`
  }

  read(raw: string): void {
    const line = plain(raw)
    const [, layer, state] = /^([0-9a-f]{12}): (.+)$/.exec(line) ?? []
    if (layer !== undefined && state !== undefined) {
      this.#layers.set(layer, state)
      return
    }
    this.#digest ??= /: digest: (sha256:[0-9a-f]{64}) size: /.exec(line)?.[1]
    if (this.last.push(line) > 20) this.last.shift()
  }
}

/** What the engine says of a layer until it has sent it. */
function isRetried(state: string): boolean {
  return state.startsWith('Retrying in ')
}
