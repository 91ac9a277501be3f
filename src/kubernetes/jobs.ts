/** A Job of the manifests that runs our image, as a release creates it: a Job runs once, so each release creates one. Pure. */
import { createHash } from 'node:crypto'
import type { Job } from 'kubernetes-types/batch/v1'
import type { PodTemplateSpec } from 'kubernetes-types/core/v1'
import { parseImage } from './image.js'
import { ownImage } from './manifests.js'
import { nameOf, withImage, type KubeObject } from './objects.js'

export const appLabel = 'django-rollout/app'
export const runAnnotation = 'django-rollout/run'

/** How long a Job that has ended is kept where its manifest does not say, in seconds: a day. */
const keptSeconds = 24 * 60 * 60

export interface JobOptions {
  readonly repository: string
  /** The released image, by digest. */
  readonly image: string
  readonly app: string
  /** Id of the run: identifies the Job's run after the run is gone. */
  readonly run: string
  /** For a Job without its own deadline. */
  readonly timeoutSeconds: number
}

export function releasedJob(manifest: KubeObject, options: JobOptions): Job {
  const { metadata = {} } = manifest
  return {
    ...manifest,
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      ...metadata,
      name: jobNameOf(nameOf(manifest), options.image, options.run),
      labels: { ...metadata.labels, [appLabel]: options.app },
      annotations: { ...metadata.annotations, [runAnnotation]: options.run },
    },
    spec: {
      activeDeadlineSeconds: options.timeoutSeconds,
      ttlSecondsAfterFinished: keptSeconds,
      ...specOf(manifest),
      template: withImage(templateOf(manifest), ownImage(options.repository), options.image),
    },
  }
}

/** `<name>-<version>-<hash of the run>`: a DNS label of at most 63 characters, since pods are labelled with it. */
export function jobNameOf(name: string, image: string, run: string): string {
  const { tag = '' } = parseImage(image)
  const version = tag
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+/, '')
    .slice(0, 7)
    .replace(/-+$/, '')
  const end = ['', version, hash([name, run]).slice(0, 5)]
    .filter((part, i) => i === 0 || part)
    .join('-')
  return name.slice(0, 63 - end.length).replace(/[-.]+$/, '') + end
}

/** Of what a Job does in a release: the history keeps it, so that a release of the same does not run it again. */
export function fingerprintOf(manifest: KubeObject, repository: string, digest: string): string {
  const template = withImage(templateOf(manifest), ownImage(repository), digest)
  return hash([nameOf(manifest), { ...specOf(manifest), template }]).slice(0, 12)
}

function specOf(manifest: KubeObject): Partial<NonNullable<Job['spec']>> {
  return manifest.spec ?? {}
}

function templateOf(manifest: KubeObject): PodTemplateSpec {
  return specOf(manifest).template ?? {}
}

/** The same for the same data, in whatever order its keys are written. */
function hash(data: unknown): string {
  const sorted = (_: string, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value
  return createHash('sha256').update(JSON.stringify(data, sorted)).digest('hex')
}
