import { describe, expect, test } from '@jest/globals'
import type { Container, PodSpec, PodTemplateSpec, Volume } from 'kubernetes-types/core/v1'
import { jobName, lastingFolders, migrationJob } from '../../src/django/job.js'
import type { MigrationJobOptions } from '../../src/django/job.js'

const template: PodTemplateSpec = {
  metadata: {
    labels: { app: 'web', 'sidecar.istio.io/inject': 'true' },
    annotations: {
      'kubectl.kubernetes.io/restartedAt': '2026-01-01T00:00:00Z',
      'vault.hashicorp.com/agent-inject': 'true',
      'linkerd.io/inject': 'enabled',
    },
  },
  spec: {
    serviceAccountName: 'shop',
    imagePullSecrets: [{ name: 'registry' }],
    nodeSelector: { disk: 'ssd' },
    tolerations: [{ key: 'web', operator: 'Exists' }],
    dnsConfig: { options: [{ name: 'ndots', value: '2' }] },
    hostAliases: [{ ip: '10.0.0.1', hostnames: ['db'] }],
    securityContext: { runAsNonRoot: true },
    priorityClassName: 'high',
    runtimeClassName: 'gvisor',
    enableServiceLinks: false,
    terminationGracePeriodSeconds: 40,
    restartPolicy: 'Always',
    readinessGates: [{ conditionType: 'lb' }],
    hostname: 'web',
    subdomain: 'web',
    topologySpreadConstraints: [
      { maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule' },
    ],
    affinity: {
      podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [] },
      nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [] },
    },
    volumes: [{ name: 'tmp', emptyDir: {} }],
    initContainers: [
      { name: 'wait', image: 'busybox', command: ['nc', '-z', 'db', '5432'] },
      { name: 'assets', image: 'shop:old', command: ['python', 'manage.py', 'collectstatic'] },
      { name: 'schema', image: 'shop:old', command: ['python', 'manage.py', 'migrate', '--check'] },
    ],
    containers: [
      {
        name: 'app',
        image: 'shop:old',
        args: ['gunicorn'],
        workingDir: '/app',
        env: [
          { name: 'DATABASE_URL', valueFrom: { secretKeyRef: { name: 'db', key: 'url' } } },
          { name: 'DJANGO_ROLLOUT_SPEC', value: 'stale' },
        ],
        envFrom: [{ configMapRef: { name: 'shop' } }],
        ports: [{ containerPort: 8000 }],
        volumeMounts: [
          { name: 'tmp', mountPath: '/tmp' },
          { name: 'media', mountPath: '/media' },
        ],
        resources: { limits: { memory: '256Mi' } },
        securityContext: { readOnlyRootFilesystem: true },
        livenessProbe: { httpGet: { path: '/', port: 8000 } },
        readinessProbe: { httpGet: { path: '/', port: 8000 } },
        startupProbe: { httpGet: { path: '/', port: 8000 } },
        lifecycle: { preStop: { exec: { command: ['sleep', '5'] } } },
      },
      {
        name: 'proxy',
        image: 'cloud-sql-proxy:2',
        ports: [{ name: 'health', containerPort: 9090, hostPort: 9090 }],
        startupProbe: { httpGet: { path: '/startup', port: 'health' } },
        livenessProbe: { httpGet: { path: '/liveness', port: 'health' } },
        readinessProbe: { httpGet: { path: '/readiness', port: 'health' } },
      },
      { name: 'worker', image: 'shop:old', command: ['celery', 'worker'] },
    ],
  },
}

const how: MigrationJobOptions = {
  name: 'shop-migrate-0123456-1',
  app: 'shop',
  run: 'run-1',
  sha: '0123456789abcdef',
  template,
  container: 'app',
  webContainers: ['app', 'worker', 'assets', 'schema'],
  image: 'registry/shop:0123456@sha256:aa',
  command: ['/bin/sh', '-c', 'echo $(HOME) $$'],
  env: [{ name: 'DJANGO_ROLLOUT_SPEC', value: '{}' }],
  timeoutSeconds: 600,
  near: {
    selectors: [{ of: 'service/web', selector: { matchLabels: { app: 'web' } } }],
    policies: [],
    others: [],
  },
}

