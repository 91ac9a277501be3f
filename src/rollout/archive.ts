/** Keeps the history of an application in a ConfigMap of its namespace, a release a key. */
import type { ConfigMap } from 'kubernetes-types/core/v1'
import { ApiError } from '../kubernetes/apierror.js'
import { isPassing, patiently } from '../kubernetes/away.js'
import type { Cluster } from '../kubernetes/cluster.js'
import { collection } from '../kubernetes/paths.js'
import type { Clock } from '../world/world.js'
import { added, type Ended, type Entry, type History } from './history.js'

export async function readHistory(cluster: Cluster, app: string): Promise<History> {
  return historyOf(await cluster.find<ConfigMap>(`${configMapsOf(cluster)}/${nameOf(app)}`))
}

/** Adds a release, or tells anew how the one of the same run ended. */
export async function remember(
  cluster: Cluster,
  clock: Clock,
  signal: AbortSignal,
  app: string,
  ended: Ended,
): Promise<void> {
  const configMaps = configMapsOf(cluster)
  const path = `${configMaps}/${nameOf(app)}`
  await patiently(
    clock,
    signal,
    async () => {
      const live = await cluster.find<ConfigMap>(path)
      const history = added(historyOf(live), ended)
      const data = Object.fromEntries(
        history.map((entry) => [keyOf(entry.number), JSON.stringify(entry)]),
      )
      await (live
        ? cluster.put(path, { ...live, data })
        : cluster.post(configMaps, {
            apiVersion: 'v1',
            kind: 'ConfigMap',
            metadata: {
              name: nameOf(app),
              labels: { 'app.kubernetes.io/managed-by': 'django-rollout' },
            },
            data,
          }))
    },
    (error) => isPassing(error) || (error instanceof ApiError && error.status === 409),
  )
}

/** An entry that cannot be read (a person's edit) is left out. */
function historyOf(live: ConfigMap | undefined): History {
  return Object.entries(live?.data ?? {})
    .flatMap(([key, text]): readonly Entry[] => {
      try {
        const entry = JSON.parse(text) as Entry
        return keyOf(entry.number) === key ? [entry] : []
      } catch {
        return []
      }
    })
    .sort((one, other) => one.number - other.number)
}

/** Sorted by name as they are by number: `release-000012`. */
function keyOf(number: number): string {
  return `release-${String(number).padStart(6, '0')}`
}

function nameOf(app: string): string {
  return `django-rollout-${app}`
}

function configMapsOf(cluster: Cluster): string {
  return collection('v1', cluster.namespace, 'configmaps')
}
