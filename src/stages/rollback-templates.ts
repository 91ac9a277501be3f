/** What a rollback writes: the kept pod templates of the earlier release, with what others have set since. */
import type { ConfigMap, PodTemplateSpec, Secret, Service } from 'kubernetes-types/core/v1'
import { lookUp, lookUpImage } from '../docker/registry.js'
import { ApiError } from '../kubernetes/api-error.js'
import { isOfRepository, parseImage } from '../kubernetes/image.js'
import { isBeingDeleted, same, templateOf, usesOf, withImage } from '../kubernetes/objects.js'
import { collection } from '../kubernetes/paths.js'
import { idOf } from '../kubernetes/workload.js'
import { fail } from '../failure/failure.js'
import { readArchive } from '../state/history-store.js'
import { liveNow } from '../state/history.js'
import { broughtBack, differences, neededBy, type Templates } from '../undo/templates.js'
import type { PreflightResult } from './preflight.js'
import type { ClusterContext, ReleaseContext, StageContext } from './context.js'
import { pinned } from '../docker/image.js'
import type { Target } from '../kubernetes/target.js'
import type { Version } from './version.js'

export interface RollbackTargets {
  readonly targets: readonly Target[]
  /** What is not restored, a sentence each. */
  readonly warnings: readonly string[]
}

/**
 * Returns the workloads with the templates that they will get. Throws a Failure when the earlier pods would not
 * start today: `config-missing`, `workload-unfit` or `image-missing`.
 */
export async function rollbackTargets(
  context: ClusterContext,
  { targets, services }: Pick<PreflightResult, 'targets' | 'services'>,
  version: Version,
): Promise<RollbackTargets> {
  const { app, settings, cluster } = context
  const { history, templates: kept } = await readArchive(cluster, app, settings.image)
  const number = version.release?.number
  const live = liveNow(history)
  const then = number === undefined ? undefined : kept.get(number)
  const released = live && kept.get(live.number)
  if (!then || !released) {
    const of = then ? live?.number : number
    const why =
      of === undefined
        ? 'this version was never released here'
        : `the history has no pod templates of release ${of}`
    return { targets, warnings: [`only the image is rolled back: ${why}; ${stays}`] }
  }
  // `kubectl rollout undo` has restored a workload to an older release: its fields are no change.
  const releasedOf = ({ running }: Target): Templates => {
    const digests = new Set(running.map((image) => parseImage(image).digest))
    const ofIts = history.findLast((one) => digests.size === 1 && digests.has(one.digest))
    const isOlder = ofIts !== undefined && ofIts.digest !== live.digest
    return (isOlder ? kept.get(ofIts.number) : undefined) ?? released
  }
  const back = targets.map((target) =>
    withTemplateOf(context, target, version, { then, released: releasedOf(target) }),
  )
  for (const target of back) logDifferences(context, target, number, releasedOf(target))
  await checkStarts(context, back, services, number)
  const alone = back.filter(({ id, live: now }) => now && !then[idOf(id)])
  const names = alone.map(({ id }) => idOf(id)).join(', ')
  return {
    targets: back,
    warnings:
      alone.length === 0
        ? []
        : [
            `only the image of ${names} is rolled back: release ${number} did not have it; ${stays}`,
          ],
  }
}

const stays = 'command, environment and probes do not change'

/** The kept pod templates of a workload: of the restored version, and of the last release. */
interface KeptTemplates {
  readonly then: Templates
  readonly released: Templates
}

/** Sets the earlier template. Where nothing but the image differs, the image is written as in any release. */
function withTemplateOf(
  { settings }: ReleaseContext,
  target: Target,
  { image }: Version,
  { then, released }: KeptTemplates,
): Target {
  const { id, live } = target
  const [before, last] = [then[idOf(id)], released[idOf(id)]]
  if (!live || !before || !last) return target
  const isOwnImage = (one: string) => isOfRepository(one, settings.image)
  const now = withImage(templateOf(live), isOwnImage, pinned(image))
  const back = withImage(broughtBack(before, last, live), isOwnImage, pinned(image))
  const uses = usesOf(back, isOwnImage)
  return uses.length === 0 || same(back, now) ? target : { ...target, uses, back }
}

/** Logs `deployment/web goes back to release 3 in web: command, env DEBUG`. */
function logDifferences(
  { log }: StageContext,
  { id, live, back }: Target,
  number: number | undefined,
  released: Templates,
): void {
  if (!live || !back) return
  const goes = differences(templateOf(live), back)
  log.say(`${idOf(id)} gets its template of release ${number}: ${goes.join('; ') || 'metadata'}`)
  const last = released[idOf(id)]
  const external = last ? differences(last, templateOf(live)) : []
  if (external.length > 0) {
    log.say(`${idOf(id)} was changed since the last release: ${external.join('; ')} (kept)`)
  }
}

