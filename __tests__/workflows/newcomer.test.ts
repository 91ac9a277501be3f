/**
 * Somebody new, with a project that knows nothing of us and workloads that were made by hand, goes through
 * docs/getting-started.md: its commands are read from there, and run as they stand but for the namespace.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Act, addWorkflow, forAct, keepingOutputs, starter } from '../e2e/act.js'
import { Repository } from '../e2e/repository.js'
import { kubectl, must, root, stack } from '../e2e/stack.js'

const namespace = `t-blog-${Math.random().toString(36).slice(2, 7)}`
const image = `${stack.registry}/${namespace}/blog`
let blog: Repository
let runner: Act
/** What `gh secret set` was given. */
let kubeconfig: string

beforeAll(async () => {
  const home = await mkdtemp(join(tmpdir(), `${namespace}-`))
  blog = new Repository(join(home, 'blog'))
  kubeconfig = join(home, 'KUBECONFIG')
  ;[runner] = await Promise.all([Act.make(), runByHand()])
})

afterAll(async () => {
  await Promise.all([
    kubectl('delete', 'namespace', namespace, '--wait=false'),
    runner.remove(),
    rm(dirname(blog.folder), { recursive: true, force: true }),
  ])
})

/** What they have before they hear of us: an image that was pushed by hand, and workloads without a manifest. */
async function runByHand(): Promise<void> {
  await blog.start('__tests__/workflows/newcomer')
  const docker = (...args: readonly string[]) =>
    must('docker', args, { cwd: blog.folder, env: stack.env })
  await docker('build', '--quiet', '--tag', `${image}:1`, '.')
  await docker('push', '--quiet', `${image}:1`)
  await kubectl('create', 'namespace', namespace)
  const byHand = (...args: readonly string[]) => kubectl('-n', namespace, ...args)
  await byHand('create', 'deployment', 'db', '--image=postgres:17', '--port=5432')
  const account = ['POSTGRES_DB=blog', 'POSTGRES_USER=blog', 'POSTGRES_PASSWORD=secret']
  await byHand('set', 'env', 'deployment/db', ...account)
  await byHand('expose', 'deployment', 'db')
  const address = '--from-literal=DATABASE_URL=postgres://blog:secret@db/blog'
  await byHand('create', 'secret', 'generic', 'blog', address)
  await byHand('rollout', 'status', 'deployment/db', '--timeout=120s')
  const web = [`--image=${image}:1`, '--port=8000', '--replicas=2']
  await byHand('create', 'deployment', 'blog', ...web)
  await byHand('set', 'env', 'deployment/blog', '--from=secret/blog')
  // Without it pods get what others leave: on a busy machine that may be nothing for longer than a bake.
  await byHand('set', 'resources', 'deployment/blog', '--requests=cpu=20m')
  await byHand('expose', 'deployment', 'blog', '--type=NodePort')
  await byHand('rollout', 'status', 'deployment/blog', '--timeout=120s')
}

/** The blocks of shell commands in a section of the page. */
async function commandsOf(section: string): Promise<readonly string[]> {
  const page = await readFile(join(root, 'docs/getting-started.md'), 'utf8')
  const [text = ''] = page.split(`\n## ${section}\n`)[1]?.split('\n## ') ?? []
  return [...text.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, commands = '']) => commands)
}

/** A `gh` that knows one command, and keeps what it is given in a file. */
async function standInForGh(folder: string): Promise<void> {
  const text = `#!/bin/sh\n[ "$*" = 'secret set KUBECONFIG' ] && exec cat > '${kubeconfig}'\n`
  await writeFile(join(folder, 'gh'), text, { mode: 0o755 })
}

const push = () => runner.run({ folder: blog.folder, kubeconfig }, 'push')

const ofBlog = (path: string) =>
  kubectl('-n', namespace, 'get', 'deployment', 'blog', '-o', `jsonpath={${path}}`)
const runs = () => ofBlog('.spec.template.spec.containers[0].image')

