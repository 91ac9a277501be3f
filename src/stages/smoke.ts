/**
 * Asks the new version, as one of its visitors would: a pod of the new version that the Service of the web
 * sends requests to has to give a good answer. The way there is `kubectl port-forward`, since the API
 * server's own proxy would put its own name into `Host`, which Django refuses.
 */
import type { Pod, Service } from 'kubernetes-types/core/v1'
import { selects } from '../django/roles.js'
import type { Cluster } from '../kubernetes/cluster.js'
import { forwarded } from '../kubernetes/forward.js'
import { collection } from '../kubernetes/paths.js'
import { fail } from '../report/cause.js'
import type { Journal } from '../report/journal.js'
import { fetchLog } from '../rollout/logs.js'
import { TimeOver, within } from '../world/deadline.js'
import type { Site } from './preflight.js'
import { pinned, type Image, type Release } from './release.js'
import type { Web } from './targets.js'

/** What is asked. */
export interface SmokeAim {
  readonly web: Web
  readonly service: string
  /** Name of the Service's port; empty when it has none. */
  readonly port: string
  readonly host: string
}

/** Throws a Failure `usage` when no Service leads to the web. */
export function smokeAim(
  web: Web,
  services: readonly Service[],
  host: string | undefined,
): SmokeAim {
  const service = services.find((one) => selects(one, web))
  const ports = service?.spec?.ports ?? []
  const port = ports.find(({ name }) => name === 'http') ?? ports[0]
  if (!service || !port) {
    return fail({
      code: 'usage',
      sentence: `"smoke-path" is asked through a Service, and none leads to ${web.workload.name}`,
      hint: 'leave "smoke-path" out, or make a Service that selects its pods',
    })
  }
  return {
    web,
    service: service.metadata?.name ?? '',
    port: port.name ?? '',
    host: host ?? hostOfProbe(web) ?? 'localhost',
  }
}

/** Whoever has ALLOWED_HOSTS tells the kubelet a name that it allows. */
function hostOfProbe({ template, container }: Web): string | undefined {
  const one = template.spec?.containers.find(({ name }) => name === container)
  const probes = [one?.readinessProbe, one?.startupProbe, one?.livenessProbe]
  return probes
    .flatMap((probe) => probe?.httpGet?.httpHeaders ?? [])
    .find(({ name }) => name.toLowerCase() === 'host')?.value
}

interface EndpointSlice {
  readonly ports?: readonly { readonly name?: string; readonly port?: number }[] | null
  readonly endpoints?:
    | readonly {
        readonly conditions?: { readonly ready?: boolean }
        readonly targetRef?: { readonly kind?: string; readonly name?: string }
      }[]
    | null
}

const pauseMs = 500
const answerMs = 10_000
const mostLines = 30

/** What was not good, last: told when the time is over. */
interface Miss {
  readonly words: string
  readonly pod?: string
  readonly body?: readonly string[]
}

/** Throws a Failure `smoke-failed` when no good answer came in time. */
export async function smoke(
  release: Release,
  journal: Journal,
  cluster: Cluster,
  site: Site,
  aim: SmokeAim,
  image: Image,
): Promise<void> {
  const { world, settings, signal } = release
  const path = settings['smoke-path'] ?? '/'
  const asked = `GET ${path} through service/${aim.service}`
  let miss: Miss = { words: `gave no answer within ${settings['smoke-timeout'] / 1000} s` }
  const good = await within(world.clock, settings['smoke-timeout'], signal, async (late) => {
    const isOver = () => late.aborted
    while (!isOver()) {
      const look = await lookOnce(release, cluster, site, aim, image, path, late)
      if (look.is === 'good') return look
      // What is cut off by the end of the time says less than what came before.
      if (!isOver()) miss = look.miss
      await world.clock.sleep(pauseMs, late).catch(() => undefined)
    }
    return undefined
  })
  signal.throwIfAborted()
  if (good) {
    journal.say(`${asked}: ${good.status} from ${good.pod}, of the new version`)
    return
  }
  const log =
    miss.pod === undefined
      ? []
      : await fetchLog(cluster, world.clock, {
          ...{ pod: miss.pod, container: aim.web.container },
          previous: false,
        })
  fail({
    code: 'smoke-failed',
    sentence: `${asked} ${miss.words}`,
    hint: hintOf(miss, aim),
    workload: aim.web.workload.name,
    ...(miss.pod !== undefined && { pod: miss.pod, container: aim.web.container }),
    log: [...(miss.body ?? []), ...log.slice(-mostLines)],
  })
}

type Look =
  | { readonly is: 'good'; readonly status: number; readonly pod: string }
  | { readonly is: 'not yet'; readonly miss: Miss }

async function lookOnce(
  { world }: Release,
  cluster: Cluster,
  { live }: Site,
  aim: SmokeAim,
  image: Image,
  path: string,
  signal: AbortSignal,
): Promise<Look> {
  const notYet = (miss: Miss): Look => ({ is: 'not yet', miss })
  try {
    const slices = await cluster.get<{ items: readonly EndpointSlice[] }>(
      `${collection('discovery.k8s.io/v1', cluster.namespace, 'endpointslices')}?labelSelector=kubernetes.io%2Fservice-name%3D${aim.service}`,
    )
    const { pods } = live.picture()
    const end = endpointsOf(slices.items, aim.port).find(({ pod }) =>
      runs(pods.get(pod), aim.web.container, pinned(image)),
    )
    if (!end) return notYet({ words: 'found no pod of the new version behind the Service' })
    const { status, body } = await forwarded(cluster, end.pod, end.port, signal, (port) =>
      within(world.clock, answerMs, signal, async (late) => {
        const answer = await world.network.request({
          ...{ socket: port, method: 'GET', path, host: aim.host, signal: late },
        })
        return { status: answer.status, body: await answer.text() }
      }),
    )
    if (status >= 200 && status < 400) return { is: 'good', status, pod: end.pod }
    const lines = body.split('\n').slice(0, mostLines)
    return notYet({ words: `answered ${status}`, pod: end.pod, body: lines })
  } catch (error) {
    if (error instanceof TimeOver)
      return notYet({ words: `gave no answer within ${answerMs / 1000} s` })
    return notYet({ words: `failed: ${error instanceof Error ? error.message : String(error)}` })
  }
}

/** The pods that a Service sends requests to, with the number of the port there. */
export function endpointsOf(
  slices: readonly EndpointSlice[],
  portName: string,
): readonly { readonly pod: string; readonly port: number }[] {
  return slices.flatMap(({ ports, endpoints }) => {
    const port = (ports ?? []).find(({ name = '' }) => name === portName)?.port
    if (port === undefined) return []
    return (endpoints ?? []).flatMap(({ conditions, targetRef }) =>
      // Not said counts as ready: https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/
      conditions?.ready !== false && targetRef?.kind === 'Pod' && targetRef.name !== undefined
        ? [{ pod: targetRef.name, port }]
        : [],
    )
  })
}

function runs(pod: Pod | undefined, container: string, image: string): boolean {
  return pod?.spec?.containers.find(({ name }) => name === container)?.image === image
}

function hintOf({ words }: Miss, { host, web }: SmokeAim): string {
  const look = `look at its log: kubectl logs deployment/${web.workload.name}`
  return words === 'answered 400'
    ? `Django answers 400 to a Host that is not in ALLOWED_HOSTS; it was asked as "${host}": give another one by "smoke-host"`
    : look
}
