/** Rights that the account lacks, and the Role that gives them. Pure. */
import { createHash } from 'node:crypto'
import { stringify } from 'yaml'
import { asRoleRules, rightsInWords, type Right } from '../kubernetes/access.js'
import { error, ok, type Finding } from '../report/finding.js'
import type { Kubectl } from './fixes.js'

/** The rights of an account in one namespace. */
export interface RightsReview {
  /** All that a release needs. */
  readonly all: readonly Right[]
  readonly missing: readonly Right[]
  /** The name by which the API server knows it; unknown to an old server. */
  readonly account: string | undefined
  readonly namespace: string
}

export function rightsFindings(
  { all, missing, account, namespace }: RightsReview,
  kubectl: Kubectl,
): readonly Finding[] {
  const who = account === undefined ? 'the account' : `the account ${account}`
  if (missing.length === 0) {
    return [
      ok('rights', `${who} may do everything that a release does in the namespace "${namespace}"`),
    ]
  }
  const words = rightsInWords(missing)
  const message =
    countOf(missing) === countOf(all)
      ? `${who} has no rights for a release in the namespace "${namespace}", if it exists`
      : `${who} may not ${words} in the namespace "${namespace}"`
  const fix =
    account === undefined
      ? `# in its Role\n${asRoleRules(missing)}`
      : commandFor(missing, account, kubectl)
  return [error('rights', `${message}: an administrator must grant it`, fix)]
}

function countOf(rights: readonly Right[]): number {
  return rights.reduce((sum, { verbs }) => sum + verbs.length, 0)
}

/** Returns a command for an administrator. It makes a separate Role: existing ones stay as they are. */
function commandFor(missing: readonly Right[], account: string, kubectl: Kubectl): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([missing, account]))
    .digest('hex')
  const metadata = { name: `django-rollout-${hash.slice(0, 8)}` }
  const group = 'rbac.authorization.k8s.io'
  const apiVersion = `${group}/v1`
  const rules = likes(missing).map(
    ({ group, resources, limits }) =>
      `    - { apiGroups: ["${group}"], resources: [${resources.join(', ')}], ${limits} }`,
  )
  const binding = {
    apiVersion,
    kind: 'RoleBinding',
    metadata,
    roleRef: { apiGroup: group, kind: 'Role', name: metadata.name },
    subjects: [subjectOf(account, group)],
  }
  // A list and no --- between: the lines may be pasted as they are indented.
  const yaml = [
    'apiVersion: v1',
    'kind: List',
    'items:',
    `- apiVersion: ${apiVersion}`,
    '  kind: Role',
    `  metadata: { name: ${metadata.name} }`,
    '  rules:',
    ...rules,
    stringify([binding]).trim(),
  ].join('\n')
  return `echo '\n${yaml.replaceAll("'", `'\\''`)}\n' | ${kubectl(['apply', '-f', '-'])}`
}

/** Resources of one group with the same names and verbs are one rule. */
function likes(
  rights: readonly Right[],
): readonly { readonly group: string; readonly limits: string; readonly resources: string[] }[] {
  const rules: { group: string; limits: string; resources: string[] }[] = []
  for (const { group, resource, verbs, names } of rights) {
    const named = names === undefined ? '' : `resourceNames: [${names.join(', ')}], `
    const limits = `${named}verbs: [${verbs.join(', ')}]`
    const rule = rules.find((one) => one.group === group && one.limits === limits)
    if (rule) rule.resources.push(resource)
    else rules.push({ group, limits, resources: [resource] })
  }
  return rules
}

/** `system:serviceaccount:shop:django-rollout` */
function subjectOf(account: string, apiGroup: string): object {
  const [, namespace, name] = /^system:serviceaccount:([^:]+):(.+)$/.exec(account) ?? []
  return namespace === undefined
    ? { apiGroup, kind: 'User', name: account }
    : { kind: 'ServiceAccount', name, namespace }
}
