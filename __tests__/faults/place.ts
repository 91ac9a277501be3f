/** A namespace in which the workload runs well in version `before`, and what a fault may do there. */
import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { gateToRegistry, type Gate } from '../e2e/gate.js'
import { Site } from '../e2e/site.js'
import { kubectl, kubectlJson, must, stack } from '../e2e/stack.js'
import { until } from '../e2e/until.js'
import type { Fault, Tag } from './catalogue.js'
import type { Images } from './images.js'
import { conditions, type Seen, type EvaluationContext } from './sights.js'
import { workload, type Shape } from './workload.js'

export interface Place {
  readonly site: Site
  /** The repository as it stands in pod templates: behind the gate, where the fault has one. */
  readonly repository: string
  readonly gate: Gate
  /** In this namespace, with all rights. */
  kubectl(...args: readonly string[]): Promise<string>
  apply(object: object): Promise<void>
  /** The manifest of the release, where the fault has one: what changes, and the image as the user writes it. */
  manifest(): Promise<string | undefined>
  /** The image of the release as it stands in pod templates, and the same write by an administrator. */
  readonly released: string
  release(): Promise<void>
  sleep(seconds: number): Promise<void>
  /** As somebody would by hand: not our release. */
  setImage(tag: Tag): Promise<string>
  /** Waits until some pod is seen like that. */
  until(sight: EvaluationContext): Promise<void>
  /** An HPA that wants so many pods at least: the controller looks every 15 s. */
  autoscale(least: number): Promise<void>
  /** Evicts a pod that is not Ready yet, as a node that is drained would. */
  evictNewPod(): Promise<void>
  /** Says something of the pod that no node takes, as an autoscaler would. */
  tellOfUnscheduled(reason: string, message: string): Promise<void>
  /** A webhook that has to allow each pod does not answer. */
  webhookAway(): Promise<void>
  /** Admission refuses the pods of this tag. */
  forbidPods(tag: Tag, message: string): Promise<void>
  remove(): Promise<void>
}

/** For what is bound to come. */
const patienceMs = 180_000

