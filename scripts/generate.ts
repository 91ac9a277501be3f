/**
 * Writes everything that is made from the table of options: action.yml, the sub-actions, the reusable workflows, the
 * schema, and the tables of README and docs. With --check it writes nothing and exits with 1 when one is stale.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import { exits, helpContent } from '../src/cli/help-content.ts'
import { commandDescriptions } from '../src/options/command-descriptions.ts'
import { actions, commands, type Command } from '../src/options/commands.ts'
import { schema } from '../src/options/schema.ts'
import {
  groups,
  optionsOf,
  table,
  type Group,
  type Option,
  type OptionName,
} from '../src/options/table.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

type ActionCommand = (typeof actions)[number]

const pathOf = (command: ActionCommand) =>
  command === 'release' ? 'action.yml' : `actions/${command}/action.yml`

const outputs: Readonly<Record<string, string>> = {
  result:
    'deployed, done, unchanged, undone, failed, usage, stuck, kept, locked, superseded or cancelled',
  image: 'The image with tag and digest',
  digest: 'Digest of the image: sha256:…',
  tag: 'Tag of the image',
  'previous-tag': 'Tag that ran before',
  migrations: 'Migrations applied by this run, as a JSON list',
  workloads: 'Workloads with from, to, what they run now and seconds, as JSON',
  cause: 'One sentence: why the version did not go live',
  report: 'Path of the JSON report',
  seconds: 'How long the run took',
}

/** What only the action `plan` has; nothing of a release, which it does not make. */
const planOutputs: Readonly<Record<string, string>> = {
  plan: 'Pending migrations and what they break, as JSON (docs/report.md); empty if it is too long',
  verdict: 'safe, unsafe or not known',
}
const ofRelease = ['previous-tag', 'migrations', 'workloads']

const outputsOf = (command: ActionCommand) =>
  command === 'plan'
    ? {
        ...Object.fromEntries(
          Object.entries(outputs).filter(([name]) => !ofRelease.includes(name)),
        ),
        ...planOutputs,
      }
    : outputs

const header =
  '# Made from src/options/table.ts by `npm run generate`: change that file, not this one.\n'

/** No `default`: an input that was not given must differ from one that has the value of the default. */
function describe({ help, default: standard }: Pick<Option<unknown>, 'help' | 'default'>): string {
  return `${help}${standard && standard !== 'false' ? ` (default: ${standard})` : ''}.`
}

function actionYaml(command: ActionCommand): string {
  const path = pathOf(command)
  const up = '../'.repeat(path.split('/').length - 1)
  const inputs = Object.fromEntries(
    optionsOf(command, 'action').map(([name, option]) => [
      name,
      { description: describe(option), required: false },
    ]),
  )
  const hidden = {
    description: 'Which action this is; not to be set.',
    default: command,
  }
  const yaml = stringify(
    {
      name: command === 'release' ? 'django-rollout' : `django-rollout: ${command}`,
      description: commandDescriptions[command],
      author: 'django-rollout contributors',
      branding: { icon: 'upload-cloud', color: 'green' },
      inputs: { ...inputs, ...(command !== 'release' && { command: hidden }) },
      outputs: Object.fromEntries(
        Object.entries(outputsOf(command)).map(([output, text]) => [
          output,
          { description: `${text}.` },
        ]),
      ),
      runs: { using: 'node24', main: `${up}dist/action/index.js`, post: `${up}dist/post/index.js` },
    },
    { lineWidth: 0, singleQuote: true },
  )
  return `${header}${yaml}`
}

interface Reusable {
  readonly command: 'release' | 'rollback'
  /** What a caller has to know first. */
  readonly about: string
  readonly packages: 'read' | 'write'
}

const reusable: readonly Reusable[] = [
  {
    command: 'release',
    about: 'Releases the commit of the calling workflow.',
    packages: 'write',
  },
  {
    command: 'rollback',
    about: 'Rolls back to an earlier version.',
    packages: 'read',
  },
]

