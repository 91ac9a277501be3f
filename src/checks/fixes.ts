/** Renders how to fix a workload: a command, or lines for the manifest that would revert the command. Pure. */
import { stringify } from 'yaml'
import { idOf } from '../kubernetes/workload.js'
import type { Target } from '../kubernetes/target.js'

/** The command line for these arguments of kubectl, as `Cluster.commandLine` gives it. */
export type Kubectl = (args: readonly string[]) => string

/** Returns the fix. `change`: the part of the object to change. */
export function fixOf({ id, manifest }: Target, change: object, kubectl: Kubectl): string {
  return manifest
    ? `# in the manifest of ${idOf(id)}\n${stringify(change).trim()}`
    : kubectl(['patch', idOf(id), '--patch', JSON.stringify(change)])
}

/** A change of the pod template, where this kind has it. */
export function inTemplate({ id }: Target, spec: object): object {
  const template = { spec: { template: { spec } } }
  return id.kind === 'CronJob' ? { spec: { jobTemplate: template } } : template
}

/** A change of one container. */
export function inContainer(target: Target, name: string, change: object): object {
  return inTemplate(target, { containers: [{ name, ...change }] })
}
