/** Projects of other shapes than the sample: several images in one repository, an entrypoint that sets the environment, two namespaces on one database, each server of Python. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { cp, rename, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { broken, imageOf, startWeb } from '../e2e/blog.js'
import { catalogMigration, Site } from '../e2e/site.js'
import { kubectl, stack } from '../e2e/stack.js'

const newcomer = '__tests__/workflows/newcomer'

describe('a repository with two images, and the manifests of both in one folder', () => {
  let site: Site

  beforeAll(async () => {
    site = await Site.make('mono', newcomer)
    const old = join(site.folder, '../old')
    await rename(site.folder, old)
    await mkdir(site.folder)
    await rename(join(old, '.git'), join(site.folder, '.git'))
    for (const app of ['api', 'jobs']) await cp(old, join(site.folder, app), { recursive: true })
    await site.commit('Two images', {
      'k8s/api.yaml': deploymentOf('api'),
      'k8s/jobs.yaml': deploymentOf('jobs'),
    })
  })

  afterAll(() => site.remove())

  const release = (app: string, manifests: string) =>
    site.cli('release', {
      image: `${stack.registry}/${site.namespace}/${app}`,
      context: app,
      namespace: site.namespace,
      manifests,
      'migrate-command': 'none',
      'test-command': '',
      bake: '0',
    })
  test('each image is released alone, by its own folder at first, and leaves the workloads of the other', async () => {
    for (const app of ['api', 'jobs']) {
      const { report, output } = await release(app, `k8s/${app}.yaml`)
      expect({ result: report.result, output }).toMatchObject({ result: 'deployed' })
    }
    const before = await imageOf(site.namespace, 'jobs')
    const commit = await site.commit('A change of one', {
      'api/posts/views.py': (old) => `${old}\n# Another.\n`,
    })
    const { report, output } = await release('api', 'k8s')
    expect({ result: report.result, output }).toMatchObject({ result: 'deployed' })
    expect(output).toMatch(/deployment\/jobs .*left/)
    expect(await imageOf(site.namespace, 'api')).toContain(`/api:${commit}@sha256:`)
    expect(await imageOf(site.namespace, 'jobs')).toBe(before)
  })

  test('a broken one is undone alone', async () => {
    const before = {
      api: await imageOf(site.namespace, 'api'),
      jobs: await imageOf(site.namespace, 'jobs'),
    }
    await site.commit('Broken', { 'api/blog/wsgi.py': broken['blog/wsgi.py'] })
    const { report, output } = await release('api', 'k8s')
    expect({ result: report.result, output }).toMatchObject({ result: 'undone' })
    expect(report.cause?.sentence).toMatch(/^api: KeyError: 'REPORT_TO' \(.*blog\/wsgi\.py:9\)$/)
    expect({
      api: await imageOf(site.namespace, 'api'),
      jobs: await imageOf(site.namespace, 'jobs'),
    }).toEqual(before)
  })
})

describe("an entrypoint that makes the database's address", () => {
  let site: Site

  beforeAll(async () => {
    site = await Site.make('entry')
    await site.commit('An entrypoint', {
      // What it sets cannot be read from its text, and it calls manage.py: the Job goes without it.
      entrypoint: `#!/bin/sh
export DATABASE_URL="postgres://shop:$(printf %s "$POSTGRES_PASSWORD")@postgres:5432/shop"
python manage.py check
exec "$@"
`,
      Dockerfile: (old) =>
        old.replace(
          'CMD [',
          'COPY --chmod=755 entrypoint /entrypoint\nENTRYPOINT ["/entrypoint"]\nCMD [',
        ),
      'shop/settings.py': (old) =>
        old.replace(
          /dj_database_url\.config\(\n.*\n/,
          'dj_database_url.parse(\n        os.environ["DATABASE_URL"],\n',
        ),
      'k8s/secret.yaml': (old) => old.replace(/ *DATABASE_URL:.*\n/, ''),
      'k8s/worker.yaml': (old) => old.replace('command: [', 'args: ['),
      'k8s/cronjob.yaml': (old) => old.replace('command: [', 'args: ['),
    })
  })

  afterAll(() => site.remove())

  test('is named where the migration fails without it, with the command that keeps it, which goes through', async () => {
    const without = await site.release()
    expect({ result: without.report.result, output: without.output }).toMatchObject({
      result: expect.stringMatching(/^(undone|failed)$/),
    })
    expect(without.report.cause?.sentence).toContain('DATABASE_URL')
    expect(without.output).toContain(
      '/entrypoint, which starts the web, was skipped (it calls manage.py)',
    )
    const command = /^ *(migrate-command: \/entrypoint .*)$/m.exec(without.output)?.[1] ?? ''
    expect({ command, output: without.output }).toMatchObject({
      command: 'migrate-command: /entrypoint python manage.py migrate --noinput',
    })
    const [, value = ''] = command.split(': ')
    const kept = await site.release({ 'migrate-command': value })
    expect({ result: kept.report.result, output: kept.output }).toMatchObject({
      result: 'deployed',
    })
    expect(await site.sql('SELECT count(*) FROM catalog_product')).toBe('0')
  })
})

describe('two namespaces on one database', () => {
  let one: Site
  let two: Site

  beforeAll(async () => {
    one = await Site.make('base')
    two = await Site.make('onbase')
    await two.commit('The database of another namespace', {
      'k8s/secret.yaml': (old) =>
        old.replace('@postgres:', `@postgres.${one.namespace}.svc.cluster.local:`),
      'k8s/postgres.yaml': '',
    })
  })

  afterAll(async () => {
    await Promise.all([one.remove(), two.remove()])
  })

  test('the second names what the first has applied, and does not take it for its own', async () => {
    for (const site of [one, two]) {
      const { report, output } = await site.release()
      expect({ result: report.result, output }).toMatchObject({ result: 'deployed' })
    }
    const colour = catalogMigration(
      '0003_colour',
      '0002_product_weight_grams',
      'migrations.AddField("product", "colour", models.CharField(max_length=20, null=True))',
    )
    for (const site of [one, two]) await site.commit('A colour', colour)
    const first = await one.release()
    expect({ result: first.report.result, output: first.output }).toMatchObject({
      result: 'deployed',
    })
    expect(first.output).not.toContain('by no run here')
    const second = await two.release()
    expect({ result: second.report.result, output: second.output }).toMatchObject({
      result: 'deployed',
    })
    expect(second.output).toContain(
      'applied already, and by no run here: catalog.0003_colour. Another cluster, namespace or person migrates this database, too',
    )
  })
})

describe('a version that does not start', () => {
  let site: Site
  const tags: { good?: string; broken?: string } = {}

  beforeAll(async () => {
    site = await Site.make('servers', newcomer)
    const commits = {
      good: await site.commit('All servers', {
        'requirements.txt': (old) =>
          `${old}\nuvicorn\ndaphne\nhypercorn\ngranian\nwaitress\npyuwsgi\n`,
        'blog/asgi.py': asgi,
      }),
    }
    await build()
    tags.good = commits.good
    tags.broken = await site.commit('Broken', {
      ...broken,
      'blog/asgi.py': `${asgi}\nREPORT_TO = os.environ["REPORT_TO"]\n`,
    })
    await build()
    await startWeb(site.namespace, `${site.image}:${tags.good}`)
  })

  afterAll(() => site.remove())

  async function build(): Promise<void> {
    const { code, output } = await site.cli('build', { image: site.image, push: 'true' })
    expect({ code, output }).toMatchObject({ code: 0 })
  }

  test.each([
    ['gunicorn', 'gunicorn --bind 0.0.0.0:8000 blog.wsgi', 'wsgi'],
    ['gunicorn --preload', 'gunicorn --preload --bind 0.0.0.0:8000 blog.wsgi', 'wsgi'],
    ['uvicorn', 'uvicorn --host 0.0.0.0 blog.asgi:application', 'asgi'],
    ['daphne', 'daphne -b 0.0.0.0 -p 8000 blog.asgi:application', 'asgi'],
    ['hypercorn', 'hypercorn --bind 0.0.0.0:8000 blog.asgi:application', 'asgi'],
    [
      'granian',
      'granian --host 0.0.0.0 --port 8000 --interface asgi blog.asgi:application',
      'asgi',
    ],
    ['waitress', 'waitress-serve --port=8000 blog.wsgi:application', 'wsgi'],
    ['uWSGI', 'uwsgi --http 0.0.0.0:8000 --module blog.wsgi --master --need-app', 'wsgi'],
    ['uWSGI without --need-app', 'uwsgi --http 0.0.0.0:8000 --module blog.wsgi --master', 'wsgi'],
  ])('is told by its own exception: %s', async (_, command, file) => {
    const container = {
      name: 'web',
      command: command.split(' '),
      image: `${site.image}:${tags.good}`,
    }
    await kubectl(
      ...['-n', site.namespace, 'patch', 'deployment', 'web', '--patch'],
      JSON.stringify({ spec: { template: { spec: { containers: [container] } } } }),
    )
    await kubectl('-n', site.namespace, 'rollout', 'status', 'deployment/web', '--timeout=120s')
    const { report, output } = await site.deploy(tags.broken ?? '', {
      'migrate-command': 'none',
      grace: 'NotReady=40s',
    })
    expect({ result: report.result, output }).toMatchObject({ result: 'undone' })
    // One that serves without its application answers 500: its log has the exception.
    const end = `KeyError: 'REPORT_TO' (blog/${file}.py:9)`
    expect(report.cause?.sentence).toMatch(/^web: /)
    expect(report.cause?.sentence.slice(-end.length)).toBe(end)
  })
})

const asgi = `import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "blog.settings")

application = get_asgi_application()
`

const deploymentOf = (name: string) => `apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}}
spec:
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}}
    spec:
      containers:
        - name: ${name}
          image: ${name}
          readinessProbe: {httpGet: {path: /admin/login/, port: 8000}, periodSeconds: 1, timeoutSeconds: 10}
          resources: {requests: {cpu: 20m}}
`
