import { expect, test } from '@jest/globals'
import { commandLine } from '../../src/options/command-line.js'
import { readOptions, type RawInputs } from '../../src/options/read.js'

function hint(given: RawInputs): string {
  const reading = readOptions('recover', { image: 'acme/shop', namespace: 'shop', ...given })
  if (reading.is === 'wrong') throw new Error(reading.problems.join())
  return commandLine('recover', reading.settings)
}

test.each<[string, RawInputs, string]>([
  ['nothing unnecessary', {}, ''],
  ['a separate name', { app: 'store' }, ' --app store'],
  ['a path', { kubeconfig: './kc' }, ' --kubeconfig ./kc'],
  ['a path with blanks', { kubeconfig: 'my kc' }, " --kubeconfig 'my kc'"],
  ['content of a kubeconfig', { kubeconfig: 'apiVersion: v1\nkind: Config' }, ''],
  ['the same in one line', { kubeconfig: '{"apiVersion":"v1"}' }, ''],
  ['a context', { 'kube-context': "ada's $cluster" }, " --kube-context 'ada'\\''s $cluster'"],
])('the command line in a hint has %s', (_, given, more) => {
  expect(hint(given)).toBe(`django-rollout recover --image acme/shop --namespace shop${more}`)
})
