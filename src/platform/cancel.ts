/**
 * The signal that ends a run early: a person's Ctrl-C, a runner's SIGTERM, a terminal that is closed, and
 * an error that nobody caught. All of them have to lead to the undo, and none may just end the process.
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
      // An error that nobody caught never ends green, and takes no other code away.
      process.exitCode ||= 1
      end(`ended by an error: ${error instanceof Error ? (error.stack ?? '') : String(error)}`)
    })
  }
  return cancel.signal
}

/**
 * Whoever reads our output may go away (`| head`, a log viewer that is closed): what is under way goes on
 * to its own end without. A release that nobody reads is no reason to leave it in the middle, nor to undo
 * it: who wants that has signals, and a terminal that is closed sends one.
 */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
}
