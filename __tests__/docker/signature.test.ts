/** How cosign and gh are called, and what their answers mean: the words are those that they really print. */
import { expect, test } from '@jest/globals'
import { causeOfDoubt, claimOf, verificationOf } from '../../src/docker/signature.js'
import { signatureCheckOf } from '../../src/options/signatures.js'

const digest = `sha256:${'2'.repeat(64)}`
const image = { repository: 'ghcr.io/acme/shop', tag: 'v2', digest }
const reference = `ghcr.io/acme/shop@${digest}`

function checkOf(line: string) {
  const check = signatureCheckOf(line)
  if (!check) throw new Error(`no check: ${line}`)
  return check
}

const workflow = 'https://github.com/acme/shop/.github/workflows/build.yml'
const issuer = 'https://token.actions.githubusercontent.com'
const insecurely = '--allow-insecure-registry --allow-http-registry'
const provenance = '--predicate-type https://slsa.dev/provenance/v1 --format json'

test.each<[string, boolean, string]>([
  ['key=cosign.pub', false, `cosign verify --key cosign.pub --output json ${reference}`],
  [
    'key=env://COSIGN_PUBLIC_KEY tlog=ignore',
    false,
    `cosign verify --key env://COSIGN_PUBLIC_KEY --insecure-ignore-tlog --output json ${reference}`,
  ],
  [
    'key=cosign.pub',
    true,
    `cosign verify --key cosign.pub ${insecurely} --output json ${reference}`,
  ],
  [
    `identity=${workflow}@refs/heads/main issuer=${issuer}`,
    false,
    `cosign verify --certificate-identity ${workflow}@refs/heads/main --certificate-oidc-issuer ${issuer} --output json ${reference}`,
  ],
  [
    `identity=${workflow}@refs/tags/* issuer=${issuer}`,
    false,
    String.raw`cosign verify --certificate-identity-regexp ^https://github\.com/acme/shop/\.github/workflows/build\.yml@refs/tags/.*$ --certificate-oidc-issuer ${issuer} --output json ${reference}`,
  ],
  [
    'github=acme/shop',
    false,
    `gh attestation verify oci://${reference} --repo acme/shop ${provenance}`,
  ],
  ['github=acme', true, `gh attestation verify oci://${reference} --owner acme ${provenance}`],
  [
    'github=acme/shop workflow=acme/ci/.github/workflows/image.yml',
    false,
    `gh attestation verify oci://${reference} --repo acme/shop --signer-workflow acme/ci/.github/workflows/image.yml ${provenance}`,
  ],
])('%s (insecure registry: %s) is verified by the digest alone', (line, isInsecure, command) => {
  const { tool, args } = verificationOf(checkOf(line), image, isInsecure)
  expect([tool, ...args].join(' ')).toBe(command)
})

/** What cosign prints of what it has verified. */
const verified = (type: string) =>
  `\n${JSON.stringify([{ critical: { identity: {}, image: { 'docker-manifest-digest': digest }, type }, optional: {} }])}\n`
const both = (line: string) => `Error: ${line}\nerror during command execution: ${line}`

const key = 'key=cosign.pub'
const identity = `identity=${workflow}@* issuer=${issuer}`
const github = 'github=acme/shop'
const sign = `Sign the image where it is built (cosign sign ${reference}), then deploy it`
const attest =
  'Attest the image where it is built (actions/attest-build-provenance), then deploy it'
const check = 'Check who has signed it, and whether this is the image that was meant'

