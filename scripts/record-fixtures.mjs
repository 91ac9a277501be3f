/**
 * Records what a real cluster shows of the main faults, for the tests of the judge: each fault is rolled
 * out over a healthy version, and every change of its objects is written down with its time.
 *
 *   KUBECONFIG=… node scripts/record-fixtures.mjs [fault…]
 *
 * Needs the images python:3.13-slim and, for a tag that is not there, STACK_REGISTRY. Works in a namespace
 * of its own, which is removed afterwards.
 */
import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('../__tests__/fixtures/rollout', import.meta.url))
const namespace = `record-${process.pid}`
const registry = process.env.STACK_REGISTRY ?? '127.0.0.1:5000'
const kubectlPath = process.env.STACK_BIN ? join(process.env.STACK_BIN, 'kubectl') : 'kubectl'

const python = (code) => ['python', '-u', '-c', code]
const serve = [
  'import http.server, sys',
  'h = http.server.HTTPServer(("", 8000), http.server.SimpleHTTPRequestHandler)',
  'h.serve_forever()',
].join('\n')

const container = {
  name: 'web',
  image: 'python:3.13-slim',
  imagePullPolicy: 'IfNotPresent',
  command: python(serve),
  readinessProbe: { httpGet: { path: '/', port: 8000 }, periodSeconds: 1 },
}
const template = (changed, spec = {}) => ({
  spec: { terminationGracePeriodSeconds: 1, containers: [{ ...container, ...changed }], ...spec },
})

/** What is rolled out over the healthy version, and for how many seconds it is watched. */
const faults = {
  'bad-tag': {
    seconds: 15,
    template: template({ image: `${registry}/library/python:no-such-tag` }),
  },
  'crash-at-import': {
    seconds: 15,
    template: template({
      command: [
        'sh',
        '-c',
        'mkdir -p /app/shop && cd /app && touch shop/__init__.py && printf "\\n\\nfrom shop.task import app\\n" > shop/celery.py && exec python -c "import shop.celery"',
      ],
    }),
  },
  'crash-loop': {
    seconds: 30,
    template: template({
      command: python('import time, sys; time.sleep(1); print("no licence"); sys.exit(3)'),
    }),
  },
  'worker-crash-loop': {
    seconds: 30,
    template: template({
      command: python('import time, sys; time.sleep(3); sys.exit("bye")'),
      readinessProbe: null,
    }),
  },
  'database-late': {
    seconds: 45,
    template: template(
      {
        command: python(
          `import os, socket\nif not os.path.exists("/data/2"):\n  os.mkdir("/data/%d" % (len(os.listdir("/data")) + 1))\n  socket.create_connection(("127.0.0.1", 1))\n${serve}`,
        ),
        volumeMounts: [{ name: 'data', mountPath: '/data' }],
      },
      { volumes: [{ name: 'data', emptyDir: {} }] },
    ),
  },
  'missing-configmap': {
    seconds: 30,
    template: template({ envFrom: [{ configMapRef: { name: 'not-there' } }] }),
  },
  'missing-configmap-volume': {
    seconds: 30,
    template: template(
      { volumeMounts: [{ name: 'v', mountPath: '/v' }] },
      { volumes: [{ name: 'v', configMap: { name: 'not-there' } }] },
    ),
  },
  'late-configmap': {
    seconds: 30,
    template: template({ envFrom: [{ configMapRef: { name: 'late' } }] }),
    meanwhile: { after: 8, args: ['create', 'configmap', 'late', '--from-literal=A=1'] },
  },
  'command-not-found': { seconds: 15, template: template({ command: ['gunicron', 'shop.wsgi'] }) },
  'not-ready': {
    seconds: 20,
    template: template({
      readinessProbe: { httpGet: { path: '/nothing', port: 8000 }, periodSeconds: 1 },
    }),
  },
  'slow-start': {
    seconds: 30,
    template: template({
      command: python(`import time; time.sleep(12)\n${serve}`),
      startupProbe: { httpGet: { path: '/', port: 8000 }, periodSeconds: 2, failureThreshold: 30 },
    }),
  },
  'init-crash': {
    seconds: 15,
    template: template(
      {},
      {
        initContainers: [
          {
            name: 'setup',
            image: container.image,
            command: python('import sys; sys.exit("no migrations")'),
          },
        ],
      },
    ),
  },
  'out-of-memory': {
    seconds: 45,
    template: template({
      command: python('import time; time.sleep(1); x = bytearray(400_000_000); time.sleep(60)'),
      resources: { limits: { memory: '64Mi' } },
    }),
  },
  unschedulable: { seconds: 15, template: template({ resources: { requests: { cpu: '4000' } } }) },
  'liveness-kills': {
    seconds: 45,
    template: template({
      livenessProbe: {
        httpGet: { path: '/nothing', port: 8000 },
        periodSeconds: 1,
        failureThreshold: 3,
      },
    }),
  },
  quota: {
    seconds: 15,
    quota: true,
    template: template({ resources: { requests: { cpu: '5m', memory: '1Gi' } } }),
  },
  healthy: { seconds: 15, template: template({ env: [{ name: 'VERSION', value: '2' }] }) },
}

function kubectl(args, input) {
  return new Promise((resolve, reject) => {
    const child = execFile(kubectlPath, args, { maxBuffer: 64e6 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`kubectl ${args.join(' ')}: ${stderr}`))
      else resolve(stdout)
    })
    child.stdin.end(input ?? '')
  })
}

