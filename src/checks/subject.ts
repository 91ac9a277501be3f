/** A workload as a release would leave it: the input of all checks of workloads. Pure. */
import type { Container, Service } from 'kubernetes-types/core/v1'
import { selects } from '../django/roles.js'
import { templateOf, type WorkloadObject } from '../kubernetes/objects.js'
import { withLiveReplicas } from '../kubernetes/replicas.js'
import { idOf } from '../kubernetes/workload.js'
import type { Target } from '../kubernetes/target.js'

export interface Subject {
  readonly target: Target
  /** `deployment/web` */
  readonly id: string
  readonly object: WorkloadObject
  /** Its containers that run the released image, without those that only run at the start. */
  readonly containers: readonly Container[]
  /** Requests come to its pods. */
  readonly isServed: boolean
}

export function subjectsOf(
  targets: readonly Target[],
  services: readonly Service[],
): readonly Subject[] {
  return targets.flatMap((target): readonly Subject[] => {
    const { id, uses, live, manifest } = target
    const object = manifest ? withLiveReplicas(manifest, live) : live
    if (!object) return []
    const template = templateOf(object)
    const own = uses.filter(({ init }) => !init).map(({ name }) => name)
    const candidate = { workload: id, template, containers: own }
    return [
      {
        target,
        id: idOf(id),
        object,
        containers: (template.spec?.containers ?? []).filter(({ name }) => own.includes(name)),
        isServed: id.kind !== 'CronJob' && services.some((one) => selects(one, candidate)),
      },
    ]
  })
}
