/**
 * The signal that ends a run early: a person's Ctrl-C, a runner's SIGTERM, a closed terminal, and an uncaught
 * error. Each of them must lead to the undo, and none may just end the process.
 */
export function cancelSignal(onCancel: (why: string) => void = () => undefined): AbortSignal {
  const cancel = new AbortController()
  const end = (why: string) => {
    if (!cancel.signal.aborted) onCancel(why)
    cancel.abort(new DOMException(why, 'AbortError'))
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      end(`ended by ${signal}`)
    })
  }
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      // An uncaught error never ends green, and does not replace another exit code.
      process.exitCode ||= 1
      end(`ended by an error: ${error instanceof Error ? (error.stack ?? '') : String(error)}`)
    })
  }
  return cancel.signal
}

/**
 * Lets the program outlive the reader of its output (`| head`, a closed log viewer): it continues to its end
 * without one. A release without a reader is no reason to leave it half done, nor to undo it: signals do that, and
 * a closed terminal sends one.
 */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
}