test('a Job that only plans is no release’s to end, and its pod is that of a migration', () => {
  const plain = migrationJob(how)
  const planned = migrationJob({ ...how, plansOnly: true, keepSeconds: 300 })
  if (plain.is !== 'made' || planned.is !== 'made') throw new Error('no Job')
  expect(planned.job.metadata?.labels).toEqual({
    'app.kubernetes.io/managed-by': 'django-rollout',
    'django-rollout/job': 'plan',
    'django-rollout/plan': 'shop',
  })
  expect(planned.job.spec).toEqual({ ...plain.job.spec, ttlSecondsAfterFinished: 300 })
})

test('the Job has labels, limits and a container like the web', () => {
  const labels = {
    'app.kubernetes.io/managed-by': 'django-rollout',
    'django-rollout/app': 'shop',
    'django-rollout/job': 'migrate',
  }
  expect(migrationJob(how)).toEqual({
    is: 'made',
    isCounted: false,
    notes: [
      'init container schema is skipped: it runs or awaits the migration itself',
      'container worker is skipped: it would run the same code during the migration',
      'volume media is per pod of a StatefulSet: the migration gets an empty one',
    ],
    job: {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: {
        name: 'shop-migrate-0123456-1',
        labels,
        annotations: { 'django-rollout/sha': '0123456789abcdef', 'django-rollout/run': 'run-1' },
      },
      spec: {
        backoffLimit: 0,
        activeDeadlineSeconds: 600,
        ttlSecondsAfterFinished: 3600,
        template: {
          metadata: {
            labels: { app: 'web-migrate', 'sidecar.istio.io/inject': 'true', ...labels },
            annotations: {
              'vault.hashicorp.com/agent-inject': 'true',
              'linkerd.io/inject': 'enabled',
              'cluster-autoscaler.kubernetes.io/safe-to-evict': 'false',
              'karpenter.sh/do-not-disrupt': 'true',
              'descheduler.alpha.kubernetes.io/prefer-no-eviction': 'true',
              'proxy.istio.io/config': '{"holdApplicationUntilProxyStarts": true}',
              'django-rollout/sha': '0123456789abcdef',
            },
          },
          spec: {
            serviceAccountName: 'shop',
            imagePullSecrets: [{ name: 'registry' }],
            nodeSelector: { disk: 'ssd' },
            tolerations: [{ key: 'web', operator: 'Exists' }],
            dnsConfig: { options: [{ name: 'ndots', value: '2' }] },
            hostAliases: [{ ip: '10.0.0.1', hostnames: ['db'] }],
            securityContext: { runAsNonRoot: true },
            hostname: 'web',
            readinessGates: [{ conditionType: 'django-rollout/serves' }],
            priorityClassName: 'high',
            runtimeClassName: 'gvisor',
            enableServiceLinks: false,
            terminationGracePeriodSeconds: 5,
            restartPolicy: 'Never',
            affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [] } },
            volumes: [
              { name: 'tmp', emptyDir: {} },
              { name: 'media', emptyDir: {} },
            ],
            initContainers: [
              { name: 'wait', image: 'busybox', command: ['nc', '-z', 'db', '5432'] },
              {
                name: 'assets',
                image: 'registry/shop:0123456@sha256:aa',
                command: ['python', 'manage.py', 'collectstatic'],
              },
              {
                name: 'proxy',
                image: 'cloud-sql-proxy:2',
                ports: [{ name: 'health', containerPort: 9090 }],
                startupProbe: { httpGet: { path: '/startup', port: 'health' } },
                restartPolicy: 'Always',
              },
            ],
            containers: [
              {
                name: 'app',
                image: 'registry/shop:0123456@sha256:aa',
                command: ['/bin/sh', '-c', 'echo $$(HOME) $$$$'],
                workingDir: '/app',
                env: [
                  { name: 'DATABASE_URL', valueFrom: { secretKeyRef: { name: 'db', key: 'url' } } },
                  { name: 'DJANGO_ROLLOUT_SPEC', value: '{}' },
                ],
                envFrom: [{ configMapRef: { name: 'shop' } }],
                volumeMounts: [
                  { name: 'tmp', mountPath: '/tmp' },
                  { name: 'media', mountPath: '/media' },
                ],
                resources: { limits: { memory: '256Mi' } },
                securityContext: { readOnlyRootFilesystem: true },
              },
            ],
          },
        },
      },
    },
  })
})

test('the template that the Job is made from is not changed', () => {
  const before = structuredClone(template)
  migrationJob(how)
  expect(template).toEqual(before)
})