/** A workload whose earlier template is restored. */
interface Returning {
  /** `deployment/web of release 3` */
  readonly name: string
  readonly live: PodTemplateSpec
  readonly back: PodTemplateSpec
}

async function checkStarts(
  context: ClusterContext,
  targets: readonly Target[],
  services: readonly Service[],
  number: number | undefined,
): Promise<void> {
  const missing: string[] = []
  for (const { id, live, back } of targets) {
    if (!live || !back) continue
    const name = `${idOf(id)} of release ${number}`
    const returning = { name, live: templateOf(live), back }
    checkPorts(context, returning, services)
    await checkImages(context, returning)
    missing.push(...(await missingFor(context, returning)))
  }
  if (missing.length === 0) return
  fail({
    code: 'config-missing',
    sentence: missing.join('; '),
    hint: `nothing was changed. Create what is missing, then roll back again. To list it: ${context.cluster.commandLine(['get', 'configmaps,secrets'])}`,
  })
}

/** Returns ConfigMaps, Secrets and keys that do not exist today, a sentence each. */
async function missingFor(
  { cluster, log }: ClusterContext,
  { name, back }: Returning,
): Promise<readonly string[]> {
  const found = await Promise.all(
    neededBy(back).map(async (needed): Promise<readonly string[]> => {
      const plural = `${needed.kind.toLowerCase()}s`
      const title = `${needed.kind.toLowerCase()}/${needed.name}`
      try {
        const path = `${collection('v1', cluster.namespace, plural)}/${needed.name}`
        const object = await cluster.find<ConfigMap & Secret>(path)
        if (!object) return [`${name} needs ${title}, which does not exist`]
        if (isBeingDeleted(object)) {
          return [`${name} needs ${title}, which is being deleted`]
        }
        const has = { ...object.data, ...object.binaryData }
        return needed.keys
          .filter((key) => !(key in has))
          .map((key) => `${name} needs the key "${key}" of ${title}, which does not have it`)
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 403)) throw error
        log.say(`${title}, which ${name} needs, may not be read by this account`)
        return []
      }
    }),
  )
  return found.flat()
}

/** Throws where a Service of today finds its port by a name that the earlier template does not have. */
function checkPorts(
  { settings }: ReleaseContext,
  { name, live, back }: Returning,
  services: readonly Service[],
): void {
  const [now, then] = [portsOf(live), portsOf(back)]
  const labels = back.metadata?.labels ?? {}
  for (const { metadata, spec } of services) {
    const selector = Object.entries(spec?.selector ?? {})
    if (selector.length === 0 || !selector.every(([key, value]) => labels[key] === value)) continue
    const lost = (spec?.ports ?? []).find(
      ({ targetPort }) =>
        typeof targetPort === 'string' && now.has(targetPort) && !then.has(targetPort),
    )
    if (!lost) continue
    fail({
      code: 'workload-unfit',
      sentence: `service/${metadata?.name ?? ''} uses the port "${String(lost.targetPort)}", which ${name} does not have`,
      hint: `nothing was changed. Set the old port's number in the Service: kubectl -n ${settings.namespace} edit service ${metadata?.name ?? ''}`,
    })
  }
}

function portsOf({ spec }: PodTemplateSpec): ReadonlySet<string> {
  const ports = (spec?.containers ?? []).flatMap((container) => container.ports ?? [])
  return new Set(ports.flatMap(({ name }) => (name === undefined ? [] : [name])))
}

/** Checks images of other repositories that are restored too. Only a registry that denies the image ends a rollback. */
async function checkImages(
  { platform, settings, signal, log }: StageContext,
  { name, live, back }: Returning,
): Promise<void> {
  const of = (template: PodTemplateSpec) => usesOf(template, () => true).map(({ image }) => image)
  const now = of(live)
  const others = of(back).filter(
    (image) => !now.includes(image) && !isOfRepository(image, settings.image),
  )
  for (const image of new Set(others)) {
    const { repository, tag = 'latest', digest } = parseImage(image)
    const found = await (digest === undefined
      ? lookUp(platform, repository, tag, signal)
      : lookUpImage(platform, { repository, tag, digest }, signal))
    if (found.is === 'absent') {
      fail({
        code: 'image-missing',
        sentence: `the registry no longer has ${image}, which ${name} needs`,
        hint: 'nothing was changed. Push that image again, then roll back again',
      })
    }
    if (found.is !== 'there') log.say(`${image} could not be looked up (${found.said})`)
  }
}
