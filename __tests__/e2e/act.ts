/** A real workflow runner: whole workflow files of a user's repository, run by act on this machine. */
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Site } from './site.js'
import { must, root, run, stack, type Ended } from './stack.js'

export type Outputs = Readonly<Record<string, string>>

/** What a tag of ours holds, besides what only its authors need. */
const published = ['action.yml', 'actions', 'dist', '.github/workflows']

export class Act {
  private constructor(
    /** What `uses: django-rollout/django-rollout@v1` stands for: a git repository of this checkout as it is now. */
    private readonly ours: string,
  ) {}

  static async make(): Promise<Act> {
    const ours = await mkdtemp(join(tmpdir(), 'action-'))
    for (const name of published) {
      await cp(join(root, name), join(ours, name), { recursive: true, force: true }).catch(
        (error: unknown) => {
          if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
        },
      )
    }
    const git = (...args: readonly string[]) =>
      must('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.org', ...args], { cwd: ours })
    await git('init', '--quiet', '--initial-branch=main')
    await git('add', '--all')
    await git('commit', '--quiet', '--message', 'v1')
    return new Act(ours)
  }

  async remove(): Promise<void> {
    await rm(this.ours, { recursive: true, force: true })
  }

  /**
   * Runs the workflows of a repository that hear an event. `outputs` is what the step of `keepingOutputs`
   * has written.
   * @param args more of act's own, such as `--input to=previous`
   */
  async run(
    shop: Pick<Site, 'folder' | 'kubeconfig'>,
    event: string,
    args: readonly string[] = [],
  ): Promise<Ended & { readonly outputs: Outputs }> {
    const home = await mkdtemp(join(tmpdir(), 'act-'))
    const local = `django-rollout/django-rollout@v1=${this.ours}`
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
}

/**
 * A starter as a user has it: image and namespace set, as its first lines tell. What act does not know yet
 * is left out: `deployment: false`.
 */
export async function starter(
  shop: Pick<Site, 'image' | 'namespace'>,
  name: string,
): Promise<string> {
  const text = await readFile(join(root, 'workflows', name), 'utf8')
  return forAct(text)
    .replace('image: ghcr.io/acme/shop', `image: ${shop.image}`)
    .replace('namespace: shop', `namespace: ${shop.namespace}`)
}

/** act 0.2.89 refuses `deployment` in a job's environment, which GitHub has since 2026. */
export function forAct(workflow: string): string {
  return workflow.replace(/^ +deployment: false\n/gm, '')
}

/** With a step of the user's own behind our first step, which writes down its outputs. */
export function keepingOutputs(workflow: string, step: string): string {
  const keep = `
      - if: always()
        env:
          OUTPUTS: \${{ toJSON(steps.${step}.outputs) }}
        run: printf '%s' "$OUTPUTS" > "$OUTPUTS_FILE"
`
  const named = workflow.replace(
    /( +)- uses: django-rollout\//,
    `$1- id: ${step}\n$1  uses: django-rollout/`,
  )
  return named + keep
}

/** Puts a workflow into the repository; the commit. */
export async function addWorkflow(shop: Site, name: string, text: string): Promise<string> {
  await mkdir(join(shop.folder, '.github/workflows'), { recursive: true })
  await writeFile(join(shop.folder, '.github/workflows', name), text)
  return shop.commit(`Add ${name}`, {})
}
