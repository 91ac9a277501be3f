/**
 * Reads a .gitlab-ci.yml, as far as ours goes, and says which jobs a pipeline has. What it does not understand
 * is an Error, never left out.
 */
import { parse } from 'yaml'

export type Variables = Readonly<Record<string, string>>

export interface Job {
  readonly name: string
  readonly stage: string
  /** Waits for a person. */
  readonly manual: boolean
  /** Of the file, of the job, and of the rule by which it is in the pipeline. */
  readonly variables: Variables
  /** What the runner's shell gets: before_script and script. */
  readonly lines: readonly string[]
  readonly reports: {
    readonly junit: readonly string[]
    /** Holds variables for the jobs of later stages. */
    readonly dotenv?: string
  }
  readonly environment?: { readonly name: string; readonly url: string }
  readonly resourceGroup?: string
  readonly interruptible: boolean
}

interface Rule {
  readonly if: string
  readonly when?: string
  readonly allow_failure?: boolean
  readonly variables?: Record<string, unknown>
}

interface JobYaml {
  readonly stage: string
  readonly rules: readonly Rule[]
  readonly script: readonly string[]
  readonly variables?: Record<string, unknown>
  readonly needs?: readonly string[]
  readonly artifacts: {
    readonly when: string
    readonly reports: {
      readonly junit: string | readonly string[]
      readonly dotenv?: string
    }
  }
  readonly environment?: { readonly name: string; readonly url: string }
  readonly resource_group?: string
  readonly interruptible?: boolean
}

interface FileYaml {
  readonly stages: readonly string[]
  readonly variables: Record<string, unknown>
  readonly default: { readonly image: string; readonly before_script: readonly string[] }
}

/** The jobs of the pipeline that GitLab would make of these predefined variables, in the order of stages. */
export function jobsOf(text: string, predefined: Variables): readonly Job[] {
  const { stages, variables, default: common, ...jobs } = parse(text) as FileYaml
  only('default', common, ['image', 'before_script'])
  return Object.entries(jobs as unknown as Record<string, JobYaml>)
    .flatMap(([name, job]): Job[] => {
      only(name, job, [
        'stage',
        'rules',
        'script',
        'variables',
        'needs',
        'artifacts',
        'environment',
        'resource_group',
        'interruptible',
      ])
      only(name, job.artifacts, ['when', 'reports'])
      only(name, job.artifacts.reports, ['junit', 'dotenv'])
      if (!stages.includes(job.stage)) throw new Error(`${name}: no stage ${job.stage}`)
      if (job.artifacts.when !== 'always') throw new Error(`${name}: a failed job has no artifacts`)
      const rule = job.rules.find((each) => {
        only(name, each, ['if', 'when', 'allow_failure', 'variables'])
        return holds(each.if, predefined)
      })
      if (!rule) return []
      const manual = rule.when === 'manual'
      if (manual && !rule.allow_failure) throw new Error(`${name}: the pipeline would wait for it`)
      return [
        {
          name,
          stage: job.stage,
          manual,
          variables: {
            ...texts(name, variables),
            ...texts(name, job.variables),
            ...texts(name, rule.variables),
          },
          lines: [...common.before_script, ...job.script],
          reports: {
            junit: [job.artifacts.reports.junit].flat(),
            ...(job.artifacts.reports.dotenv !== undefined && {
              dotenv: job.artifacts.reports.dotenv,
            }),
          },
          ...(job.environment && { environment: job.environment }),
          ...(job.resource_group !== undefined && { resourceGroup: job.resource_group }),
          interruptible: job.interruptible ?? false,
        },
      ]
    })
    .toSorted((one, other) => stages.indexOf(one.stage) - stages.indexOf(other.stage))
}

function only(where: string, what: object, known: readonly string[]): void {
  const strange = Object.keys(what).find((key) => !known.includes(key))
  if (strange !== undefined) throw new Error(`${where}: ${strange} is not understood`)
}

/** `$NAME == "text"` and `$NAME == $OTHER`. */
function holds(condition: string, predefined: Variables): boolean {
  const [, left = '', other, text] =
    /^\$(\w+) == (?:\$(\w+)|"([^"$]*)")$/.exec(condition) ??
    ((): never => {
      throw new Error(`${condition} is not understood`)
    })()
  const right = other === undefined ? text : predefined[other]
  return predefined[left] !== undefined && predefined[left] === right
}

function texts(where: string, variables: Record<string, unknown> = {}): Variables {
  return Object.fromEntries(
    Object.entries(variables).map(([name, value]) => {
      if (typeof value !== 'string' && typeof value !== 'number')
        throw new Error(`${where}: ${name}`)
      if (String(value).includes('$')) throw new Error(`${where}: ${name} would be expanded`)
      return [name, String(value)]
    }),
  )
}
