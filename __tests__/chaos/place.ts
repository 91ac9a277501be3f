/** A namespace with every kind of workload, its least account, the wire to the cluster and a client. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { leastKubeconfig } from '../e2e/account.js'
import { startAsking, type Asking } from '../e2e/client.js'
import { kubectl, must, root, stack } from '../e2e/stack.js'
import { start, type Running } from './command.js'
import type { Images } from './images.js'
import type { Effect } from './invariant.js'
import type { Manifests, Tag } from './plan.js'
import { startRelay, type Relay } from './relay.js'

export interface Place {
  readonly namespace: string
  /** A folder for all that runs here write down. */
  readonly home: string
  /** Between the runs that are interrupted and the API server; the others have a way of their own. */
  readonly relay: Relay
  readonly client: Asking
  /** What an undisturbed release takes here, in ms. */
  readonly usualMs: number
  deploy(how: Deploy): Promise<{ readonly run: Running; readonly effect: Effect }>
  settle(): Running
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

export async function makePlace(images: Images): Promise<Place> {
  const namespace = `chaos-${Math.random().toString(36).slice(2, 7)}`
  const home = await mkdtemp(join(tmpdir(), `${namespace}-`))
  await kubectl('create', 'namespace', namespace)
  await kubectl('-n', namespace, 'apply', '-f', join(root, 'examples/rbac.yaml'))
  const workloads = await readFile(join(root, '__tests__/chaos/app/workloads.yaml'), 'utf8')
  const text = workloads.replaceAll('IMAGE', images.pinned.a)
  await must('kubectl', ['-n', namespace, 'apply', '-f', '-'], { env: stack.env, input: text })
  for (const workload of [
    'deployment/web',
    'deployment/worker',
    'statefulset/store',
    'daemonset/agent',
  ]) {
    await kubectl('-n', namespace, 'rollout', 'status', workload, '--timeout=180s')
  }
  const direct = await leastKubeconfig(namespace)
  const { hostname, port } = new URL(serverOf(direct))
  const relay = await startRelay(hostname, Number(port || 443))
  const files = { direct: join(home, 'direct.json'), relay: join(home, 'relay.json') }
  await writeFile(files.direct, direct, { mode: 0o600 })
  await writeFile(files.relay, throughRelay(direct, hostname, relay.port), { mode: 0o600 })
  const nodePort = await kubectl(
    ...['-n', namespace, 'get', 'service', 'web', '-o', 'jsonpath={.spec.ports[0].nodePort}'],
  )
  const client = startAsking(`http://${stack.address}:${nodePort}`)
  const common = { image: images.repository, namespace }

  const deploy: Place['deploy'] = async ({ tag, migrates, manifests, label, way }) => {
    const configMaps = {
      'configmap/settings': { release: label },
      [`configmap/extra-${label}`]: { of: label },
    }
    const webEnv = [{ name: 'RELEASE', value: label }]
    const effect: Effect = {
      image: images.pinned[tag],
      configMaps: manifests === 'none' ? {} : configMaps,
      ...(manifests === 'config-and-web' && { webEnv }),
    }
    const folder = join(home, label)
    await mkdir(folder)
    const texts = Object.entries(effect.configMaps).map(([id, data]) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: id.slice('configmap/'.length) },
      data,
    }))
    await Promise.all(
      texts.map((one) => writeFile(join(folder, `${one.metadata.name}.json`), JSON.stringify(one))),
    )
    if (effect.webEnv) {
      await writeFile(join(folder, 'web.yaml'), webManifest(workloads, images.repository, label))
    }
    const run = start(home, files[way], 'deploy', {
      ...common,
      tag,
      'migrate-command': migrates ? 'python manage.py migrate --noinput' : '',
      bake: '1s',
      grace: 'Crash=15s',
      ...(tag === 'unready' && { 'ready-timeout': '5s' }),
      ...(manifests !== 'none' && { manifests: folder }),
    })
    return { run, effect }
  }
  const place = {
    namespace,
    home,
    relay,
    client,
    deploy,
    settle: () => start(home, files.direct, 'settle', common),
    remove: async () => {
      await client.stop()
      await relay.close()
      await kubectl('delete', 'namespace', namespace, '--wait=false')
      await rm(home, { recursive: true, force: true })
    },
  }
  const { run } = await deploy({
    tag: 'b',
    migrates: true,
    manifests: 'config',
    label: 'usual',
    way: 'relay',
  })
  const { result, began, ended } = await run.ended
  if (result !== 'deployed') throw new Error(`the undisturbed release failed:\n${run.output()}`)
  return { ...place, usualMs: ended - began }
}

interface Kubeconfig {
  readonly clusters: readonly {
    readonly name: string
    readonly cluster: { readonly server: string }
  }[]
}

function serverOf(kubeconfig: string): string {
  return (JSON.parse(kubeconfig) as Kubeconfig).clusters[0]?.cluster.server ?? ''
}

/** The certificate is the server's own: its name stays. */
function throughRelay(kubeconfig: string, hostname: string, port: number): string {
  const config = JSON.parse(kubeconfig) as Kubeconfig
  const clusters = config.clusters.map(({ name, cluster }) => ({
    name,
    cluster: { ...cluster, server: `https://127.0.0.1:${port}`, 'tls-server-name': hostname },
  }))
  return JSON.stringify({ ...config, clusters })
}

/** The web's own manifest with a variable in it that names the release. */
function webManifest(workloads: string, repository: string, label: string): string {
  const manifest = workloads
    .split(/^---$/m)
    .find((text) => /^kind: Deployment$/m.test(text) && /^ {2}name: web$/m.test(text))
  return (manifest ?? '').replace(
    'image: IMAGE\n',
    `image: ${repository}\n          env:\n            - name: RELEASE\n              value: ${label}\n`,
  )
}
