import type { Event } from 'kubernetes-types/core/v1'
import type { MissingConfiguration } from './remedies.js'
import { oneLine } from './words.js'

/** Reads the prose of kubelet, container runtime and registries: nothing else does. */

/** Returns the message with the error: the back-off message of Kubernetes before 1.34 lacks it, an event has it. */
export function pullWords(
  message: string,
  image: string | undefined,
  events: readonly Event[],
): string {
  if (message !== '' && !/^Back-off pulling image "[^"]*"$/.test(message.trim())) return message
  const failed = events.filter(
    (event) =>
      event.reason === 'Failed' &&
      event.message?.startsWith(`Failed to pull image "${image ?? ''}"`),
  )
  return failed.at(-1)?.message ?? message
}

/** Returns whether a pull can never succeed: the registry has no such image, or refuses it. */
export function isPermanentPullError(message: string, image: string | undefined): boolean {
  // Names say nothing: an image may be called `certificate`, a tag `denied`.
  const words = message.replace(/"[^"]*"/g, '').replaceAll(image ?? '"', '')
  // Transient errors come first: "failed to authorize … 503", "unexpected status … 429 Too Many Requests".
  const passing =
    /too ?many ?requests|\b429\b|\b5\d\d (Internal|Bad|Service|Gateway)|time[d]? ?out|deadline exceeded|TLS|x509|certificate|no such host|server misbehaving|connection (refused|reset)|i\/o|\bEOF\b|no route to host|unreachable/i
  if (passing.test(words)) return false
  return /not found|manifest unknown|name unknown|unauthorized|denied|authentication required|no basic auth|insufficient_scope|\b40[134] |no match(ing manifest)? for|does not exist|invalid reference|couldn't parse image/i.test(
    words,
  )
}

/** Returns whether a container's start failed for a transient reason of the node. */
export function isBusy(message: string): boolean {
  return /deadline ?exceeded|failed to reserve container name|is reserved for|resource temporarily unavailable|transport is closing|connection error/i.test(
    message,
  )
}

/** Returns which ConfigMap or Secret the kubelet misses, or misses a key of, as far as it says so. */
export function missingWords(message: string): Omit<MissingConfiguration, 'reads'> {
  const object = /\b(configmap|secret) "([^"]+)" not found/i.exec(message)
  const [, kind, name] =
    object ??
    /\bin (ConfigMap|Secret) (?:[^\s/]+\/)?(\S+)/.exec(message) ??
    /references non-existent (config|secret)/.exec(message) ??
    []
  const kinds =
    kind === undefined
      ? (['ConfigMap', 'Secret'] as const)
      : ([kind.toLowerCase() === 'secret' ? 'Secret' : 'ConfigMap'] as const)
  return { is: object ? 'object' : 'key', kinds, ...(name !== undefined && { name }) }
}

/** Returns a probe's answer on one line. A command may have written many: the error at the end counts. */
export function probeAnswer(message: string): string {
  const [first = '', ...rest] = message.trimEnd().split('\n')
  const error = message.includes('Traceback (most recent')
    ? rest.findLast((at) => /^\S/.test(at))
    : ''
  if (error) return oneLine(`${first.replace(/: .*/, '')}: ${error}`)
  // A command that fails without a word leaves nothing after the colon.
  const line = oneLine(message, Infinity).replace(/:$/, '')
  return line.length <= 300 ? line : `${line.slice(0, 150)} … ${line.slice(-145)}`
}

/** Returns the end of a message, which names the error: each layer that passed it on added a prefix. */
export function brief(message: string, image: string | undefined): string {
  // Shortened last: the error is at the end, after long names.
  let words = oneLine(message, Infinity)
  for (let before = ''; before !== words;) {
    before = words
    for (const prefix of PREFIXES) words = words.replace(prefix, '')
    if (image !== undefined && words.startsWith(`${image}: `)) words = words.slice(image.length + 2)
  }
  return oneLine(words.replace(/: unknown$/, ''))
}

const PREFIXES = [
  /^Back-off pulling image "[^"]*": /,
  /^Failed to pull image "[^"]*": /,
  /^(ErrImagePull|ImagePullBackOff): /,
  /^rpc error: code = \w+ desc = /,
  /^failed to pull and unpack image "[^"]*": /,
  /^failed to resolve reference "[^"]*": /,
  /^pulling from host \S+ failed with status code \[[^\]]*\]: /,
  /^failed to create (containerd |shim )?task: /,
  /^OCI runtime create failed: /,
  /^(runc|crun) create failed: /,
  /^unable to start container process: /,
]