function deployment(name, podTemplate) {
  const pod = { ...podTemplate, metadata: { labels: { app: name } } }
  const spec = { replicas: 1, selector: { matchLabels: { app: name } }, template: pod }
  return JSON.stringify({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name }, spec })
}

const kinds = { deployments: 'Deployment', replicasets: 'ReplicaSet', pods: 'Pod', events: 'Event' }

async function objects(ns) {
  const list = JSON.parse(
    await kubectl(['-n', ns, 'get', `${Object.keys(kinds).join(',')}`, '-o', 'json']),
  )
  return list.items.map(slim)
}

/** Without what no rule reads: who wrote it, what was applied, the token's volume. */
function slim(object) {
  const { metadata, spec } = object
  delete metadata.managedFields
  delete metadata.annotations?.['kubectl.kubernetes.io/last-applied-configuration']
  const token = spec?.volumes?.find(({ name }) => name.startsWith('kube-api-access'))?.name
  if (token) {
    spec.volumes = spec.volumes.filter(({ name }) => name !== token)
    for (const each of [...spec.containers, ...(spec.initContainers ?? [])]) {
      each.volumeMounts = each.volumeMounts?.filter(({ name }) => name !== token)
    }
  }
  return object
}

async function record(name, fault) {
  const ns = `${namespace}-${name}`
  await kubectl(['create', 'namespace', ns])
  try {
    await kubectl(['-n', ns, 'apply', '-f', '-'], deployment(name, template({})))
    await kubectl(['-n', ns, 'rollout', 'status', `deployment/${name}`, '--timeout=120s'])
    if (fault.quota) {
      await kubectl(['-n', ns, 'create', 'quota', 'small', '--hard=requests.memory=100Mi'])
      await sleep(1000)
    }
    const before = await objects(ns)
    const written = JSON.parse(
      await kubectl(['-n', ns, 'apply', '-o', 'json', '-f', '-'], deployment(name, fault.template)),
    )
    const started = Date.now()
    const frames = [{ at: 0, changed: before.filter(({ kind }) => kind !== 'Event'), gone: [] }]
    const known = new Map(before.map((object) => [idOf(object), object.metadata.resourceVersion]))
    const logs = {}
    let meanwhile = fault.meanwhile
    for (;;) {
      const at = (Date.now() - started) / 1000
      if (at > fault.seconds) break
      if (meanwhile && at > meanwhile.after) {
        await kubectl(['-n', ns, ...meanwhile.args])
        meanwhile = undefined
      }
      const now = await objects(ns)
      const ids = new Set(now.map(idOf))
      const changed = now.filter(
        (object) => known.get(idOf(object)) !== object.metadata.resourceVersion,
      )
      const gone = [...known.keys()].filter((id) => !ids.has(id))
      for (const object of changed) known.set(idOf(object), object.metadata.resourceVersion)
      for (const id of gone) known.delete(id)
      if (changed.length + gone.length > 0)
        frames.push({ at: Math.round(at * 10) / 10, changed, gone })
      for (const object of changed) if (object.kind === 'Pod') await readLogs(ns, object, logs)
      await sleep(150)
    }
    const recorded = {
      fault: name,
      generation: written.metadata.generation,
      images: { web: fault.template.spec.containers[0].image },
      frames,
      logs,
    }
    mkdirSync(folder, { recursive: true })
    const file = join(folder, `${name}.json`)
    // One object a line: small, and still readable in a diff.
    const text = JSON.stringify({ ...recorded, frames: undefined }).slice(0, -1)
    const lines = frames.map(
      (frame) =>
        `{"at":${frame.at},"gone":${JSON.stringify(frame.gone)},"changed":[\n${frame.changed.map((o) => JSON.stringify(o)).join(',\n')}]}`,
    )
    writeFileSync(file, `${text},"frames":[\n${lines.join(',\n')}]}\n`)
    console.log(`${name}: ${frames.length} frames, ${Object.keys(logs).length} logs`)
  } finally {
    await kubectl(['delete', 'namespace', ns, '--wait=false'])
  }
}

function idOf({ kind, metadata }) {
  return `${kind}/${metadata.name}`
}

/** The logs of containers that have ended, by uid, container and number of the end. */
async function readLogs(ns, { metadata, status }, logs) {
  for (const each of [
    ...(status.containerStatuses ?? []),
    ...(status.initContainerStatuses ?? []),
  ]) {
    const { state, lastState, restartCount, name } = each
    const isOver = state.terminated !== undefined
    if (!isOver && !lastState?.terminated) continue
    const exit = isOver || state.waiting ? restartCount + 1 : restartCount
    const key = `${metadata.uid}/${name}/${exit}`
    if (logs[key] !== undefined) continue
    const args = ['-n', ns, 'logs', metadata.name, '-c', name, ...(isOver ? [] : ['--previous'])]
    const text = await kubectl(args).catch(() => '')
    logs[key] = text.split('\n').filter((line) => line !== '')
  }
}

const wanted = process.argv.slice(2)
const chosen = Object.entries(faults).filter(
  ([name]) => wanted.length === 0 || wanted.includes(name),
)
const results = await Promise.allSettled(chosen.map(([name, fault]) => record(name, fault)))
for (const result of results) {
  if (result.status === 'rejected') {
    console.error(result.reason.message)
    process.exitCode = 1
  }
}
