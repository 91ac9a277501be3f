/** Whether an image has the signatures that it must have, before it runs. */
import { isInsecure } from '../docker/registry-trust.js'
import { hostOf } from '../docker/registry-errors.js'
import { causeOfDoubt, claimOf, verificationOf, type Verification } from '../docker/signature.js'
import { byDigest, type Image } from '../docker/image.js'
import { fail } from '../failure/failure.js'
import { TimeOver, withTimeout } from '../platform/time.js'
import type { Finished } from '../platform/platform.js'
import type { Settings } from '../options/table.js'
import type { ReleaseContext, StageContext } from './context.js'

/** Longer than cosign itself waits for registry and log together, in ms. */
const verifyTimeoutMs = 200_000

/** Throws a Failure (`image-unverified`, `tool-missing`) unless the image has all that "verify-signature" names. */
export async function verifySignature(
  context: Pick<StageContext, 'platform' | 'settings' | 'signal' | 'log'>,
  image: Image,
): Promise<void> {
  const { platform, settings, signal, log } = context
  const checks = settings['verify-signature']
  if (checks.length === 0) return
  const insecure = await isInsecure(platform, hostOf(image.repository), signal)
  for (const check of checks) {
    const verification = verificationOf(check, image, insecure)
    log.waiting(`${verification.tool} verifies ${byDigest(image)}`)
    const finished = await verify(context, verification)
    log.waiting(undefined)
    const cause = causeOfDoubt(check, image, { ...verification, finished })
    if (cause) fail(cause)
    log.say(`${byDigest(image)} is ${claimOf(check)}`)
  }
}

/**
 * Opens the cluster only once the image is verified, where that is wanted: preflight may write a Namespace, and Jobs in
 * which running versions report what they need.
 */
export function onceVerified<T>(
  settings: Settings,
  image: Promise<unknown>,
  open: () => Promise<T>,
): () => Promise<T> {
  return async () => {
    if (settings['verify-signature'].length > 0) await image
    return open()
  }
}

async function verify(
  { platform, settings, signal }: Pick<ReleaseContext, 'platform' | 'settings' | 'signal'>,
  { tool, args }: Verification,
): Promise<Finished> {
  const lines = { stdout: [] as string[], stderr: [] as string[] }
  const { token } = settings
  const isLoggedIn = platform.env['GH_TOKEN'] || platform.env['GITHUB_TOKEN']
  const code = await withTimeout(platform.clock, verifyTimeoutMs, signal, async (late) => {
    const code = await platform.processes.stream(tool, args, {
      signal: late,
      ...(tool === 'gh' && token !== undefined && !isLoggedIn && { env: { GH_TOKEN: token } }),
      onLine: (line, channel) => {
        lines[channel].push(line)
      },
    })
    if (late.reason instanceof TimeOver)
      lines.stderr.push(`no answer within ${verifyTimeoutMs / 1000} s`)
    return code
  })
  signal.throwIfAborted()
  return { code, stdout: lines.stdout.join('\n'), stderr: lines.stderr.join('\n') }
}