test.each<[string, string, { code?: number; stdout?: string; stderr?: string }, string, string]>([
  [
    'no signature (cosign 2 and 3)',
    key,
    { code: 10, stderr: both('no signatures found') },
    'no signatures found',
    sign,
  ],
  [
    'a signature of another key (cosign 2)',
    key,
    {
      code: 12,
      stderr: both(
        'no matching signatures: invalid signature when validating ASN.1 encoded signature',
      ),
    },
    'no matching signatures: invalid signature when validating ASN.1 encoded signature',
    check,
  ],
  [
    'a signature of another key (cosign 3)',
    key,
    {
      code: 1,
      stderr: both(
        'no matching attestations: failed to verify signature: could not verify envelope: accepted signatures do not match threshold, Found: 0, Expected 1',
      ),
    },
    'no matching attestations: failed to verify signature: could not verify envelope: accepted signatures do not match threshold, Found: 0, Expected 1',
    check,
  ],
  [
    'no way to the keys of Sigstore',
    key,
    {
      code: 1,
      stderr: both(
        'setting trusted material: tuf refresh failed: Get "https://tuf-repo-cdn.sigstore.dev/15.root.json": dial tcp: lookup tuf-repo-cdn.sigstore.dev: no such host',
      ),
    },
    'setting trusted material: tuf refresh failed: Get "https://tuf-repo-cdn.sigstore.dev/15.root.json": dial tcp: lookup tuf-repo-cdn.sigstore.dev: no such host',
    'Whether it is signed is not known before that works',
  ],
  [
    'a signature of another workflow',
    identity,
    {
      code: 12,
      stderr: both(
        'no matching signatures: none of the expected identities matched what was in the certificate, got subjects [ada@example.com] with issuer https://accounts.example.com',
      ),
    },
    'no matching signatures: none of the expected identities matched what was in the certificate, got subjects [ada@example.com] with issuer https://accounts.example.com',
    check,
  ],
  [
    'a signature that is not in the log',
    key,
    {
      code: 1,
      stderr: both(
        'no matching attestations: failed to verify log inclusion: not enough verified log entries from transparency log: 0 < 1',
      ),
    },
    'no matching attestations: failed to verify log inclusion: not enough verified log entries from transparency log: 0 < 1',
    'Sign it with an entry in the transparency log, or set tlog=ignore after the key',
  ],
  [
    'a list of packages that the same key has signed, and no signature',
    key,
    { stdout: verified('https://cosign.sigstore.dev/attestation/v1') },
    'no signatures found, only other statements',
    sign,
  ],
  [
    'a registry that wants a login',
    key,
    { code: 1, stderr: both('GET https://ghcr.io/token: UNAUTHORIZED: authentication required') },
    'GET https://ghcr.io/token: UNAUTHORIZED: authentication required',
    'Log in with "docker login ghcr.io" (in a workflow: docker/login-action before this step) as a user who may read ghcr.io/acme/shop',
  ],
  [
    'a key that is missing',
    key,
    {
      code: 1,
      stderr: both(
        'loading verifier from key opts: loading public key: open cosign.pub: no such file or directory',
      ),
    },
    'loading verifier from key opts: loading public key: open cosign.pub: no such file or directory',
    'Whether it is signed is not known before that works',
  ],
  [
    'no attestation',
    github,
    {
      code: 1,
      stderr: `Loaded digest ${digest} for oci://${reference}\n✗ Loading attestations from GitHub API failed\n\nError: HTTP 404: Not Found (https://api.github.com/repos/acme/shop/attestations/${digest}?per_page=30)`,
    },
    `HTTP 404: Not Found (https://api.github.com/repos/acme/shop/attestations/${digest}?per_page=30)`,
    attest,
  ],
  [
    'none that says how it was built, by a gh before 2.67, which ends well',
    github,
    {
      stderr: '✗ No attestations found with predicate type: https://slsa.dev/provenance/v1',
    },
    'no attestations found',
    attest,
  ],
  [
    'an attestation of another repository',
    github,
    {
      code: 1,
      stderr:
        '✗ Policy verification failed\n\nError: expected SourceRepositoryURI to be https://github.com/acme/shop, got https://github.com/eve/shop',
    },
    'expected SourceRepositoryURI to be https://github.com/acme/shop, got https://github.com/eve/shop',
    check,
  ],
  [
    'no token',
    github,
    {
      code: 4,
      stderr:
        'gh: To use GitHub CLI in a GitHub Actions workflow, set the GH_TOKEN environment variable. Example:\n  env:\n    GH_TOKEN: ${{ github.token }}',
    },
    'it has no token for GitHub',
    'Give this step a token with "attestations: read": env: GH_TOKEN: ${{ github.token }}',
  ],
  [
    'no answer',
    key,
    { code: 143, stderr: 'no answer within 200 s' },
    'no answer within 200 s',
    'Whether it is signed is not known before that works',
  ],
  [
    'no word at all',
    key,
    { code: 1 },
    'exit code 1',
    'Whether it is signed is not known before that works',
  ],
])('%s stops the run', (_, line, answer, said, remedy) => {
  const finished = { code: 0, stdout: '', stderr: '', ...answer }
  const wanted = checkOf(line)
  const verification = verificationOf(wanted, image, false)
  const { hint = '', ...cause } = causeOfDoubt(wanted, image, { ...verification, finished }) ?? {}
  expect(cause).toEqual({
    code: 'image-unverified',
    sentence: `${reference} could not be verified as ${claimOf(wanted)}: ${verification.tool}: ${said}`,
  })
  const [first, again] = hint.split('. To repeat the check: ')
  expect(first).toBe(remedy)
  expect(again).toContain(`${verification.tool} `)
  expect(again).toContain(reference)
})

test.each([
  [key, 'cosign', /sigstore\/cosign-installer/],
  [github, 'gh', /https:\/\/cli\.github\.com/],
])('%s without %s says how to install it', (line, tool, hint) => {
  const wanted = checkOf(line)
  const finished = { code: 127, stdout: '', stderr: `${tool} was not found on PATH` }
  const verification = verificationOf(wanted, image, false)
  expect(causeOfDoubt(wanted, image, { ...verification, finished })).toEqual({
    code: 'tool-missing',
    sentence: `"verify-signature" needs ${tool}, which was not found on PATH`,
    hint: expect.stringMatching(hint),
  })
})

test.each([
  [key, verified('cosign container image signature'), 'signed with the key cosign.pub'],
  [key, verified('https://sigstore.dev/cosign/sign/v1'), 'signed with the key cosign.pub'],
  [
    identity,
    verified('https://sigstore.dev/cosign/sign/v1'),
    `signed by ${workflow}@* (${issuer})`,
  ],
  [github, '[{"attestation":{},"verificationResult":{}}]\n', 'attested by acme/shop'],
])('%s holds', (line, stdout, claim) => {
  const wanted = checkOf(line)
  const finished = { code: 0, stdout, stderr: 'The following checks were performed' }
  const verification = verificationOf(wanted, image, false)
  expect(causeOfDoubt(wanted, image, { ...verification, finished })).toBeUndefined()
  expect(claimOf(wanted)).toBe(claim)
})
