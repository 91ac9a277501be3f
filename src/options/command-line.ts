import type { Command } from './commands.js'
import { shellQuote } from './shell.js'
import type { Settings } from './table.js'

/** Renders a command of django-rollout for the same application: for hints. */
export function commandLine(
  command: Command,
  { image, namespace, app, kubeconfig, 'kube-context': context }: Settings,
  more: Readonly<Record<string, string>> = {},
): string {
  const flags = {
    image,
    namespace,
    ...(app !== undefined && { app }),
    ...(isPath(kubeconfig) && { kubeconfig }),
    ...(context !== undefined && { 'kube-context': context }),
    ...more,
  }
  const words = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value])
  return ['django-rollout', command, ...words].map(shellQuote).join(' ')
}

/** The content of a kubeconfig is a secret: YAML of many lines, or JSON. */
function isPath(kubeconfig: string | undefined): kubeconfig is string {
  return kubeconfig !== undefined && !/[\n{]/.test(kubeconfig)
}