test('a plain template gets nothing that it does not need', () => {
  const made = migrationJob({
    ...how,
    template: { spec: { containers: [{ name: 'app', image: 'shop:old', command: ['gunicorn'] }] } },
    env: [],
  })
  expect(made).toMatchObject({ is: 'made', notes: [] })
  expect(made.is === 'made' && made.job.spec?.template.spec).toEqual({
    restartPolicy: 'Never',
    readinessGates: [{ conditionType: 'django-rollout/serves' }],
    terminationGracePeriodSeconds: 5,
    containers: [
      { name: 'app', image: how.image, command: ['/bin/sh', '-c', 'echo $$(HOME) $$$$'] },
    ],
  })
})

/** What the Job's pod is made of this pod and these marks. */
function podOf(
  spec: Partial<PodSpec>,
  more: Partial<MigrationJobOptions> = {},
  metadata: PodTemplateSpec['metadata'] = {
    labels: { app: 'web', shard: 'eu$(X)' },
    annotations: { zone: 'a', 'kubectl.kubernetes.io/restartedAt': 'now' },
  },
) {
  const containers = [{ name: 'app', ...spec.containers?.[0] }]
  const made = migrationJob({
    ...how,
    env: [],
    ...more,
    template: { metadata, spec: { ...spec, containers } },
  })
  if (made.is !== 'made') throw new Error(made.problem)
  return { ...made.job.spec?.template, notes: made.notes }
}

describe('its container has the resources of the web', () => {
  const resources = {
    requests: { cpu: '1', memory: '1Gi' },
    limits: { memory: '2Gi' },
    claims: [{ name: 'gpu' }],
  }
  test.each<[Readonly<Record<string, string>>, object]>([
    [{}, resources],
    [{ cpu: '100m' }, { ...resources, requests: { cpu: '100m', memory: '1Gi' } }],
    [
      { 'requests.memory': '64Mi', 'limits.cpu': '2' },
      { ...resources, requests: { cpu: '1', memory: '64Mi' }, limits: { memory: '2Gi', cpu: '2' } },
    ],
  ])('but for %j', (changes, expected) => {
    const pod = podOf({ containers: [{ name: 'app', resources }] }, { resources: changes })
    expect(pod.spec?.containers[0]?.resources).toEqual(expected)
  })
})

describe('a label or annotation of the web that a container reads', () => {
  const field = (fieldPath: string) => ({ fieldRef: { fieldPath } })
  const live = { labels: { region: 'north', shard: 'of an older pod' }, annotations: {} }

  test.each([
    ["metadata.labels['shard']", { value: 'eu$$(X)' }],
    ["metadata.annotations['zone']", { value: 'a' }],
    ["metadata.annotations['kubectl.kubernetes.io/restartedAt']", { value: 'now' }],
    ["metadata.labels['region']", { value: 'north' }],
    ["metadata.labels['nowhere']", { value: '' }],
    ['metadata.name', { valueFrom: field('metadata.name') }],
    ['spec.nodeName', { valueFrom: field('spec.nodeName') }],
  ])('is copied to a variable: %s', (path, expected) => {
    const env = [{ name: 'A', valueFrom: field(path) }]
    const pod = podOf(
      { containers: [{ name: 'app', env }], initContainers: [{ name: 'wait', env }] },
      { live },
    )
    expect(pod.spec?.containers[0]?.env).toEqual([{ name: 'A', ...expected }])
    expect(pod.spec?.initContainers?.[0]?.env).toEqual([{ name: 'A', ...expected }])
  })

  test('becomes an annotation of the Job when it is read from a file', () => {
    const items = [
      { path: 'shard', ...field("metadata.labels['shard']") },
      { path: 'all', ...field('metadata.labels') },
      { path: 'name', ...field('metadata.name') },
    ]
    const volumes = [
      { name: 'one', downwardAPI: { items } },
      {
        name: 'two',
        projected: { sources: [{ downwardAPI: { items } }, { secret: { name: 's' } }] },
      },
    ]
    const pod = podOf({ volumes })
    const read = (volume: Volume | undefined) =>
      volume?.downwardAPI?.items ?? volume?.projected?.sources?.[0]?.downwardAPI?.items
    const value = (path = '') => pod.metadata?.annotations?.[/'(.*)'/.exec(path)?.[1] ?? ''] ?? path
    for (const volume of pod.spec?.volumes ?? []) {
      expect(read(volume)?.map((item) => [item.path, value(item.fieldRef?.fieldPath)])).toEqual([
        ['shard', 'eu$(X)'],
        ['all', 'app="web"\nshard="eu$(X)"'],
        ['name', 'metadata.name'],
      ])
    }
  })

  test('stays when an injector of variables needs it', () => {
    const labels = { app: 'web', 'azure.workload.identity/use': 'true' }
    expect(podOf({}, {}, { labels }).metadata?.labels).toMatchObject({
      'azure.workload.identity/use': 'true',
    })
  })
})

