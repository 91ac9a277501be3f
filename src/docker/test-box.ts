/** A private network with temporary servers, for the tests of one run. */
import { randomBytes } from 'node:crypto'
import type { TestService } from '../options/services.js'
import type { Platform } from '../platform/platform.js'
import { messageOf } from '../platform/error-message.js'
import { LateLog, type StageLog } from '../platform/stage-log.js'
import { abortable } from '../platform/time.js'
import { newBox, removeBox, removeEnded, startServices, type Box } from './test-services.js'

export interface BoxPlan {
  /** The run that this is of: its id. */
  readonly run: string
  /** Of all that runs in it, in ms; the caller ends it. */
  readonly timeout: number
  readonly services: readonly TestService[]
  /** The variables of the tests, which override those of the servers. */
  readonly env: Readonly<Record<string, string>>
}

/** What a container finds in a box. */
interface Inside {
  readonly box: Box
  readonly hasNetwork: boolean
  /** The folder of files that only we can read. */
  readonly folder: string
  /** All variables: those of the servers, and those of the plan. */
  readonly env: Readonly<Record<string, string>>
}

/** Its servers start at once, so that they get ready while an image is built. `close` removes them. */
export class TestBox {
  readonly #box: Box
  readonly #log = new LateLog()
  readonly #ended = new AbortController()
  readonly #inside: Promise<Inside>
  #folder: string | undefined
  /** Without an engine there is nothing to remove. */
  #hasEngine = true
  #closed: Promise<void> | undefined

  constructor(
    private readonly platform: Platform,
    private readonly plan: BoxPlan,
    signal: AbortSignal,
  ) {
    const name = `django-rollout-test-${randomBytes(6).toString('hex')}`
    this.#box = newBox(platform, name, plan)
    this.#inside = this.#start(AbortSignal.any([signal, this.#ended.signal]))
    // Who waits for the servers gets it.
    this.#inside.catch(() => undefined)
  }

  /** Waits for the servers, whose lines `log` gets. Throws what `startServices` throws, and the signal's reason. */
  async ready(signal: AbortSignal, log?: StageLog): Promise<Inside> {
    if (log) this.#log.to(log)
    return abortable(signal, () => this.#inside)
  }

  /** Removes containers, network and files. Never throws; `warn` gets what could not be removed. */
  close(warn: (sentence: string) => void): Promise<void> {
    this.#closed ??= this.#close(warn)
    return this.#closed
  }

  async #close(warn: (sentence: string) => void): Promise<void> {
    const { platform } = this
    this.#ended.abort()
    await this.#inside.catch(() => undefined)
    if (this.#hasEngine) await removeBox(platform, this.#box, warn)
    if (this.#folder === undefined) return
    await platform.files.remove(this.#folder).catch((error: unknown) => {
      warn(`the private files of the tests could not be removed: ${messageOf(error)}`)
    })
  }

  async #start(signal: AbortSignal): Promise<Inside> {
    const { platform, plan } = this
    const context = { platform, log: this.#log, signal }
    const folder = await platform.files.privateFolder()
    this.#folder = folder
    this.#hasEngine = await removeEnded(platform, this.#log)
    const { env, services } = plan
    const inputs = { folder, password: randomBytes(12).toString('hex'), env }
    const hasNetwork = services.length > 0
    const found = hasNetwork ? await startServices(context, this.#box, services, inputs) : {}
    return { box: this.#box, hasNetwork, folder, env: { ...found, ...env } }
  }
}
