import type { Command, Settings } from './table.js'

/** What a person types to have one of our commands for the same application: for hints. */
export function commandLine(
  command: Command,
  { image, namespace, app, 'kube-context': context }: Settings,
  more: Readonly<Record<string, string>> = {},
): string {
  const flags = {
    image,
    namespace,
    ...(app !== undefined && { app }),
    ...(context !== undefined && { 'kube-context': context }),
    ...more,
  }
  const words = Object.entries(flags).map(([name, value]) => `--${name} ${value}`)
  return ['django-rollout', command, ...words].join(' ')
}