describe('an init container of our image', () => {
  const made = (own: Partial<Container>, more: Partial<MigrationJobOptions> = {}) =>
    podOf(
      { initContainers: [{ name: 'assets', image: 'shop:old', ...own }] },
      { ...more, webContainers: ['app', 'assets'] },
    )
  const shell = (text: string): Partial<Container> => ({ command: ['sh', '-c', text] })
  const always = { command: ['celery', '-A', 'shop', 'worker'], restartPolicy: 'Always' }
  const own = '(a Job in "migrate-manifest" keeps it)'
  const migrating = 'it runs or awaits the migration itself'

  test.each<[Partial<Container>]>([
    [{ command: ['python', 'manage.py', 'collectstatic', '--noinput'] }],
    [{ command: ['/opt/venv/bin/python', '-u', '/app/manage.py', 'compilemessages'] }],
    [{ command: ['python'], args: ['-m', 'django', 'check'] }],
    [{ command: ['django-admin', 'compress', '--output', '/static'] }],
    [{ command: ['poetry', 'run', 'python', 'manage.py', 'check'] }],
    [{ command: ['python', '-c', 'open("/app/ready", "w")'] }],
    [{ command: ['cp', '-r', '/app/static', '/static'] }],
    [{ command: ['/bin/cp', '/app/start.sh', '/shared'] }],
    [{ command: ['pg_isready', '-h', 'db'] }],
    [{ command: ['env', 'A=/b', '/usr/bin/env', 'cp', '-r', 'static', 'shared'] }],
    [shell('until nc -z db 5432; do sleep 1; done')],
    [shell('while ! pg_isready -h "${DB_HOST}" >/dev/null 2>&1\ndo sleep 1\ndone')],
    [shell('until python -c \'import socket; socket.create_connection(("db", 1))\'; do :; done')],
    [shell('set -e; cd /app && A=/b exec python manage.py collectstatic')],
    [shell('if [ -d /app/static ]; then cp -r /app/static /static; fi')],
    [shell('cp -r \\\n  /app/static $(dirname /static/x)/y > /dev/stdout')],
    [{ command: ['bash', '-euo', 'pipefail', '-c', 'chown -R app /media'] }],
  ])('runs where all of it can be seen: %j', (container) => {
    const pod = made(container)
    expect(pod.notes).toEqual([])
    expect(pod.spec?.initContainers).toEqual([{ name: 'assets', image: how.image, ...container }])
  })

  test.each<[Partial<Container>, string]>([
    [{ command: ['python', 'manage.py', 'migrate'] }, migrating],
    [{ command: ['python', 'manage.py', 'migrate_schemas', '--shared'] }, migrating],
    [{ args: ['migrate'] }, migrating],
    [
      shell('until python manage.py showmigrations | grep -v "\\[ \\]"; do sleep 1; done'),
      migrating,
    ],
    [
      {
        command: [
          'python',
          '-c',
          'from django.core import management as m; m.call_command("migrate")',
        ],
      },
      migrating,
    ],
    [{}, `the image's entrypoint may run the migration ${own}`],
    [{ command: [], args: ['init'] }, `the image's entrypoint may run the migration ${own}`],
    [always, `it would run the same code during the migration ${own}`],
    ...(
      [
        [{ command: ['/app/docker-init.sh'] }, '/app/docker-init.sh'],
        [{ command: ['docker-init.sh'] }, 'docker-init.sh'],
        [{ command: ['/start'] }, '/start'],
        [{ command: ['/usr/local/bin/prepare'] }, '/usr/local/bin/prepare'],
        [{ command: ['$(INIT)'] }, '$(INIT)'],
        [{ command: ['sh', '/app/init'] }, 'sh /app/init'],
        [{ command: ['bash', 'init', '-c', 'true'] }, 'bash init'],
        [{ command: ['python', 'init.py'] }, 'python init.py'],
        [{ command: ['python', '-m', 'shop.init'] }, 'python -m shop.init'],
        [{ command: ['tini', '--', '/app/init'] }, '/app/init'],
        [{ command: ['gosu', 'app', '/app/init'] }, '/app/init'],
        [{ command: ['timeout', '60', './init'] }, './init'],
        [{ command: ['uv', 'run', 'python', 'init.py'] }, 'python init.py'],
        [{ command: ['make', 'init'] }, 'make init'],
        [shell('./init'), './init'],
        [shell('cd /app && ./init'), './init'],
        [shell('cd /app\n. ./env.sh'), './env.sh'],
        [shell('nc -z db 1 && if true; then A=b exec /app/init; fi'), '/app/init'],
        [shell('export A="$(/app/init)"'), '/app/init'],
        [shell('exec "$@"'), '$@'],
        [shell('curl http://x/y | sh'), 'sh'],
        [shell('su app -c "./init"'), './init'],
        [shell('bash -c "true; ./init"'), './init'],
      ] as const
    ).map(
      ([container, what]) =>
        [container, `${what} may run the migration ${own}`] as [Partial<Container>, string],
    ),
  ])('is left out where it may migrate: %j', (container, why) => {
    const pod = made(container)
    expect(pod.notes).toEqual([`init container assets is skipped: ${why}`])
    expect(pod.spec?.initContainers).toBeUndefined()
  })

  test.each<[string, Partial<Container>, readonly string[]]>([
    ['runs a script', { command: ['/app/docker-init.sh'] }, []],
    ['runs what the image starts', {}, []],
    ['keeps running', always, []],
    ['migrates', { command: ['./manage.py', 'migrate'] }, [migrating]],
  ])('which the user has put into the Job, or after the migration: %s', (_, container, why) => {
    const pod = made(container, { inits: 'all' })
    expect(pod.notes).toEqual(why.map((each) => `init container assets is skipped: ${each}`))
    expect(pod.spec?.initContainers ?? []).toHaveLength(1 - why.length)
  })

  test('of another image stays as it is', () => {
    const other = { name: 'wait', image: 'busybox', command: ['/wait.sh'] }
    const pod = podOf({ initContainers: [other] })
    expect(pod.notes).toEqual([])
    expect(pod.spec?.initContainers).toEqual([other])
  })
})

