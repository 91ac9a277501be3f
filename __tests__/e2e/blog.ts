/** The newcomer's project as a quick place for workflow files: one Deployment, and SQLite. */
import { Site } from './site.js'
import { kubectl, must, stack } from './stack.js'

/** A site whose web runs the first commit already. It has a probe, so its releases need no bake. */
export async function makeBlog(name: string): Promise<Site> {
  const site = await Site.make(name, '__tests__/workflows/newcomer')
  // Its database goes with each pod: nothing that a Job could migrate.
  const options = 'bake: 0\nmigrate-command: none\n'
  const first = await site.commit('No bake', { 'django-rollout.yml': options })
  const built = await site.cli('build', { image: site.image, push: 'true' })
  if (built.code !== 0) throw new Error(built.output)
  await startWeb(site.namespace, `${site.image}:${first}`)
  return site
}

export async function startWeb(namespace: string, image: string): Promise<void> {
  const httpGet = { path: '/admin/login/', port: 8000 }
  const readinessProbe = { httpGet, periodSeconds: 1, timeoutSeconds: 10 }
  const container = { name: 'web', image, readinessProbe, resources: { requests: { cpu: '20m' } } }
  const labels = { app: 'web' }
  const template = { metadata: { labels }, spec: { containers: [container] } }
  const web = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace },
    spec: { selector: { matchLabels: labels }, template },
  }
  await must('kubectl', ['create', '-f', '-'], { env: stack.env, input: JSON.stringify(web) })
  await kubectl('-n', namespace, 'expose', 'deployment', 'web', '--port=80', '--target-port=8000')
  await kubectl('-n', namespace, 'rollout', 'status', 'deployment/web', '--timeout=120s')
}

/** The image that a Deployment's template names, with its digest after a release. */
export function imageOf(namespace: string, deployment: string): Promise<string> {
  const path = 'jsonpath={.spec.template.spec.containers[0].image}'
  return kubectl('-n', namespace, 'get', 'deployment', deployment, '-o', path)
}

export const webRuns = (namespace: string): Promise<string> => imageOf(namespace, 'web')

/** A version that passes its tests, and does not start. */
export const broken = {
  'blog/wsgi.py': (old: string) => `${old}\nREPORT_TO = os.environ["REPORT_TO"]\n`,
}
export const whyBroken = "web: KeyError: 'REPORT_TO' (blog/wsgi.py:9)"
