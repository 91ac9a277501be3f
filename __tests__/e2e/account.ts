/** The account with the least rights, as examples/rbac.yaml makes it. */
import { join } from 'node:path'
import { kubectl, must, root, stack } from './stack.js'

/**
 * Applies examples/rbac.yaml, and a Role `django-rollout-more` for what it gives for the sample shop alone: other
 * applications, and other ConfigMaps and Secrets in manifests. `doctor.test.ts` does without.
 */
export async function applyLeastRole(namespace: string): Promise<void> {
  await kubectl('-n', namespace, 'apply', '-f', join(root, 'examples/rbac.yaml'))
  const more = (rule: object) => ({
    apiGroups: [''],
    verbs: ['get', 'patch', 'update', 'delete'],
    ...rule,
  })
  const metadata = { name: 'django-rollout-more', namespace }
  const apiGroup = 'rbac.authorization.k8s.io'
  const items = [
    {
      apiVersion: `${apiGroup}/v1`,
      kind: 'Role',
      metadata,
      rules: [
        more({ resources: ['configmaps', 'secrets'] }),
        more({ resources: ['leases'], apiGroups: ['coordination.k8s.io'] }),
      ],
    },
    {
      apiVersion: `${apiGroup}/v1`,
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup, kind: 'Role', name: metadata.name },
      subjects: [{ kind: 'ServiceAccount', name: 'django-rollout', namespace }],
    },
  ]
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
  await must('kubectl', ['-n', namespace, 'apply', '-f', '-'], { env: stack.env, input })
}

/** A kubeconfig for the ServiceAccount of examples/rbac.yaml, or of rbac-plan.yaml. */
export async function leastKubeconfig(
  namespace: string,
  account = 'django-rollout',
): Promise<string> {
  const token = await kubectl('-n', namespace, 'create', 'token', account, '--duration=4h')
  interface Config {
    readonly clusters: readonly { readonly cluster: unknown }[]
  }
  const config = JSON.parse(
    await kubectl('config', 'view', '--raw', '--flatten', '-o', 'json'),
  ) as Config
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'least',
    clusters: [{ name: 'stack', cluster: config.clusters[0]?.cluster }],
    users: [{ name: 'least', user: { token: token.trim() } }],
    contexts: [{ name: 'least', context: { cluster: 'stack', user: 'least' } }],
  })
}
