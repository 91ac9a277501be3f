/** A place of its own for a test: a namespace, an account with the least rights, a git copy of the shop. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Report } from '../../src/report/report.js'
import { applyLeastRole, leastKubeconfig } from './account.js'
import { firstAnswer } from './client.js'
import { Repository, type Changes } from './repository.js'
import { kubectl, kubectlJson, must, root, run, stack, type Ended, type How } from './stack.js'

export type { Changes } from './repository.js'

export interface Released extends Ended {
  readonly report: Report
}

export class Site extends Repository {
  readonly image: string

  private constructor(
    readonly namespace: string,
    folder: string,
    /** Kubeconfig of the account of examples/rbac.yaml. */
    readonly kubeconfig: string,
  ) {
    super(folder)
    this.image = `${stack.registry}/${namespace}/shop`
  }

  /** @param project the folder of this checkout that the repository begins as a copy of */
  static async make(name: string, project = 'examples/shop'): Promise<Site> {
    const namespace = `t-${name}-${Math.random().toString(36).slice(2, 7)}`
    const home = await mkdtemp(join(tmpdir(), `${namespace}-`))
    const folder = join(home, 'shop')
    await kubectl('create', 'namespace', namespace)
    await applyLeastRole(namespace)
    const kubeconfig = join(home, 'kubeconfig')
    await writeFile(kubeconfig, await leastKubeconfig(namespace), { mode: 0o600 })
    const site = new Site(namespace, folder, kubeconfig)
    await site.start(project)
    return site
  }

  kubeconfigText(): Promise<string> {
    return readFile(this.kubeconfig, 'utf8')
  }

  async remove(): Promise<void> {
    await kubectl('delete', 'namespace', this.namespace, '--wait=false')
    await rm(dirname(this.folder), { recursive: true, force: true })
  }

  /** Runs the command on the git copy, under the least account, as a user would from a terminal. */
  async cli(command: string, options: Readonly<Record<string, string>>, how: How = {}) {
    const path = join(dirname(this.folder), `report-${Math.random().toString(36).slice(2)}.json`)
    const flags = Object.entries({ report: path, ...options }).flatMap(([name, value]) => [
      `--${name}`,
      value,
    ])
    const ended = await run('node', [join(root, 'dist/cli/index.js'), command, ...flags], {
      cwd: this.folder,
      ...how,
      env: { ...stack.env, KUBECONFIG: this.kubeconfig, CI: 'true', ...how.env },
    })
    const text = await readFile(path, 'utf8').catch(() => '{}')
    return { ...ended, report: JSON.parse(text) as Report }
  }

  /** A release with what the shop needs; the tests of the image are run where a case is about them. */
  release(options: Readonly<Record<string, string>> = {}, how: How = {}): Promise<Released> {
    return this.cli(
      'release',
      {
        image: this.image,
        namespace: this.namespace,
        manifests: 'k8s',
        'build-args': `VERSION=${options['version'] ?? 'dev'}`,
        'test-command': '',
        bake: '3s',
        ...Object.fromEntries(Object.entries(options).filter(([name]) => name !== 'version')),
      },
      how,
    )
  }

  /** An image that the registry has already, into all workloads. */
  deploy(
    tag: string,
    options: Readonly<Record<string, string>> = {},
    how: How = {},
  ): Promise<Released> {
    const { image, namespace } = this
    return this.cli('deploy', { image, namespace, tag, bake: '2s', ...options }, how)
  }

  /** Puts back what a run has left. */
  recover(how: How = {}): Promise<Released> {
    return this.cli('recover', { image: this.image, namespace: this.namespace }, how)
  }

  /** Whether a record of an open release, or a holder of its lock, is there. */
  async leftovers(): Promise<readonly string[]> {
    const secrets = await kubectl('-n', this.namespace, 'get', 'secrets', '-o', 'name')
    const lease = [
      '-n',
      this.namespace,
      'get',
      'lease',
      '--ignore-not-found',
      'django-rollout-shop',
    ]
    const holder = await kubectl(...lease, '-o', 'jsonpath={.spec.holderIdentity}')
    return [
      ...secrets.split('\n').filter((name) => name === 'secret/django-rollout-shop'),
      ...(holder === '' ? [] : [`held by ${holder}`]),
    ]
  }

  /** What each workload's template names, by `kind/name`: the tag of the image. */
  async tags(): Promise<Readonly<Record<string, string>>> {
    const kinds = 'deploy,statefulset,cronjob'
    const { items } = await kubectlJson<List>('-n', this.namespace, 'get', kinds)
    return Object.fromEntries(
      items
        .filter(({ metadata }) => metadata.name !== 'postgres')
        .map((object) => [
          `${object.kind.toLowerCase()}/${object.metadata.name}`,
          tagOf(templateOf(object).containers[0]?.image ?? ''),
        ]),
    )
  }

  /** Everything that a release could have changed, as far as people decide it: equal means untouched. */
  async state(): Promise<unknown> {
    const kinds = 'deploy,statefulset,cronjob,service,configmap,secret'
    const { items } = await kubectlJson<List>('-n', this.namespace, 'get', kinds)
    return items
      .filter(
        ({ metadata }) => !['kube-root-ca.crt', 'django-rollout-shop'].includes(metadata.name),
      )
      .map(({ kind, metadata, spec, data }) => ({ kind, name: metadata.name, spec, data }))
  }

  /** Names of the pods of a Deployment or StatefulSet that are not on their way out, sorted. */
  async pods(app: string): Promise<readonly string[]> {
    const { items } = await kubectlJson<List>(
      '-n',
      this.namespace,
      'get',
      'pods',
      '-l',
      `app=${app}`,
    )
    return items
      .filter(({ metadata }) => !metadata.deletionTimestamp)
      .map(({ metadata }) => metadata.name)
      .sort()
  }

  /** Jobs by name, sorted. Those of the shop's CronJob come whenever its time has come, and are no release's. */
  async jobs(): Promise<readonly string[]> {
    const { items } = await kubectlJson<List>('-n', this.namespace, 'get', 'jobs')
    return items
      .filter(({ metadata }) => !metadata.ownerReferences?.some(({ kind }) => kind === 'CronJob'))
      .map(({ metadata }) => metadata.name)
      .sort()
  }

  /** One value from the shop's database. */
  async sql(query: string): Promise<string> {
    const psql = ['psql', '--username=shop', '--dbname=shop', '--tuples-only', '--no-align']
    const args = ['-n', this.namespace, 'exec', 'postgres-0', '--', ...psql, '--command', query]
    return (await kubectl(...args)).trim()
  }

  /** Pushes an image under this tag that is like the one of the other tag, and has a digest of its own. */
  async twin(tag: string, of: string): Promise<void> {
    const input = `FROM ${this.image}:${of}\nLABEL twin=${tag}\n`
    const image = `${this.image}:${tag}`
    await must('docker', ['build', '--quiet', '--tag', image, '-'], { env: stack.env, input })
    await must('docker', ['push', '--quiet', image], { env: stack.env })
  }

  /**
   * Builds an image with these lines in its Dockerfile, and pushes it to each repository; returns its digest. No
   * other namespace has its content: a node that has one content from two repositories names it by any of them.
   */
  async pushImage(
    tag: string,
    lines: string,
    repositories: readonly string[] = [this.image],
  ): Promise<string> {
    const input = `FROM python:3.13-slim\nENV SITE=${this.namespace}\n${lines}\n`
    const names = repositories.map((repository) => `${repository}:${tag}`)
    const tags = names.flatMap((name) => ['--tag', name])
    await must('docker', ['build', '--quiet', ...tags, '-'], { env: stack.env, input })
    const said = await Promise.all(
      names.map((name) => must('docker', ['push', name], { env: stack.env })),
    )
    return /digest: (sha256:[0-9a-f]{64})/.exec(said.join('\n'))?.[1] ?? ''
  }

  /** Whether the registry has the shop's image with this tag. */
  async isPushed(tag: string): Promise<boolean> {
    const args = ['buildx', 'imagetools', 'inspect', `${this.image}:${tag}`]
    return (await run('docker', args, { env: stack.env })).code === 0
  }

  /** Gives the image of a tag in the registry another tag, too. */
  async retag(from: string, to: string): Promise<void> {
    const args = ['buildx', 'imagetools', 'create', '--tag', `${this.image}:${to}`]
    await must('docker', [...args, `${this.image}:${from}`], { env: stack.env })
  }

  /** Where the web answers from outside of the cluster, once it does. */
  async url(): Promise<string> {
    const port = await kubectl(
      ...['-n', this.namespace, 'get', 'service', 'web'],
      ...['-o', 'jsonpath={.spec.ports[0].nodePort}'],
    )
    const url = `http://${stack.address}:${port}`
    await firstAnswer(`${url}/version`)
    return url
  }
}

interface PodSpec {
  readonly containers: readonly { readonly image: string }[]
}

interface Item {
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly deletionTimestamp?: string
    readonly ownerReferences?: readonly { readonly kind: string }[]
  }
  readonly data?: unknown
  readonly spec: {
    readonly template?: { readonly spec: PodSpec }
    readonly jobTemplate?: { readonly spec: { readonly template: { readonly spec: PodSpec } } }
  }
}

interface List {
  readonly items: readonly Item[]
}

function templateOf({ spec }: Item): PodSpec {
  return (spec.template ?? spec.jobTemplate?.spec.template)?.spec ?? { containers: [] }
}

function tagOf(image: string): string {
  return /:([^:@/]+)(@|$)/.exec(image)?.[1] ?? ''
}

/** A migration of the shop's catalog, after another one: `0003_colour`. */
export const catalogMigration = (name: string, after: string, operations: string): Changes => ({
  [`catalog/migrations/${name}.py`]: `from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "${after}")]

    operations = [${operations}]
`,
})

/** A migration of the shop's catalog that the database refuses. */
export const failingMigration = `from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("catalog", "0002_product_weight_grams")]

    operations = [migrations.RunSQL("SELECT no_such_column FROM catalog_product")]
`
