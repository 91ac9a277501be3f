/** Whether the probes of a workload show the real state of its pods. Pure. */
import type { Container, Probe } from 'kubernetes-types/core/v1'
import { roleOf } from '../django/roles.js'
import { same, templateOf } from '../kubernetes/objects.js'
import { ok, warning, type Finding } from '../report/finding.js'
import { inContainer, fixOf, type Kubectl } from './fixes.js'
import type { Subject } from './subject.js'

/** The options of the smoke request. */
export interface SmokeOptions {
  readonly 'smoke-path'?: string | undefined
  readonly 'smoke-host'?: string | undefined
}

/** @param readyMs how long the slowest pod of a workload (by its id) took from its start to Ready, where that was seen. */
export function probeFindings(
  subjects: readonly Subject[],
  readyMs: Readonly<Record<string, number>>,
  smoke: SmokeOptions,
  kubectl: Kubectl,
): readonly Finding[] {
  const served = subjects.filter(({ isServed }) => isServed)
  const found = [
    ...served.flatMap((subject) => unready(subject, smoke, kubectl)),
    ...subjects.flatMap((subject) => killed(subject, readyMs[subject.id], kubectl)),
  ]
  if (found.length > 0 || served.length === 0) return found
  const ids = served.map(({ id }) => id).join(', ')
  const shallow = served.filter((subject) => listensOnly(subject)).map(({ id }) => id)
  const more =
    shallow.length === 0
      ? ''
      : `; that of ${shallow.join(', ')} checks only the port: set "smoke-path" to request a page`
  return [ok('probes', `${ids}: has a readinessProbe${more}`)]
}

/** Returns the container that answers requests: where that is unknown, the first that runs the released image. */
function serving({ containers }: Subject): Container | undefined {
  return containers.find((one) => roleOf(one) === 'web') ?? containers[0]
}

/** gunicorn listens before its workers have imported the code: a version that cannot start is Ready for a moment. */
function listensOnly(subject: Subject): boolean {
  return serving(subject)?.readinessProbe?.tcpSocket !== undefined
}

/** Without any readinessProbe in its pods they are Ready as soon as they are started. */
function unready(subject: Subject, smoke: SmokeOptions, kubectl: Kubectl): readonly Finding[] {
  const { id, target, object } = subject
  const all = templateOf(object).spec?.containers ?? []
  const container = serving(subject)
  if (!container) return []
  if (listensOnly(subject) && smoke['smoke-path'] !== undefined) {
    const message = `${id}, container ${container.name}: its readinessProbe checks only the port, so a version whose code does not start may become Ready for a moment and replace a working one`
    const probe = { ...pageOf(container, smoke), tcpSocket: null }
    const change =
      'httpGet' in probe && inContainer(target, container.name, { readinessProbe: probe })
    return [warning('probes', message, change ? fixOf(target, change, kubectl) : undefined)]
  }
  if (all.some(({ readinessProbe }) => readinessProbe)) return []
  const message = `${id}, container ${container.name} has no readinessProbe: its new pods receive requests before they can answer, and a rollout counts them as Ready at once`
  const readinessProbe = readinessOf(container, smoke)
  const change = readinessProbe && inContainer(target, container.name, { readinessProbe })
  return [warning('probes', message, change && fixOf(target, change, kubectl))]
}

/**
 * Returns a known probe, whose request is known to be answered; otherwise the port: it only proves that the server
 * listens.
 */
function readinessOf(container: Container, smoke: SmokeOptions): object | undefined {
  const { startupProbe, livenessProbe } = container
  const known = startupProbe ?? livenessProbe
  return known ? { ...handlerOf(known), periodSeconds: 2 } : pageOf(container, smoke)
}

function pageOf({ ports = [] }: Container, smoke: SmokeOptions): object | undefined {
  const web = ports.find(({ protocol = 'TCP', name }) => protocol === 'TCP' && name === 'http')
  const port = (web ?? ports.find(({ protocol = 'TCP' }) => protocol === 'TCP'))?.containerPort
  if (port === undefined) return undefined
  const { 'smoke-path': path, 'smoke-host': host } = smoke
  if (path === undefined) return { tcpSocket: { port }, periodSeconds: 2 }
  const httpHeaders = host === undefined ? {} : { httpHeaders: [{ name: 'Host', value: host }] }
  return { httpGet: { path, port, ...httpHeaders }, periodSeconds: 2 }
}

/**
 * Finds a livenessProbe with the same request as the readinessProbe: it kills a start that takes longer than it
 * allows. Reports it where a start of twice the seen time would not end.
 */
function killed(
  { id, target, containers }: Subject,
  readyMs: number | undefined,
  kubectl: Kubectl,
): readonly Finding[] {
  if (readyMs === undefined) return []
  return containers.flatMap((container) => {
    const { name, livenessProbe: liveness, readinessProbe, startupProbe } = container
    if (!liveness || !readinessProbe || startupProbe) return []
    if (!same(handlerOf(liveness), handlerOf(readinessProbe))) return []
    const budget = budgetOf(liveness)
    if (2 * readyMs <= budget) return []
    const message = `${id}, container ${name} took ${seconds(readyMs)} to become Ready, and its livenessProbe kills one that takes ${seconds(budget)}: on a busy node a healthy start may never finish`
    const period = 2
    const failureThreshold = Math.max(60, Math.ceil((10 * readyMs) / 1000 / period))
    const change = inContainer(target, name, {
      startupProbe: { ...handlerOf(liveness), periodSeconds: period, failureThreshold },
    })
    return [warning('probes', message, fixOf(target, change, kubectl))]
  })
}

/** How soon after its start a container that does not answer is killed, in ms. Defaults of the API. */
function budgetOf({ initialDelaySeconds, periodSeconds, failureThreshold }: Probe): number {
  return 1000 * ((initialDelaySeconds ?? 0) + (failureThreshold ?? 3) * (periodSeconds ?? 10))
}

/** The request of a probe, without its period. */
function handlerOf({ httpGet, tcpSocket, exec, grpc }: Probe & { readonly grpc?: object }): object {
  return {
    ...(httpGet && { httpGet }),
    ...(tcpSocket && { tcpSocket }),
    ...(exec && { exec }),
    ...(grpc && { grpc }),
  }
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`
}
