/** What "verify-signature" demands of an image. */

export type SignatureCheck =
  /** Signed with the private key of this public one: a file, or what else cosign takes (`env://`, a KMS). */
  | { readonly is: 'key'; readonly key: string; readonly log: 'required' | 'ignored' }
  /** Signed by the owner of a certificate of Sigstore; `*` in the identity is any text. */
  | { readonly is: 'identity'; readonly identity: string; readonly issuer: string }
  /** Attested by a workflow of this repository or owner at GitHub. */
  | { readonly is: 'attestation'; readonly by: string; readonly workflow?: string }

const forms: readonly (readonly [
  RegExp,
  (...parts: readonly (string | undefined)[]) => SignatureCheck,
])[] = [
  [
    /^key=(\S+)(\s+tlog=ignore)?$/,
    (key = '', ignored) => ({ is: 'key', key, log: ignored ? 'ignored' : 'required' }),
  ],
  [
    /^identity=(\S+)\s+issuer=(https?:\/\/\S+)$/,
    (identity = '', issuer = '') => ({ is: 'identity', identity, issuer }),
  ],
  [
    /^github=([\w.-]+(?:\/[\w.-]+)?)(?:\s+workflow=([\w.-]+\/[\w.-]+\/\.github\/workflows\/[\w.-]+))?$/,
    (by = '', workflow) => ({ is: 'attestation', by, ...(workflow !== undefined && { workflow }) }),
  ],
]

/** All of them at once, for the schema. */
export const signatureForm = new RegExp(
  `^(${forms.map(([{ source }]) => source.slice(1, -1)).join('|')})$`,
)

/** Reads a line such as `key=cosign.pub`; `undefined` where it has none of the forms. */
export function signatureCheckOf(line: string): SignatureCheck | undefined {
  for (const [form, checkOf] of forms) {
    const parts = form.exec(line)
    if (parts) return checkOf(...parts.slice(1))
  }
  return undefined
}