/** Inputs of the job, besides the options. */
const ofJob = {
  'runs-on': {
    description: 'Label of the runner.',
    type: 'string',
    default: 'ubuntu-latest',
  },
  environment: {
    description:
      'Environment of the job: its secrets, its approval and its deployment record are used.',
    type: 'string',
    default: 'production',
  },
} as const

/** Where a job can do better than to leave an option out. GitHub's token is for GitHub's own registry, and no other. */
const ownDefaults: Readonly<Record<string, { readonly value: string; readonly help: string }>> = {
  'registry-username': {
    value:
      "${{ inputs.registry-username || startsWith(inputs.image, 'ghcr.io/') && github.actor || '' }}",
    help: 'User name for the registry; default at ghcr.io: the user who started the run',
  },
  'registry-password': {
    value:
      "${{ secrets.REGISTRY_PASSWORD || startsWith(inputs.image, 'ghcr.io/') && github.token || '' }}",
    help: 'Password or token for the registry; default at ghcr.io: the token of the run',
  },
  token: { value: '${{ github.token }}', help: '' },
}

/** As a secret of a repository is named: `REGISTRY_PASSWORD`. */
const secretName = (option: string) => option.toUpperCase().replaceAll('-', '_')

/**
 * A whole release as one job to call. All other names than ours are the caller's: `uses: ./` would be too.
 * https://docs.github.com/en/actions/how-tos/reuse-automations/reuse-workflows
 */
function reusableYaml({ command, about, packages }: Reusable): string {
  // The report is a file of a machine that is discarded.
  const options = optionsOf(command, 'action').filter(([name]) => name !== 'report')
  const told = Object.entries(outputs).filter(([name]) => name !== 'report')
  const workflow = {
    name: `django-rollout: ${command}`,
    on: {
      workflow_call: {
        inputs: {
          ...inputsOfJob(options),
          ...ofJob,
        },
        secrets: secretsOfJob(options),
        outputs: toldByJob(command, told),
      },
    },
    permissions: {},
    jobs: {
      [command]: {
        'runs-on': '${{ inputs.runs-on }}',
        // The release keeps the record itself, of the commit that really runs.
        environment: { name: '${{ inputs.environment }}', deployment: false },
        permissions: rightsOf(packages),
        // GitHub keeps one run of a group waiting and drops the one before: each target has its own group, and a
        // rollback is not dropped for the next release. The lock in the cluster keeps those two apart.
        concurrency: {
          group: `django-rollout-${command}-${[
            'environment',
            'kube-context',
            'config',
            'namespace',
            'image',
          ]
            .map((name) => `\${{ inputs.${name} }}`)
            .join('-')}`,
          'cancel-in-progress': false,
        },
        outputs: Object.fromEntries(
          told.map(([name]) => [name, `\${{ steps.${command}.outputs.${name} }}`]),
        ),
        steps: [
          {
            uses: checkout.uses,
            with: { 'fetch-depth': 0, 'persist-credentials': false },
          },
          {
            id: command,
            uses: `django-rollout/django-rollout${command === 'release' ? '' : `/actions/${command}`}@v1`,
            with: passedOn(options),
          },
        ],
      },
    },
  }
  return workflowText(command, about, workflow)
}

type Given = readonly (readonly [OptionName, Declared])[]

function inputsOfJob(options: Given) {
  const open = options.filter(([name, { secret }]) => !secret && !(name in ofJob))
  return Object.fromEntries(
    open.map(([name, option]) => [
      name,
      {
        description: describe(ownDefaults[name] ?? option),
        // A caller's own boolean is refused by an input that is a text.
        type: option.flag ? 'boolean' : 'string',
      },
    ]),
  )
}

function secretsOfJob(options: Given) {
  const secrets = options.filter(([name, { secret }]) => secret && name !== 'token')
  return Object.fromEntries(
    secrets.map(([name, option]) => [
      secretName(name),
      { description: describe(ownDefaults[name] ?? option), required: false },
    ]),
  )
}

function toldByJob(job: string, told: readonly (readonly [string, string])[]) {
  return Object.fromEntries(
    told.map(([name, text]) => [
      name,
      { description: `${text}.`, value: `\${{ jobs.${job}.outputs.${name} }}` },
    ]),
  )
}

