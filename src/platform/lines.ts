import { StringDecoder } from 'node:string_decoder'

/** Letters after which a line without end is handed out in pieces. */
const longest = 64 * 1024

/**
 * Cuts a stream of bytes into lines as a terminal would leave them: of a progress bar that is drawn
 * over and over with `\r` only the last state counts. A line over 64 Ki letters comes in pieces, so that
 * a program which never ends its line cannot fill the memory.
 */
export class LineSplitter {
  readonly #decoder = new StringDecoder('utf8')
  readonly #onLine: (line: string) => void
  #rest = ''

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine
  }

  push(bytes: Buffer): void {
    this.#take(this.#decoder.write(bytes))
  }

  /** The stream has ended: what is left is a line too. */
  end(): void {
    this.#take(this.#decoder.end())
    if (this.#rest !== '') this.#emit(this.#rest)
    this.#rest = ''
  }

  #take(text: string): void {
    const lines = text.split('\n')
    lines[0] = this.#rest + (lines[0] ?? '')
    const rest = lines.pop() ?? ''
    for (const line of lines) this.#emit(line)
    this.#rest = this.#shorten(rest)
  }

  /** Forgets what was drawn over, and hands out what is too long to wait for its end. */
  #shorten(rest: string): string {
    // A `\r` that comes last may be half of a `\r\n`.
    const drawnOver = rest.lastIndexOf('\r', rest.length - 2)
    let left = rest.slice(drawnOver + 1)
    while (left.length > longest) {
      const cut = isHighSurrogate(left.charCodeAt(longest - 1)) ? longest - 1 : longest
      this.#onLine(left.slice(0, cut))
      left = left.slice(cut)
    }
    return left
  }

  #emit(line: string): void {
    const ended = line.endsWith('\r') ? line.slice(0, -1) : line
    this.#onLine(this.#shorten(ended))
  }
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff
}
