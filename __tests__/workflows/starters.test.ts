/** The starter workflows on a git copy of the shop, word for word but for the two values, run by act. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { get, whileAsking } from '../e2e/client.js'
import { Site } from '../e2e/site.js'
import { must, root, run, stack, type Ended } from '../e2e/stack.js'

let shop: Site
/** What `uses: django-rollout/django-rollout@v1` stands for: this checkout's action as it is now. */
let action: string

beforeAll(async () => {
  ;[shop, action] = await Promise.all([Site.make('act'), publish()])
})

afterAll(async () => {
  await shop.remove()
  await rm(action, { recursive: true, force: true })
})

/** A git repository with what a tag of the action holds. */
async function publish(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'action-'))
  for (const name of ['action.yml', 'actions', 'dist']) {
    await cp(join(root, name), join(folder, name), { recursive: true })
  }
  const git = (...args: readonly string[]) =>
    must('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.org', ...args], { cwd: folder })
  await git('init', '--quiet', '--initial-branch=main')
  await git('add', '--all')
  await git('commit', '--quiet', '--message', 'v1')
  return folder
}

/** The starter with image and namespace set, as its first lines tell the user to. */
async function starter(name: string): Promise<string> {
  const text = await readFile(join(root, 'workflows', name), 'utf8')
  return text
    .replace('image: ghcr.io/acme/shop', `image: ${shop.image}`)
    .replace('namespace: shop', `namespace: ${shop.namespace}`)
}

/** The outputs of the release, written down by a step of the user's own. */
const keepOutputs = (step: string) => `
      - if: always()
        env:
          OUTPUTS: \${{ toJSON(steps.${step}.outputs) }}
        run: printf '%s' "$OUTPUTS" > "$OUTPUTS_FILE"
`

async function act(
  event: string,
  args: readonly string[] = [],
): Promise<Ended & { outputs: Outputs }> {
  const home = await mkdtemp(join(tmpdir(), 'act-'))
  const local = ['django-rollout/django-rollout@v1', action].join('=')
  const ended = await run(
    'act',
    [
      ...[event, '--platform', 'ubuntu-latest=-self-hosted', '--local-repository', local],
      ...['--action-cache-path', join(home, 'cache'), '--secret', 'KUBECONFIG'],
      ...['--secret', 'GITHUB_TOKEN', '--actor', 'somebody'],
      ...['--env', `OUTPUTS_FILE=${home}/outputs.json`, ...args],
    ],
    {
      cwd: shop.folder,
      env: {
        ...stack.env,
        KUBECONFIG: await readFile(shop.kubeconfig, 'utf8'),
        GITHUB_TOKEN: 'not-a-real-token',
        XDG_CACHE_HOME: home,
      },
    },
  )
  const json = await readFile(join(home, 'outputs.json'), 'utf8').catch(() => '{}')
  await rm(home, { recursive: true, force: true })
  return { ...ended, outputs: JSON.parse(json) as Outputs }
}

type Outputs = Readonly<Record<string, string>>

async function workflow(name: string, step: string): Promise<string> {
  const text = await starter(name)
  const uses = /( +)- uses: django-rollout\//
  await mkdir(join(shop.folder, '.github/workflows'), { recursive: true })
  const file = join(shop.folder, '.github/workflows', name)
  await writeFile(
    file,
    text.replace(uses, `$1- id: ${step}\n$1  uses: django-rollout/`) + keepOutputs(step),
  )
  return shop.commit(`Add ${name}`, {})
}

describe('the starter workflow deploy.yml', () => {
  let sha: string

  test('releases a push: build, tests with PostgreSQL, push, manifests, migration, rollout', async () => {
    sha = await workflow('deploy.yml', 'release')
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

  test('the same push again is unchanged', async () => {
    const pods = await shop.pods('web')
    const { result: ended, asked } = await whileAsking(await shop.url(), () => act('push'))

    expect(ended).toMatchObject({ code: 0, outputs: { result: 'unchanged', tag: sha } })
    expect(asked.failures).toEqual([])
    expect(await shop.pods('web')).toEqual(pods)
  })

  test('a broken push is undone: the job fails, the cause is an annotation on the file', async () => {
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
  })
})

describe('the starter workflow deploy-image.yml', () => {
  test('a tag that the registry does not have fails at once', async () => {
    await workflow('deploy-image.yml', 'deploy')
    const before = await shop.state()
    const { result: ended, asked } = await whileAsking(await shop.url(), () =>
      act('workflow_dispatch', ['--input', 'tag=no-such-tag']),
    )

    expect(asked.failures).toEqual([])
    expect(ended.code).toBe(1)
    expect(ended.outputs).toMatchObject({
      result: 'failed',
      cause: `the registry has no ${shop.image}:no-such-tag`,
    })
    expect(await shop.state()).toEqual(before)
  })
})

describe('the starter workflow rollback.yml', () => {
  const tags = async () => new Set(Object.values(await shop.tags()))
  const rollback = (to: string, dryRun: boolean) =>
    act('workflow_dispatch', [
      ...['--workflows', '.github/workflows/rollback.yml'],
      ...['--input', `to=${to}`, '--input', `dry-run=${dryRun}`],
    ])
  let first: string
  let second: string

  test('says as a dry run what it would do, and does nothing', async () => {
    first = [...(await tags())][0] ?? ''
    await workflow('rollback.yml', 'rollback')
    second = await shop.commit('The import is gone', {
      'shop/wsgi.py': (old) => old.replace('import shop.telemetry\n', ''),
    })
    expect((await act('push')).outputs).toMatchObject({ result: 'deployed', tag: second })
    const ended = await rollback('previous', true)

    expect(ended).toMatchObject({ code: 0, outputs: { result: 'unchanged', tag: first } })
    expect(ended.output).toContain('dry run: shop would go back to')
    expect(await tags()).toEqual(new Set([second]))
  })

  test('brings the version before back', async () => {
    const { result: ended, asked } = await whileAsking(await shop.url(), () =>
      rollback('previous', false),
    )

    expect(ended).toMatchObject({ code: 0, outputs: { result: 'deployed', tag: first } })
    expect(await tags()).toEqual(new Set([first]))
    expect(asked.failures).toEqual([])
  })

  test('to a version that never was fails at once', async () => {
    const ended = await rollback('999', false)

    expect(ended.code).toBe(1)
    expect(ended.outputs).toMatchObject({
      result: 'usage',
      cause: 'there is nothing to go back to: release 999 is not in the history',
    })
    expect(await tags()).toEqual(new Set([first]))
  })
})