/** Inputs and secrets of the job as inputs of a step. */
function passedOn(options: Given) {
  return Object.fromEntries(
    options.map(([name, { secret }]) => [
      name,
      ownDefaults[name]?.value ??
        (secret ? `\${{ secrets.${secretName(name)} }}` : `\${{ inputs.${name} }}`),
    ]),
  )
}

interface Workflow {
  readonly jobs: Readonly<Record<string, { readonly permissions: unknown }>>
}

function workflowText(command: ActionCommand, about: string, workflow: Workflow): string {
  const yaml = stringify(workflow, { lineWidth: 0, singleQuote: true }).replace(
    checkout.uses,
    `${checkout.uses} # ${checkout.version}`,
  )
  const caller = {
    jobs: {
      [command]: {
        permissions: workflow.jobs[command]?.permissions,
        uses: `django-rollout/django-rollout/.github/workflows/${command}.yml@v1`,
      },
    },
  }
  const call = stringify(caller).trimEnd().replace(/^/gm, '#   ')
  return `${header}#\n# ${about} To be called with these rights, or more:\n${call}\n${yaml}`
}

/** Builds the commit that a merge would make, under a tag that no release uses, and comments its plan. */
function planYaml(): string {
  const used = (command: ActionCommand, ...filled: readonly OptionName[]) =>
    optionsOf(command, 'action').filter(([name]) => ![...filled, 'report'].includes(name))
  const building = used('build', 'tag', 'push')
  // It plans with the cluster.
  const alone = ['needs', 'save-needs', 'test-services', 'test-env'] as const
  const planning = used('plan', 'tag', 'digest', ...alone)
  const options = [...new Map([...building, ...planning])]
  const told = Object.entries(outputsOf('plan')).filter(([name]) => name !== 'report')
  const step = (id: ActionCommand) => `\${{ steps.${id}.outputs.`
  const workflow = {
    name: 'django-rollout: plan',
    on: {
      workflow_call: {
        inputs: { ...inputsOfJob(options), 'runs-on': ofJob['runs-on'] },
        secrets: secretsOfJob(options),
        outputs: toldByJob('plan', told),
      },
    },
    permissions: {},
    jobs: {
      plan: {
        // The Job runs the code of the pull request with the secrets of the web: never that of a fork.
        if: "github.event_name == 'pull_request' && github.event.pull_request.head.repo.full_name == github.repository",
        'runs-on': '${{ inputs.runs-on }}',
        permissions: { contents: 'read', packages: 'write', 'pull-requests': 'write' },
        // One comment: a newer commit ends the plan of the one before.
        concurrency: {
          group: `django-rollout-plan-${[
            'github.event.pull_request.number',
            ...['kube-context', 'config', 'namespace', 'image'].map((name) => `inputs.${name}`),
          ]
            .map((name) => `\${{ ${name} }}`)
            .join('-')}`,
          'cancel-in-progress': true,
        },
        outputs: Object.fromEntries(told.map(([name]) => [name, `${step('plan')}${name} }}`])),
        steps: [
          { uses: checkout.uses, with: { 'persist-credentials': false } },
          {
            id: 'build',
            uses: 'django-rollout/django-rollout/actions/build@v1',
            with: { ...passedOn(building), tag: 'plan-${{ github.sha }}', push: true },
          },
          {
            id: 'plan',
            uses: 'django-rollout/django-rollout/actions/plan@v1',
            with: {
              ...passedOn(planning),
              tag: `${step('build')}tag }}`,
              digest: `${step('build')}digest }}`,
            },
          },
        ],
      },
    },
  }
  return workflowText(
    'plan',
    'Comments on a pull request what its migrations break; not on one of a fork.',
    workflow,
  )
}

/** What the job may do. A caller has to grant as much: GitHub does not start a run that asks for more. */
const rightsOf = (packages: Reusable['packages']) => ({
  contents: 'read',
  packages,
  deployments: 'write',
})

/** As in workflows/deploy.yml. */
const checkout = {
  uses: 'actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8',
  version: 'v5.0.0',
}

type Declared = Option<unknown>
const declared = Object.entries(table) as readonly (readonly [OptionName, Declared])[]