/** Without a readinessProbe a pod counts as ready before it answers: so a visitor may have to try again. */
async function frontPage(): Promise<string> {
  const port = ['-n', namespace, 'get', 'service', 'blog', '-o']
  const number = await kubectl(...port, 'jsonpath={.spec.ports[0].nodePort}')
  const until = Date.now() + 30_000
  for (;;) {
    try {
      return await (await fetch(`http://${stack.address}:${number}/`)).text()
    } catch (error) {
      if (Date.now() > until) throw error
      await sleep(200)
    }
  }
}

describe('a new user', () => {
  test('in steps 1 and 2 creates the account and the secret by the commands of the page', async () => {
    const home = dirname(blog.folder)
    const role = await readFile(join(root, 'examples/rbac.yaml'), 'utf8')
    const ofBlog = role.replaceAll('django-rollout-shop', 'django-rollout-blog')
    await writeFile(join(blog.folder, 'rbac.yaml'), ofBlog)
    await standInForGh(home)
    const blocks = [
      ...(await commandsOf('1. Create the account')),
      ...(await commandsOf('2. Store the secret `KUBECONFIG`')),
    ]
    expect(blocks).toHaveLength(2)
    const env = { ...stack.env, PATH: `${home}:${stack.env['PATH'] ?? ''}` }
    const said: string[] = []
    for (const block of blocks) {
      const commands = block.replaceAll(/(-n )shop\b/g, `$1${namespace}`)
      const how = { cwd: blog.folder, env }
      said.push(await must('bash', ['-euo', 'pipefail', '-c', commands], how))
    }
    await rm(join(blog.folder, 'rbac.yaml'))

    expect(said[1]).toContain('\nyes\n')
    // It is the new account and nobody else's, and nothing of it is left in the project.
    const whoAmI = ['auth', 'whoami', '-o', 'jsonpath={.status.userInfo.username}']
    expect(await kubectl(`--kubeconfig=${kubeconfig}`, ...whoAmI)).toBe(
      `system:serviceaccount:${namespace}:django-rollout`,
    )
    expect(await readFile(kubeconfig, 'utf8')).not.toMatch(/client-(key|certificate)/)
    expect(await blog.git('status', '--porcelain')).toBe('')
  })

  let live: string

  test('in step 3 copies the workflow, sets two values, pushes, and the version is live', async () => {
    const original = forAct(await readFile(join(root, 'workflows/deploy.yml'), 'utf8')).split('\n')
    const workflow = await starter({ image, namespace }, 'deploy.yml')
    const set = workflow.split('\n').filter((line, at) => line !== original[at])
    expect(set.map((line) => line.trim())).toEqual([`image: ${image}`, `namespace: ${namespace}`])

    live = await addWorkflow(blog, 'deploy.yml', keepingOutputs(workflow, 'release'))
    const ended = await push()

    expect(ended).toMatchObject({ code: 0, outputs: { result: 'deployed', tag: live } })
    expect(ended.output).toContain('1 test passed')
    expect(ended.outputs['migrations']).toContain('posts.0001_initial')
    expect(await runs()).toBe(ended.outputs['image'])
    expect(await frontPage()).toBe('My blog has 0 posts\n')
    expect(runner.github.active('production')).toEqual([live])
  })

  test('pushes a commit that does not start, and it is undone with its cause', async () => {
    const before = await ofBlog('.spec')
    const broken = await blog.commit('Errors are reported', {
      'blog/wsgi.py': (old) => `${old}\nREPORT_TO = os.environ["REPORT_TO"]\n`,
    })
    const ended = await push()

    expect(ended.code).toBe(1)
    expect(ended.outputs).toMatchObject({
      result: 'undone',
      tag: broken,
      'previous-tag': live,
      cause: expect.stringContaining("blog: KeyError: 'REPORT_TO' (blog/wsgi.py:9)"),
    })
    expect(await ofBlog('.spec')).toBe(before)
    expect(await frontPage()).toBe('My blog has 0 posts\n')
    expect(runner.github.shown('production')[0]).toMatchObject({
      sha: broken,
      states: ['in_progress', 'failure'],
      description: expect.stringContaining("KeyError: 'REPORT_TO'"),
    })
    expect(runner.github.active('production')).toEqual([live])
  })
})
