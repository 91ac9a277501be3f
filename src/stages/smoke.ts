/**
 * Requests a page of the new version, as one of its visitors would: a pod of the new version that the web's
 * Service sends requests to must answer with success; a redirect is no answer. It uses `kubectl port-forward`, since
 * the API server's own proxy would put its own name into `Host`, which Django refuses.
 */
import type { Pod, Service, ServicePort } from 'kubernetes-types/core/v1'
import { selects } from '../django/roles.js'
import type { Cluster } from '../kubernetes/cluster.js'
import { forwarded, type PodPort } from '../kubernetes/forward.js'
import { collection } from '../kubernetes/paths.js'
import { idOf, type WorkloadId } from '../kubernetes/workload.js'
import { fail, Failure, type Cause } from '../failure/failure.js'
import { liveOf } from '../judge/objects.js'
import { fetchLog } from '../rollout/logs.js'
import { rolloutStatusOf } from '../judge/rollout-status.js'
import type { ClusterState } from '../judge/types.js'
import { abortable, TimeOver, withTimeout } from '../platform/time.js'
import type { Network } from '../platform/platform.js'
import type { ClusterContext } from './context.js'
import type { PreflightResult } from './preflight.js'
import type { Web } from '../kubernetes/target.js'
import { followRedirects, type Answer, type PageRequest, type PageResult } from './http-probe.js'
import { messageOf } from '../platform/error-message.js'

/** Where the smoke request goes. */
export interface SmokeTarget {
  readonly web: Web
  readonly service: string
  /** Name of the Service's port; empty when it has none. */
  readonly port: string
  readonly host: string
}

/**
 * Returns the port that most likely speaks HTTP, among those of all Services that lead to the web: one for metrics
 * may come first. Throws a Failure `usage` when there is none.
 */
export function smokeTarget(
  web: Web,
  services: readonly Service[],
  host: string | undefined,
): SmokeTarget {
  const [best] = services
    .filter((service) => selects(service, web))
    .flatMap((service) => (service.spec?.ports ?? []).map((port) => ({ service, port })))
    .filter(({ port: { protocol = 'TCP' } }) => protocol === 'TCP')
    .sort((one, other) => rankOf(one.port, web) - rankOf(other.port, web))
  if (!best) {
    return fail({
      code: 'usage',
      sentence: `"smoke-path" needs a Service, and none selects ${web.workload.name}`,
      hint: 'remove "smoke-path", or create a Service that selects its pods',
    })
  }
  return {
    web,
    service: best.service.metadata?.name ?? '',
    port: best.port.name ?? '',
    host: host ?? hostOfProbe(web) ?? 'localhost',
  }
}

/** Returns the rank of a port; the lowest wins. */
function rankOf({ name, port, targetPort = port }: ServicePort, web: Web): number {
  if (name === 'http') return 0
  if ([80, 8000, 8080].includes(port)) return 1
  const own = containerOf(web)?.ports ?? []
  const isOwn = own.some((one) => targetPort === one.containerPort || targetPort === one.name)
  return isOwn ? 2 : 3
}

function containerOf({ template, container }: Web) {
  return template.spec?.containers.find(({ name }) => name === container)
}

/** Returns the Host of a probe: where ALLOWED_HOSTS is set, the kubelet is given a name that it allows. */
function hostOfProbe(web: Web): string | undefined {
  const one = containerOf(web)
  const probes = [one?.readinessProbe, one?.startupProbe, one?.livenessProbe]
  return probes
    .flatMap((probe) => probe?.httpGet?.httpHeaders ?? [])
    .find(({ name }) => name.toLowerCase() === 'host')?.value
}

const retryPauseMs = 500
const responseTimeoutMs = 10_000
/** A server that takes longer than this to answer was away. */
const awayMs = 2_000
const mostLines = 30

/** Why there was no successful answer: the last reason is reported when the time is over. */
interface BadAnswer {
  readonly words: string
  readonly hint?: string
  readonly pod?: string
  readonly body?: readonly string[]
}

/**
 * Requests the page until the answer is good. Returns what a user should know of that answer; mostly nothing.
 * Throws a Failure `smoke-failed` when no successful answer came in time, and the signal's reason when it is aborted.
 */
