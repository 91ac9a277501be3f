import { describe, expect, test } from '@jest/globals'
import { Ajv } from 'ajv'
import { readFileOptions } from '../../src/options/file.js'
import { readOptions } from '../../src/options/read.js'
import { schema } from '../../src/options/schema.js'
import { table, type Option, type OptionName } from '../../src/options/table.js'
import { parse } from 'yaml'

const read = (text: string) => readFileOptions('django-rollout.yml', text)
const texts = (text: string) =>
  Object.fromEntries([...read(text).values].map(([name, value]) => [name, value.text]))

describe('the file has the same effect as options', () => {
  test.each<[string, Partial<Record<OptionName, string>>]>([
    ['', {}],
    ['# only words\n', {}],
    ['image: ghcr.io/acme/shop # ours', { image: 'ghcr.io/acme/shop' }],
    ['tag: 1.10', { tag: '1.10' }],
    ['bake: 0', { bake: '0' }],
    ['push: true', { push: 'true' }],
    ['test-command:', {}],
    ["test-command: ''", { 'test-command': '' }],
    ['test-command: |\n  a\n  b\n', { 'test-command': 'a\nb\n' }],
    ['test-services: [postgres, redis]', { 'test-services': 'postgres\nredis' }],
    ['manifests:\n  - k8s\n  - my files/db.yaml', { manifests: 'k8s\nmy files/db.yaml' }],
    ['build-args:\n  VERSION: 1.10\n  A: two words', { 'build-args': 'VERSION=1.10\nA=two words' }],
    ['grace:\n  ConfigMissing: 60s', { grace: 'ConfigMissing=60s' }],
    ['app: &name shop\nnamespace: *name', { app: 'shop', namespace: 'shop' }],
  ])('for %j', (text, values) => {
    expect(read(text).problems).toEqual([])
    expect(texts(text)).toEqual(values)
  })
})

describe('an error in the file is reported with its line', () => {
  test.each([
    ['image: a\n\nnamepsace: b', 'line 3: "namepsace" is not an option; did you mean "namespace"?'],
    ['wholly: else', 'line 1: "wholly" is not an option'],
    ['constructor: x', 'line 1: "constructor" is not an option'],
    ['bake: [1m]', 'line 1: "bake" is a list; it takes one value'],
    [
      'test-env: [A=1]',
      'line 1: "test-env" is a list; it takes a mapping, one NAME: value per line',
    ],
    ['image:\n  name: x', 'line 1: "image" is a mapping; it takes one value'],
    ['manifests:\n  a: b', 'line 1: "manifests" is a mapping; it takes a list'],
    ['manifests: [[a]]', 'line 1: "manifests" has an entry that is not a single line of text'],
    ['test-env: {A: "1\\n2"}', 'line 1: "test-env" has an entry that is not a single line of text'],
    [
      'tag: x\nregistry-password: hunter2',
      'line 2: "registry-password" is a secret, which does not belong in a file of the repository; set it as an input or a flag',
    ],
    ['tag: x\nimage: *shop', 'line 2: "image" names an anchor that does not exist'],
    ['config: other.yml', 'line 1: "config" names this file; it cannot be set in it'],
  ])('for %j', (text, problem) => {
    expect(read(text).problems).toEqual([`django-rollout.yml, ${problem}`])
  })

  test.each([
    ['a: b: c', /^django-rollout\.yml, line 1: is not YAML: /],
    ['image: a\nimage: b', /^django-rollout\.yml, line 2: is not YAML: Map keys must be unique/],
    ['- image', /^django-rollout\.yml: is not a list of options, one "name: value" per line$/],
    ['just words', /^django-rollout\.yml: is not a list of options/],
  ])('for the YAML %j', (text, problem) => {
    expect(read(text).problems).toEqual([expect.stringMatching(problem)])
  })

  test('without showing a secret', () => {
    expect(read('registry-password: hunter2').problems.join()).not.toContain('hunter2')
  })
})

describe('the schema and the readers agree', () => {
  const validate = new Ajv({ strict: true, allowUnionTypes: true }).compile(schema() as object)
  const least = 'image: ghcr.io/acme/shop\nnamespace: shop\n'
  const isRead = (text: string) =>
    (['release', 'build', 'test', 'deploy', 'rollback', 'history'] as const).every(
      (command) => readOptions(command, {}, { file: read(text), surface: 'command' }).is === 'read',
    )

  const valueOf = (example: string) => (example === 'true' ? true : example)

  test.each(
    (Object.entries(table) as [OptionName, Option<unknown>][]).filter(
      ([name, { secret, example }]) => !secret && name !== 'config' && !example.includes('${{'),
    ),
  )('on the example of %s', (name, { example, with: other }) => {
    const needed = other === undefined ? undefined : (table[other as OptionName] as Option<unknown>)
    // A secret cannot stand in the file.
    if (needed?.secret) return
    const pair = other === undefined || !needed ? {} : { [other]: valueOf(needed.example) }
    const value = valueOf(example)
    const { image, namespace } = parse(least) as Record<string, string>
    const all = { image, namespace, ...pair, [name]: value }
    const text = Object.entries(all)
      .map(([key, one]) => `${key}: ${JSON.stringify(one)}`)
      .join('\n')
    expect(validate(all)).toBe(true)
    expect(isRead(text)).toBe(true)
  })

  test.each([
    'manifests: [k8s, more/db.yaml]',
    'test-services: [postgres]',
    'test-services: postgres:15 redis',
    'test-services: [postgres:15, "a=b/c:1 -- curl -f x, y"]',
    'build-args: {VERSION: 1.4}',
    'grace: {Crash: 10s, NotReady: 0}',
    'bake: 0',
    'push: true',
    'dry-run: True',
    'push: FALSE',
    'tag: 12',
    'tag: 1.10',
    'app: 12',
    'target: 3',
    'test-command: true',
    'extra-tags: [12, 1.5]',
    'on-failure: keep',
  ])('to accept %s', (line) => {
    expect(validate(parse(least + line))).toBe(true)
    expect(isRead(least + line)).toBe(true)
  })

  test.each([
    'namepsace: shop',
    'image: shop:1',
    'image: Shop',
    'tag: a b',
    'namespace: Shop',
    'bake: 10',
    'bake: soon',
    'push: maybe',
    'on-failure: explode',
    'test-services: [postgers]',
    'extra-tags: [a/b]',
    'grace: {Crush: 10s}',
    'grace: {Crash: 10}',
    'smoke-path: healthz',
    'smoke-path: 12',
    'namespace: 1.5',
    'namespace: -5',
    'manifests: {a: b}',
    'config: x.yml',
    'registry-password: x',
  ])('to reject %s', (line) => {
    const name = line.slice(0, line.indexOf(':'))
    const rest = least
      .split('\n')
      .filter((one) => !one.startsWith(`${name}:`))
      .join('\n')
    expect(validate(parse(rest + line))).toBe(false)
    expect(isRead(rest + line)).toBe(false)
  })
})
