/** Other writers of a workload, which would set a released image back. Pure. */
import { stringify } from 'yaml'
import type { WorkloadObject } from '../kubernetes/objects.js'

export interface Owner {
  /** `Argo CD (application shop)` */
  readonly name: string
  /** When it sets the image back. */
  readonly when: string
  /** Lines that make it leave the image alone, and where they go. */
  readonly fix?: string
}

/** Finds the owner by the marks that each of them leaves on what it has written; a copied mark is none. */
export function ownerOf(object: WorkloadObject): Owner | undefined {
  return argo(object) ?? flux(object) ?? helm(object) ?? operator(object)
}

/** https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/ */
function argo({ kind, metadata = {} }: WorkloadObject): Owner | undefined {
  const group = kind === 'CronJob' ? 'batch' : 'apps'
  const own = `:${group}/${kind}:${metadata.namespace}/${metadata.name}`
  const tracked = metadata.annotations?.['argocd.argoproj.io/tracking-id']
  const app = tracked?.endsWith(own)
    ? tracked.slice(0, -own.length)
    : metadata.labels?.['argocd.argoproj.io/instance']
  if (app === undefined) return undefined
  const path = kind === 'CronJob' ? '.spec.jobTemplate.spec' : '.spec'
  // https://argo-cd.readthedocs.io/en/stable/user-guide/sync-options/#respect-ignore-difference-configs
  const spec = {
    ignoreDifferences: [
      {
        group,
        kind,
        name: metadata.name,
        jqPathExpressions: [`${path}.template.spec.containers[].image`],
      },
    ],
    syncPolicy: { syncOptions: ['RespectIgnoreDifferences=true'] },
  }
  return {
    name: `Argo CD (application ${app})`,
    when: 'at its next sync, unless the application ignores images',
    fix: `# in the application ${app}\n${stringify({ spec }).trim()}`,
  }
}

/** https://fluxcd.io/flux/components/kustomize/kustomizations/#controlling-the-apply-behavior-of-resources */
function flux({
  metadata: { labels = {}, annotations = {} } = {},
}: WorkloadObject): Owner | undefined {
  const named = (tool: string) => {
    const name = labels[`${tool}.toolkit.fluxcd.io/name`]
    return name && `${labels[`${tool}.toolkit.fluxcd.io/namespace`]}/${name}`
  }
  const kustomization = named('kustomize')
  const isLeft =
    annotations['kustomize.toolkit.fluxcd.io/reconcile'] === 'disabled' ||
    ['IfNotPresent', 'Ignore'].includes(annotations['kustomize.toolkit.fluxcd.io/ssa'] ?? '')
  if (kustomization && !isLeft) {
    const lines = {
      metadata: { annotations: { 'kustomize.toolkit.fluxcd.io/reconcile': 'disabled' } },
    }
    return {
      name: `Flux (Kustomization ${kustomization})`,
      when: 'at its next reconciliation',
      fix: `# in its manifest, where Flux reads it\n${stringify(lines).trim()}`,
    }
  }
  const release = named('helm')
  return release
    ? { name: `Flux (HelmRelease ${release})`, when: 'when it upgrades the release' }
    : undefined
}

/** The marks that helm writes on all that it installs, and requires before it adopts an object. */
function helm({
  metadata: { labels = {}, annotations = {} } = {},
}: WorkloadObject): Owner | undefined {
  const release = annotations['meta.helm.sh/release-name']
  if (labels['app.kubernetes.io/managed-by'] !== 'Helm' || release === undefined) return undefined
  return { name: `Helm (release ${release})`, when: 'at the next `helm upgrade`' }
}

function operator({ metadata }: WorkloadObject): Owner | undefined {
  const owner = metadata?.ownerReferences?.find(({ controller }) => controller)
  return (
    owner && { name: `${owner.kind} ${owner.name}`, when: 'whenever its controller reconciles it' }
  )
}
