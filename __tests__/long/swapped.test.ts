/** Image swappers and mirrors: a webhook gives the images of pods, or of workloads, another registry. */
import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { Site, type Released } from '../e2e/site.js'
import { kubectl, stack } from '../e2e/stack.js'
import { startWebhook, type Edit, type Watched } from '../e2e/webhook.js'

// The nodes take every registry's images from that of the stack.
const mirror = 'mirror.example'
const swapped = (image: string) => image.replace(stack.registry, mirror)

interface PodLike {
  readonly spec: { readonly containers: readonly { readonly image: string }[] }
}

function editsOf({ spec }: PodLike, at: string): readonly Edit[] {
  return spec.containers.flatMap(({ image }, i) =>
    image.startsWith(stack.registry)
      ? [
          {
            op: 'replace',
            path: `${at}/spec/containers/${i}/image`,
            value: swapped(image),
          } as const,
        ]
      : [],
  )
}

/** What is swapped: the objects that the webhook sees, and what it makes of one. */
const swappers = {
  pods: {
    watched: { group: '', resources: ['pods'], operations: ['CREATE'] },
    edits: (object: unknown) => editsOf(object as PodLike, ''),
  },
  workloads: {
    watched: { group: 'apps', resources: ['deployments'], operations: ['CREATE', 'UPDATE'] },
    edits: (object: unknown) =>
      editsOf((object as { spec: { template: PodLike } }).spec.template, '/spec/template'),
  },
} as const satisfies Record<
  string,
  { watched: Watched; edits: (object: unknown) => readonly Edit[] }
>

type Which = keyof typeof swappers
const all = Object.keys(swappers) as Which[]

/** A namespace with its swapper, and what its web is and runs. */
class Swapped {
  private constructor(
    readonly site: Site,
    readonly manifests: string,
    private readonly stopWebhook: () => Promise<void>,
  ) {}

  static async make(which: Which): Promise<Swapped> {
    const site = await Site.make(`swapped-${which}`)
    const ready = 'STOPSIGNAL SIGKILL\nCMD touch /ready && exec sleep infinity'
    await site.pushImage('v1', ready)
    await site.pushImage('v2', `ENV V=2\n${ready}`)
    await site.pushImage('broken', 'CMD echo no such module >&2; exit 1')
    const folder = dirname(site.folder)
    const { watched, edits } = swappers[which]
    const stopWebhook = await startWebhook(site.namespace, folder, edits, [watched])
    const manifests = join(folder, 'web.json')
    await writeFile(manifests, JSON.stringify(deployment(site.image)))
    const swapped = new Swapped(site, manifests, stopWebhook)
    const tried =
      which === 'pods' ? ['run', 'tried', `--image=${site.image}:v1`] : ['create', '-f', manifests]
    // The API server learns of the webhook a moment later.
    while (!(await swapped.kubectl(...tried, '--dry-run=server', '-o', 'yaml')).includes(mirror));
    return swapped
  }

  kubectl(...args: readonly string[]): Promise<string> {
    return kubectl('-n', this.site.namespace, ...args)
  }

  /** The image in the template, or of the pods. */
  images(kind: 'deployments' | 'pods'): Promise<string> {
    const at = kind === 'pods' ? '.spec' : '.spec.template.spec'
    return this.kubectl(
      'get',
      kind,
      '-l',
      'app=web',
      '-o',
      `jsonpath={.items[*]${at}.containers[0].image}`,
    )
  }

  async remove(): Promise<void> {
    await this.stopWebhook()
    await this.site.remove()
  }
}

const namespaces = {} as Record<Which, Swapped>

beforeAll(async () => {
  await Promise.all(all.map(async (which) => (namespaces[which] = await Swapped.make(which))))
})

afterAll(async () => {
  await Promise.all(all.map((which) => namespaces[which].remove()))
})

/** What a run came to; with its output, so that a failure shows it. */
const ends = ({ report, output }: Released) => ({ result: report.result, output })

/** Releases that follow each other in one namespace. */
async function play(swapped: Swapped): Promise<void> {
  const { site, manifests } = swapped
  const { image, namespace } = site
  const alone = { 'migrate-command': 'none', bake: '0' }
  const options = { ...alone, manifests }
  expect(ends(await site.deploy('v1', options))).toMatchObject({ result: 'deployed' })
  expect(await swapped.images('pods')).toContain(mirror)
  expect(ends(await site.deploy('v2', options))).toMatchObject({ result: 'deployed' })
  const live = await swapped.images('deployments')

  const broken = await site.deploy('broken', options)
  expect(ends(broken)).toMatchObject({ result: 'undone' })
  expect(broken.output).not.toContain('another client')
  expect(await swapped.images('deployments')).toBe(live)
  expect(ends(await site.deploy('v2', options))).toMatchObject({ result: 'unchanged' })

  const killed = await site.deploy('broken', alone, {
    onOutput: (soFar, kill) => {
      if (soFar.includes('deployment/web: 0 of 1')) kill('SIGKILL')
    },
  })
  expect(killed.output).not.toContain('▸ undo')
  await swapped.kubectl('delete', 'lease', 'django-rollout-shop', '--ignore-not-found')
  const recovered = await site.recover()
  expect(ends(recovered)).toMatchObject({ result: 'undone' })
  expect(recovered.output).not.toContain('another client')
  expect(await swapped.images('deployments')).toBe(live)

  expect(ends(await site.deploy('v1', alone))).toMatchObject({ result: 'deployed' })
  const doctor = await site.cli('doctor', { image, namespace, tag: 'v2', manifests })
  expect(doctor.output).toContain('deployment/web: runs v1, 1 replica')
  expect(doctor.output).toMatch(/✓ release \d of v1 by .* is live/)
  expect(ends(await site.cli('rollback', { image, namespace, ...alone }))).toMatchObject({
    result: 'deployed',
  })
  expect(await swapped.images('deployments')).toBe(live)
  const history = await site.cli('history', { image, namespace })
  expect(history.output).toMatch(/\* +\d .* v2 +deployed/)
  expect(await site.leftovers()).toEqual([])
}

test('where images are swapped, releases follow each other, an undo restores, and doctor and history know what runs', async () => {
  await Promise.all(all.map((which) => play(namespaces[which])))
})

function deployment(image: string) {
  const probe = { exec: { command: ['test', '-f', '/ready'] }, periodSeconds: 1 }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', labels: { app: 'web' } },
    spec: {
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: {
          terminationGracePeriodSeconds: 1,
          containers: [{ name: 'web', image: `${image}:v1`, readinessProbe: probe }],
        },
      },
    },
  }
}
