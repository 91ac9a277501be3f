/**
 * Two applications whose images have the same last name share one name, unless `app` distinguishes them: their
 * objects must not mix.
 */
import { isOfRepository } from '../kubernetes/image.js'
import { leaseHolderOf } from '../state/lease.js'
import {
  isWorkload,
  usesOfRepository,
  workloadId,
  type KubeObject,
  type WorkloadObject,
} from '../kubernetes/objects.js'
import { nameFor, twoOfOneName } from '../kubernetes/managed.js'
import { idOf } from '../kubernetes/workload.js'
import { readReleases, type ReadHistory } from '../state/history-store.js'
import { readRecord } from '../state/record.js'
import type { ClusterState } from '../judge/types.js'
import type { PreflightResult } from './preflight.js'
import type { OpenContext } from './context.js'

/**
 * Throws a Failure before anything is written: `usage` when record or history belong to another image that other
 * workloads run, `name-taken` when an object belongs to another application, `record-unusable`. An image that no
 * workload runs any more is the one of this application before its registry moved. A rollback with a history of
 * this image continues: it is wanted now, and needs nothing else.
 */
export async function checkAlone(
  context: OpenContext,
  checked: Pick<PreflightResult, 'live' | 'targets'>,
): Promise<void> {
  const { app, settings, cluster } = context
  await Promise.all([
    checkHistory(context, checked),
    readRecord(cluster, app, settings.image),
    leaseHolderOf(cluster, nameFor(app)),
  ])
}

/**
 * Checks the history alone, under the lock, since another application may have released meanwhile. Returns it as it
 * was read, with the entries that belong to this image.
 */
export async function checkHistory(
  { app, settings, command, cluster }: OpenContext,
  { live, targets }: Pick<PreflightResult, 'live' | 'targets'>,
): Promise<ReadHistory> {
  const { history: releases, configMap } = await readReleases(cluster, app)
  const foreign = releases.filter(({ image }) => !isOfRepository(image, settings.image))
  const own = { history: releases.filter((entry) => !foreign.includes(entry)), configMap }
  if (foreign.length === 0 || (command === 'rollback' && own.history.length > 0)) {
    return own
  }
  const released = targets.map(({ id }) => idOf(id))
  const others = workloadsIn(live.clusterState()).filter(
    (object) => !released.includes(idOf(workloadId(object))),
  )
  for (const image of new Set(foreign.map((entry) => entry.image))) {
    const runs = others.find((object) => usesOfRepository(object, image).length > 0)
    if (!runs) continue
    const id = idOf(workloadId(runs))
    const what = `the history in configmap/${nameFor(app)}`
    const so = `if it is the same application and its registry has moved: ${id} still runs the old image. Change it to the new one first, with its manifest (option manifests) or kubectl set image`
    twoOfOneName(cluster, app, { image, what, so }, settings.image)
  }
  return own
}

function workloadsIn(clusterState: ClusterState): readonly WorkloadObject[] {
  const all = [
    clusterState.deployments,
    clusterState.statefulsets,
    clusterState.daemonsets,
    clusterState.cronjobs,
  ]
  return all.flatMap((kind) => [...kind.values()] as KubeObject[]).filter(isWorkload)
}
