/** What something in the cluster remedies in time is never undone, however often: short timeouts are for what nothing can. */
import { spawn, type ChildProcess } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, test } from '@jest/globals'
import type { Fault, Tag } from '../faults/catalogue.js'
import { makeImages } from '../faults/images.js'
import type { Place } from '../faults/place.js'
import { play } from '../faults/play.js'
import { kubectl, must, stack } from '../e2e/stack.js'

const repeats = 10
const images = await makeImages()
const deployed = { is: 'deployed' } as const

const group = 'remedies.example.org'
const plural = 'latesecrets'

/**
 * A controller: for each LateSecret it creates a Secret of the same name, 10 s later. Its kind is all that a release
 * can know of it.
 */
class Controller {
  #watch: ChildProcess | undefined
  readonly #seen = new Set<string>()

  async start(): Promise<void> {
    await apply({
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: `${plural}.${group}` },
      spec: {
        group,
        scope: 'Namespaced',
        names: { plural, singular: 'latesecret', kind: 'LateSecret' },
        versions: [
          {
            name: 'v1',
            served: true,
            storage: true,
            schema: { openAPIV3Schema: { type: 'object' } },
          },
        ],
      },
    })
    await kubectl('wait', `crd/${plural}.${group}`, '--for=condition=Established', '--timeout=30s')
    const format = 'jsonpath={.metadata.namespace} {.metadata.name}{"\\n"}'
    const args = ['get', `${plural}.${group}`, '--all-namespaces', '--watch', '-o', format]
    const watch = spawn('kubectl', args, { env: { ...process.env, ...stack.env } })
    this.#watch = watch
    let text = ''
    watch.stdout.on('data', (bytes: Buffer) => {
      const lines = (text + bytes.toString()).split('\n')
      text = lines.pop() ?? ''
      for (const line of lines) void this.#reconcile(line)
    })
  }

  async #reconcile(line: string): Promise<void> {
    const [namespace = '', name = ''] = line.trim().split(' ')
    if (name === '' || this.#seen.has(line)) return
    this.#seen.add(line)
    await pause(10_000)
    await kubectl('-n', namespace, 'create', 'secret', 'generic', name, '--from-literal=stripe=b')
  }

  async stop(): Promise<void> {
    this.#watch?.kill()
    await kubectl('delete', 'crd', `${plural}.${group}`, '--ignore-not-found')
  }
}

function apply(object: object): Promise<string> {
  return must('kubectl', ['apply', '-f', '-'], { env: stack.env, input: JSON.stringify(object) })
}

const controller = new Controller()
// Not in beforeAll: concurrent tests do not wait for that.
await controller.start()
afterAll(() => controller.stop())

const secretThatComesLate: Fault = {
  name: 'secret-by-a-controller',
  change: {
    container: {
      env: [{ name: 'KEY', valueFrom: { secretKeyRef: { name: 'keys', key: 'stripe' } } }],
    },
  },
  meanwhile: (place) =>
    place.apply({ apiVersion: `${group}/v1`, kind: 'LateSecret', metadata: { name: 'keys' } }),
  ends: deployed,
}

/** The stack has one node: a node with the label that the pod wants is one that was added, for the scheduler. */
function nodeThatIsAnnounced(nth: number): Fault {
  const label = `remedies.example.org/added-${nth}`
  return {
    name: `node-is-announced-${nth}`,
    change: { pod: { nodeSelector: { [label]: 'yes' } } },
    meanwhile: async (place) => {
      // The cluster-autoscaler looks every 10 s.
      await place.sleep(nth % 8)
      await place.tellOfUnscheduled('TriggeredScaleUp', 'pod triggered scale-up: [{pool 1->2}]')
      await place.sleep(30)
      await kubectl('label', 'nodes', '--all', `${label}=yes`)
    },
    ends: deployed,
  }
}

const byUs =
  (...tags: readonly Tag[]) =>
  async ({ site, repository }: Place) => {
    const { namespace } = site
    for (const tag of tags) {
      const options = { image: repository, namespace, tag, 'migrate-command': '', bake: '0' }
      const { code, output } = await site.cli('deploy', options)
      if (code !== 0) throw new Error(output)
    }
  }

/** Ready after 5 s once, then at once, then after 20 s: the history knows of the first. */
const startsThatVary: Fault = {
  name: 'starts-vary',
  tag: 'slow-20',
  always: { replicas: 2 },
  arrange: byUs('slow-5', 'next', 'before'),
  ends: deployed,
}

const burners: ChildProcess[] = []
const busyMachine: Fault = {
  name: 'busy-machine',
  always: { replicas: 3 },
  arrange: () => {
    for (let i = 0; i < 4; i += 1) burners.push(spawn(process.execPath, ['-e', 'for (;;);']))
  },
  ends: deployed,
}

for (let nth = 1; nth <= repeats; nth += 1) {
  const times = `time ${nth} of ${repeats}`
  test.concurrent(`a Secret that a controller creates 10 s late, ${times}`, () =>
    play(secretThatComesLate, images, 'real'),
  )
  test.concurrent(`a node that an autoscaler has announced, ${times}`, async () => {
    try {
      await play(nodeThatIsAnnounced(nth), images, 'real')
    } finally {
      await kubectl('label', 'nodes', '--all', `remedies.example.org/added-${nth}-`)
    }
  })
  test.concurrent(`starts that vary by a factor of four, ${times}`, () =>
    play(startsThatVary, images, 'real'),
  )
  test(`a busy machine, ${times}`, async () => {
    try {
      await play(busyMachine, images, 'real')
    } finally {
      for (const burner of burners.splice(0)) burner.kill('SIGKILL')
    }
  })
}
