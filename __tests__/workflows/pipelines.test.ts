/** Pipelines made of our parts: the reusable workflows, called by a user's own, and the composite example. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Act, addWorkflow, forAct, keepingOutputs, starter, type Outputs } from '../e2e/act.js'
import { whileAsking } from '../e2e/client.js'
import { Site } from '../e2e/site.js'
import { privateRegistry, type FaultyRegistry } from '../e2e/faulty-registry.js'
import { kubectl, root, stack } from '../e2e/stack.js'
import { seldom } from '../support/seldom.js'

let shop: Site
let runner: Act
let first: string

beforeAll(async () => {
  ;[shop, runner] = await Promise.all([Site.make('pipe'), Act.make()])
})

afterAll(() => Promise.all([shop.remove(), runner.remove()]))

const tags = async () => new Set(Object.values(await shop.tags()))

/** A job that writes down what the reusable workflow has told. */
const keepResults = (job: string) => `
  results:
    needs: ${job}
    if: always()
    runs-on: ubuntu-latest
    steps:
      - env:
          OUTPUTS: \${{ toJSON(needs.${job}.outputs) }}
        run: printf '%s' "$OUTPUTS" > "$OUTPUTS_FILE"
`

const caller = (
  name: 'release' | 'rollback',
  on: string,
  given: Readonly<Record<string, string>>,
) => `
on: ${on}
jobs:
  ${name}:
    permissions:
      contents: read
      packages: write
      deployments: write
    uses: django-rollout/django-rollout/.github/workflows/${name}.yml@v1
    with:
${Object.entries({ image: shop.image, namespace: shop.namespace, ...given })
  .map(([option, value]) => `      ${option}: ${value}`)
  .join('\n')}
    secrets:
      KUBECONFIG: \${{ secrets.KUBECONFIG }}
${keepResults(name)}`

/** The outputs of our step in act's log: it runs no job behind a called workflow that has failed. */
const told = (log: string): Outputs =>
  Object.fromEntries(
    [...log.matchAll(/::set-output:: ([a-z-]+)=(.*)$/gm)].map(([, name, value]) => [name, value]),
  ) as Outputs

const act = (workflow: string, event: string, args: readonly string[] = []) =>
  runner.run(shop, event, ['--workflows', `.github/workflows/${workflow}`, ...args])

describe('the reusable workflow release.yml', () => {
  test('releases the commit of its caller, and returns the result', async () => {
    first = await addWorkflow(
      shop,
      'release.yml',
      caller('release', 'push', {
        manifests: 'k8s',
        'test-command': 'none',
        bake: '0',
        'environment-url': 'https://shop.example.com',
      }),
    )
    const ended = await act('release.yml', 'push')

    expect(ended).toMatchObject({ code: 0, outputs: { result: 'deployed', tag: first, cause: '' } })
    expect(await tags()).toEqual(new Set([first]))
    expect(runner.github.shown('production')).toMatchObject([
      { sha: first, states: ['in_progress', 'success'], url: 'https://shop.example.com' },
    ])
  })

  seldom('undoes a failed release, and returns its cause as an output', async () => {
    const broken = await shop.commit('wsgi.py imports what is not there', {
      'shop/wsgi.py': (old) => `import shop.telemetry\n${old}`,
    })
    const { result: ended, asked } = await whileAsking(await shop.url(), () =>
      act('release.yml', 'push'),
    )

    expect(ended.code).toBe(1)
    expect(told(ended.output)).toMatchObject({ result: 'undone', 'previous-tag': first })
    expect(told(ended.output)['cause']).toContain("No module named 'shop.telemetry'")
    expect(await tags()).toEqual(new Set([first]))
    expect(asked.failures).toEqual([])
    expect(runner.github.shown('production')).toMatchObject([
      { sha: broken, states: ['in_progress', 'failure'] },
      { sha: first, states: ['in_progress', 'success'] },
    ])
    await shop.drop()
  })
})

