/**
 * Starts an action's main and post as GitHub's runner does: inputs and state as variables, commands through
 * files. act cannot end main by a signal; this can.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { parse } from 'yaml'
import type { Site } from './site.js'
import { root, run, stack, type Ended, type How } from './stack.js'

interface ActionYaml {
  readonly inputs: Readonly<Record<string, { readonly default?: string }>>
  readonly runs: { readonly main: string; readonly post: string }
}

export interface Step {
  main(how?: Pick<How, 'onOutput'>): Promise<Ended>
  post(how?: Pick<How, 'onOutput'>): Promise<Ended>
  /** The runner's temporary folder: must be empty when all is over. */
  readonly temp: string
}

/** `action`: the folder of a sub-action; `variables`: those of the job, and of its workflow run. */
export async function step(
  shop: Pick<Site, 'folder'>,
  inputs: Readonly<Record<string, string>>,
  {
    action: folder = '',
    variables = {},
  }: { readonly action?: string; readonly variables?: Readonly<Record<string, string>> } = {},
): Promise<Step> {
  const place = join(root, folder)
  const action = parse(await readFile(join(place, 'action.yml'), 'utf8')) as ActionYaml
  const home = join(dirname(shop.folder), `runner-${Math.random().toString(36).slice(2)}`)
  const temp = join(home, 'temp')
  await mkdir(temp, { recursive: true })
  const files = Object.fromEntries(
    ['OUTPUT', 'STATE', 'STEP_SUMMARY', 'ENV', 'PATH'].map((name) => [
      `GITHUB_${name}`,
      join(home, name),
    ]),
  )
  await Promise.all(Object.values(files).map((file) => writeFile(file, '')))
  const given = Object.fromEntries(
    Object.entries(action.inputs).map(([name, { default: standard }]) => [
      `INPUT_${name.toUpperCase()}`,
      inputs[name] ?? standard ?? '',
    ]),
  )
  const env = { ...stack.env, ...variables, ...given, ...files, RUNNER_TEMP: temp, CI: 'true' }
  return {
    temp,
    main: (how = {}) =>
      run('node', [join(place, action.runs.main)], { cwd: shop.folder, env, ...how }),
    post: async (how = {}) => {
      const state = readState(await readFile(files['GITHUB_STATE'] ?? '', 'utf8'))
      return run('node', [join(place, action.runs.post)], {
        cwd: shop.folder,
        env: { ...env, ...state },
        ...how,
      })
    },
  }
}

/** A release of a shop's manifests that nothing tests, with its kubeconfig as an input. */
export async function releaseStep(shop: Site): Promise<Step> {
  return step(shop, {
    image: shop.image,
    namespace: shop.namespace,
    manifests: 'k8s',
    'test-command': 'none',
    kubeconfig: await shop.kubeconfigText(),
    bake: '3s',
  })
}

/** `name<<delimiter`, the value's lines, the delimiter. */
function readState(text: string): Readonly<Record<string, string>> {
  const found = [...text.matchAll(/^(\S+?)<<(\S+)\n([\s\S]*?)\n?\2$/gm)]
  return Object.fromEntries(found.map(([, name = '', , value = '']) => [`STATE_${name}`, value]))
}
