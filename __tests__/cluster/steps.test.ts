/** The parts of a release as commands of their own: what one tells the next takes. */
import { createHash, generateKeyPairSync } from 'node:crypto'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { setTimeout as pause } from 'node:timers/promises'
import { failingMigration, Site } from '../e2e/site.js'
import { must, stack } from '../e2e/stack.js'
import { seldom } from '../support/seldom.js'

let shop: Site
let first: string
let second: string
let digest = ''

// The model does not know of it: a test of the shop looks for models without a migration.
const migration = `from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("catalog", "0002_product_weight_grams")]

    operations = [
        migrations.RunSQL("ALTER TABLE catalog_product ADD COLUMN colour text NOT NULL DEFAULT ''"),
    ]
`
const addColour = { 'catalog/migrations/0003_product_colour.py': migration }

beforeAll(async () => {
  shop = await Site.make('steps')
  first = await shop.commit('First', {})
  const released = await shop.release({ bake: '0' })
  expect(released).toMatchObject({ code: 0, report: { result: 'deployed' } })
})

afterAll(() => shop.remove())

const build = (options: Readonly<Record<string, string>> = {}) =>
  shop.cli('build', { image: shop.image, ...options })
const runTests = (options: Readonly<Record<string, string>> = {}) =>
  shop.cli('test', { image: shop.image, 'test-services': 'postgres', ...options })
const migrate = (options: Readonly<Record<string, string>> = {}) =>
  shop.cli('migrate', { image: shop.image, namespace: shop.namespace, ...options })


const column = () =>
  shop.sql("SELECT count(*) FROM information_schema.columns WHERE column_name = 'colour'")

describe('the separate commands', () => {
  test('build leaves the image in the engine, and pushes nothing', async () => {
    second = await shop.commit('A colour', addColour)
    const built = await build()

    expect(built).toMatchObject({ code: 0, report: { result: 'done', tag: second } })
    expect(built.output).toContain(`shop ${second.slice(0, 12)} is built; not pushed yet`)
    expect(await shop.isPushed(second)).toBe(false)
  })

  test('deploy and migrate report where an image is that was not pushed', async () => {
    for (const command of ['deploy', 'migrate']) {
      const ended = await shop.cli(command, { image: shop.image, namespace: shop.namespace })
      expect(ended).toMatchObject({ code: 1, report: { result: 'failed' } })
      expect(ended.report.cause).toMatchObject({
        code: 'image-missing',
        hint: expect.stringContaining(`this machine's engine has it: set "push"`),
      })
    }
  })

  test('test runs in that image, and pushes it when it has passed', async () => {
    const failed = await runTests({ 'test-command': 'false', push: 'true' })
    expect(failed).toMatchObject({ code: 1, report: { result: 'failed' } })
    expect(failed.output).toContain(`✗ shop ${second.slice(0, 12)} did not pass its tests`)
    expect(await shop.isPushed(second)).toBe(false)

    const tested = await runTests({ push: 'true' })
    expect(tested).toMatchObject({ code: 0, report: { result: 'done', tag: second } })
    expect(tested.output).toMatch(/21 tests passed[\s\S]*passed its tests; the registry has it/)
    expect(await shop.isPushed(second)).toBe(true)
  })

  test('build is unchanged the second time, and test uses the image of the registry', async () => {
    expect(await build()).toMatchObject({ code: 0, report: { result: 'unchanged' } })
    await must('docker', ['image', 'rm', '--force', `${shop.image}:${second}`], { env: stack.env })
    const tested = await runTests({ 'test-command': 'true' })
    expect(tested).toMatchObject({ code: 0, report: { result: 'done' } })
    expect(tested.output).toContain('the registry has')
  })

  test('migrate runs the migrations of that image, and touches no pod', async () => {
    const pods = await shop.pods('web')
    const migrated = await migrate()

    expect(migrated).toMatchObject({
      code: 0,
      report: { result: 'done', migrations: ['catalog.0003_product_colour'] },
    })
    expect(migrated.output).toContain(`1 migration applied in namespace ${shop.namespace}`)
    expect(await column()).toBe('1')
    expect(await shop.pods('web')).toEqual(pods)
    expect(await shop.leftovers()).toEqual([])

    expect(await migrate()).toMatchObject({ code: 0, report: { result: 'unchanged' } })
  })

  test('deploy uses the digest of the earlier commands, whatever the tag names now', async () => {
    const { report } = await build()
    digest = report.digest ?? ''
    // Somebody else's push has moved the tag meanwhile.
    const move = ['buildx', 'imagetools', 'create', '--tag', `${shop.image}:${second}`]
    await must('docker', [...move, `${shop.image}:${first}`], { env: stack.env })
    const deployed = await shop.deploy(second, { digest, bake: '0' })

    expect(deployed).toMatchObject({ code: 0, report: { result: 'deployed', digest, migrations: [] } })
    expect(new Set(Object.values(await shop.tags()))).toEqual(new Set([second]))
  })
})