export async function smoke(
  context: ClusterContext,
  { live }: Pick<PreflightResult, 'live'>,
  target: SmokeTarget,
  image: string,
): Promise<string | undefined> {
  const { platform, settings, signal, cluster, log } = context
  const { clock } = platform
  const path = settings['smoke-path'] ?? '/'
  const request = `GET ${path} through service/${target.service}`
  const { workload, container } = target.web
  let last: BadAnswer = { words: `gave no answer within ${settings['smoke-timeout'] / 1000} s` }
  let left = settings['smoke-timeout']
  /** How long the last attempt took, with the pause after it. */
  let took = 0
  for (;;) {
    if (hasNoNewPods(live.clusterState(), workload)) {
      log.say(`${request}: skipped, because ${idOf(workload)} gets no new pod now`)
      return undefined
    }
    const from = clock.now()
    const slices = await abortable(signal, () => slicesOf(cluster, target.service))
    // An API server that is away proves nothing about the new version: neither that wait counts, nor the request
    // before it, which went through the same server.
    if (clock.now() - from < awayMs) left -= took
    if (left <= 0) throw new Failure(await smokeCause(context, target, request, last))
    const begun = clock.now()
    const endpoint = endpointsOf(slices, target.port).find(({ pod }) =>
      runs(live.clusterState().pods.get(pod), container, image),
    )
    const page = { host: target.host, path }
    const attempt = await requestPage(context, endpoint, page, Math.min(left, responseTimeoutMs))
    if (attempt.is === 'good') {
      const { words, pod, how, but } = attempt
      log.say(`${request}: ${words} from ${pod}, of the new version${how}`)
      return but === undefined ? undefined : `${request} ${but}`
    }
    // What the end of the time cuts off says less than what came before.
    if (clock.now() - begun < left) last = attempt.answer
    await clock.sleep(retryPauseMs, signal)
    took = clock.now() - begun
  }
}

/** Returns the cause of a page without a successful answer, with the log of the pod that answered last. */
async function smokeCause(
  { platform, cluster }: ClusterContext,
  { web: { workload, container } }: SmokeTarget,
  request: string,
  { words, hint, pod, body = [] }: BadAnswer,
): Promise<Cause> {
  const wanted = pod === undefined ? undefined : { pod, container, previous: false }
  const lines = wanted ? await fetchLog(cluster, platform.clock, wanted) : []
  return {
    code: 'smoke-failed',
    sentence: `${request} ${words}`,
    hint: hint ?? `check its log: kubectl logs ${idOf(workload)}`,
    workload: workload.name,
    ...(pod !== undefined && { pod, container }),
    logs: [
      { source: 'the answer', lines: body },
      { source: `container ${container}`, lines: lines.slice(-mostLines) },
    ],
  }
}

interface Page {
  /** For the header `Host`. */
  readonly host: string
  readonly path: string
}

/** The result of one request. */
type Attempt =
  | {
      readonly is: 'good'
      readonly words: string
      readonly pod: string
      /** How the request was sent: ` (as https)`. */
      readonly how: string
      /** What the answer does not prove. */
      readonly but?: string
    }
  | { readonly is: 'bad'; readonly answer: BadAnswer }

async function requestPage(
  { platform, signal, cluster }: ClusterContext,
  endpoint: PodPort | undefined,
  page: Page,
  ms: number,
): Promise<Attempt> {
  if (!endpoint) return bad({ words: 'found no pod of the new version behind the Service' })
  const { network, clock } = platform
  try {
    const result = await withTimeout(clock, ms, signal, (late) =>
      forwarded(cluster, endpoint, late, (socket) =>
        followRedirects(page.host, page.path, (request) =>
          ask(network, { socket, host: page.host }, request, late),
        ),
      ),
    )
    return attemptOf(result, endpoint.pod, page)
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof TimeOver) return bad({ words: `gave no answer within ${ms / 1000} s` })
    return bad({ words: `failed: ${messageOf(error)}` })
  }
}

function bad(answer: BadAnswer): Attempt {
  return { is: 'bad', answer }
}

