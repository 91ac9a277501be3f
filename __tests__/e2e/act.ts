/** A real workflow runner: whole workflow files of a user's repository, run by act on this machine. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseDocument } from 'yaml'
import { GitHub } from '../support/github.js'
import type { Repository } from './repository.js'
import type { Site } from './site.js'
import { must, root, run, stack, type Ended } from './stack.js'

export type Outputs = Readonly<Record<string, string>>

export interface Ran extends Ended {
  readonly outputs: Outputs
}

/** What a tag of ours holds, besides what only its authors need. */
const published = ['action.yml', 'actions', 'dist', '.github/workflows']

const token = 'not-a-real-token'

export class Act {
  private runs = 0

  private constructor(
    /** What `uses: django-rollout/django-rollout@v1` stands for: a git repository of this checkout as it is now. */
    private readonly ours: string,
    /** Who keeps the deployment records of all runs. */
    readonly github: GitHub,
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
    for (const name of ['release', 'rollback']) {
      const file = join(ours, '.github/workflows', `${name}.yml`)
      await writeFile(file, forAct(await readFile(file, 'utf8')))
    }
    const git = (...args: readonly string[]) =>
      must('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.org', ...args], { cwd: ours })
    await git('init', '--quiet', '--initial-branch=main')
    await git('add', '--all')
    await git('commit', '--quiet', '--message', 'v1')
    return new Act(ours, await GitHub.start({ [token]: 'write' }))
  }

  async remove(): Promise<void> {
    this.github.stop()
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
  ): Promise<Ran> {
    const home = await mkdtemp(join(tmpdir(), 'act-'))
    const local = `django-rollout/django-rollout@v1=${this.ours}`
    const ended = await run(
      'act',
      [
        event,
        '--platform',
        'ubuntu-latest=-self-hosted',
        '--local-repository',
        local,
        '--action-cache-path',
        join(home, 'cache'),
        '--secret',
        'KUBECONFIG',
        '--secret',
        'GITHUB_TOKEN',
        '--actor',
        'somebody',
        '--env',
        `OUTPUTS_FILE=${home}/outputs.json`,
        // act's own variables are of the repository's folder; that GitHub knows one, with one run after the other.
        ...Object.entries(this.github.envOf((this.runs += 1))).flatMap(([name, value]) => [
          '--env',
          `${name}=${value}`,
        ]),
        ...args,
      ],
      {
        cwd: shop.folder,
        env: {
          ...stack.env,
          KUBECONFIG: await readFile(shop.kubeconfig, 'utf8'),
          GITHUB_TOKEN: token,
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
 * A starter as a user has it: image and namespace set, as its first lines tell, and those lines uncommented
 * that begin with one of `extras`. What act does not know yet is left out: `deployment: false`.
 */
export async function starter(
  { image, namespace }: Pick<Site, 'image' | 'namespace'>,
  name: string,
  extras: readonly string[] = [],
): Promise<string> {
  const text = await readFile(join(root, 'workflows', name), 'utf8')
  return extras
    .reduce((before, extra) => before.replaceAll(`# ${extra}: `, `${extra}: `), forAct(text))
    .replaceAll(/(ghcr\.io\/acme|localhost:5000)\/shop/g, image)
    .replaceAll(/(namespace: )shop\b/g, `$1${namespace}`)
}

/**
 * A workflow without the steps that log in to a cloud. `dropped` names what was left out, by `uses` without
 * its version, or by name: the caller has to see that it is these and no others.
 */
export function withoutLogins(
  workflow: string,
  isLogin: (step: Step) => boolean,
): { readonly text: string; readonly dropped: readonly string[] } {
  const document = parseDocument(workflow)
  const { jobs } = document.toJS() as { jobs: Record<string, { steps: readonly Step[] }> }
  const found = Object.entries(jobs).flatMap(([job, { steps }]) =>
    steps.flatMap((step, at) => (isLogin(step) ? [{ job, at, step }] : [])),
  )
  found.toReversed().forEach(({ job, at }) => document.deleteIn(['jobs', job, 'steps', at]))
  const dropped = found.map(({ step }) => step.uses?.replace(/@.*/, '') ?? step.name ?? '')
  return { text: document.toString({ lineWidth: 0 }), dropped }
}

export interface Step {
  readonly name?: string
  readonly uses?: string
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
export function addWorkflow(repository: Repository, name: string, text: string): Promise<string> {
  return repository.commit(`Add ${name}`, { [`.github/workflows/${name}`]: text })
}
