/** The Services that an Ingress or a route names, and which of them, or of their ports, are not there. Pure. */
import type { Service } from 'kubernetes-types/core/v1'
import type { Ingress, IngressBackend } from 'kubernetes-types/networking/v1'
import { nameOf, type KubeObject } from './objects.js'

export interface Backend {
  readonly service: string
  /** By number or by name; none: any will do. */
  readonly port?: number | string
}

/** Backends of this namespace. What leads to another kind of object, or nowhere for now, is none. */
export function backendsOf(kind: string, object: KubeObject): readonly Backend[] {
  if (kind === 'networking.k8s.io/Ingress') return ofIngress(object)
  if (kind.startsWith('gateway.networking.k8s.io/')) return ofGateway(object)
  if (kind.startsWith('traefik.')) return ofTraefik(object)
  return []
}

function ofIngress(object: KubeObject): readonly Backend[] {
  const { defaultBackend, rules } = (object as Ingress).spec ?? {}
  const all: readonly (IngressBackend | undefined)[] = [
    defaultBackend,
    ...(rules ?? []).flatMap(({ http }) => (http?.paths ?? []).map(({ backend }) => backend)),
  ]
  return all.flatMap((backend): Backend[] => {
    const { name, port } = backend?.service ?? {}
    // AWS's controller answers by itself what its annotations say: there is no Service of that name.
    if (name === undefined || port?.name === 'use-annotation') return []
    return [backendOf(name, port?.name ?? port?.number)]
  })
}

interface Ref {
  readonly group?: string
  readonly kind?: string
  readonly name?: string
  readonly namespace?: string
  readonly port?: number | string
  readonly weight?: number
}

function ofGateway(object: KubeObject): readonly Backend[] {
  const { rules } = (object.spec ?? {}) as {
    readonly rules?: readonly { readonly backendRefs?: readonly Ref[] }[]
  }
  return ofRefs(
    object,
    (rules ?? []).flatMap(({ backendRefs }) => backendRefs ?? []),
  )
}

function ofTraefik(object: KubeObject): readonly Backend[] {
  const { routes } = (object.spec ?? {}) as {
    readonly routes?: readonly { readonly services?: readonly Ref[] }[]
  }
  return ofRefs(
    object,
    (routes ?? []).flatMap(({ services }) => services ?? []),
  )
}

function ofRefs({ metadata }: KubeObject, refs: readonly Ref[]): readonly Backend[] {
  return refs.flatMap(({ group = '', kind = 'Service', name, namespace, port, weight }) => {
    const isHere = namespace === undefined || namespace === metadata?.namespace
    const isService = group === '' && kind === 'Service' && !name?.includes('@')
    return name !== undefined && isService && isHere && weight !== 0 ? [backendOf(name, port)] : []
  })
}

function backendOf(service: string, port: number | string | undefined): Backend {
  return { service, ...(port !== undefined && { port }) }
}

/** Services before the release, and as it leaves them. */
export interface Services {
  readonly live: readonly Service[]
  readonly becomes: readonly Service[]
}

export type Routed =
  | { readonly is: 'well' }
  /** It leads nowhere after the release; `breaks`: it does not so now. */
  | {
      readonly is: 'nowhere'
      readonly breaks: boolean
      readonly sentence: string
      readonly hint: string
    }
  /** It leads nowhere between the writes to the Service and to the route. */
  | { readonly is: 'torn'; readonly sentence: string; readonly hint: string }

/** `before`: what lives; none: the release creates it. */
export function routed(
  kind: string,
  before: KubeObject | undefined,
  after: KubeObject,
  services: Services,
): Routed {
  const name = `${(after.kind ?? '').toLowerCase()}/${nameOf(after)}`
  const was = before ? backendsOf(kind, before) : []
  const is = backendsOf(kind, after)
  const isNew = (one: Backend) => !was.some(isSame(one)) || lacks(one, services.live) === undefined
  const nowhere = is.filter((one) => lacks(one, services.becomes) !== undefined)
  const [first] = [...nowhere.filter(isNew), ...nowhere]
  if (first) {
    const what = lacks(first, services.becomes)
    return { is: 'nowhere', breaks: isNew(first), ...causeOf(name, first, what, services.becomes) }
  }
  const torn = was.find(
    (one) => lacks(one, services.live) === undefined && lacks(one, services.becomes) !== undefined,
  )
  if (!torn) return { is: 'well' }
  const service = `service/${torn.service}`
  return {
    is: 'torn',
    sentence: `${service} loses port ${torn.port}, which ${name} uses until the new pods are Ready: requests would fail until then`,
    hint: `split the change into two releases: first ${service} with port ${torn.port} beside the new one, and ${name} with the new one; then ${service} without port ${torn.port}`,
  }
}

function isSame({ service, port }: Backend): (other: Backend) => boolean {
  return (other) => other.service === service && other.port === port
}

function lacks(
  { service, port }: Backend,
  services: readonly Service[],
): 'service' | 'port' | undefined {
  const found = services.find(({ metadata }) => metadata?.name === service)
  if (!found) return 'service'
  const { ports = [], type } = found.spec ?? {}
  if (port === undefined || type === 'ExternalName') return undefined
  // Some controllers take the target port for the Service's own.
  return ports.some((one) =>
    [one.port, one.name, one.targetPort].some((own) => String(own) === String(port)),
  )
    ? undefined
    : 'port'
}

function causeOf(
  name: string,
  { service: of, port }: Backend,
  what: 'service' | 'port' | undefined,
  services: readonly Service[],
): { readonly sentence: string; readonly hint: string } {
  const service = `service/${of}`
  if (what === 'service') {
    return {
      sentence: `${name} leads to ${service}, which exists neither in the cluster nor in the manifests`,
      hint: `correct the name in ${name}, or add ${service} to the manifests`,
    }
  }
  const ports = services.find(({ metadata }) => metadata?.name === of)?.spec?.ports ?? []
  const own = ports.map(({ port, name: named }) => (named ? `${port} (${named})` : `${port}`))
  return {
    sentence: `${name} leads to port ${port} of ${service}, which has ${own.length === 0 ? 'no ports' : own.join(', ')}`,
    hint: `use one of these in ${name}, or add the port to ${service}. To move to another port, release ${service} with both ports first, then ${name}`,
  }
}
