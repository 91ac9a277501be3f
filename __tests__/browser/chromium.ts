/** A real Chromium without a window and with one page, driven through a pipe by the DevTools protocol. */
import { spawn, type ChildProcess } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import type { Readable, Writable } from 'node:stream'

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

export interface View {
  /** In CSS pixels. */
  readonly width: number
  readonly theme: 'light' | 'dark'
}

type Json = Readonly<Record<string, unknown>>

interface Message {
  readonly id?: number
  readonly result?: Json
  readonly error?: { readonly message: string }
}

export class Chromium {
  readonly #waiting = new Map<number, PromiseWithResolvers<Json>>()
  #asked = 0
  #page: string | undefined

  private constructor(
    private readonly browser: ChildProcess,
    private readonly home: string,
  ) {
    let rest = ''
    const [, , , , output] = browser.stdio as unknown as readonly Readable[]
    output?.setEncoding('utf8').on('data', (text: string) => {
      const messages = (rest + text).split('\0')
      rest = messages.pop() ?? ''
      for (const message of messages) this.#hear(JSON.parse(message) as Message)
    })
    browser.on('close', (code) => {
      for (const { reject } of this.#waiting.values()) {
        reject(new Error(`Chromium has ended with ${code}`))
      }
    })
  }

  /** Throws when this machine has none. */
  static async start(): Promise<Chromium> {
    const program = find()
    const home = await mkdtemp(join(tmpdir(), 'chromium-'))
    const flags = [
      '--headless',
      '--remote-debugging-pipe',
      `--user-data-dir=${home}`,
      '--hide-scrollbars',
      '--no-first-run',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      // Its sandbox is not for root, and what is shown is our own.
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
    ]
    const browser = spawn(program, flags, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] })
    const chromium = new Chromium(browser, home)
    const { targetId } = await chromium.#ask('Target.createTarget', { url: 'about:blank' })
    const target = { targetId, flatten: true }
    const { sessionId } = await chromium.#ask('Target.attachToTarget', target)
    chromium.#page = sessionId as string
    return chromium
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.browser.once('close', resolve))
    this.#page = undefined
    await this.#ask('Browser.close')
    await ended
    await rm(this.home, { recursive: true, force: true })
  }

  /** Shows a document in the place of the one before. Scripts that were evaluated stay known. */
  async show(html: string, { width, theme }: View): Promise<void> {
    const size = { width, height: 800, deviceScaleFactor: 1, mobile: false }
    await this.#ask('Emulation.setDeviceMetricsOverride', size)
    const scheme = { name: 'prefers-color-scheme', value: theme }
    await this.#ask('Emulation.setEmulatedMedia', { features: [scheme] })
    const { frameTree } = await this.#ask('Page.getFrameTree')
    const { frame } = frameTree as { readonly frame: { readonly id: string } }
    await this.#ask('Page.setDocumentContent', { frameId: frame.id, html })
  }

  /** What the expression gives in the page, as JSON; a promise is waited for, and what it throws is thrown. */
  async evaluate<T>(expression: string): Promise<T> {
    const how = { expression, awaitPromise: true, returnByValue: true }
    const { result, exceptionDetails: thrown } = (await this.#ask('Runtime.evaluate', how)) as {
      readonly result: { readonly value: T }
      readonly exceptionDetails?: {
        readonly text: string
        readonly exception?: { readonly description?: string }
      }
    }
    if (thrown) throw new Error(thrown.exception?.description ?? thrown.text)
    return result.value
  }

  /** The whole page as a PNG. */
  async screenshot(): Promise<Buffer> {
    const { cssContentSize } = await this.#ask('Page.getLayoutMetrics')
    const clip = { ...(cssContentSize as object), scale: 1 }
    const how = { captureBeyondViewport: true, clip }
    const { data } = await this.#ask('Page.captureScreenshot', how)
    return Buffer.from(data as string, 'base64')
  }

  #hear({ id, result, error }: Message): void {
    const waiting = this.#waiting.get(id ?? 0)
    this.#waiting.delete(id ?? 0)
    if (error) waiting?.reject(new Error(error.message))
    else waiting?.resolve(result ?? {})
  }

  /** Asks the page, or the browser itself as long as there is no page. */
  #ask(method: string, params: Json = {}): Promise<Json> {
    this.#asked += 1
    const answer = Promise.withResolvers<Json>()
    this.#waiting.set(this.#asked, answer)
    const [, , , input] = this.browser.stdio as unknown as readonly Writable[]
    input?.write(`${JSON.stringify({ id: this.#asked, method, params, sessionId: this.#page })}\0`)
    return answer.promise
  }
}

function find(): string {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  const found = names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isProgram)
  if (found === undefined) {
    throw new Error(
      `no Chromium in PATH (${names.join(', ')}): cluster/stack tools installs it on Debian`,
    )
  }
  return found
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
