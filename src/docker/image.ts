/** An image that the registry has under its tag. */
export interface Image {
  /** Without tag and digest. */
  readonly repository: string
  readonly tag: string
  /** `sha256:…` of the manifest (or the index) in the registry. */
  readonly digest: string
}