async function ask(
  network: Network,
  { socket, host }: { readonly socket: number; readonly host: string },
  { path, secure }: PageRequest,
  signal: AbortSignal,
): Promise<Answer> {
  const answer = await network.request({
    socket,
    method: 'GET',
    path,
    host,
    signal,
    // What the proxy that ends TLS sends to the web: Django's SECURE_PROXY_SSL_HEADER, gunicorn, uvicorn.
    ...(secure && { headers: { 'x-forwarded-proto': 'https' } }),
  })
  const { status, location } = answer
  return { status, body: await answer.text(), ...(location !== undefined && { location }) }
}

function attemptOf(result: PageResult, pod: string, { host, path }: Page): Attempt {
  const another = 'set a "smoke-path" that does not redirect'
  switch (result.is) {
    case 'led away': {
      const { status, to, samePage } = result
      const words = `answered ${status}, a redirect to ${to.origin}${to.pathname}`
      if (samePage) {
        return bad({
          pod,
          words: `${words}: the page itself was not checked`,
          hint: `set "smoke-host" to ${to.hostname}, or ${another}`,
        })
      }
      return {
        is: 'good',
        pod,
        words: String(status),
        how: '',
        but: `${words}, which proves nothing about the page itself: ${another}`,
      }
    }
    case 'in a circle':
      return bad({
        pod,
        words: `answered ${result.status}, a redirect loop to ${result.to}: the page itself was not checked`,
        hint: result.to.startsWith('https:')
          ? `set "smoke-path" to a page of SECURE_REDIRECT_EXEMPT, or set SECURE_PROXY_SSL_HEADER = ('HTTP_X_FORWARDED_PROTO', 'https'): the request had that header`
          : another,
      })
    case 'answered': {
      const { status, body, at, isLogin } = result
      const how = [
        ...(at.secure ? ['as https'] : []),
        ...(at.path === path ? [] : [`at ${at.path}`]),
      ]
      const request = how.length === 0 ? '' : ` (${how.join(', ')})`
      if (status >= 200 && status < 300) {
        const but = `leads to the login page (${at.path}), which proves nothing about the page itself: ${another}`
        return { is: 'good', words: String(status), pod, how: request, ...(isLogin && { but }) }
      }
      return bad({
        pod,
        words: `answered ${status}${request}`,
        body: body.split('\n').slice(0, mostLines),
        ...(status === 400 && {
          hint: `Django answers 400 to a Host that is not in ALLOWED_HOSTS. The request had "${host}": set "smoke-host"`,
        }),
      })
    }
  }
}

/**
 * Returns whether it is scaled to nothing, or its pods change only when a person deletes them: no new pod can
 * answer.
 */
function hasNoNewPods(clusterState: ClusterState, workload: WorkloadId): boolean {
  const now = liveOf(clusterState, workload)
  const desired = { workload, images: {}, generation: 0, first: false }
  return now !== undefined && rolloutStatusOf(now, desired, []).wanted === 0
}

export interface EndpointSlice {
  readonly ports?: readonly { readonly name?: string; readonly port?: number }[] | null
  readonly endpoints?:
    | readonly {
        readonly conditions?: { readonly ready?: boolean }
        readonly targetRef?: { readonly kind?: string; readonly name?: string }
      }[]
    | null
}

async function slicesOf(cluster: Cluster, service: string): Promise<readonly EndpointSlice[]> {
  const path = collection('discovery.k8s.io/v1', cluster.namespace, 'endpointslices')
  const { items } = await cluster.get<{ items: readonly EndpointSlice[] }>(
    `${path}?labelSelector=kubernetes.io%2Fservice-name%3D${service}`,
  )
  return items
}

/** Returns the pods that a Service sends requests to, with the number of the port there. */
export function endpointsOf(
  slices: readonly EndpointSlice[],
  portName: string,
): readonly PodPort[] {
  return slices.flatMap(({ ports, endpoints }) => {
    const port = (ports ?? []).find(({ name = '' }) => name === portName)?.port
    if (port === undefined) return []
    return (endpoints ?? []).flatMap(({ conditions, targetRef }) =>
      // A missing condition counts as ready:
      // https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/
      conditions?.ready !== false && targetRef?.kind === 'Pod' && targetRef.name !== undefined
        ? [{ pod: targetRef.name, port }]
        : [],
    )
  })
}

function runs(pod: Pod | undefined, container: string, image: string): boolean {
  return pod?.spec?.containers.find(({ name }) => name === container)?.image === image
}