describe('a command that fails:', () => {
  test('migrate reports the cause, and leaves the running version alone', async () => {
    const third = await shop.commit('A migration that fails', {
      'catalog/migrations/0004_fails.py': failingMigration.replace(
        '0002_product_weight_grams',
        '0003_product_colour',
      ),
    })
    expect(await build({ push: 'true' })).toMatchObject({ code: 0, report: { result: 'done' } })
    expect(await shop.isPushed(third)).toBe(true)
    const migrated = await migrate()

    expect(migrated).toMatchObject({ code: 1, report: { result: 'failed' } })
    expect(migrated.output).toContain(`did not migrate namespace ${shop.namespace}`)
    expect(await shop.leftovers()).toEqual([])
  })

  test('migrate that is killed has its Job ended before anything else is done', async () => {
    await shop.commit('A long migration', {
      'catalog/migrations/0004_fails.py': (old) =>
        old.replace(/SELECT no_such_column[^"]*/, 'SELECT pg_sleep(300)'),
    })
    await build({ push: 'true' })
    const sleeping = () =>
      shop.sql("SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(300)'")
    let kill: () => void = () => undefined
    const migrating = shop.cli(
      'migrate',
      { image: shop.image, namespace: shop.namespace },
      { onOutput: (_, end) => (kill = () => { end('SIGKILL') }) },
    )
    while ((await sleeping()) !== '1') await pause(200)
    kill()
    await migrating
    expect(await sleeping()).toBe('1')
    const recovered = await shop.recover()

    expect(recovered.report).toMatchObject({
      result: 'undone',
      restored: [{ object: expect.stringMatching(/^job\/shop-migrate-/), action: 'ended' }],
    })
    // The server goes on with its statement until it looks for its client; nothing of it is committed then.
    const [job = ''] = (recovered.report.restored[0]?.object ?? '').split('/').slice(1)
    expect(await shop.jobs()).not.toContain(job)
    expect(await shop.leftovers()).toEqual([])
  })

  test('deploy reports a digest that the registry does not have', async () => {
    const nobodys = `sha256:${'0'.repeat(64)}`
    const deployed = await shop.deploy(second, { digest: nobodys })
    expect(deployed.report.cause).toMatchObject({
      code: 'image-missing',
      sentence: `the registry has no ${shop.image}@${nobodys}`,
    })
  })

  test('test reports an image that neither the registry nor the engine has', async () => {
    const tested = await runTests({ tag: 'never-built' })
    expect(tested.report.cause?.sentence).toBe(
      `neither the registry nor this machine has ${shop.image}:never-built`,
    )
  })

  test('migrate reports a missing command', async () => {
    expect(await migrate({ 'migrate-command': 'none' })).toMatchObject({
      code: 2,
      report: { result: 'usage' },
    })
  })
})

seldom('without a tag, a machine that has built neither of two builds of a commit asks which one is meant', async () => {
  const commit = await shop.commit('Two builds', {})
  const built = await build({ push: 'true', 'build-args': 'VERSION=one' })
  expect(built).toMatchObject({ code: 0, report: { tag: commit } })
  const { report } = await build({ push: 'true', 'build-args': 'VERSION=two' })
  const { tag } = report
  expect(tag).toMatch(new RegExp(`^${commit}-[0-9a-f]{12}$`))
  const names = [commit, tag].map((one) => `${shop.image}:${one}`)
  await must('docker', ['image', 'rm', '--force', ...names], { env: stack.env })

  const options = { image: shop.image, namespace: shop.namespace }
  for (const ended of [
    await runTests({ 'test-command': 'true' }),
    await shop.cli('deploy', options),
    await shop.cli('migrate', options),
  ]) {
    expect(ended.report.cause).toMatchObject({
      code: 'usage',
      sentence: expect.stringContaining(`the registry has another one as ${commit}-…`),
    })
  }
  expect(await runTests({ tag, 'test-command': 'true' })).toMatchObject({
    report: { result: 'done', tag },
  })
})

describe('a secret of the build', () => {
  const dockerfile = (command: string) => `ARG PYTHON_IMAGE=python:3.13-slim
FROM \${PYTHON_IMAGE}
RUN --mount=type=secret,id=TOKEN,required=true ${command}
`
  const secret = 'line-one-s3cr3t\nline-two-s3cr3t'

  test('is mounted where a RUN takes it, and is in neither the image nor the log', async () => {
    const text = dockerfile('cat /run/secrets/TOKEN && sha256sum /run/secrets/TOKEN >/seen')
    await shop.commit('A secret', { 'secret.Dockerfile': text })
    const options = { image: shop.image, file: 'secret.Dockerfile', 'build-secrets': 'TOKEN' }
    const built = await shop.cli('build', options, { env: { TOKEN: secret } })
    expect(built).toMatchObject({ code: 0, report: { result: 'done' } })
    expect(built.output).not.toContain('s3cr3t')
    const name = `${shop.image}:${built.report.tag}`
    const asked = (...args: string[]) => must('docker', args, { env: stack.env })
    expect(await asked('run', '--rm', name, 'cat', '/seen')).toContain(
      createHash('sha256').update(secret).digest('hex'),
    )
    expect(await asked('history', '--no-trunc', name)).not.toContain('s3cr3t')
  })

  test('that is not given is named, with the option', async () => {
    await shop.commit('No secret', { 'secret.Dockerfile': dockerfile('true') })
    const built = await build({ file: 'secret.Dockerfile' })
    expect(built.report.cause).toMatchObject({
      code: 'build-failed',
      sentence: expect.stringMatching(/failed: secret TOKEN not found/),
      hint: 'Give its value in "build-secrets"',
    })
  })
})

describe('a build with an SSH key', () => {
  const dockerfile = `ARG PYTHON_IMAGE=python:3.13-slim
FROM \${PYTHON_IMAGE}
RUN --mount=type=ssh,required=true test -S "$SSH_AUTH_SOCK"
`
  const options = { file: 'ssh.Dockerfile', 'image-labels': 'team=shop' }

  test('has it where a RUN takes it, and the image has the labels', async () => {
    const key = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
    })
    const path = join(dirname(shop.folder), 'key')
    await writeFile(path, key.privateKey, { mode: 0o600 })
    await shop.commit('A key', { 'ssh.Dockerfile': dockerfile })
    const built = await build({ ...options, 'build-ssh': `default=${path}` })
    expect(built).toMatchObject({ code: 0, report: { result: 'done' } })
    const label = '{{ index .Config.Labels "team" }}'
    const name = `${shop.image}:${built.report.tag}`
    const inspect = ['image', 'inspect', '--format', label, name]
    expect((await must('docker', inspect, { env: stack.env })).trim()).toBe('shop')
  })

  test('that is not given is named, with the option', async () => {
    // What is in the cache would need no key.
    await shop.commit('Another', { 'ssh.Dockerfile': `${dockerfile}RUN --mount=type=ssh,required=true true\n` })
    const built = await build(options)
    expect(built.report.cause).toMatchObject({
      code: 'build-failed',
      hint: 'Set "build-ssh": default, or id=path',
    })
  })
})