describe('a volume claim', () => {
  const volumes = [
    { name: 'media', persistentVolumeClaim: { claimName: 'media' } },
    { name: 'data', persistentVolumeClaim: { claimName: 'data' } },
  ]
  const containers = [
    {
      name: 'app',
      volumeMounts: [
        { name: 'media', mountPath: '/media' },
        { name: 'data', mountPath: '/data' },
      ],
    },
  ]

  test('is replaced by an empty folder when its single pod has it', () => {
    const why = 'is ReadWriteOncePod, and a running pod uses it'
    const claims = { media: { is: 'out-of-reach', why } } as const
    const pod = podOf({ volumes, containers }, { claims })
    expect(pod.spec?.volumes).toEqual([{ name: 'media', emptyDir: {} }, volumes[1]])
    expect(pod.notes).toEqual([
      'volume media: the claim media is ReadWriteOncePod, and a running pod uses it: the migration gets an empty volume instead',
    ])
    expect(lastingFolders({ spec: { volumes, containers } }, 'app', claims)).toEqual(['/data'])
  })

  test('of a single node places the pod on that node, in spite of anti-affinity', () => {
    const claims = { data: { is: 'on-node', node: 'n2' } } as const
    const required = {
      nodeSelectorTerms: [{ matchExpressions: [{ key: 'disk', operator: 'Exists' }] }],
    }
    const affinity = {
      nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: required },
    }
    const pod = podOf({ volumes, containers, affinity }, { claims })
    const isThere = { key: 'metadata.name', operator: 'In', values: ['n2'] }
    expect(pod.spec?.affinity?.nodeAffinity).toEqual({
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ ...required.nodeSelectorTerms[0], matchFields: [isThere] }],
      },
    })
    expect(pod.spec?.volumes).toEqual(volumes)
    expect(pod.spec?.tolerations).toEqual([
      { key: 'node.kubernetes.io/unschedulable', operator: 'Exists', effect: 'NoSchedule' },
    ])
    expect(lastingFolders({ spec: { volumes, containers } }, 'app', claims)).toEqual([
      '/media',
      '/data',
    ])
  })
})

