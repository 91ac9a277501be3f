/** The account with the least rights, as examples/rbac.yaml makes it. */
import { kubectl } from './stack.js'

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