test('files of the tests are copied, also where they fail', async () => {
  await shop.commit('Reports', { 'README.md': 'Reports\n' })
  await build()
  const failed = await runTests({
    'test-command': 'mkdir /tmp/reports && echo "<testsuite/>" >/tmp/reports/junit.xml && exit 1',
    'test-services': '',
    'test-files': '/tmp/reports\nmanage.py\nnone.xml',
  })
  expect(failed.report).toMatchObject({
    result: 'failed',
    cause: { code: 'tests-failed' },
    warnings: ['test-files: the tests have not written none.xml'],
  })
  expect(await readFile(join(shop.folder, 'reports/junit.xml'), 'utf8')).toBe('<testsuite/>\n')
  await rm(join(shop.folder, 'reports'), { recursive: true })
})

seldom('a model without its migration is a warning on its line, or fails the tests', async () => {
  const path = 'catalog/models.py'
  const models = await readFile(join(shop.folder, path), 'utf8')
  const at = models.indexOf('class Product(')
  const field = '\n    maker = models.TextField()\n\n    class Meta:'
  const product = models.slice(at).replace(/\n +class Meta:/, field)
  expect(product).toContain(field)
  const sha = await shop.commit('A maker', { [path]: models.slice(0, at) + product })
  await build()
  const change = {
    app: 'catalog',
    changes: ['Add field maker to product'],
    file: path,
    line: models.slice(0, at).split('\n').length,
    fix: 'python manage.py makemigrations catalog',
  }
  const options = { 'test-command': 'true', 'test-services': '' }

  const tested = await runTests(options)
  expect(tested).toMatchObject({ code: 0, report: { result: 'done', modelChanges: [change] } })
  expect(tested.output).toContain(
    'warning: catalog has changes of its models without a migration: Add field maker to product',
  )
  const blocked = await runTests({ ...options, 'missing-migrations': 'block', push: 'true' })
  expect(blocked.report).toMatchObject({
    result: 'failed',
    cause: { code: 'tests-failed', hint: change.fix },
  })
  expect(await shop.isPushed(sha)).toBe(false)
  const allowed = await runTests({ ...options, 'missing-migrations': 'allow' })
  expect(allowed.report.stages.map(({ name }) => name)).toEqual(['image', 'test'])
  await shop.commit('No maker', { [path]: models })
})

