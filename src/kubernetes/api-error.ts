/** An answer of the API server that is not a success. */
export class ApiError extends Error {
  override readonly name = 'ApiError'

  constructor(
    readonly status: number,
    /** Kubernetes' own word: `NotFound`, `Conflict`, `Forbidden`… */
    readonly reason: string,
    message: string,
  ) {
    super(message)
  }
}