export async function makePlace(fault: Fault, images: Images): Promise<Place> {
  const gate = await gateToRegistry()
  const site = await Site.make(`f-${fault.name.slice(0, 20)}`)
  const { namespace } = site
  const inside = (...args: readonly string[]) => kubectl('-n', namespace, ...args)
  const repository = `${fault.gated ? gate.address : stack.registry}/${images.path}`
  const image = (tag: Tag) => images.pinned[tag].replace(images.repository, repository)
  const shaped = (name: string, ...shapes: readonly Shape[]) =>
    JSON.stringify(workload(name, ...shapes))
      .replaceAll('IMAGE-BESIDE', `${stack.registry}/library/python`)
      .replaceAll('IMAGE', name)
  const apply = async (text: string) => {
    const args = ['-n', namespace, 'apply', '-f', '-']
    await must('kubectl', args, { env: stack.env, input: text })
  }
  const pods = async () =>
    (await kubectlJson<{ items: readonly Seen[] }>('-n', namespace, 'get', 'pods')).items
  const waitFor = (holds: () => Promise<boolean>) =>
    until(`what ${fault.name} waits for`, holds, patienceMs)
  const refuses = (args: readonly string[]) =>
    inside(...args).then(
      () => false,
      () => true,
    )
  /** Objects of no namespace. */
  const foreign: string[] = []
  const policy = `${namespace}-signed`

  const kind = (fault.always?.kind ?? 'Deployment').toLowerCase()
  const setImage = (tag: Tag) => inside('set', 'image', `${kind}/web`, `web=${image(tag)}`)
  const tag = fault.tag ?? 'next'
  const released = tag === 'no-such-tag' ? `${repository}:${tag}` : image(tag)

  const place: Place = {
    site,
    repository,
    gate,
    kubectl: inside,
    apply: (object) => apply(JSON.stringify(object)),
    manifest: async () => {
      if (!fault.change) return undefined
      const file = join(dirname(site.folder), 'release.json')
      await writeFile(file, shaped(repository, fault.always ?? {}, fault.change))
      return file
    },
    released,
    release: async () => {
      if (fault.change) await apply(shaped(released, fault.always ?? {}, fault.change))
      else await inside('set', 'image', `${kind}/web`, `web=${released}`)
    },
    sleep: (seconds) => pause(seconds * 1000),
    setImage,
    until: (sight) => waitFor(async () => (await pods()).some(sight)),
    autoscale: (least) =>
      apply(
        JSON.stringify({
          apiVersion: 'autoscaling/v2',
          kind: 'HorizontalPodAutoscaler',
          metadata: { name: 'web' },
          spec: {
            minReplicas: least,
            maxReplicas: 5,
            scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
          },
        }),
      ),
    evictNewPod: async () => {
      const unready = ({ status }: Seen) =>
        (status?.containerStatuses ?? []).some(({ ready, state }) => !ready && state?.running)
      let pod: Seen | undefined
      await waitFor(async () => (pod = (await pods()).find(unready)) !== undefined)
      const name = pod?.metadata.name ?? ''
      const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace } }
      const path = `/api/v1/namespaces/${namespace}/pods/${name}/eviction`
      const input = JSON.stringify(eviction)
      await must('kubectl', ['create', '--raw', path, '-f', '-'], { env: stack.env, input })
    },
    tellOfUnscheduled: async (reason, message) => {
      let pod: Seen | undefined
      const unscheduled = conditions('PodScheduled', 'False')
      await waitFor(async () => (pod = (await pods()).find(unscheduled)) !== undefined)
      const { name = '', uid = '' } = pod?.metadata ?? {}
      const now = new Date().toISOString()
      await apply(
        JSON.stringify({
          apiVersion: 'v1',
          kind: 'Event',
          metadata: { name: 'autoscaler' },
          reason,
          message,
          involvedObject: { apiVersion: 'v1', kind: 'Pod', name, namespace, uid },
          type: 'Normal',
          source: { component: 'cluster-autoscaler' },
          firstTimestamp: now,
          lastTimestamp: now,
          count: 1,
        }),
      )
    },
    webhookAway: async () => {
      foreign.push(`validatingwebhookconfiguration/${policy}`)
      await apply(
        JSON.stringify({
          apiVersion: 'admissionregistration.k8s.io/v1',
          kind: 'ValidatingWebhookConfiguration',
          metadata: { name: policy },
          webhooks: [
            {
              name: 'signed.example.org',
              clientConfig: { url: 'https://127.0.0.1:1/' },
              rules: [
                {
                  apiGroups: [''],
                  apiVersions: ['v1'],
                  operations: ['CREATE'],
                  resources: ['pods'],
                },
              ],
              namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
              failurePolicy: 'Fail',
              sideEffects: 'None',
              admissionReviewVersions: ['v1'],
            },
          ],
        }),
      )
      const probe = ['run', 'probe', `--image=${image('next')}`, '--dry-run=server']
      await waitFor(() => refuses(probe))
    },
    forbidPods: async (tag, message) => {
      foreign.push(`validatingadmissionpolicy/${policy}`)
      foreign.push(`validatingadmissionpolicybinding/${policy}`)
      const group = 'admissionregistration.k8s.io/v1'
      await apply(
        JSON.stringify({
          apiVersion: 'v1',
          kind: 'List',
          items: [
            {
              apiVersion: group,
              kind: 'ValidatingAdmissionPolicy',
              metadata: { name: policy },
              spec: {
                failurePolicy: 'Fail',
                matchConstraints: {
                  resourceRules: [
                    {
                      apiGroups: [''],
                      apiVersions: ['v1'],
                      operations: ['CREATE'],
                      resources: ['pods'],
                    },
                  ],
                },
                validations: [
                  { expression: `!object.spec.containers[0].image.contains(':${tag}')`, message },
                ],
              },
            },
            {
              apiVersion: group,
              kind: 'ValidatingAdmissionPolicyBinding',
              metadata: { name: policy },
              spec: {
                policyName: policy,
                validationActions: ['Deny'],
                matchResources: {
                  namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
                },
              },
            },
          ],
        }),
      )
      // The API server takes a policy up a moment after it was written.
      const probe = ['run', 'probe', `--image=${image(tag)}`, '--dry-run=server']
      await waitFor(() => refuses(probe))
    },
    remove: async () => {
      await gate.close()
      await site.remove()
      if (foreign.length > 0) await kubectl('delete', ...foreign)
    },
  }
  try {
    await apply(shaped(image('before'), fault.always ?? {}))
    // A short progressDeadlineSeconds may pass on a busy machine, which is no end: the pods come all the same.
    await waitFor(
      async () => !(await refuses(['rollout', 'status', `${kind}/web`, '--timeout=120s'])),
    )
    await fault.arrange?.(place)
    return place
  } catch (error) {
    await place.remove()
    throw error
  }
}