/** Those that a newcomer sets first. */
const firstInputs: readonly OptionName[] = [
  'image',
  'namespace',
  'kubeconfig',
  'registry-username',
  'registry-password',
  'manifests',
  'test-command',
  'test-services',
  'migrate-command',
  'smoke-path',
]

const code = (text: string) => `\`${text}\``

function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [head, head.map(() => '---'), ...rows].map(line).join('\n')
}

/** No cell of a table is wider; `__tests__/docs/pages.test.ts` holds it for all pages. */
const WIDEST_CELL = 100

/** The first clause of a help text: the rest is on the page of all options. */
function brief(help: string): string {
  const [clause = help] = help.split(/; |\. /)
  const fitting = /^.*(?=[,:] )/.exec(clause.slice(0, WIDEST_CELL))
  return clause.length <= WIDEST_CELL ? clause : (fitting?.[0] ?? clause)
}

const standardOf = ({ required, default: standard }: Declared) =>
  required ? 'required' : standard ? code(standard) : ''

/** Options as inputs of an action; `docs` is the way to the pages. */
function inputTable(options: readonly (readonly [OptionName, Declared])[], docs: string): string {
  return markdownTable(
    ['input', 'what it is', 'default'],
    options.map(([name, option]) => [
      `[${code(name)}](${docs}/options.md#${name})`,
      brief(option.help),
      standardOf(option),
    ]),
  )
}

/** All options: an index, and an entry for each, in their groups. */
function optionEntries(): string {
  const inGroups = (Object.entries(groups) as [Group, string][]).map(
    ([group, heading]) =>
      [heading, declared.filter(([, option]) => option.group === group)] as const,
  )
  const index = inGroups.map(
    ([heading, own]) =>
      `- **${heading}**: ${own.map(([name]) => `[${code(name)}](#${name})`).join(', ')}`,
  )
  const entries = inGroups.flatMap(([heading, own]) => [`## ${heading}`, ...own.map(optionEntry)])
  return [index.join('\n'), ...entries].join('\n\n')
}

function optionEntry([name, option]: readonly [OptionName, Declared]): string {
  const { help, example, cliExample, on, only, secret } = option
  const examples = [example, ...(cliExample === undefined ? [] : [cliExample])].map(code)
  const facts = [
    ...(option.required ? ['Required'] : []),
    ...(option.default ? [`Default: ${code(option.default)}`] : []),
    `Example: ${examples.join(' or ')}`,
    `Commands: ${takers(on, only)}`,
    ...(only === undefined ? [] : [only === 'action' ? 'Action only' : 'Command line only']),
    ...(secret ? ['Secret: refused in the options file'] : []),
  ]
  return `### ${code(name)}\n\n${help}.\n\n${facts.join(' · ')}`
}

/** `all`, `all but build`, `release, deploy`: the shortest way to say it. */
function takers(on: readonly Command[], only: Option<unknown>['only']): string {
  // Not every command is an action.
  const all: readonly Command[] = only === 'action' ? actions : commands
  const own = all.filter((one) => on.includes(one))
  const others = all.filter((one) => !on.includes(one))
  if (others.length === 0) return 'all'
  return others.length < 4 && others.length < own.length
    ? `all but ${others.join(', ')}`
    : own.join(', ')
}

/** Each command in a line. */
const commandTable = () =>
  markdownTable(
    ['command', 'what it does'],
    commands.map((name) => [code(name), commandDescriptions[name]]),
  )

const outputTable = () =>
  markdownTable(
    ['output', 'what it is'],
    Object.entries(outputs).map(([name, text]) => [code(name), text]),
  )

const exitCodeTable = () =>
  markdownTable(
    ['exit code', '[result](docs/how-it-works.md#results)', 'meaning'],
    Object.entries(exits).map(([exit, { results, means }]) => [
      exit,
      results.map(code).join(', '),
      means,
    ]),
  )

/** What a step of a pipeline takes from those before it, or from people. */
const handedOver: Readonly<Record<ActionCommand, readonly (readonly [OptionName, string])[]>> = {
  release: [],
  build: [],
  test: [['tag', '${{ steps.build.outputs.tag }}']],
  plan: [
    ['tag', '${{ steps.build.outputs.tag }}'],
    ['digest', '${{ steps.build.outputs.digest }}'],
  ],
  migrate: [
    ['tag', '${{ steps.test.outputs.tag }}'],
    ['digest', '${{ steps.test.outputs.digest }}'],
  ],
  deploy: [
    ['tag', '${{ steps.test.outputs.tag }}'],
    ['digest', '${{ steps.test.outputs.digest }}'],
  ],
  rollback: [['to', 'previous']],
}

/** The README of a sub-action. */
function actionReadme(command: ActionCommand): string {
  const options = optionsOf(command, 'action')
  const needed = options.filter(
    ([name, { required }]) => required === true || name === 'kubeconfig',
  )
  const inputs = [
    ...needed.map(([name, { example }]) => [name, example] as const),
    ...handedOver[command],
  ]
  const step = [
    `- uses: django-rollout/django-rollout/actions/${command}@v1`,
    '  with:',
    ...inputs.map(([name, value]) => `    ${name}: ${value}`),
  ]
  const blocks = [
    '<!-- Made by `npm run generate` from src/options and the help texts: change those, not this file. -->',
    `# django-rollout: ${command}`,
    `${commandDescriptions[command]}.`,
    helpContent[command].steps.map((text, at) => `${at + 1}. ${text}`).join('\n'),
    ['```yaml', ...step, '```'].join('\n'),
    'It is one of the [sub-actions](../../docs/workflows.md#sub-actions). [examples/composite](../../examples/composite) is a pipeline of them.',
    '## Inputs',
    inputTable(options, '../../docs'),
    '## Outputs',
    `${Object.keys(outputs)
      .filter((name) => name in outputsOf(command))
      .map(code)
      .join(', ')}: as [of a release](../../README.md#outputs).`,
    ...(command === 'plan'
      ? [
          Object.entries(planOutputs)
            .map(([name, text]) => `- ${code(name)}: ${text}`)
            .join('\n'),
        ]
      : []),
  ]
  return `${blocks.join('\n\n')}\n`
}

/** What pages hold between `<!-- name -->` and `<!-- /name -->`; people write the rest. */
const generatedParts: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'README.md': {
    inputs: inputTable(
      firstInputs.map((name) => [name, table[name]]),
      'docs',
    ),
    outputs: outputTable(),
    'exit-codes': exitCodeTable(),
  },
  'docs/cli.md': { commands: commandTable() },
  'docs/options.md': { options: optionEntries() },
}

