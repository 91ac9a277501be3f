/** How cosign and gh verify an image, and what their answers mean. Pure. */
import type { Cause } from '../failure/failure.js'
import { shellQuote } from '../options/shell.js'
import type { SignatureCheck } from '../options/signatures.js'
import type { Finished } from '../platform/platform.js'
import { byDigest, type Image } from './image.js'
import { loginHint, registryErrorOf } from './registry-errors.js'
import { errorLine, shortened } from './text.js'

/** One run of a program that verifies an image. */
export interface Verification {
  readonly tool: 'cosign' | 'gh'
  readonly args: readonly string[]
}

/** The attestation that says how an image was built. */
const provenance = 'https://slsa.dev/provenance/v1'

/** @param isInsecure The engine reaches the registry without TLS, or with any certificate. */
export function verificationOf(
  check: SignatureCheck,
  image: Image,
  isInsecure: boolean,
): Verification {
  const insecurely = isInsecure ? ['--allow-insecure-registry', '--allow-http-registry'] : []
  const cosign = (...how: readonly string[]): Verification => ({
    tool: 'cosign',
    args: ['verify', ...how, ...insecurely, '--output', 'json', byDigest(image)],
  })
  switch (check.is) {
    case 'key':
      return cosign(
        ...['--key', check.key],
        ...(check.log === 'ignored' ? ['--insecure-ignore-tlog'] : []),
      )
    case 'identity':
      return cosign(
        ...(check.identity.includes('*')
          ? ['--certificate-identity-regexp', expressionOf(check.identity)]
          : ['--certificate-identity', check.identity]),
        ...['--certificate-oidc-issuer', check.issuer],
      )
    case 'attestation':
      return {
        tool: 'gh',
        args: [
          ...['attestation', 'verify', `oci://${byDigest(image)}`],
          ...[check.by.includes('/') ? '--repo' : '--owner', check.by],
          ...(check.workflow === undefined ? [] : ['--signer-workflow', check.workflow]),
          ...['--predicate-type', provenance, '--format', 'json'],
        ],
      }
  }
}

/** The whole identity has to match, with any text for `*`. */
function expressionOf(identity: string): string {
  const parts = identity.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
  return `^${parts.join('.*')}$`
}

/** `signed with the key cosign.pub` */
export function claimOf(check: SignatureCheck): string {
  switch (check.is) {
    case 'key':
      return `signed with the key ${check.key}`
    case 'identity':
      return `signed by ${check.identity} (${check.issuer})`
    case 'attestation':
      return `attested by ${check.workflow ?? check.by}`
  }
}

/** Returns why the image must not run; `undefined` where it is verified. */
export function causeOfDoubt(
  check: SignatureCheck,
  image: Image,
  { tool, args, finished }: Verification & { readonly finished: Finished },
): Cause | undefined {
  if (finished.code === 127 && finished.stderr.includes(`${tool} was not found`)) {
    return {
      code: 'tool-missing',
      sentence: `"verify-signature" needs ${tool}, which was not found on PATH`,
      hint: installations[tool],
    }
  }
  const doubt = doubtOf(tool, image, finished)
  if (!doubt) return undefined
  const again = [tool, ...args].map(shellQuote).join(' ')
  return {
    code: 'image-unverified',
    sentence: `${byDigest(image)} could not be verified as ${claimOf(check)}: ${tool}: ${doubt.said}`,
    hint: `${remedyOf(doubt, check, image)}. To repeat the check: ${again}`,
  }
}

const installations = {
  cosign:
    'Install it before this step: sigstore/cosign-installer in a workflow, elsewhere https://docs.sigstore.dev/cosign/system_config/installation/',
  gh: 'Install it: https://cli.github.com (the runners of GitHub have it)',
}

interface Doubt {
  readonly is: 'unsigned' | 'mismatch' | 'not logged' | 'denied' | 'no token' | 'unknown'
  readonly said: string
}

function doubtOf(
  tool: Verification['tool'],
  { repository }: Image,
  { code, stdout, stderr }: Finished,
): Doubt | undefined {
  if (code === 0) {
    const said = lacking(tool, stdout)
    return said === undefined ? undefined : { is: 'unsigned', said }
  }
  if (tool === 'gh' && code === ghWithoutToken)
    return { is: 'no token', said: 'it has no token for GitHub' }
  const line = errorLine(stderr.split('\n')).replace(/^.*error during command execution: /, '')
  const said = line === '' ? `exit code ${code}` : shortened(line, 300)
  const known = words.find(([pattern]) => pattern.test(said))?.[1]
  return {
    is: known ?? (registryErrorOf(said, repository) === 'denied' ? 'denied' : 'unknown'),
    said,
  }
}

/** The exit code of gh that has no token. */
const ghWithoutToken = 4

/** First match wins: what does not match the log does not match at all. */
const words: readonly (readonly [RegExp, Doubt['is']])[] = [
  [/no signatures found|no attestations found|HTTP 404/i, 'unsigned'],
  [/transparency log|log inclusion|log entries/i, 'not logged'],
  [/no matching|invalid signature|expected|failed to verify|verifying with/i, 'mismatch'],
]

/**
 * Says what is still missing at a good end: gh before 2.67 ends well where it has found nothing, and cosign 3 takes
 * any statement of the signer for a signature, such as a list of packages.
 */
function lacking(tool: Verification['tool'], stdout: string): string | undefined {
  const found = listIn(stdout)
  if (tool === 'gh') return found.length > 0 ? undefined : 'no attestations found'
  return found.some(isSignature) ? undefined : 'no signatures found, only other statements'
}

function listIn(stdout: string): readonly unknown[] {
  try {
    const found: unknown = JSON.parse(stdout)
    return Array.isArray(found) ? found : []
  } catch {
    return []
  }
}

/** What a signature of cosign 2 says that it is, and one of cosign 3. */
const signatures: readonly unknown[] = [
  'cosign container image signature',
  'https://sigstore.dev/cosign/sign/v1',
]

function isSignature(found: unknown): boolean {
  const { critical } = (found ?? {}) as { readonly critical?: { readonly type?: unknown } }
  return signatures.includes(critical?.type)
}

function remedyOf({ is }: Doubt, check: SignatureCheck, image: Image): string {
  switch (is) {
    case 'unsigned':
      return check.is === 'attestation'
        ? 'Attest the image where it is built (actions/attest-build-provenance), then deploy it'
        : `Sign the image where it is built (cosign sign ${byDigest(image)}), then deploy it`
    case 'mismatch':
      return 'Check who has signed it, and whether this is the image that was meant'
    case 'not logged':
      return check.is === 'key'
        ? 'Sign it with an entry in the transparency log, or set tlog=ignore after the key'
        : 'Sign it with an entry in the transparency log'
    case 'denied':
      return loginHint(image.repository, 'read')
    case 'no token':
      return 'Give this step a token with "attestations: read": env: GH_TOKEN: ${{ github.token }}'
    case 'unknown':
      return 'Whether it is signed is not known before that works'
  }
}