test.each([
  [{ emptyDir: {} }, []],
  [{ configMap: { name: 'c' } }, []],
  [{ ephemeral: {} }, []],
  [{ hostPath: { path: '/data' } }, ['/v']],
  [{ nfs: { server: 's', path: '/' } }, ['/v']],
])('the folder of a volume %j outlives the pod: %j', (source, folders) => {
  const containers = [{ name: 'app', volumeMounts: [{ name: 'v', mountPath: '/v' }] }]
  expect(
    lastingFolders({ spec: { containers, volumes: [{ name: 'v', ...source }] } }, 'app', {}),
  ).toEqual(folders)
})

describe('a selector that matches the pod', () => {
  const all = { of: 'service/all', selector: { matchLabels: { 'django-rollout/app': 'shop' } } }

  test('is a problem where it takes pods that are not Ready', () => {
    const near = { ...how.near, selectors: [{ ...all, takesUnready: true }] } as const
    expect(migrationJob({ ...how, near })).toEqual({
      is: 'impossible',
      problem:
        "the selector of service/all would match the migration's pod (its labels: app=web, sidecar.istio.io/inject=true, app.kubernetes.io/managed-by=django-rollout, django-rollout/app=shop, django-rollout/job=migrate)",
    })
  })

  test('counts it, and a pod that has ended too: it does not stay', () => {
    const made = migrationJob({ ...how, near: { ...how.near, selectors: [all] } })
    if (made.is !== 'made') throw new Error(made.problem)
    expect(made.isCounted).toBe(true)
    expect(made.job.spec?.ttlSecondsAfterFinished).toBe(60)
    expect(made.notes[0]).toBe(
      "service/all selects the migration's pod too: the pod is never Ready, and is removed when it has ended",
    )
  })

  const policies = [
    { metadata: { name: 'out' }, spec: { podSelector: {}, policyTypes: ['Egress'] } },
    {
      metadata: { name: 'db' },
      spec: { podSelector: { matchLabels: { app: 'web' } }, egress: [{}] },
    },
  ]
  const notesOf = (near: Partial<MigrationJobOptions['near']>) => {
    const made = migrationJob({ ...how, near: { ...how.near, ...near } })
    return made.is === 'made' ? made.notes.slice(0, -3) : [made.problem]
  }

  test('is named with the policy that requires its labels', () => {
    expect(notesOf({ policies })).toEqual([
      "service/web selects the migration's pod too, by labels that networkpolicy/db requires: the pod is never Ready, and is removed when it has ended",
    ])
  })

  test('is evaded in spite of a policy where it takes pods that are not Ready', () => {
    const selectors = how.near.selectors.map((one) => ({ ...one, takesUnready: true as const }))
    expect(notesOf({ policies, selectors })).toEqual([
      "networkpolicy/db does not let the migration's pod pass as the web: its labels must differ",
    ])
  })

  test('is evaded where policies are not known, and the log says what that may cost', () => {
    const { policies: _, ...near } = how.near
    const made = migrationJob({ ...how, near })
    expect(made.is === 'made' && made.notes[0]).toBe(
      "the account may not list NetworkPolicies: those that know the web by app=web do not let the migration's pod pass",
    )
  })
})

test('a missing container is a problem', () => {
  expect(migrationJob({ ...how, container: 'web' })).toEqual({
    is: 'impossible',
    problem: 'the template has no container web',
  })
})

describe('the name of the Job', () => {
  test.each([
    ['shop', '0123456789abcdef', 1, 'shop-migrate-0123456-1'],
    ['shop', '0123456789-dirty-1a2b', '77-2', 'shop-migrate-0123456-77-2'],
    ['Acme/Shop_Web', 'ABCDEF0123', 1, 'acme-shop-web-migrate-abcdef0-1'],
    ['___', '0123456', 1, 'app-migrate-0123456-1'],
    [`${'a'.repeat(44)}-b`, '0123456', 1, `${'a'.repeat(44)}-migrate-0123456-1`],
    ['a'.repeat(80), '0123456', 1, `${'a'.repeat(45)}-migrate-0123456-1`],
  ])('is right for %s, %s and %s', (app, sha, attempt, name) => {
    expect(jobName(app, sha, attempt)).toBe(name)
    expect(name).toMatch(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])$/)
  })
})
