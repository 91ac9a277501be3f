/** A webhook that sets another image in pods: found by the digest in their status, although the template has the right one. */
import { dirname } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { Site } from '../e2e/site.js'
import { kubectl, must, stack } from '../e2e/stack.js'
import { startWebhook, type Edit } from '../e2e/webhook.js'

const site = await Site.make('wrong-image')
const { namespace, image } = site
const alone = { 'migrate-command': 'none', bake: '0' }
let stopWebhook = () => Promise.resolve()
let tested = ''
let other = ''

beforeAll(async () => {
  const runs = 'CMD exec sleep infinity'
  other = await site.pushImage('v1', runs)
  tested = await site.pushImage('v2', `ENV V=2\n${runs}`)
  const [metadata, labels] = [{ name: 'web', namespace }, { app: 'web' }]
  const containers = [{ name: 'web', image: `${image}:v1@${other}` }]
  const template = { metadata: { labels }, spec: { terminationGracePeriodSeconds: 1, containers } }
  const spec = { selector: { matchLabels: labels }, template }
  const input = JSON.stringify({ apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec })
  await must('kubectl', ['apply', '-f', '-'], { env: stack.env, input })
})

afterAll(async () => {
  await stopWebhook()
  await site.remove()
})

interface PodLike {
  readonly spec: { readonly containers: readonly { readonly image: string }[] }
}

/** Sets v1 in pods that have v2. */
function edits(object: unknown): readonly Edit[] {
  return (object as PodLike).spec.containers.flatMap((container, i) =>
    container.image.includes(tested)
      ? [{ op: 'replace', path: `/spec/containers/${i}/image`, value: `${image}:v1@${other}` } as const]
      : [],
  )
}

test('a release whose pods run another image is undone, and goes live once they run its own', async () => {
  const pods = { group: '', resources: ['pods'], operations: ['CREATE'] } as const
  stopWebhook = await startWebhook(namespace, dirname(site.folder), edits, [pods])
  const tried = ['run', 'tried', `--image=${image}@${tested}`, '--dry-run=server', '-o', 'yaml']
  // The API server learns of the webhook a moment later.
  while (!(await kubectl('-n', namespace, ...tried)).includes(`:v1@${other}`));

  const wrong = await site.deploy('v2', alone)
  expect({ ...wrong.report, output: wrong.output }).toMatchObject({
    result: 'undone',
    cause: {
      code: 'wrong-image',
      sentence: `deployment/web runs ${other.slice(0, 19)} and not what was tested (${tested.slice(0, 19)})`,
    },
  })

  await stopWebhook()
  stopWebhook = () => Promise.resolve()
  // It may be called for a moment longer.
  while ((await kubectl('-n', namespace, ...tried)).includes(`:v1@${other}`));
  const right = await site.deploy('v2', alone)
  expect({ ...right.report, output: right.output }).toMatchObject({ result: 'deployed' })
})