describe('the cache of a build', () => {
  const dockerfile = `ARG PYTHON_IMAGE=python:3.13-slim
FROM \${PYTHON_IMAGE}
RUN head -c 8 /dev/urandom | od -x >/made
`
  const docker = (...args: readonly string[]) => must('docker', args, { env: stack.env })
  async function made(options: Readonly<Record<string, string>>) {
    await shop.commit('Built again', { 'cache.Dockerfile': dockerfile, again: JSON.stringify(options) })
    const built = await build({ file: 'cache.Dockerfile', ...options })
    expect(built.report).toMatchObject({ result: 'done' })
    return docker('run', '--rm', `${shop.image}:${built.report.tag}`, 'cat', '/made')
  }

  seldom('is the image that was pushed, with "inline", and nothing with "none"', async () => {
    const first = await made({ cache: 'inline', push: 'true' })
    const list = await fetch(`http://${stack.registry}/v2/${shop.namespace}/shop/tags/list`)
    expect(await list.json()).toMatchObject({ tags: expect.arrayContaining(['buildcache']) })

    const next = await made({ cache: 'inline' })
    expect(next).toBe(first)
    expect(await made({ cache: 'none' })).not.toBe(first)
  })

  test('that the builder cannot write is refused before the build', async () => {
    expect((await build({ cache: 'registry', file: 'cache.Dockerfile' })).report.cause).toMatchObject({
      code: 'usage',
      sentence: expect.stringContaining('needs another builder'),
      hint: expect.stringContaining('docker/setup-buildx-action'),
    })
  })
})

describe('the platforms of a build', () => {
  const file = 'scratch.Dockerfile'
  beforeAll(() => shop.commit('Nothing to run', { [file]: 'FROM scratch\nCOPY manage.py /\n' }))

  seldom('may be one that the engine is not of, and is another build of the commit', async () => {
    const own = await build({ file, push: 'true' })
    const foreign = await build({ file, push: 'true', platforms: 'linux/arm64' })
    expect(foreign.report).toMatchObject({ result: 'done', tag: expect.stringContaining(own.report.tag) })
    const name = `${shop.image}:${foreign.report.tag}`
    const format = '{{.Os}}/{{.Architecture}}'
    const made = await must('docker', ['image', 'inspect', '--format', format, name], { env: stack.env })
    expect(made.trim()).toBe('linux/arm64')
    expect((await build({ file, push: 'true', platforms: 'linux/arm64' })).report).toMatchObject({
      result: 'unchanged',
      digest: foreign.report.digest,
    })
  })

  test('are refused where the builder makes one at a time', async () => {
    const platforms = 'linux/amd64 linux/arm64'
    expect((await build({ file, push: 'true', tag: 'both', platforms })).report.cause).toMatchObject({
      code: 'usage',
      sentence: expect.stringContaining('platforms: an image for several needs another builder'),
      hint: expect.stringContaining('docker buildx create --use'),
    })
  })
})

describe('django-rollout.yml', () => {
  test('sets the options that are not given', async () => {
    const { image, namespace } = shop
    const file = `image: ${image}\nnamespace: ${namespace}\nmanifests: [k8s]\nbake: 0\n`
    await shop.commit('Options', { 'django-rollout.yml': file })
    const ended = await shop.cli('deploy', { tag: second, digest, manifests: '' })
    expect(ended).toMatchObject({ code: 0, report: { result: 'unchanged', namespace, image } })
    expect(await shop.cli('history', {})).toMatchObject({ code: 0, report: { namespace } })
  })

  test('is rejected with the wrong line before anything is done', async () => {
    const wrong = 'image: acme/shop\nnamepsace: shop\nbake: soon\n'
    await shop.commit('Wrong options', { 'django-rollout.yml': wrong })
    const ended = await shop.cli('release', { namespace: shop.namespace })

    expect(ended.code).toBe(2)
    expect(ended.output).toContain(
      'django-rollout.yml, line 2: "namepsace" is not an option; did you mean "namespace"?',
    )
    expect(ended.output).toContain('django-rollout.yml, line 3: "bake" "soon" is not a duration')
  })
})
