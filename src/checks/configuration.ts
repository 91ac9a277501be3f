/** Configuration that was changed after running pods had read it. Pure. */
import type { Pod } from 'kubernetes-types/core/v1'
import { isReadBy, readsOf, type ConfigurationRead } from '../kubernetes/configuration.js'
import { templateOf, type KubeObject } from '../kubernetes/objects.js'
import { idOf } from '../kubernetes/workload.js'
import { warning, type Finding } from '../report/finding.js'
import { titleOf } from '../undo/snapshot.js'
import type { Target } from '../kubernetes/target.js'
import type { Kubectl } from './fixes.js'

/** The clocks of nodes and of the API server differ by a little, in ms. */
const clocksMayDifferMs = 5_000

/** `pods` are those that the workload runs now; `objects` what their template names. */
export function staleConfigurationFindings(
  { id, live }: Target,
  pods: readonly Pod[],
  objects: readonly KubeObject[],
  kubectl: Kubectl,
): readonly Finding[] {
  if (!live || id.kind === 'CronJob') return []
  const reads = readsOf(templateOf(live))
  return objects.flatMap((object) => {
    const own = reads.filter((one) => isReadBy(object, one))
    const stale = pods.filter((pod) =>
      own.some((read) => {
        const [changed, started] = [changedAt(object, read.keys), startedAt(pod, read.container)]
        return (
          changed !== undefined && started !== undefined && changed > started + clocksMayDifferMs
        )
      }),
    )
    if (stale.length === 0) return []
    const of = stale.length === pods.length ? 'its pods' : `${stale.length} of its pods`
    const message = `${idOf(id)}: ${titleOf(object)} changed after the start of ${of}, which may still use the old values`
    return [warning('workloads', message, kubectl(['rollout', 'restart', idOf(id)]))]
  })
}

/** When its content was changed last, by any writer, as far as these keys may be concerned; in ms since 1970. */
export function changedAt(object: KubeObject, keys: ConfigurationRead['keys']): number | undefined {
  const times = (object.metadata?.managedFields ?? []).flatMap(({ time, fieldsV1 }) => {
    const fields = (fieldsV1 ?? {}) as Readonly<Record<string, object | undefined>>
    const written = ['f:data', 'f:binaryData', 'f:stringData'].flatMap((one) =>
      Object.keys(fields[one] ?? {}),
    )
    const isMeant =
      keys === 'all' ? written.length > 0 : keys.some((key) => written.includes(`f:${key}`))
    return isMeant && time !== undefined ? [Date.parse(time)] : []
  })
  return times.length === 0 ? undefined : Math.max(...times)
}

/** When a container last started; one that starts again reads it again. */
function startedAt({ status }: Pod, container: string): number | undefined {
  const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])]
  const { running, terminated } = all.find(({ name }) => name === container)?.state ?? {}
  const time = running?.startedAt ?? terminated?.startedAt
  return time === undefined ? undefined : Date.parse(time)
}