function page(path: string, parts: Readonly<Record<string, string>>): string {
  const text = readFileSync(join(root, path), 'utf8')
  return Object.entries(parts).reduce(
    (soFar, [name, content]) => filled(path, soFar, name, content),
    text,
  )
}

function filled(path: string, text: string, name: string, content: string): string {
  const [start, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
  const from = text.indexOf(start)
  const to = text.indexOf(end)
  if (from < 0 || to < from) throw new Error(`${path} has no place for ${name}: ${start} … ${end}`)
  return `${text.slice(0, from + start.length)}\n\n${content}\n\n${text.slice(to)}`
}

const files = new Map([
  ...actions.map((command) => [pathOf(command), actionYaml(command)] as const),
  ...actions
    .filter((command) => command !== 'release')
    .map((command) => [`actions/${command}/README.md`, actionReadme(command)] as const),
  ...reusable.map((one) => [`.github/workflows/${one.command}.yml`, reusableYaml(one)] as const),
  ['.github/workflows/plan.yml', planYaml()] as const,
  ['django-rollout.schema.json', `${JSON.stringify(schema(), null, 2)}\n`] as const,
  ...Object.entries(generatedParts).map(([path, parts]) => [path, page(path, parts)] as const),
])
const checking = process.argv.includes('--check')
for (const [path, text] of files) {
  const target = join(root, path)
  if (existsSync(target) && readFileSync(target, 'utf8') === text) continue
  if (checking) {
    console.error(`${path} is stale: npm run generate`)
    process.exitCode = 1
  } else {
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, text)
    console.log(path)
  }
}
