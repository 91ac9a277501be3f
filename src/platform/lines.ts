import { StringDecoder } from 'node:string_decoder'

/** Letters after which a line without end is handed out in pieces. */
export const longest = 64 * 1024

/** Letters of a line that is for the program: more than any has. */
const longestWhole = 32 * 1024 * 1024

/** Returns a text with each of the secrets as `***`. */
export function withoutSecrets(secrets: readonly string[], text: string): string {
  return secrets
    .toSorted((one, other) => other.length - one.length)
    .reduce((rest, secret) => rest.replaceAll(secret, '***'), text)
}

/**
 * Returns what a line of a log may show of texts of any kind: each whole or a line of it. What is shorter than four
 * letters is found all over a log.
 */
export function shownOfSecrets(texts: readonly string[]): readonly string[] {
  return texts
    .flatMap((text) => [text, ...text.split('\n').map((line) => line.trim())])
    .filter((part) => part.length >= 4)
}

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
      const piece = pieceOf(left)
      this.#onLine(piece)
      left = left.slice(piece.length)
    }
    return left
  }

  #emit(line: string): void {
    const ended = line.endsWith('\r') ? line.slice(0, -1) : line
    this.#onLine(this.#shorten(ended))
  }
}

/**
 * One line of a log after the other, each as it comes. Where a line is cut depends on its text alone: one that is read
 * again comes in the same pieces.
 */
export class LongLine {
  #rest = ''
  #isWhole = false

  /** @param whole a line with this text is for the program, and is not cut. */
  constructor(private readonly whole: string) {}

  /** Yields the pieces that are too long to wait for the end of the line. */
  *push(text: string): Generator<string> {
    this.#rest += text
    // The text may begin in one piece and end in the next.
    const seen = longest + this.whole.length
    while (!this.#isWhole && this.#rest.length >= seen) {
      this.#isWhole = this.whole !== '' && this.#rest.slice(0, seen).includes(this.whole)
      if (!this.#isWhole) yield this.#take(pieceOf(this.#rest))
    }
    while (this.#rest.length >= longestWhole) yield this.#take(this.#rest.slice(0, longestWhole))
  }

  /** Returns the rest of the line. */
  end(): string {
    this.#isWhole = false
    return this.#take(this.#rest)
  }

  #take(piece: string): string {
    this.#rest = this.#rest.slice(piece.length)
    return piece
  }
}

/** Keeps the last ones of what may never end. */
export class Last<One> {
  #all: One[] = []
  #from = 0
  #letters = 0

  constructor(
    private readonly most: { readonly count: number; readonly letters: number },
    private readonly lettersOf: (one: One) => number,
  ) {}

  get all(): readonly One[] {
    return this.#all.slice(this.#from)
  }

  push(one: One): void {
    this.#all.push(one)
    this.#letters += this.lettersOf(one)
    while (this.#isOver()) this.#drop()
    // Not for each: that would move all of them for one.
    if (this.#from < this.most.count) return
    this.#all = this.#all.slice(this.#from)
    this.#from = 0
  }

  #isOver(): boolean {
    const count = this.#all.length - this.#from
    return count > this.most.count || (count > 1 && this.#letters > this.most.letters)
  }

  #drop(): void {
    const [first] = this.#all.splice(this.#from, 1, undefined as One)
    if (first !== undefined) this.#letters -= this.lettersOf(first)
    this.#from += 1
  }
}

/** No letter is cut in two. */
function pieceOf(text: string): string {
  const isHighSurrogate = /[\ud800-\udbff]/.test(text[longest - 1] ?? '')
  return text.slice(0, isHighSurrogate ? longest - 1 : longest)
}
