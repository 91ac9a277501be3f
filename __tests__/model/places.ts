/** Where things are in the model's cluster. */
import { collection } from '../../src/kubernetes/paths.js'
import { nameOf, type KubeObject } from '../../src/kubernetes/objects.js'

export const namespace = 'shop'

const kinds: Readonly<Record<string, readonly [apiVersion: string, plural: string]>> = {
  CronJob: ['batch/v1', 'cronjobs'],
  Deployment: ['apps/v1', 'deployments'],
  ConfigMap: ['v1', 'configmaps'],
  Service: ['v1', 'services'],
}

function folderOf(kind: string): string {
  const [apiVersion = '', plural = ''] = kinds[kind] ?? []
  return collection(apiVersion, namespace, plural)
}

export function pathOf(object: KubeObject): string {
  return `${folderOf(object.kind ?? '')}/${nameOf(object)}`
}

/** `cronjob/web` */
export function workloadPath(id: string): string {
  const [kind, name = ''] = id.split('/')
  return `${folderOf(kind === 'cronjob' ? 'CronJob' : 'Deployment')}/${name}`
}

/** Folders of what runs our image. */
export const workloadFolders = [folderOf('CronJob'), folderOf('Deployment')]
/** Folders of what comes with the manifests. */
export const otherFolders = [folderOf('ConfigMap'), folderOf('Service')]
