/**
 * The starter workflows for one cluster, on a git copy of the shop: word for word but for the two values, and
 * the two lines that its manifests and its tests want uncommented.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Act, addWorkflow, keepingOutputs, starter } from '../e2e/act.js'
import { get, whileAsking } from '../e2e/client.js'
import { Site } from '../e2e/site.js'
import { seldom } from '../support/seldom.js'

let shop: Site
let runner: Act

beforeAll(async () => {
  ;[shop, runner] = await Promise.all([Site.make('act'), Act.make()])
})

afterAll(() => Promise.all([shop.remove(), runner.remove()]))

const act = (event: string, args?: readonly string[]) => runner.run(shop, event, args)

const workflow = async (name: string, step: string, extras: readonly string[] = []) =>
  addWorkflow(shop, name, keepingOutputs(await starter(shop, name, extras), step))

describe('the starter workflow deploy.yml', () => {
  let sha: string

  test('releases a push with build, tests with PostgreSQL, push, manifests, migration and rollout', async () => {
    sha = await workflow('deploy.yml', 'release', ['manifests', 'test-services'])
    const ended = await act('push')

    expect(ended).toMatchObject({ code: 0 })
    expect(ended.outputs).toMatchObject({ result: 'deployed', tag: sha, cause: '' })
    expect(ended.outputs['image']).toBe(`${shop.image}:${sha}@${ended.outputs['digest'] ?? ''}`)
    expect(ended.output).toContain('21 tests passed')
    expect(ended.output).toMatch(/17 migrations applied/)
    expect(await shop.tags()).toEqual({
      'deployment/web': sha,
      'deployment/worker': sha,
      'cronjob/expire-orders': sha,
    })
    expect(await get(`${await shop.url()}/healthz`)).toContain('ok')
    // The post step has run, and no kubeconfig is left.
    expect(ended.output).toMatch(/Post .*django-rollout\/django-rollout/)
  })

  seldom('ends as unchanged when the same push runs again', async () => {
    const pods = await shop.pods('web')
    const { result: ended, asked } = await whileAsking(await shop.url(), () => act('push'))

    expect(ended).toMatchObject({ code: 0, outputs: { result: 'unchanged', tag: sha } })
    expect(asked.failures).toEqual([])
    expect(await shop.pods('web')).toEqual(pods)
  })

  seldom(
    'undoes a broken push: the job fails, and the cause is an annotation on the file',
    async () => {
      const broken = await shop.commit('wsgi.py imports what is not there', {
        'shop/wsgi.py': (old) => `import shop.telemetry\n${old}`,
      })
      const { result: ended, asked } = await whileAsking(await shop.url(), () => act('push'))
      const { failures, count } = asked
      console.log(`undone by the action: ${count} requests, ${failures.length} failed`)

      expect(ended.code).toBe(1)
      expect(ended.outputs).toMatchObject({ result: 'undone', tag: broken, 'previous-tag': sha })
      expect(ended.outputs['cause']).toContain(
        "web: ModuleNotFoundError: No module named 'shop.telemetry' (shop/wsgi.py:1)",
      )
      expect(ended.output).toMatch(/::error file=shop\/wsgi\.py,line=1,|file=shop\/wsgi\.py/)
      expect(new Set(Object.values(await shop.tags()))).toEqual(new Set([sha]))
      expect(failures).toEqual([])
    },
  )
})

const live = async () => new Set(Object.values(await shop.tags()))
let first: string
let second: string

describe('the starter workflow deploy-image.yml', () => {
  const deploy = (tag: string) =>
    act('workflow_dispatch', [
      '--workflows',
      '.github/workflows/deploy-image.yml',
      '--input',
      `tag=${tag}`,
    ])

  test('fails at once for a tag that the registry does not have', async () => {
    await workflow('deploy-image.yml', 'deploy')
    const before = await shop.state()
    const { result: ended, asked } = await whileAsking(await shop.url(), () =>
      deploy('no-such-tag'),
    )

    expect(asked.failures).toEqual([])
    expect(ended.code).toBe(1)
    expect(ended.outputs).toMatchObject({
      result: 'failed',
      cause: `the registry has no ${shop.image}:no-such-tag`,
    })
    expect(await shop.state()).toEqual(before)
  })

  test('rolls out an image that another pipeline has pushed', async () => {
    first = [...(await live())][0] ?? ''
    second = await shop.commit('The import is gone', {
      'shop/wsgi.py': (old) => `${old.replace('import shop.telemetry\n', '')}\n`,
    })
    expect(await shop.cli('build', { image: shop.image, push: 'true' })).toMatchObject({ code: 0 })
    const { result: ended, asked } = await whileAsking(await shop.url(), () => deploy(second))

    expect(ended).toMatchObject({ code: 0, outputs: { result: 'deployed', tag: second } })
    expect(await live()).toEqual(new Set([second]))
    expect(asked.failures).toEqual([])
  })
})

describe('the starter workflow rollback.yml', () => {
  const rollback = (to: string, dryRun: boolean) =>
    act('workflow_dispatch', [
      '--workflows',
      '.github/workflows/rollback.yml',
      '--input',
      `to=${to}`,
      '--input',
      `dry-run=${dryRun}`,
    ])

  test('prints in a dry run what it would do, and does nothing', async () => {
    await workflow('rollback.yml', 'rollback')
    const ended = await rollback('previous', true)

    expect(ended).toMatchObject({ code: 0, outputs: { result: 'unchanged', tag: first } })
    expect(ended.output).toContain('dry run: shop would roll back to')
    expect(await live()).toEqual(new Set([second]))
  })

  test('restores the previous version', async () => {
    const { result: ended, asked } = await whileAsking(await shop.url(), () =>
      rollback('previous', false),
    )

    expect(ended).toMatchObject({ code: 0, outputs: { result: 'deployed', tag: first } })
    expect(await live()).toEqual(new Set([first]))
    expect(asked.failures).toEqual([])
  })

  test('fails at once for a version that never existed', async () => {
    const ended = await rollback('999', false)

    expect(ended.code).toBe(1)
    expect(ended.outputs).toMatchObject({
      result: 'usage',
      cause: 'there is no version to roll back to: release 999 is not in the history',
    })
    expect(await live()).toEqual(new Set([first]))
  })
})
