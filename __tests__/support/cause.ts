import { Failure, type Cause } from '../../src/failure/failure.js'

/** The cause that a work fails with; anything but a Failure fails the test. */
export async function causeOf(work: Promise<unknown>): Promise<Cause> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error instanceof Failure) return error.cause
  throw new Error(`no Failure: ${String(error)}`)
}