describe('the starter workflow clusters.yml', () => {
  /** Which environment each run of our step was for, and how it ended. */
  const results = (log: string) =>
    [...log.matchAll(/\[release-(\d)\/[^\n]*::set-output:: result=(\w+)/g)].map(
      ([, number, result]) => `${number}: ${result}`,
    )

  test('releases to one cluster after the other, with the same image', async () => {
    // A runner that is no GitHub knows no secrets of environments: both are the same namespace here.
    const own = (await starter(shop, 'clusters.yml')).replace(
      /^( +)namespace:/m,
      '$1test-services: postgres\n$1namespace:',
    )
    const commit = await addWorkflow(shop, 'clusters.yml', own)
    const ended = await act('clusters.yml', 'push')

    expect(ended.code).toBe(0)
    expect(results(ended.output)).toEqual(['1: deployed', '2: unchanged'])
    expect(await tags()).toEqual(new Set([commit]))
  })

  seldom('fails where the first cluster fails', async () => {
    const before = await tags()
    await shop.commit('A module with a typing error', { 'catalog/tests.py': () => 'def\n' })
    const ended = await act('clusters.yml', 'push')

    expect(ended.code).toBe(1)
    // GitHub would leave the second alone; act runs each combination, whatever became of the others.
    expect(results(ended.output)).toEqual(['1: failed', '2: failed'])
    expect(await tags()).toEqual(before)
    await shop.drop()
  })
})

describe('the reusable workflow plan.yml', () => {
  const event = async (fork: string, repository: string): Promise<readonly string[]> => {
    const pull_request = {
      number: 7,
      head: { ref: 'no-weight', repo: { full_name: fork } },
      base: { ref: 'main' },
    }
    const file = join(shop.folder, '../event.json')
    await writeFile(
      file,
      JSON.stringify({ number: 7, pull_request, repository: { full_name: repository } }),
    )
    return ['--eventpath', file]
  }

  test('keeps one comment on the pull request, and leaves the cluster as it is', async () => {
    const text = await starter(shop, 'plan.yml')
    const own = text.replaceAll('PLAN_KUBECONFIG', 'KUBECONFIG')
    await addWorkflow(shop, 'plan.yml', own)
    await shop.commit('No weight', {
      'catalog/models.py': (old) => old.replace(/ +weight_grams = .*\n/, ''),
      'catalog/migrations/0003_no_weight.py': `from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("catalog", "0002_product_weight_grams")]

    operations = [migrations.RemoveField("product", "weight_grams")]
`,
    })
    const strict = own.replace(/^( +)(namespace: .*)$/m, '$1$2\n$1contract: off')
    await addWorkflow(shop, 'plan.yml', strict)
    const before = await shop.state()
    const unsafe = await act('plan.yml', 'pull_request', await event('acme/shop', 'acme/shop'))
    expect(unsafe.code).toBe(1)
    expect(told(unsafe.output)).toMatchObject({ result: 'failed', verdict: 'unsafe' })
    const [first] = runner.github.comments.all.map((comment) => ({ ...comment }))
    expect(first?.body).toMatch(
      /^## ❌ .* a release would be stopped, because a migration is unsafe\n[^]*\| catalog\.0003\\_no\\_weight \| RemoveField \| .* \| unsafe \|/,
    )

    // By default the release after this one applies it.
    await shop.drop()
    const safe = await act('plan.yml', 'pull_request', await event('acme/shop', 'acme/shop'))
    expect(safe).toMatchObject({ code: 0 })
    expect(told(safe.output)).toMatchObject({ verdict: 'safe' })
    expect(runner.github.comments.all).toEqual([
      { ...first, body: expect.stringMatching(/^## ✅ [^]*\*\*Held back:\*\* catalog\.0003/) },
    ])
    expect(await shop.state()).toEqual(before)
    // What the page shows of a product is no part of this commit: nothing else may be released from it.
    await shop.drop()
  })

  test('does nothing for a fork', async () => {
    const asked = runner.github.asked.length
    const ended = await act('plan.yml', 'pull_request', await event('eve/shop', 'acme/shop'))
    expect([ended.code, told(ended.output)]).toEqual([0, {}])
    expect(runner.github.asked).toHaveLength(asked)
  })
})

describe('the reusable workflow rollback.yml', () => {
  let before: Set<string>

  test('restores the previous version', async () => {
    const on = '{ workflow_dispatch: { inputs: { to: { default: previous } } } }'
    before = await tags()
    await addWorkflow(
      shop,
      'rollback.yml',
      caller('rollback', on, { to: '${{ inputs.to }}', bake: '0' }),
    )
    expect(await act('release.yml', 'push')).toMatchObject({ outputs: { result: 'deployed' } })
    const ended = await act('rollback.yml', 'workflow_dispatch', ['--input', 'to=previous'])

    expect(ended).toMatchObject({ code: 0, outputs: { result: 'deployed', tag: [...before][0] } })
    expect(await tags()).toEqual(before)
  })

  test('refuses a version that never existed', async () => {
    const ended = await act('rollback.yml', 'workflow_dispatch', ['--input', 'to=999'])

    expect(ended.code).toBe(1)
    expect(told(ended.output)).toMatchObject({ result: 'usage' })
    expect(await tags()).toEqual(before)
  })
})

describe('the composite example', () => {
  const composite = 'examples/composite/.github'

  let registry: FaultyRegistry
  afterAll(() => {
    registry.close()
  })

  test('builds, checks, tests, migrates and deploys one image, in a registry that requires a login', async () => {
    registry = await privateRegistry('somebody', 'not-a-real-token')
    const image = shop.image.replace(stack.registry, registry.address)
    const [tag = ''] = await tags()
    const inside = ['-n', shop.namespace]
    await kubectl(...inside, 'set', 'image', 'deployment,cronjob', '--all', `*=${image}:${tag}`)
    await kubectl(...inside, 'rollout', 'status', 'deployment/web')
    await cp(join(root, composite, 'actions'), join(shop.folder, '.github/actions'), {
      recursive: true,
    })
    const text = await readFile(join(root, composite, 'workflows/deploy.yml'), 'utf8')
    const own = forAct(text)
      .replace('image: ghcr.io/acme/shop', `image: ${image}`)
      .replace('namespace: shop', `namespace: ${shop.namespace}`)
    const commit = await addWorkflow(shop, 'deploy.yml', keepingOutputs(own, 'release'))
    const ended = await act('deploy.yml', 'push')

    expect(ended).toMatchObject({ code: 0, outputs: { result: 'deployed', cause: '' } })
    expect(ended.outputs['image']).toMatch(new RegExp(`:${commit}@sha256:`))
    expect(ended.output).toContain('No broken requirements found.')
    expect(ended.output).toContain('21 tests passed')
    expect(ended.output).toContain('nothing to migrate')
    expect(await tags()).toEqual(new Set([commit]))
  })

  seldom('does not push an image whose tests fail, and skips the later steps', async () => {
    const before = await tags()
    const commit = await shop.commit('A test fails', {
      'shop/tests.py': (old) =>
        `${old}\n\nclass Wrong(TestCase):\n    def test_wrong(self):\n        self.fail("on purpose")\n`,
    })
    const ended = await act('deploy.yml', 'push')

    expect(ended.code).toBe(1)
    expect(ended.output).not.toMatch(/▸ (plan|rollout)|actions\/(migrate|deploy)@v1 *$/m)
    expect(ended.outputs['cause']).toMatch(/^tests: 1 of 22 failed: .*on purpose/)
    expect(await shop.isPushed(commit)).toBe(false)
    expect(await tags()).toEqual(before)
    await shop.drop()
  })
})
