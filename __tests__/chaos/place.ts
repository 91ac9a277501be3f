/** A namespace with every kind of workload, its least account, the wire to the cluster and a client. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { applyLeastRole, leastKubeconfig } from '../e2e/account.js'
import { startAsking, type Asking } from '../e2e/client.js'
import { relayTo, type Relay } from '../e2e/relay.js'
import { kubectl, must, root, stack } from '../e2e/stack.js'
import { start, type Running } from './command.js'
import type { Images } from './images.js'
import type { Effect } from './invariant.js'
import { faultOf, type Manifests, type Tag } from './plan.js'

export interface Place {
  readonly namespace: string
  readonly images: Images
  /** A folder for all that runs here write down. */
  readonly home: string
  /** Between the runs that are interrupted and the API server; the others have a way of their own. */
  readonly relay: Relay
  readonly client: Asking
  /** What an undisturbed release takes here, in ms. */
  readonly usualMs: number
  deploy(how: Deploy): Promise<{ readonly run: Running; readonly effect: Effect }>
  recover(): Running
  remove(): Promise<void>
}

export interface Deploy {
  readonly tag: Tag
  readonly migrates: boolean
  readonly manifests: Manifests
  /** Stands in what the manifests bring. */
  readonly label: string
  readonly way: 'relay' | 'direct'
}

/** Of the client: four namespaces share one machine, and a late answer is not a lost one. */
const patienceMs = 30_000

export async function makePlace(images: Images): Promise<Place> {
  const namespace = `chaos-${Math.random().toString(36).slice(2, 7)}`
  const home = await mkdtemp(join(tmpdir(), `${namespace}-`))
  const remove = async () => {
    await kubectl('delete', 'namespace', namespace, '--ignore-not-found', '--wait=false')
    await rm(home, { recursive: true, force: true })
  }
  try {
    const address = await makeNamespace(namespace, images)
    const direct = join(home, 'kubeconfig')
    await writeFile(direct, await leastKubeconfig(namespace), { mode: 0o600 })
    const relay = await relayTo(direct)
    const ways = { direct, relay: await relay.kubeconfig(direct) }
    const common = { image: images.repository, namespace }
    const deploy: Place['deploy'] = async (how) => {
      const { tag, migrates, manifests, label, way } = how
      const effect = effectOf(how, images)
      const folder = join(home, label)
      await writeManifests(folder, effect, images.repository)
      const run = start(home, ways[way], 'deploy', {
        ...common,
        tag,
        'migrate-command': migrates ? 'python manage.py migrate --noinput' : '',
        // What is broken has to come to its end within it, on a busy machine too: workers have no probe.
        bake: faultOf[tag] === '' ? '1s' : '60s',
        ...(tag === 'unready' && { grace: 'NotReady=5s' }),
        ...(manifests !== 'none' && { manifests: folder }),
      })
      return { run, effect }
    }
    const usualMs = await undisturbed(deploy)
    const client = startAsking(address, patienceMs)
    return {
      namespace,
      images,
      home,
      relay,
      client,
      usualMs,
      deploy,
      recover: () => start(home, direct, 'recover', common),
      remove: async () => {
        await client.stop()
        await relay.close()
        await remove()
      },
    }
  } catch (error) {
    await remove()
    throw error
  }
}

/** The workloads in version a, and the least account; where the web answers. */
async function makeNamespace(namespace: string, images: Images): Promise<string> {
  const inside = (...args: readonly string[]) => kubectl('-n', namespace, ...args)
  await kubectl('create', 'namespace', namespace)
  await applyLeastRole(namespace)
  const input = (await workloads()).replaceAll('IMAGE', images.pinned.a)
  await must('kubectl', ['-n', namespace, 'apply', '-f', '-'], { env: stack.env, input })
  for (const title of ['deploy/web', 'deploy/worker', 'statefulset/store', 'daemonset/agent']) {
    await inside('rollout', 'status', title, '--timeout=300s')
  }
  const port = await inside('get', 'service', 'web', '-o', 'jsonpath={.spec.ports[0].nodePort}')
  return `http://${stack.address}:${port}`
}

function workloads(): Promise<string> {
  return readFile(join(root, '__tests__/chaos/app/workloads.yaml'), 'utf8')
}

/** Releases version b with all that may come with it; what that took, in ms. */
async function undisturbed(deploy: Place['deploy']): Promise<number> {
  const how = {
    tag: 'b',
    migrates: true,
    manifests: 'config',
    label: 'usual',
    way: 'relay',
  } as const
  const { run } = await deploy(how)
  const { result, began, ended } = await run.ended
  if (result !== 'deployed') throw new Error(`the undisturbed release failed:\n${run.output()}`)
  return ended - began
}

/** The ConfigMap that a release creates. */
export function extraOf(label: string): string {
  return `extra-${label}`
}

function effectOf({ tag, manifests, label }: Deploy, images: Images): Effect {
  const data = {
    'configmap/settings': { release: label },
    [`configmap/${extraOf(label)}`]: { of: label },
    'secret/credentials': { release: Buffer.from(label).toString('base64') },
  }
  return {
    image: images.pinned[tag],
    data: manifests === 'none' ? {} : data,
    annotations: manifests === 'none' ? {} : { 'service/admin': { release: label } },
    ...(manifests === 'config-and-web' && { webEnv: [{ name: 'RELEASE', value: label }] }),
  }
}

async function writeManifests(folder: string, effect: Effect, repository: string): Promise<void> {
  await mkdir(folder)
  const write = (object: {
    readonly metadata: { readonly name: string }
    readonly [field: string]: unknown
  }) => writeFile(join(folder, `${object.metadata.name}.json`), JSON.stringify(object))
  for (const [id, data] of Object.entries(effect.data)) {
    const [kind, name = ''] = id.split('/')
    const typed = { apiVersion: 'v1', kind: kind === 'secret' ? 'Secret' : 'ConfigMap' }
    await write({ ...typed, metadata: { name }, data })
  }
  for (const [id, annotations] of Object.entries(effect.annotations)) {
    const metadata = { name: id.slice('service/'.length), annotations }
    const spec = { selector: { app: 'web' }, ports: [{ port: 8080, targetPort: 8000 }] }
    await write({ apiVersion: 'v1', kind: 'Service', metadata, spec })
  }
  const [variable] = effect.webEnv ?? []
  if (!variable) return
  const web = (await workloads())
    .split(/^---$/m)
    .find((text) => /^kind: Deployment$/m.test(text) && /^ {2}name: web$/m.test(text))
  const env = `env:\n            - name: ${variable.name}\n              value: ${variable.value}\n`
  const manifest = web?.replace('image: IMAGE', `image: ${repository}`).replace('env:\n', env)
  await writeFile(join(folder, 'web.yaml'), manifest ?? '')
}
